package live

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"bty/internal/event"
	"bty/internal/ledger"
	"bty/internal/message"
	"bty/internal/wire"
)

// round tells what happened since the last one. It reports whether there was more than is told
// one by one. What can fail comes first, so that no news is lost with it.
func (l *Live) round() (crowded bool, err error) {
	alarms, err := l.Log.Alarms()
	if err != nil {
		return false, err
	}
	r, err := l.readEvents()
	if err != nil {
		return false, err
	}
	news := l.News.Collect()
	if news.Changed[event.Machine] || news.Changed[event.Catalog] {
		l.stale = true
	}
	r.rest = append(encodeNews(news), hint(news, alarms)...)
	l.all.publish(r)
	if work := slices.DeleteFunc(slices.Clone(news.Workers), func(w wire.WorkerState) bool { return w.Kind == wire.WorkerDoctor }); len(work) > 0 {
		l.workers.publish(round{rest: encodeEach("worker-state-changed", work)})
	}
	return r.crowd != nil, nil
}

// readEvents reads the events after those that were told, and encodes them.
func (l *Live) readEvents() (r round, err error) {
	newest, err := l.Log.Newest()
	if err != nil || newest == l.last {
		return round{upTo: newest}, err
	}
	r.upTo = newest
	if newest < l.last || newest-l.last > roundEvents { // the first: of a database that was restored
		r.crowd = reload(newest)
	} else {
		found, err := l.Log.Events(event.Filter{After: l.last, Before: newest + 1})
		if err != nil {
			return r, err
		}
		if len(found) < int(newest-l.last) {
			r.crowd = reload(0)
		}
		r.events, r.ids, r.ends = encodeEvents(found)
	}
	l.last = newest
	return r, nil
}

// encodeEvents encodes events, newest first, as messages, oldest first.
func encodeEvents(found []event.Event) (messages []byte, ids []event.ID, ends []int) {
	for _, e := range slices.Backward(found) {
		messages = fmt.Appendf(messages, "id: %d\n", e.ID)
		messages = appendMessage(messages, "event", wire.EventOf(e))
		ids, ends = append(ids, e.ID), append(ends, len(messages))
	}
	return messages, ids, ends
}

func encodeNews(news ledger.News) []byte {
	b := encodeEach("progress", news.Progress)
	if news.Lost {
		b = append(b, reload(0)...)
	}
	return append(b, encodeEach("worker", news.Workers)...)
}

// hint says which lists are not any more what they were, and how many events ask for attention.
func hint(news ledger.News, alarms int) []byte {
	if len(news.Changed) == 0 && !news.Marked {
		return nil
	}
	h := wire.StreamHint{Changed: []string{"event"}, Alarms: alarms}
	for _, subject := range slices.Sorted(maps.Keys(news.Changed)) {
		if subject != event.NoSubject {
			h.Changed = append(h.Changed, string(subject))
		}
	}
	return appendMessage(nil, "hint", h)
}

func encodeEach[T any](name string, all []T) (b []byte) {
	for _, one := range all {
		b = appendMessage(b, name, one)
	}
	return b
}

// appendMessage appends a message whose data is JSON. The types are the program's own, which always encode.
func appendMessage(b []byte, name string, v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encode the message %s: %v", name, err))
	}
	return fmt.Appendf(b, "event: %s\ndata: %s\n\n", name, raw)
}

// reload tells a reader to read everything again, and from which event on it will be told.
func reload(upTo event.ID) (b []byte) {
	if upTo > 0 {
		b = fmt.Appendf(b, "id: %d\n", upTo)
	}
	return append(b, "event: reload\ndata: {}\n\n"...)
}

// render renders the fragments once for all readers, if there are any and something has changed.
func (l *Live) render(ctx context.Context) {
	now := time.Now()
	if !l.stale || l.readers.Load() == 0 || now.Sub(l.rendered) < renderEvery {
		return
	}
	l.stale, l.rendered = false, now
	b, err := l.fragments(ctx)
	if err != nil {
		l.stale = true
		l.Journal.Warn("the parts of the pages could not be rendered; the next try follows", message.LiveBehind, "err", err)
		return
	}
	l.pages.publish(round{rest: b})
}

// fragments renders the parts of the pages as messages: a data line for each of their lines.
func (l *Live) fragments(ctx context.Context) (b []byte, err error) {
	all, err := l.Fragments(ctx)
	for _, f := range all {
		b = fmt.Appendf(b, "event: %s\n", f.Name)
		for line := range strings.Lines(f.HTML) {
			b = fmt.Appendf(b, "data: %s\n", strings.TrimRight(line, "\r\n"))
		}
		b = append(b, '\n')
	}
	return b, err
}

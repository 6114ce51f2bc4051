package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"bty/internal/lan"
	"bty/internal/message"
	"bty/internal/wire"
)

const (
	// perBody is how many requests and answers go into one body; bty-web takes 1000 of each.
	perBody = 500
	// perSighting and perAnswer are what one takes in a body as a rule, in bytes.
	perSighting, perAnswer = 320, 400
	// usual is how long what is no news waits for more of its kind.
	usual = 5 * time.Second
	// between is the shortest time from one body to the next: a rack's news come together. It is less than
	// the watcher rests when packets come thick, so that what a round found is sent at its end.
	between = 15 * time.Millisecond
	// sendTime is how long bty-web may take: it may have to start first.
	sendTime = 10 * time.Second
	// retryFirst and retryLast are the pauses while bty-web is away.
	retryFirst, retryLast = 250 * time.Millisecond, 15 * time.Second
)

// reporter sends what has gathered in the batch to bty-web's report socket.
type reporter struct {
	batch *lan.Batch
	log   *slog.Logger
	http  *http.Client

	news, some chan struct{} // of capacity 1: there is something to send, now or in a while
	away       atomic.Bool   // bty-web does not answer
}

func newReporter(socket string, batch *lan.Batch, log *slog.Logger) *reporter {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	return &reporter{
		batch: batch, log: log, news: make(chan struct{}, 1), some: make(chan struct{}, 1),
		http: &http.Client{Timeout: sendTime, Transport: &http.Transport{DialContext: dial, IdleConnTimeout: 30 * time.Second}},
	}
}

// notice says that something was put into the batch.
func (r *reporter) notice(isNews bool) {
	ch := r.some
	if isNews {
		ch = r.news
	}
	select {
	case ch <- struct{}{}:
	default: // it is known already
	}
}

// Run sends until ctx is done, and then what is left if bty-web is there.
func (r *reporter) Run(ctx context.Context) error {
	defer r.http.CloseIdleConnections()
	for sent := (time.Time{}); ; sent = time.Now() {
		if !r.gather(ctx) {
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			r.flush(last)
			return nil
		}
		if rest := between - time.Since(sent); rest > 0 {
			wait(ctx, rest)
		}
		r.flush(ctx)
	}
}

// gather waits until it is time to send; false when the daemon stops.
func (r *reporter) gather(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-r.news:
		return true
	case <-r.some:
	}
	select {
	case <-ctx.Done():
		return false
	case <-r.news:
	case <-time.After(usual):
	}
	return true
}

// flush sends all there is, and waits for bty-web as long as that takes. A body that is too large,
// which anybody can bring about who sends long options, is sent in parts: machines are in it, too.
func (r *reporter) flush(ctx context.Context) {
	pause, most := retryFirst, perBody
	for ctx.Err() == nil {
		o := r.batch.Take(most)
		if len(o.Sightings)+len(o.Answers) == 0 {
			return
		}
		err := r.send(ctx, o)
		switch {
		case err == nil:
			if r.away.Swap(false) {
				r.log.Info("bty-web takes reports again", message.ReportsBack)
			}
			pause = retryFirst
		case errors.Is(err, errTooLarge) && most > 1:
			r.batch.Return(o)
			most = (most + 1) / 2
		case errors.As(err, new(refusal)):
			r.log.Error("bty-web refused what was seen; it is dropped", message.ReportsRefused, "sightings", len(o.Sightings), "answers", len(o.Answers), "err", err)
		default:
			r.batch.Return(o)
			if !r.away.Swap(true) {
				r.log.Warn("bty-web does not take reports; they are kept until it does", message.ReportsAway, "err", err)
			}
			wait(ctx, pause)
			pause = min(2*pause, retryLast)
		}
	}
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// refusal is an answer that another try would not change.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

var errTooLarge = errors.New("too much at one time")

func (r *reporter) send(ctx context.Context, o wire.Observations) error {
	body := o.AppendJSON(make([]byte, 0, perSighting*len(o.Sightings)+perAnswer*len(o.Answers)+100))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://report/sightings", bytes.NewReader(body))
	if err != nil {
		return refusal{err}
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := r.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	why, _ := io.ReadAll(io.LimitReader(res.Body, 500))
	if res.StatusCode/100 == 2 {
		return nil
	}
	err = fmt.Errorf("POST /sightings: %s: %s", res.Status, bytes.TrimSpace(why))
	if res.StatusCode == http.StatusRequestEntityTooLarge {
		err = fmt.Errorf("%w: %w", errTooLarge, err)
	}
	if res.StatusCode/100 == 4 {
		return refusal{err}
	}
	return err
}

// status is what people should know of the reports, "" if all is well.
func (r *reporter) status() (text string) {
	if r.away.Load() {
		text = "; bty-web does not take reports"
	}
	if n := r.batch.Lost(); n > 0 {
		text += fmt.Sprintf("; %d not reported for want of room", n)
	}
	return text
}

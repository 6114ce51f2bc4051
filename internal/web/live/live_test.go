package live

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bty/internal/event"
	"bty/internal/ledger"
	"bty/internal/machine"
	"bty/internal/store"
	"bty/internal/web/serve"
	"bty/internal/wire"
)

// stored hands the real store to the audit log.
type stored struct{ *store.Store }

func (s stored) View(fn func(ledger.Tx) error) error {
	return s.Store.View(func(tx *store.Tx) error { return fn(tx) })
}

func (s stored) Update(ctx context.Context, fn func(ledger.Tx) error) error {
	return s.Store.Update(ctx, func(tx *store.Tx) error { return fn(tx) })
}

// site is the streams of a real audit log, behind a real server.
type site struct {
	testing.TB
	ledger.Book
	live     *Live
	url      string
	renders  atomic.Int32
	signedIn atomic.Bool
}

func newSite(t testing.TB) *site {
	t.Helper()
	db, err := store.Open(filepath.Join(t.TempDir(), "bty.db"), "test")
	if err != nil {
		t.Fatal(err)
	}
	go db.Run(context.Background())
	t.Cleanup(func() { _ = db.Close() })
	log := slog.New(slog.DiscardHandler)
	s := &site{TB: t, Book: ledger.Book{Store: stored{db}, Ledger: ledger.New(log)}}
	s.signedIn.Store(true)
	s.live, err = New(Config{Serve: serve.Adapter{Log: log, Strangers: s.Ledger.Strangers()}, Log: s.Book, News: s.Ledger, Journal: log, Fragments: s.fragments})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = s.live.Run(ctx) }()
	mux := http.NewServeMux()
	s.live.Register(mux, func(*http.Request) error {
		if !s.signedIn.Load() {
			return errors.New("signed out")
		}
		return nil
	})
	server := httptest.NewServer(mux)
	s.url = server.URL
	t.Cleanup(func() { server.CloseClientConnections(); server.Close(); cancel(); <-ended })
	return s
}

func (s *site) fragments(context.Context) ([]Fragment, error) {
	n := s.renders.Add(1)
	return []Fragment{{"machines-update", fmt.Sprintf("<tr>\r\n<td>%d</td>\n</tr>", n)}, {"dashboard-machine", ""}}, nil
}

func (s *site) happens(n int) {
	s.Helper()
	var work sync.WaitGroup
	for range n {
		work.Go(func() {
			if err := s.Record(context.Background(), event.Event{Kind: event.PXEOffered, SubjectKind: event.Machine, SubjectID: "52:54:00:00:00:01"}); err != nil {
				s.Error(err)
			}
		})
	}
	work.Wait()
}

// received is one message of a stream.
type received struct {
	id   event.ID
	name string
	data string
}

// read opens a stream. Its messages come until it ends; done ends it.
func (s *site) read(path, lastID string) (messages <-chan received, done func()) {
	s.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, "GET", s.url+path, nil)
	if err != nil {
		s.Fatal(err)
	}
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != 200 {
		s.Fatal(resp.Status, err)
	}
	all := make(chan received, 8192)
	go func() { defer close(all); defer resp.Body.Close(); parse(resp.Body, all) }()
	return all, cancel
}

func parse(r io.Reader, to chan<- received) {
	var m received
	for lines := bufio.NewScanner(r); lines.Scan(); {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "":
			if m != (received{}) {
				to <- m
			}
			m = received{}
		case "id":
			id, _ := strconv.ParseUint(value, 10, 64)
			m.id = event.ID(id)
		case "event":
			m.name = value
		case "data":
			m.data += value + "\n"
		}
	}
}

// next is the next message of one of these names.
func (s *site) next(messages <-chan received, names ...string) received {
	s.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case m, open := <-messages:
			if !open {
				s.Fatal("the stream ended")
			}
			for _, name := range names {
				if m.name == name {
					return m
				}
			}
		case <-deadline:
			s.Fatalf("no message %v", names)
		}
	}
}

// Each of many readers gets every event once, in order, while writers are at work beside them; and
// those that reconnect at any point get exactly what they lack.
func TestOrderWithoutHoles(t *testing.T) {
	s := newSite(t)
	const readers, events = 64, 400
	var streams []<-chan received
	for range readers {
		m, _ := s.read("/api/v1/stream", "")
		streams = append(streams, m)
	}
	s.happens(events)
	for i, m := range streams {
		for want := event.ID(1); want <= events; want++ {
			if got := s.next(m, "event", "reload"); got.name == "reload" || got.id != want {
				t.Fatalf("reader %d: %s %d, want event %d", i, got.name, got.id, want)
			}
		}
	}
	again, _ := s.read("/api/v1/stream", "150")
	s.happens(10)
	for want := event.ID(151); want <= events+10; want++ {
		if got := s.next(again, "event", "reload"); got.name == "reload" || got.id != want {
			t.Fatalf("resumed: %s %d, want event %d", got.name, got.id, want)
		}
	}
}

// Readers that come and go while events pour in miss none and get none twice.
func TestJoinAtAnyMoment(t *testing.T) {
	s := newSite(t)
	s.happens(1)
	writing := make(chan struct{})
	go func() {
		defer close(writing)
		for range 60 {
			s.happens(5)
			time.Sleep(10 * time.Millisecond)
		}
	}()
	last := event.ID(1)
	for range 12 {
		m, done := s.read("/api/v1/stream", fmt.Sprint(last))
		for range 3 {
			got := s.next(m, "event", "reload")
			if got.name == "reload" || got.id != last+1 {
				t.Fatalf("%s %d follows %d", got.name, got.id, last)
			}
			last = got.id
		}
		done()
	}
	<-writing
}

// More than is told one by one comes as one "reload", from whose ID on nothing is missing.
func TestCrowd(t *testing.T) {
	s := newSite(t)
	m, _ := s.read("/api/v1/stream", "")
	for range 5 { // until more come in one round than it tells one by one
		s.happens(2 * roundEvents)
	}
	var got received
	for got = s.next(m, "event", "reload"); got.name == "event"; got = s.next(m, "event", "reload") {
	}
	last := got.id
	if last == 0 {
		t.Fatal("reload without an ID")
	}
	s.happens(1)
	for want := last + 1; ; want++ {
		newest, err := s.Newest()
		if err != nil {
			t.Fatal(err)
		}
		got := s.next(m, "event", "reload")
		if got.name == "reload" {
			want = got.id
		} else if got.id != want {
			t.Fatalf("event %d, want %d", got.id, want)
		}
		if want == newest {
			return
		}
	}
}

// A reader that was away for too long, or saw another database, or lacks events that are gone, is
// told to read everything again.
func TestResume(t *testing.T) {
	s := newSite(t)
	s.happens(catchUp + 10)
	for _, id := range []string{"5", "9999", "-1", "nonsense"} {
		m, done := s.read("/api/v1/stream", id)
		if got := s.next(m, "event", "reload"); got.name != "reload" || got.id != catchUp+10 {
			t.Errorf("%s: %+v", id, got)
		}
		done()
	}
	err := s.Store.Update(context.Background(), func(tx ledger.Tx) error { return tx.DeleteEvent(catchUp + 5) })
	if err != nil {
		t.Fatal(err)
	}
	m, _ := s.read("/api/v1/stream", fmt.Sprint(catchUp+3))
	if got := s.next(m, "event", "reload"); got.name != "reload" {
		t.Errorf("%+v", got)
	}
	if got := s.next(m, "event", "reload"); got.id != catchUp+4 {
		t.Errorf("%+v", got)
	}
	if got := s.next(m, "event", "reload"); got.id != catchUp+6 {
		t.Errorf("%+v", got)
	}
}

// A reader that takes in nothing holds no other up.
func TestSlowReader(t *testing.T) {
	s := newSite(t)
	slow, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	if err := slow.(*net.TCPConn).SetReadBuffer(1024); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(slow, "GET /api/v1/stream HTTP/1.1\r\nHost: x\r\n\r\n")
	m, _ := s.read("/api/v1/stream", "")
	long := strings.Repeat("x", 4000)
	for i := range event.ID(2000) {
		if err := s.Record(context.Background(), event.Event{Kind: event.PXEOffered, Summary: long}); err != nil {
			t.Fatal(err)
		}
		if i%400 == 0 { // the other one keeps up
			for got := s.next(m, "event", "reload"); got.id <= i; got = s.next(m, "event", "reload") {
			}
		}
	}
}

// What is missed by a reader that is many rounds behind is said with the ID from which on it is told.
func TestBehind(t *testing.T) {
	top := newTopic(7)
	from := top.end()
	for i := range event.ID(maxRounds + 1) {
		top.publish(round{upTo: 8 + i})
	}
	if rounds, next, upTo, missed, _ := top.since(from); !missed || len(rounds) != 0 || next != maxRounds+1 || upTo != 8+maxRounds {
		t.Errorf("%d rounds, next %d, up to %d, missed %v", len(rounds), next, upTo, missed)
	}
	if rounds, _, _, missed, _ := top.since(1); missed || len(rounds) != maxRounds || rounds[0].upTo != 9 {
		t.Errorf("%d rounds, missed %v", len(rounds), missed)
	}
}

func TestNewsIsTold(t *testing.T) {
	s := newSite(t)
	all, _ := s.read("/api/v1/stream", "")
	workers, _ := s.read("/events/workers", "")
	for _, status := range []string{"queued", "running", "done"} {
		s.Ledger.Worker("backup", "b1", status)
		want := fmt.Sprintf(`{"kind":"backup","key":"b1","status":%q}`+"\n", status)
		if got := s.next(workers, "worker-state-changed"); got.data != want || got.id != 0 {
			t.Errorf("%+v, want %s", got, want)
		}
		if got := s.next(all, "worker"); got.data != want {
			t.Errorf("%+v, want %s", got, want)
		}
	}
	s.Ledger.Progress(machine.MAC{0x52, 0x54}, wire.Progress{Stage: "write", Bytes: 1, Total: 2, Rate: 3})
	if got := s.next(all, "progress"); got.data != `{"mac":"52:54:00:00:00:00","stage":"write","bytes":1,"total":2,"rate":3}`+"\n" {
		t.Errorf("%+v", got)
	}
	err := s.Record(context.Background(), event.Event{Kind: event.MachineStuck, SubjectKind: event.Machine, SubjectID: "52:54:00:00:00:00"})
	if err != nil {
		t.Fatal(err)
	}
	if got := s.next(all, "hint"); got.data != `{"changed":["event","machine"],"alarms":1}`+"\n" {
		t.Errorf("%+v", got)
	}
	if err := s.Acknowledge(context.Background(), 1); err != nil {
		t.Fatal(err)
	}
	if got := s.next(all, "hint"); got.data != `{"changed":["event"],"alarms":0}`+"\n" {
		t.Errorf("%+v", got)
	}
}

// Parts of pages come at once and then at most once a second, rendered once for all readers.
func TestFragments(t *testing.T) {
	s := newSite(t)
	var streams []<-chan received
	for range 5 {
		m, _ := s.read("/events/machines", "")
		if got := s.next(m, "machines-update"); !strings.HasPrefix(got.data, "<tr>\n<td>") {
			t.Errorf("%+v", got)
		}
		streams = append(streams, m)
	}
	s.happens(1)
	begun, before := time.Now(), s.renders.Load()
	for n := range 2 {
		for _, m := range streams {
			s.next(m, "machines-update")
		}
		if n == 0 {
			s.happens(50)
		}
	}
	if most := int32(time.Since(begun)/renderEvery) + 2; s.renders.Load()-before > most {
		t.Errorf("rendered %d times in %s", s.renders.Load()-before, time.Since(begun))
	}
}

func TestTooManyReaders(t *testing.T) {
	s := newSite(t)
	s.live.readers.Store(maxReaders)
	resp, err := http.Get(s.url + "/api/v1/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != 503 || !strings.Contains(string(body), "live streams are open") {
		t.Errorf("%s %s", resp.Status, body)
	}
	if n := s.live.readers.Load(); n != maxReaders {
		t.Errorf("%d readers are counted", n)
	}
}

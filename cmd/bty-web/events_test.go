package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestEvents(t *testing.T) {
	a := start(t, nil)
	a.live()
	for i := range 60 {
		a.anonymous("GET", fmt.Sprintf("/pxe/52:54:00:00:01:%02x", i), nil).is(t, 200)
	}
	a.anonymous("POST", "/pxe/52:54:00:00:01:00/status", jsonText(`{"status":"failed"}`))
	all := a.events("limit=500")
	newest := all[0]["id"].(float64)
	for i, e := range all {
		if e["id"] != newest-float64(i) {
			t.Fatalf("event %d has ID %v", i, e["id"])
		}
		if keys(e) != "acknowledged actor details id kind source_ip subject_id subject_kind summary ts" {
			t.Fatalf("keys %s", keys(e))
		}
	}
	count := func(query string, want int) {
		t.Helper()
		if got := len(a.events(query)); got != want {
			t.Errorf("%s: %d events, want %d", query, got, want)
		}
	}
	count("", 50)
	count("limit=0", 1)
	count("limit=-5", 1)
	count("limit=100000", len(all))
	count("kind=machine.discovered&limit=500", 60)
	count("kind=", 0)
	count("failed=1", 1)
	count("failed=0", 1)
	count("failed=", 50)
	count("actor=pxe-client&source_ip=127.0.0.1&limit=500", len(all)-1) // all but the sign-in
	count("source_ip=", 0)
	count("subject_kind=machine&subject_id=52:54:00:00:01:05", 2)
	count("subject_id=52:54:00:00:01:05&kind=machine.discovered", 1)
	if page := a.events(fmt.Sprintf("limit=10&before_id=%.0f", newest-9)); len(page) != 10 || page[0]["id"] != newest-10 {
		t.Errorf("%v", page)
	}
	for _, query := range []string{"limit=x", "limit=", "before_id=1.5", "limit=99999999999999999999"} {
		if p := problems(t, a.do("GET", "/events?"+query, nil).is(t, 422))[0]; p["type"] != "int_parsing" {
			t.Errorf("%v", p)
		}
	}
	for range 2 {
		if r := a.do("POST", "/events/1/ack", nil).is(t, 200); r.body != `{"id":1,"acknowledged":true}` {
			t.Error(r.body)
		}
	}
	if e := a.events("before_id=2"); e[0]["acknowledged"] != true {
		t.Errorf("%v", e)
	}
	a.do("POST", "/events/99999/ack", nil).is(t, 404, "no event with id 99999")
	a.do("POST", "/events/x/ack", nil).is(t, 422)
	a.do("POST", "/events/-1/ack", nil).is(t, 422)
}

func TestForwardedFor(t *testing.T) {
	a := start(t, nil)
	a.anonymous("GET", "/pxe/"+mac1, nil, "X-Forwarded-For", "9.9.9.9")
	if ip := a.machine(mac1)["last_seen_ip"]; ip != "127.0.0.1" {
		t.Errorf("%v", ip)
	}
	proxied := start(t, map[string]string{"BTY_SERVER_TRUSTED_PROXY": "127.0.0.1"})
	for header, want := range map[string]string{"9.9.9.9, 10.0.0.1": "10.0.0.1", "::ffff:1.2.3.4": "1.2.3.4", "2001:DB8:0:0::1": "2001:db8::1", "nonsense": "127.0.0.1"} {
		proxied.anonymous("GET", "/pxe/"+mac1, nil, "X-Forwarded-For", header)
		if ip := proxied.machine(mac1)["last_seen_ip"]; ip != want {
			t.Errorf("%s: %v", header, ip)
		}
	}
}

// streamed is one server-sent event.
type streamed struct{ id, name, data, comment, retry string }

// stream opens the live stream; its messages come until ctx ends or the server ends it.
func (a *appliance) stream(ctx context.Context, lastID string) (<-chan streamed, *http.Response) {
	a.Helper()
	return a.listen(ctx, "/api/v1/stream", lastID)
}

// listen opens a stream of messages.
func (a *appliance) listen(ctx context.Context, path, lastID string) (<-chan streamed, *http.Response) {
	a.Helper()
	if a.cookie == "" {
		a.signIn()
	}
	req, err := http.NewRequestWithContext(ctx, "GET", a.url+path, nil)
	if err != nil {
		a.Fatal(err)
	}
	req.AddCookie(&http.Cookie{Name: "bty-token", Value: a.cookie})
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := (&http.Client{Transport: a.http.Transport}).Do(req)
	if err != nil {
		a.Fatal(err)
	}
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream; charset=utf-8" {
		a.Fatalf("%s %v", resp.Status, resp.Header)
	}
	messages := make(chan streamed, 4096)
	go func() {
		defer close(messages)
		defer resp.Body.Close()
		readMessages(resp.Body, messages)
	}()
	return messages, resp
}

func readMessages(r io.Reader, to chan<- streamed) {
	var m streamed
	for lines := bufio.NewScanner(r); lines.Scan(); {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch {
		case lines.Text() == "":
			to <- m
			m = streamed{}
		case field == "id":
			m.id = value
		case field == "event":
			m.name = value
		case field == "data":
			m.data = value
		case field == "retry":
			m.retry = value
		default:
			m.comment = lines.Text()
		}
	}
}

// next is the next message that is no hint; it fails after ten seconds.
func next(t testing.TB, messages <-chan streamed) streamed {
	t.Helper()
	for {
		if m := whatever(t, messages); m.name != "hint" {
			return m
		}
	}
}

// whatever is the next message; it fails after ten seconds.
func whatever(t testing.TB, messages <-chan streamed) streamed {
	t.Helper()
	select {
	case m, ok := <-messages:
		if !ok {
			t.Fatal("the stream ended")
		}
		return m
	case <-time.After(10 * time.Second):
		t.Fatal("no message")
	}
	return streamed{}
}

func TestStream(t *testing.T) {
	t.Parallel()
	a := start(t, nil)
	a.live()
	a.signIn()
	messages, _ := a.stream(t.Context(), "")
	if m := next(t, messages); m.retry == "" {
		t.Errorf("%+v", m)
	}
	a.anonymous("GET", "/pxe/"+mac1, nil)
	discovered, offered := next(t, messages), next(t, messages)
	if !strings.Contains(discovered.data, "machine.discovered") || !strings.Contains(offered.data, "netboot.pxe.offered") || discovered.name != "event" || discovered.id == "" {
		t.Errorf("%+v %+v", discovered, offered)
	}
	a.anonymous("POST", "/pxe/"+mac1+"/progress", jsonText(`{"stage":"write","bytes":1,"total":2,"rate":3}`))
	progress, stage := next(t, messages), next(t, messages)
	if progress.name == "event" {
		progress, stage = stage, progress
	}
	if progress.name != "progress" || progress.data != `{"mac":"`+mac1+`","stage":"write","bytes":1,"total":2,"rate":3}` || progress.id != "" || !strings.Contains(stage.data, "machine.stage") {
		t.Errorf("%+v %+v", progress, stage)
	}
	// A reader who was away gets what came since, once, in order.
	again, _ := a.stream(t.Context(), discovered.id)
	next(t, again)
	if m := next(t, again); m != offered {
		t.Errorf("%+v, want %+v", m, offered)
	}
	if m := next(t, again); m != stage {
		t.Errorf("%+v, want %+v", m, stage)
	}
	a.anonymous("GET", "/pxe/"+mac1, nil)
	for _, reader := range []<-chan streamed{messages, again} {
		if m := next(t, reader); !strings.Contains(m.data, "netboot.pxe.offered") {
			t.Errorf("%+v", m)
		}
	}
	a.anonymous("GET", "/api/v1/stream", nil).is(t, 401)
	for _, id := range []string{"nonsense", "-1", "99999999999999999999999", "1000000"} { // the last: of a database that was restored since
		other, _ := a.stream(t.Context(), id)
		next(t, other)
		if m := next(t, other); m.name != "reload" {
			t.Errorf("%s: %+v", id, m)
		}
		a.anonymous("GET", "/pxe/"+mac1, nil)
		if m := next(t, other); !strings.Contains(m.data, "netboot.pxe.offered") {
			t.Errorf("%s: %+v", id, m)
		}
	}
}

// Events reach a reader in the order of their IDs and without a hole, however many come at once:
// else one that reconnects with the last ID it saw would never get those it was not told of.
func TestStreamOrder(t *testing.T) {
	a := start(t, nil)
	a.live()
	a.signIn()
	messages, _ := a.stream(t.Context(), "")
	next(t, messages)
	const callers, each = 16, 15
	var work sync.WaitGroup
	for i := range callers {
		work.Go(func() {
			for range each {
				if _, err := a.try("GET", fmt.Sprintf("/pxe/52:54:00:00:02:%02x", i), nil, nil, ""); err != nil {
					t.Error(err)
				}
			}
		})
	}
	work.Wait()
	last := 0
	for n := 0; n < callers*each+callers; n++ {
		m := next(t, messages)
		if m.name == "reload" {
			t.Fatal("the reader lost events that it could have been given")
		}
		var id int
		if _, err := fmt.Sscan(m.id, &id); err != nil || last != 0 && id != last+1 {
			t.Fatalf("event %s follows %d", m.id, last)
		}
		last = id
	}
}

func TestStreamsEndWithTheServer(t *testing.T) {
	a := start(t, nil)
	a.signIn()
	var streams []<-chan streamed
	for _, path := range []string{"/api/v1/stream", "/events/machines", "/events/workers"} {
		messages, _ := a.listen(context.Background(), path, "")
		streams = append(streams, messages)
	}
	begun := time.Now()
	if err := a.stop(); err != nil {
		t.Fatal(err)
	}
	for _, messages := range streams {
		for range messages { // ends
		}
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("the server took %s to stop", took)
	}
}

// Silence is broken, so that a proxy does not take it for death. It takes 15 s to see.
func TestStreamHeartbeat(t *testing.T) {
	if os.Getenv("BTY_TEST_LONG") != "1" {
		t.Skip("BTY_TEST_LONG=1 waits for it")
	}
	a := start(t, nil)
	messages, _ := a.stream(t.Context(), "")
	next(t, messages)
	for bound := time.After(time.Minute); ; {
		select {
		case m, ok := <-messages: // others come as well: the doctor has looked after ten seconds
			if !ok {
				t.Fatal("the stream ended")
			}
			if m.comment == ": still here" {
				return
			}
		case <-bound:
			t.Fatal("no sign of life")
		}
	}
}

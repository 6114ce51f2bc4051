package contract

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

// frame is one frame of a stream.
type frame struct{ name, data string }

// stream opens a stream and returns its frames as they come. Framing is checked on the way.
func (c Caller) stream(path string) <-chan frame {
	c.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c.Cleanup(cancel)
	request, err := http.NewRequestWithContext(ctx, "GET", c.URL+path, nil)
	if err != nil {
		c.Fatal(err)
	}
	request.AddCookie(&http.Cookie{Name: "bty-token", Value: c.operator()})
	answer, err := (&http.Client{}).Do(request)
	if err != nil {
		c.Fatal(err)
	}
	if answer.StatusCode != 200 || answer.Header.Get("Content-Type") != "text/event-stream; charset=utf-8" {
		c.Fatalf("%s: %s %q", path, answer.Status, answer.Header.Get("Content-Type"))
	}
	frames := make(chan frame, 256)
	go func() {
		defer close(frames)
		defer answer.Body.Close()
		var f frame
		var data []string
		lines := bufio.NewScanner(answer.Body)
		lines.Buffer(nil, 8<<20)
		for lines.Scan() {
			line := lines.Text()
			switch {
			case line == "":
				f.data = strings.Join(data, "\n")
				if f.name != "" {
					frames <- f
				}
				f, data = frame{}, nil
			case strings.HasPrefix(line, "event: "):
				f.name = line[len("event: "):]
			case strings.HasPrefix(line, "data: "):
				data = append(data, line[len("data: "):])
			}
		}
	}()
	return frames
}

// next waits for a frame.
func (c Caller) next(frames <-chan frame) frame {
	c.Helper()
	select {
	case f, open := <-frames:
		if !open {
			c.Fatal("the stream ended")
		}
		return f
	case <-time.After(10 * time.Second):
		c.Fatal("no frame within 10 s")
	}
	return frame{}
}

func TestSection07_MachinesStream(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	frames := c.stream("/events/machines")
	want := []string{"machines-update", "dashboard-machine", "dashboard-images"}
	three := func(after string) (rows string) {
		for i, name := range want {
			f := c.next(frames)
			if f.name != name {
				t.Errorf("after %s: frame %d is %s, want %s", after, i, f.name, name)
			}
			if i == 0 {
				rows = f.data
			}
		}
		return rows
	}
	three("connecting")
	differs(t, "changes that come close together may be told once")
	for _, act := range []struct {
		name string
		do   func()
	}{
		{"script", func() { c.Script(mac) }}, {"plan", func() { c.Plan(mac) }}, {"status", func() { c.Report(mac, "failed") }},
		{"inventory", func() { c.Anonymous("POST", "/pxe/"+mac+"/inventory", JSON(`{}`)).Is(204) }}, {"PUT", func() { c.Put(mac, `{"labels":["stream"]}`) }},
	} {
		act.do()
		three(act.name)
	}
}

func TestSection07_WorkersStream(t *testing.T) {
	c := on(t)
	frames := c.stream("/events/workers")
	select {
	case f := <-frames:
		t.Errorf("a frame on connect: %+v", f)
	case <-time.After(200 * time.Millisecond):
	}
	id := c.Do("POST", "/workers/backups", JSON(`{}`)).Is(202).Object()["backup_id"].(string)
	for {
		f := c.next(frames)
		var state struct{ Kind, Key, Status string }
		if err := json.Unmarshal([]byte(f.data), &state); err != nil || f.name != "worker-state-changed" || state.Kind != "backup" && state.Kind != "release" {
			t.Fatalf("%+v: %v", f, err)
		}
		if state.Key == id && state.Status == "completed" {
			return
		}
		if state.Key == id && state.Status == "failed" {
			t.Fatal(f.data)
		}
	}
}

// A server that stops ends its streams at once and does not wait for the readers.
func TestSection07_StreamsEndWithTheServer(t *testing.T) {
	c, instance := start(t)
	streams := []<-chan frame{c.stream("/events/machines"), c.stream("/events/workers"), c.stream("/api/v1/stream")}
	began := time.Now()
	if err := instance.Stop(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("stopping took %s", took)
	}
	for _, frames := range streams {
		for range frames { // until it is closed
		}
	}
}

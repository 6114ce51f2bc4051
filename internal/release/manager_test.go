package release

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/job"
)

func TestFetch(t *testing.T) {
	u := newUpstream(t)
	s := newSite(t, u)
	first, err := s.Request(t.Context(), "", operator, false)
	if err != nil || first.Key != "latest" || statuses(first) != "queued queued queued queued" {
		t.Errorf("%+v %v", first, err)
	}
	state := s.ended("latest")
	if state.Status != done || statuses(state) != "completed completed completed completed" || state.Detail.BaseURL != u.URL+"/safl/bty/v"+version {
		t.Errorf("%+v", state)
	}
	if got, total := state.Detail.Bytes(); got != total || got < 600_000 {
		t.Errorf("%d of %d bytes", got, total)
	}
	s.holds(u, true)
	if want := []event.Kind{event.FetchRequested, event.FetchStarted, event.FetchDone}; !slices.Equal(s.kinds(), want) {
		t.Errorf("%v", s.kinds())
	}
	// The release is made anew, a file is deleted: fetching again brings both.
	u.publish(2)
	if err := s.Shelf.Delete(Artifacts(version)[1]); err != nil {
		t.Fatal(err)
	}
	if state := s.fetch("latest"); state.Status != done {
		t.Errorf("%+v", state)
	}
	s.holds(u, true)
}

// Whatever goes wrong, what was there before stays as it was.
func TestFetchFails(t *testing.T) {
	tests := []struct {
		name   string
		damage func(*upstream)
		says   string
		want   string // the artifacts' statuses
	}{
		{"one file is not there", func(u *upstream) { u.edit(1, func([]byte) []byte { return nil }) }, "answered 404", "completed failed cancelled cancelled"},
		{"no manifest", func(u *upstream) { u.edit(3, func([]byte) []byte { return nil }) }, "artifact_version", "completed completed completed failed"},
		{"other bytes", func(u *upstream) { u.edit(1, func(b []byte) []byte { return append([]byte{b[0] ^ 1}, b[1:]...) }) }, ".initrd has the SHA-256", "completed failed completed completed"},
		{"the manifest lacks a file", func(u *upstream) { u.edit(3, dropLine(0)) }, "does not list " + Artifacts(version)[0], "completed completed completed completed"},
		{"the manifest has one more", func(u *upstream) {
			u.edit(3, func(b []byte) []byte { return append(b, strings.Repeat("0", 64)+"  other\n"...) })
		}, "not of this set: other", "completed completed completed completed"},
		{"an empty manifest", func(u *upstream) { u.edit(3, func([]byte) []byte { return []byte("\n") }) }, "lists nothing", "completed completed completed completed"},
		{"a page instead of a manifest", func(u *upstream) { u.edit(3, func([]byte) []byte { return []byte("<html>sign in</html>") }) }, "a web page instead", "completed completed completed failed"},
		{"a huge manifest", func(u *upstream) { u.edit(3, func([]byte) []byte { return make([]byte, 1<<20+1) }) }, "upload exceeded", "completed completed completed failed"},
		{"a huge file", func(u *upstream) { u.edit(0, func([]byte) []byte { return make([]byte, 1<<20+1) }) }, "BTY_TUNING_MAX_UPLOAD_BYTES", "failed cancelled cancelled cancelled"},
		{"a line that stalls", func(u *upstream) { u.on(stall) }, "gave up at byte", "failed cancelled cancelled cancelled"},
		{"a server that is down", func(u *upstream) { u.Close() }, "gave up at byte 0", "failed cancelled cancelled cancelled"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			u := newUpstream(t)
			s := newSite(t, u)
			write(t, s.dir, map[string]string{Artifacts(version)[0]: "old"})
			test.damage(u)
			state := s.fetch("latest")
			if state.Status != failed || !strings.Contains(Why(state.Err), test.says) || !strings.Contains(Why(state.Err), "nothing was installed") && !strings.Contains(Why(state.Err), "exceeded") {
				t.Errorf("%s: %v", state.Status, Why(state.Err))
			}
			if got := statuses(state); got != test.want {
				t.Errorf("artifacts: %s, want %s", got, test.want)
			}
			if got := list(t, s.dir); !slices.Equal(got, []string{Artifacts(version)[0]}) || content(t, s.dir, got[0]) != "old" {
				t.Errorf("the boot folder holds %v", got)
			}
			if want := []event.Kind{event.FetchRequested, event.FetchStarted, event.FetchFailed}; !slices.Equal(s.kinds(), want) {
				t.Errorf("%v", s.kinds())
			}
		})
	}
}

func dropLine(i int) func([]byte) []byte {
	return func(b []byte) []byte {
		lines := strings.SplitAfter(string(b), "\n")
		return []byte(strings.Join(slices.Delete(lines, i, i+1), ""))
	}
}

// stall gives a few bytes and no more.
func stall(w http.ResponseWriter, r *http.Request) bool {
	w.Header().Set("Content-Length", "1000")
	if r.Header.Get("Range") == "" {
		_, _ = w.Write([]byte("x"))
	}
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
	return true
}

// A connection that is cut is taken up again where it was.
func TestFetchResumes(t *testing.T) {
	u := newUpstream(t)
	s := newSite(t, u)
	var cuts atomic.Int32
	u.on(func(w http.ResponseWriter, r *http.Request) bool {
		if cuts.Add(1) > 6 || cuts.Load()%2 == 0 {
			return false
		}
		from, _ := strconv.Atoi(strings.Trim(r.Header.Get("Range"), "bytes=-"))
		content := u.files[r.URL.Path]
		header := w.Header()
		header.Set("Content-Length", strconv.Itoa(len(content)-from))
		status := http.StatusOK
		if from > 0 {
			status = http.StatusPartialContent
			header.Set("Content-Range", "bytes "+strconv.Itoa(from)+"-"+strconv.Itoa(len(content)-1)+"/"+strconv.Itoa(len(content)))
		}
		w.WriteHeader(status)
		_, _ = w.Write(content[from : from+5000])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	if state := s.fetch("latest"); state.Status != done {
		t.Fatalf("%s: %v", state.Status, state.Err)
	}
	s.holds(u, true)
	if got := u.requests(); !slices.ContainsFunc(got, func(r string) bool { return strings.HasSuffix(r, " bytes=5000-") }) {
		t.Errorf("it began anew: %v", got)
	}
}

func TestCancel(t *testing.T) {
	u := newUpstream(t)
	s := newSite(t, u)
	s.Manager.Origin.Stall = time.Hour
	begun := make(chan struct{}, 10)
	u.on(func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, ".initrd") {
			return false
		}
		begun <- struct{}{}
		return stall(w, r)
	})
	for _, tag := range []string{"latest", "v2"} {
		if _, err := s.Request(t.Context(), tag, operator, false); err != nil {
			t.Fatal(err)
		}
	}
	<-begun
	again, err := s.Request(t.Context(), "latest", operator, false)
	if err != nil || again.Status != job.Running {
		t.Errorf("asked again: %+v %v", again, err)
	}
	waiting, err := s.Cancel(t.Context(), "v2", operator)
	if err != nil || waiting.Status != cancelled || statuses(waiting) != "cancelled cancelled cancelled cancelled" {
		t.Errorf("%+v %v", waiting, err)
	}
	at := time.Now()
	state, err := s.Cancel(t.Context(), "latest", operator)
	if err != nil || state.Status != cancelled || statuses(state) != "completed cancelled cancelled cancelled" || state.Err != nil {
		t.Errorf("%+v %v", state, err)
	}
	if took := time.Since(at); took > time.Second {
		t.Errorf("it took %s", took)
	}
	s.holds(u, false)
	if again, err := s.Cancel(t.Context(), "latest", operator); err != nil || again.Status != cancelled {
		t.Errorf("%+v %v", again, err)
	}
	want := []event.Kind{event.FetchRequested, event.FetchStarted, event.FetchRequested, event.FetchCancelled, event.FetchCancelled, event.FetchCancelled}
	got := s.kinds()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) { // both of the tag that waited and that of the one at work, from the operator and from the worker
		t.Errorf("%v", got)
	}
	for tag, kind := range map[string]fault.Kind{"none": fault.NotFound, "..": fault.Rejected, "a b": fault.Rejected, "": fault.Rejected} {
		if _, err := s.Cancel(t.Context(), tag, operator); fault.KindOf(err) != kind {
			t.Errorf("%q: %v", tag, err)
		}
	}
}

// What was fetched before a restart is still known after it.
func TestRemembered(t *testing.T) {
	u := newUpstream(t)
	s := newSite(t, u)
	s.fetch("latest")
	s.fetch("v0") // there is no such release
	next := &site{T: t, Manager: NewManager(s.Manager.Config), dir: s.dir, book: s.book}
	next.begin()
	var states []State
	for deadline := time.Now().Add(5 * time.Second); len(states) < 2 && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		states = next.List()
	}
	if len(states) != 2 || states[0].Key != "latest" || states[0].Status != done || states[1].Status != failed || !strings.Contains(Why(states[1].Err), "404") {
		t.Errorf("%+v", states)
	}
	if state := next.fetch("latest"); state.Status != done || len(next.List()) != 2 {
		t.Errorf("%+v", state)
	}
}

const githubURL = "https://github.com/{repo}/releases/download/{tag}"

func TestUpstream(t *testing.T) {
	tests := []struct {
		repo, url, tag string
		want           string // or the refusal
	}{
		{"safl/bty", githubURL, "latest", "https://github.com/safl/bty/releases/download/v9.9.9"},
		{"me/fork", githubURL, "v1.2", "https://github.com/me/fork/releases/download/v1.2"},
		{"me/fork", "http://mirror.lan/bty/", "v1.2", "http://mirror.lan/bty"},
		{"me/fork", "file:///srv/bty/{tag}", "latest", "file:///srv/bty/v9.9.9"},
		{"me", githubURL, "v1", "owner/name"},
		{"me/../x", githubURL, "v1", "owner/name"},
		{"me/fork", "ftp://host/{tag}", "v1", "must be an http"},
		{"me/fork", "/srv/{tag}", "v1", "must be an http"},
	}
	for _, test := range tests {
		got, err := Upstream{Repo: test.repo, URL: test.url}.base(version, test.tag)
		if err != nil {
			got = fault.Public(err)
		}
		if !strings.Contains(got, test.want) {
			t.Errorf("%s %s %s: %s", test.repo, test.url, test.tag, got)
		}
	}
}

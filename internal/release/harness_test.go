package release

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bty/internal/event"
	"bty/internal/job"
	"bty/internal/ledger"
	"bty/internal/origin"
	"bty/internal/store"
)

const version = "9.9.9"

// upstream is a web server that has a release, and can be made to fail.
type upstream struct {
	*httptest.Server
	mu     sync.Mutex
	files  map[string][]byte
	asked  []string // path and range of each request
	before func(w http.ResponseWriter, r *http.Request) bool
}

// newUpstream publishes a release that is whole.
func newUpstream(t *testing.T) *upstream {
	u := &upstream{files: map[string][]byte{}}
	u.Server = httptest.NewServer(u)
	t.Cleanup(u.Close)
	u.publish(1)
	return u
}

// publish puts files of a kind of its own in place.
func (u *upstream) publish(seed uint64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	random := rand.NewChaCha8([32]byte{byte(seed)})
	var manifest strings.Builder
	names := Artifacts(version)
	for i, name := range names[:3] {
		b := make([]byte, 100_000*(i+1))
		_, _ = random.Read(b) // never fails
		u.files["/safl/bty/v"+version+"/"+name] = b
		fmt.Fprintf(&manifest, "%x *./%s\n", sha256.Sum256(b), name)
	}
	fmt.Fprintf(&manifest, "\n%064d  %s\n", 0, names[3])
	u.files["/safl/bty/v"+version+"/"+names[3]] = []byte(manifest.String())
}

func (u *upstream) edit(i int, change func([]byte) []byte) {
	u.mu.Lock()
	defer u.mu.Unlock()
	path := "/safl/bty/v" + version + "/" + Artifacts(version)[i]
	if changed := change(u.files[path]); changed != nil {
		u.files[path] = changed
	} else {
		delete(u.files, path)
	}
}

// on makes each request go through fn first, which answers it if it returns true.
func (u *upstream) on(fn func(w http.ResponseWriter, r *http.Request) bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.before = fn
}

func (u *upstream) requests() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.asked
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.mu.Lock()
	u.asked = append(u.asked, filepath.Base(r.URL.Path)+" "+r.Header.Get("Range"))
	content, ok := u.files[r.URL.Path]
	before := u.before
	u.mu.Unlock()
	if before != nil && before(w, r) {
		return
	}
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(content)))
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(content)))
}

type bookStore struct{ *store.Store }

func (s bookStore) View(fn func(ledger.Tx) error) error {
	return s.Store.View(func(tx *store.Tx) error { return fn(tx) })
}

func (s bookStore) Update(ctx context.Context, fn func(ledger.Tx) error) error {
	return s.Store.Update(ctx, func(tx *store.Tx) error { return fn(tx) })
}

// site is a Manager at work over its own boot folder and database.
type site struct {
	*testing.T
	*Manager
	dir  string
	book ledger.Book
}

var operator = netip.MustParseAddr("192.0.2.7")

func newSite(t *testing.T, u *upstream) *site {
	t.Helper()
	s := &site{T: t, dir: t.TempDir()}
	state, err := store.Open(filepath.Join(t.TempDir(), "bty.db"), "test")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	stateEnded := make(chan error, 1)
	go func() { stateEnded <- state.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-stateEnded; err != nil {
			t.Error(err)
		}
		_ = state.Close()
	})
	books := ledger.New(slog.New(slog.DiscardHandler))
	s.book = ledger.Book{Store: bookStore{state}, Ledger: books, Keep: 1000}
	shelf := newShelf(t, s.dir)
	shelf.Limit = 1 << 20
	s.Manager = NewManager(Config{Shelf: shelf, Version: version, Book: s.book, Ledger: books, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Upstream: func() Upstream { return Upstream{Repo: "safl/bty", URL: u.URL + "/{repo}/{tag}"} },
		Origin:   origin.Options{Stall: 300 * time.Millisecond, FirstPause: time.Millisecond, MaxPause: 10 * time.Millisecond, Attempts: 3}})
	s.begin()
	return s
}

// begin runs the Manager until the test ends.
func (s *site) begin() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Manager.Run(ctx) }()
	s.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			s.Error(err)
		}
	})
}

// fetch asks for a tag and returns how it ended.
func (s *site) fetch(tag string) State {
	s.Helper()
	if _, err := s.Request(s.Context(), tag, operator, false); err != nil {
		s.Fatal(err)
	}
	return s.ended(tag)
}

func (s *site) ended(tag string) State {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 10*time.Second)
	defer cancel()
	state, err := s.Wait(ctx, tag)
	if err != nil {
		s.Fatal(err)
	}
	return state
}

// statuses are those of the four artifacts.
func statuses(s State) string {
	var list []string
	for _, a := range s.Detail.Artifacts {
		list = append(list, string(a.Status))
	}
	return strings.Join(list, " ")
}

// kinds are what the audit log has, oldest first.
func (s *site) kinds() (kinds []event.Kind) {
	s.Helper()
	events, err := s.book.Events(event.Filter{})
	if err != nil {
		s.Fatal(err)
	}
	for i := len(events) - 1; i >= 0; i-- {
		kinds = append(kinds, events[i].Kind)
	}
	return kinds
}

// holds checks what the boot folder has: the release that u publishes, or nothing.
func (s *site) holds(u *upstream, installed bool) {
	s.Helper()
	names := list(s.T, s.dir)
	if !installed {
		if len(names) != 0 {
			s.Errorf("the boot folder holds %v", names)
		}
		return
	}
	if len(names) != 4 {
		s.Fatalf("the boot folder holds %v", names)
	}
	for _, name := range Artifacts(version) {
		if got := content(s.T, s.dir, name); got != string(u.files["/safl/bty/v"+version+"/"+name]) {
			s.Errorf("%s is not what was published", name)
		}
	}
}

const done, failed, cancelled = job.Completed, job.Failed, job.Cancelled

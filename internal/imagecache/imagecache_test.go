package imagecache_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bty/internal/catalog"
	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/imagecache"
	"bty/internal/imagecache/peer"
	"bty/internal/ledger"
	"bty/internal/library"
	"bty/internal/machine"
	"bty/internal/store"
	"bty/internal/wire"
)

// The stores of a library and of a book over one real database.
type (
	forLibrary struct{ *store.Store }
	forBook    struct{ *store.Store }
)

func (s forLibrary) View(fn func(library.Tx) error) error {
	return s.Store.View(func(tx *store.Tx) error { return fn(tx) })
}

func (s forLibrary) Update(ctx context.Context, fn func(library.Tx) error) error {
	return s.Store.Update(ctx, func(tx *store.Tx) error { return fn(tx) })
}

func (s forBook) View(fn func(ledger.Tx) error) error {
	return s.Store.View(func(tx *store.Tx) error { return fn(tx) })
}

func (s forBook) Update(ctx context.Context, fn func(ledger.Tx) error) error {
	return s.Store.Update(ctx, func(tx *store.Tx) error { return fn(tx) })
}

// journal is what was logged.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) { j.mu.Lock(); defer j.mu.Unlock(); return j.b.Write(p) }

func (j *journal) count(text string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Count(j.b.String(), text)
}

// site is a Keeper over a real database and a catalog of two images.
type site struct {
	testing.TB
	*imagecache.Keeper
	socket string
	store  *store.Store
	book   ledger.Book
	log    *journal
}

const (
	srcA = "https://images.example/a.img.zst"
	srcB = "oras://registry.example/group/b:latest"
)

var (
	from = netip.MustParseAddr("192.0.2.1")
	shaA = strings.Repeat("aa", 32)
	shaB = strings.Repeat("bb", 32)
)

func newSite(t testing.TB) *site {
	t.Helper()
	dir := t.TempDir()
	s := &site{TB: t, socket: filepath.Join(dir, "cache.sock"), log: &journal{}}
	var err error
	if s.store, err = store.Open(filepath.Join(dir, "bty.db"), "test"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { _ = s.store.Run(ctx) })
	log := slog.New(slog.NewTextHandler(s.log, nil))
	books := ledger.New(log)
	images := &library.Library{Store: forLibrary{s.store}, Ledger: books, Now: time.Now}
	s.book = ledger.Book{Store: forBook{s.store}, Ledger: books, Keep: 1000}
	s.Keeper = imagecache.New(imagecache.Config{Socket: s.socket, Agent: "test", Images: images, Book: s.book, Log: log, Now: time.Now, Every: 20 * time.Millisecond})
	books.Tell(s.Hear)
	s.put(entry(srcA, shaA), entry(srcB, shaB), catalog.Entry{Ref: ref("file://local.img"), Src: "file://local.img", Name: "local.img"})
	work.Go(func() { _ = s.Run(ctx) })
	t.Cleanup(func() { cancel(); work.Wait(); _ = s.store.Close() })
	return s
}

func ref(src string) catalog.ImageRef {
	r, err := catalog.RefOf(src)
	if err != nil {
		panic(err)
	}
	return r
}

func entry(src, sha string) catalog.Entry {
	d, err := catalog.ParseDigest(sha)
	if err != nil {
		panic(err)
	}
	return catalog.Entry{Ref: ref(src), Src: src, Digest: d, Size: 4000, Name: catalog.BaseName(src), AddedAt: time.Unix(int64(len(src)), 0)}
}

// put changes the catalog.
func (s *site) put(entries ...catalog.Entry) {
	s.Helper()
	s.update(event.EntryChanged, func(tx *store.Tx) error {
		for _, e := range entries {
			if err := tx.PutImage(e); err != nil {
				return err
			}
		}
		return nil
	})
}

// bind has a machine want an image.
func (s *site) bind(n byte, image catalog.ImageRef) {
	s.Helper()
	s.update(event.MachineUpserted, func(tx *store.Tx) error {
		m := machine.New(machine.MAC{0x52, 0x54, 0, 0, 0, n}, time.Now())
		m.Intent.Image, m.Intent.Mode = image, machine.FlashOnce
		return tx.PutMachine(m)
	})
}

func (s *site) update(kind event.Kind, fn func(*store.Tx) error) {
	s.Helper()
	err := ledger.Commit(context.Background(), s.book.Ledger, forBook{s.store}.Update, func(tx ledger.Tx) ([]event.Event, error) {
		return []event.Event{{At: time.Now(), Kind: kind, Actor: event.Operator, Summary: string(kind)}}, fn(tx.(*store.Tx))
	})
	if err != nil {
		s.Fatal(err)
	}
}

// soon waits until it is so.
func (s *site) soon(what string, isSo func() bool) {
	s.Helper()
	for deadline := time.Now().Add(10 * time.Second); !isSo(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.log.mu.Lock()
			defer s.log.mu.Unlock()
			s.Fatalf("not within 10 s: %s\n%s", what, s.log.b.String())
		}
	}
}

func (s *site) events(kind event.Kind) []event.Event {
	s.Helper()
	found, err := s.book.Events(event.Filter{Kind: &kind, Limit: 100})
	if err != nil {
		s.Fatal(err)
	}
	return found
}

func sources(list []wire.CacheSource) string {
	var all []string
	for _, s := range list {
		all = append(all, fmt.Sprintf("%s %.2s %d %s", s.Src, s.SHA256, s.SizeBytes, s.Name))
	}
	return strings.Join(all, "\n")
}

// The catalog is published when the cache comes, when it comes back, and when the catalog changes;
// a cache that is not there is told once and is no error.
func TestPublishes(t *testing.T) {
	s := newSite(t)
	s.soon("it says that there is none", func() bool { return s.log.count("there is no image cache on this host") == 1 })
	if s.Here() {
		t.Error("it takes a cache for there that is not")
	}
	time.Sleep(100 * time.Millisecond)
	if s.log.count("there is no image cache") != 1 || s.log.count("WARN") != 0 {
		t.Errorf("%s", s.log.b.String())
	}
	c := peer.Start(t, s.socket)
	s.soon("the list of the start", func() bool { return c.Puts() == 1 && s.Here() })
	if got, want := sources(c.Sources()), srcA+" aa 4000 a.img.zst\n"+srcB+" bb 4000 b:latest"; got != want {
		t.Errorf("published:\n%s\nwant:\n%s", got, want)
	}
	time.Sleep(200 * time.Millisecond)
	if c.Puts() != 1 {
		t.Errorf("%d lists of one catalog", c.Puts())
	}
	for i := range 30 { // one act of the operator after the other
		s.put(entry(fmt.Sprintf("https://images.example/%d.img", i), shaA))
	}
	s.soon("the changed list", func() bool { return len(c.Sources()) == 32 })
	if c.Puts() > 10 {
		t.Errorf("%d lists for 30 changes", c.Puts())
	}
	c.Stop()
	s.soon("it says that it is gone", func() bool { return !s.Here() })
	before := c.Puts()
	c.Start(t)
	s.soon("the list again after a restart", func() bool { return c.Puts() == before+1 && s.Here() })
	s.soon("it says so", func() bool {
		return s.log.count("does not answer") == 1 && s.log.count("cache of this host is there") == 2
	})
}

// A restart that nobody saw, between two looks, is one all the same: systemd holds the socket.
func TestRestartBetweenTwoLooks(t *testing.T) {
	s := newSite(t)
	c := peer.Start(t, s.socket)
	s.soon("the first list", func() bool { return c.Puts() == 1 })
	for range 5 {
		before := c.Puts()
		c.Stop()
		c.Start(t)
		s.soon("the list again", func() bool { return c.Puts() > before && len(c.Sources()) == 2 })
	}
}

// A list that is refused is told again, with growing pauses, and a change of the catalog waits for
// nothing.
func TestRefusedList(t *testing.T) {
	s := newSite(t)
	c := peer.Start(t, s.socket)
	c.Refuse(500)
	s.soon("it tells", func() bool { return s.log.count("did not take the catalog") == 1 })
	begun := time.Now()
	s.put(entry("https://images.example/more.img", shaA))
	if took := time.Since(begun); took > time.Second {
		t.Errorf("a change of the catalog took %v", took)
	}
	c.Refuse(0)
	s.soon("the list", func() bool { return len(c.Sources()) == 3 })
	if n := s.log.count("did not take the catalog"); n != 1 {
		t.Errorf("told %d times", n)
	}
}

// What machines come to want is fetched before they ask: once, and also when the cache comes later.
func TestWarmsWhatIsAssigned(t *testing.T) {
	s := newSite(t)
	s.bind(1, ref(srcA))
	c := peer.Start(t, s.socket)
	s.soon("the list", func() bool { return c.Puts() == 1 })
	time.Sleep(100 * time.Millisecond)
	s.bind(2, ref(srcB))
	s.soon("b is fetched", func() bool { return len(c.Warmed()) > 0 && slices.Contains(sourcesOf(c.Warmed()), srcB) })
	c.Stop()
	s.soon("it is gone", func() bool { return !s.Here() })
	later := entry("https://images.example/later.img", strings.Repeat("cc", 32))
	s.put(later)
	s.bind(3, later.Ref)
	time.Sleep(300 * time.Millisecond)
	c.Start(t)
	s.soon("what was assigned meanwhile is fetched", func() bool { return slices.Contains(sourcesOf(c.Warmed()), later.Src) })
	later.Digest = catalog.Digest{7} // other bytes under the same identity
	s.put(later)
	s.soon("its new bytes, too", func() bool { return c.Warmed()[len(c.Warmed())-1].SHA256 == later.Digest.String() })
}

func sourcesOf(list []wire.CacheSource) (all []string) {
	for _, s := range list {
		all = append(all, s.Src)
	}
	return all
}

// Acts of the operator reach the cache and the audit log, with who it was; what the cache does comes
// to the log by itself.
func TestActs(t *testing.T) {
	s := newSite(t)
	if err := s.Warm(t.Context(), ref(srcA), from); fault.KindOf(err) != fault.Conflict || !strings.Contains(fault.Public(err), "systemctl enable --now bty-cache.socket") {
		t.Errorf("without a cache: %v", err)
	}
	c := peer.Start(t, s.socket)
	s.soon("the list", func() bool { return c.Puts() == 1 })
	ctx := event.WithBy(t.Context(), "ci")
	if err := s.Warm(ctx, ref(srcA), from); err != nil {
		t.Fatal(err)
	}
	status, err := s.Status(t.Context())
	if err != nil || len(status.Fills) != 1 || status.Fills[0].Src != srcA {
		t.Fatalf("%+v, %v", status, err)
	}
	c.Fill(srcA, shaA, 4000)
	s.soon("that it is full is an event", func() bool { return len(s.events(event.CacheFilled)) == 1 })
	for _, act := range []func() error{
		func() error { return s.Pin(ctx, srcA, true, from) },
		func() error { return s.Delete(ctx, wire.CacheRef{Src: srcA}, from) },
	} {
		if err := act(); err != nil {
			t.Fatal(err)
		}
	}
	for kind, summary := range map[event.Kind]string{
		event.CacheWarmed: "the image cache is to fetch a.img.zst", event.CachePinned: "a.img.zst is kept in the image cache",
		event.CacheDeleted: "a.img.zst was deleted from the image cache",
	} {
		e := s.events(kind)
		if len(e) != 1 || e[0].Summary != summary || e[0].SubjectID != srcA || e[0].Actor != event.Operator || e[0].By != "ci" || e[0].SourceIP != from {
			t.Errorf("%s: %+v", kind, e)
		}
	}
	if err := s.Delete(ctx, wire.CacheRef{SHA256: shaA}, from); fault.KindOf(err) != fault.NotFound {
		t.Errorf("what is not held: %v", err)
	}
	if err := s.Warm(ctx, ref("file://local.img"), from); fault.KindOf(err) != fault.Rejected {
		t.Errorf("a local file: %v", err)
	}
	if err := s.Warm(ctx, ref("https://images.example/none.img"), from); fault.KindOf(err) != fault.NotFound {
		t.Errorf("what is in no catalog: %v", err)
	}
	if err := s.Warm(ctx, ref(srcB), from); err != nil {
		t.Fatal(err)
	}
	c.Fail(srcB, "the origin answered 404")
	s.soon("that it failed is an event", func() bool {
		e := s.events(event.CacheFillFailed)
		return len(e) == 1 && e[0].Summary == "the image cache could not fetch b:latest: the origin answered 404"
	})
	if len(s.events(event.CacheDeleted)) != 1 {
		t.Error("what was refused is an event")
	}
}

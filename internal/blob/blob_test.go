package blob

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bty/internal/catalog"
)

// clock goes on by a second with each look.
type clock struct{ at time.Time }

func (c *clock) now() time.Time {
	c.at = c.at.Add(time.Second)
	return c.at
}

func config(dir string) Config {
	c := &clock{at: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	return Config{Dir: dir, Log: slog.New(slog.DiscardHandler), Now: c.now}
}

func open(t *testing.T, cfg Config) *Store {
	t.Helper()
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func digest(b []byte) catalog.Digest { return sha256.Sum256(b) }

// begin makes a partial blob with some bytes.
func begin(t *testing.T, s *Store, key string, data []byte) *Partial {
	t.Helper()
	p, err := s.Begin(Note{Key: key, Src: key})
	if err == nil {
		_, err = p.Write(data)
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// put makes a complete blob.
func put(t *testing.T, s *Store, key string, data []byte) catalog.Digest {
	t.Helper()
	d := digest(data)
	if err := begin(t, s, key, data).Commit(d, Source{Src: key}, "text/plain"); err != nil {
		t.Fatal(err)
	}
	return d
}

func has(t *testing.T, s *Store, key string, want []byte) {
	t.Helper()
	d, _ := s.Find(key)
	l, f, err := s.Lease(d)
	if err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	defer l.Close(1)
	defer f.Close()
	if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, want) || l.Size != int64(len(want)) {
		t.Errorf("%s: %q, %v", key, got, err)
	}
}

// names are the files of the folder.
func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, strings.TrimPrefix(path, dir+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestCommit(t *testing.T) {
	dir := t.TempDir()
	s := open(t, config(dir))
	d := put(t, s, "a", []byte("one"))
	put(t, s, "b", []byte("one")) // the same bytes from elsewhere are kept once
	has(t, s, "a", []byte("one"))
	has(t, s, "b", []byte("one"))
	want := []string{"blobs/" + d.String(), "blobs/" + d.String() + ".json"}
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, config(dir))
	has(t, s, "b", []byte("one"))
	all := s.List()
	if len(all) != 1 || len(all[0].Sources) != 2 || all[0].Reads != 3 || all[0].Sent != 3 || all[0].Type != "text/plain" {
		t.Errorf("%+v", all)
	}
}

// A blob whose source leads to other bytes is kept for a while, for who works by a plan from before. It
// goes before what is wanted, and is never taken for what the source leads to.
func TestMovedSource(t *testing.T) {
	dir := t.TempDir()
	cfg := config(dir)
	now := time.Now()
	cfg.Now = func() time.Time { return now }
	s := open(t, cfg)
	old := put(t, s, "a", []byte("old"))
	l, f, err := s.Lease(old)
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, "a", []byte("new"))
	has(t, s, "a", []byte("new"))
	if i, held := s.Info(old); !held || len(i.Sources) != 0 || i.Former == nil || i.Former.Src != "a" {
		t.Errorf("the old blob: %v %+v", held, i)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, cfg)
	has(t, s, "a", []byte("new"))
	if l2, f2, err := s.Lease(old); err != nil {
		t.Errorf("who has an older plan: %v", err)
	} else {
		f2.Close()
		l2.Close(3)
	}
	now = now.Add(grace + time.Second)
	if err := s.Shrink(); err != nil || len(names(t, dir)) != 2 {
		t.Errorf("the old blob is still there: %v %v", err, names(t, dir))
	}
	if got, err := io.ReadAll(f); string(got) != "old" || err != nil { // who reads it keeps it
		t.Errorf("%q, %v", got, err)
	}
	l.Close(3)
	f.Close()
	put(t, s, "b", []byte("new"))
	put(t, s, "a", []byte("newer"))
	has(t, s, "b", []byte("new"))
	if err := s.Unbind("b"); err != nil || len(names(t, dir)) != 2 { // that was asked for, so it goes at once
		t.Errorf("%v: %v", err, names(t, dir))
	}
	if err := s.Unbind("b"); !errors.Is(err, ErrNotHeld) {
		t.Error(err)
	}
}

// What a kill leaves at any moment is put in order, and no blob counts that is not whole.
func TestReconcile(t *testing.T) {
	data := []byte("data")
	d := digest(data).String()
	for _, tt := range []struct {
		name  string
		spoil func(t *testing.T, dir string) error
		held  bool
		left  int // files
	}{
		{"nothing wrong", func(*testing.T, string) error { return nil }, true, 2},
		{"no record", func(_ *testing.T, dir string) error { return os.Remove(dir + "/blobs/" + d + ".json") }, false, 0},
		{"no blob", func(_ *testing.T, dir string) error { return os.Remove(dir + "/blobs/" + d) }, false, 0},
		{"short", func(_ *testing.T, dir string) error { return os.Truncate(dir+"/blobs/"+d, 3) }, false, 0},
		{"long", func(_ *testing.T, dir string) error { return os.Truncate(dir+"/blobs/"+d, 5) }, false, 0},
		{"half a record", func(_ *testing.T, dir string) error { return os.Truncate(dir+"/blobs/"+d+".json", 9) }, false, 0},
		{"of a newer release", func(_ *testing.T, dir string) error {
			return os.WriteFile(dir+"/blobs/"+d+".json", []byte(`{"version":2,"size":4}`), 0o600)
		}, false, 2},
		{"not a blob", func(_ *testing.T, dir string) error {
			return errors.Join(os.WriteFile(dir+"/blobs/x", nil, 0o600), os.WriteFile(dir+"/blobs/y.json", nil, 0o600))
		}, true, 2},
		{"a write that was cut", func(_ *testing.T, dir string) error {
			return errors.Join(os.WriteFile(dir+"/blobs/.new-1", nil, 0o600), os.WriteFile(dir+"/partial/.new-2", nil, 0o600), os.WriteFile(dir+"/.new-3", nil, 0o600))
		}, true, 2},
		{"a partial without a note", func(_ *testing.T, dir string) error { return os.WriteFile(dir+"/partial/P", data, 0o600) }, true, 2},
		{"a note without a partial", func(_ *testing.T, dir string) error {
			return os.WriteFile(dir+"/partial/P.json", []byte(`{"version":1}`), 0o600)
		}, true, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, config(dir))
			put(t, s, "a", data)
			if err := errors.Join(s.Close(), tt.spoil(t, dir)); err != nil {
				t.Fatal(err)
			}
			s = open(t, config(dir))
			_, held := s.Info(digest(data))
			if held != tt.held || len(names(t, dir)) != tt.left {
				t.Errorf("held %v, files %v", held, names(t, dir))
			}
			if tt.held {
				has(t, s, "a", data)
			}
		})
	}
}

// A blob whose file is gone or cut while the store is open is not given to anybody.
func TestSpoiledWhileOpen(t *testing.T) {
	dir := t.TempDir()
	s := open(t, config(dir))
	d := put(t, s, "a", []byte("data"))
	if err := os.Truncate(dir+"/blobs/"+d.String(), 1); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Lease(d); !errors.Is(err, ErrNotHeld) {
		t.Error(err)
	}
	put(t, s, "a", []byte("data"))
	has(t, s, "a", []byte("data"))
}

func TestPartialGoesOn(t *testing.T) {
	dir := t.TempDir()
	s := open(t, config(dir))
	p := begin(t, s, "a", []byte("hello "))
	sum := crc32.Checksum([]byte("hello "), crc32.MakeTable(crc32.Castagnoli))
	if err := p.Checkpoint(Note{Key: "a", Src: "a", Bytes: 6, Sum: sum, ETag: "e"}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Write([]byte("unproven")); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = open(t, config(dir))
	all := s.Partials()
	if len(all) != 1 || all[0].Note().Bytes != 6 || all[0].Note().Sum != sum || all[0].Note().ETag != "e" {
		t.Fatalf("%+v", all)
	}
	if n, err := all[0].Rewind(); n.Bytes != 6 || err != nil {
		t.Fatal(n, err)
	}
	if _, err := all[0].Write([]byte("world")); err != nil {
		t.Fatal(err)
	}
	if err := all[0].Commit(digest([]byte("hello world")), Source{Src: "a"}, ""); err != nil {
		t.Fatal(err)
	}
	has(t, s, "a", []byte("hello world"))
	if p := begin(t, s, "b", []byte("x")); p.Discard() != nil || len(names(t, dir)) != 2 {
		t.Errorf("%v", names(t, dir))
	}
}

// The addresses of one blob are bounded, and those that came first are forgotten first.
func TestManySources(t *testing.T) {
	s := open(t, config(t.TempDir()))
	d := put(t, s, "first", []byte("x"))
	for i := range maxSources {
		if err := s.Bind(fmt.Sprint(i), d, Source{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, known := s.Find("first"); known || len(s.List()[0].Sources) != maxSources {
		t.Errorf("%d sources", len(s.List()[0].Sources))
	}
}

// The longest addresses that may be asked for cost no image: its record is read again.
func TestLongSources(t *testing.T) {
	dir := t.TempDir()
	s := open(t, config(dir))
	d := put(t, s, "first", []byte("x"))
	long := strings.Repeat("&", 8<<10)
	for i := range maxSources - 1 {
		src := fmt.Sprint(i, long)
		if err := s.Bind(src, d, Source{Src: src}); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	s = open(t, config(dir))
	if got, known := s.Find("first"); !known || got != d || len(s.List()[0].Sources) != maxSources {
		t.Errorf("%v %v", got, known)
	}
}

func TestOnlyOneProcess(t *testing.T) {
	dir := t.TempDir()
	s := open(t, config(dir))
	if _, err := Open(config(dir)); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("%v", err)
	}
	s.Close()
	open(t, config(dir))
}

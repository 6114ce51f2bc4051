package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// sum is the digest of a file.
func sum(t *testing.T, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(raw))
}

// filled makes a database with a few pages in it and returns its path.
func filled(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bty.db")
	s := open(t, path)
	err := s.Update(context.Background(), func(tx *Tx) (err error) {
		for i := 0; i < 200 && err == nil; i++ {
			err = putMachine(i)(tx)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	fillEvents(t, s, 500)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// refused opens a file that is not to be opened, and returns the error's text.
func refused(t *testing.T, path string) string {
	t.Helper()
	before := sum(t, path)
	s, err := Open(path, "test")
	if err == nil {
		_ = s.Abandon()
		t.Fatal("it was opened")
	}
	if after := sum(t, path); after != before {
		t.Error("the file was changed")
	}
	if !strings.Contains(err.Error(), path) {
		t.Errorf("the error does not name %s: %v", path, err)
	}
	return err.Error()
}

func TestNewerSchemaIsLeftUntouched(t *testing.T) {
	path := filled(t)
	raw, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	newer := uint32(len(migrations)) + 1
	if err := raw.Update(func(tx *bolt.Tx) error { return setSchema(tx, newer) }); err != nil {
		t.Fatal(err)
	}
	if err := raw.Close(); err != nil {
		t.Fatal(err)
	}
	before, _ := os.Stat(path)
	text := refused(t, path)
	for _, want := range []string{fmt.Sprintf("schema %d", newer), "left untouched", "Install the newer release"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q does not say %q", text, want)
		}
	}
	if after, _ := os.Stat(path); !after.ModTime().Equal(before.ModTime()) {
		t.Error("the file was written to")
	}
}

func TestDamagedFiles(t *testing.T) {
	tests := []struct {
		name   string
		damage func(t *testing.T, path string)
	}{
		{"empty", func(t *testing.T, path string) { write(t, path, nil) }},
		{"text", func(t *testing.T, path string) { write(t, path, []byte("this is no database\n")) }},
		{"zeros", func(t *testing.T, path string) { write(t, path, make([]byte, 1<<20)) }},
		{"noise", func(t *testing.T, path string) { write(t, path, noise(1<<20)) }},
		{"SQLite", func(t *testing.T, path string) {
			write(t, path, append([]byte("SQLite format 3\x00"), make([]byte, 8192)...))
		}},
		{"cut after the meta pages", func(t *testing.T, path string) { truncate(t, path, 2*4096) }},
		{"cut in the meta pages", func(t *testing.T, path string) { truncate(t, path, 5000) }},
		{"cut in the data", func(t *testing.T, path string) { truncate(t, path, 10*4096) }},
		{"another program's bbolt", otherProgram},
		{"a bucket is gone", func(t *testing.T, path string) { dropBucket(t, path, bucketImages) }},
		{"pages of zeros", func(t *testing.T, path string) { overwrite(t, path, 2*4096, make([]byte, 200*4096)) }},
		{"pages of noise", func(t *testing.T, path string) { overwrite(t, path, 2*4096, noise(200*4096)) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filled(t)
			test.damage(t, path)
			text := refused(t, path)
			if !strings.Contains(text, "restore a backup") {
				t.Errorf("no next step in: %s", text)
			}
			t.Log(text)
		})
	}
}

func noise(n int) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	raw := make([]byte, n)
	for i := range raw {
		raw[i] = byte(random.Uint32())
	}
	return raw
}

func write(t *testing.T, path string, raw []byte) {
	t.Helper()
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

func truncate(t *testing.T, path string, size int64) {
	t.Helper()
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

func overwrite(t *testing.T, path string, at int64, raw []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(raw, at); err != nil {
		t.Fatal(err)
	}
}

func otherProgram(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	raw, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	err = raw.Update(func(tx *bolt.Tx) error { _, err := tx.CreateBucket([]byte("theirs")); return err })
	if err != nil {
		t.Fatal(err)
	}
}

func dropBucket(t *testing.T, path string, name []byte) {
	t.Helper()
	raw, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if err := raw.Update(func(tx *bolt.Tx) error { return tx.DeleteBucket(name) }); err != nil {
		t.Fatal(err)
	}
}

// TestFlippedBits opens files with a few bytes of their pages changed: such a file is opened or
// refused, and it never ends the process, which would end this test.
func TestFlippedBits(t *testing.T) {
	whole, err := os.ReadFile(filled(t))
	if err != nil {
		t.Fatal(err)
	}
	used := 60 * 4096 // what is beyond was never written
	random := rand.New(rand.NewPCG(3, 4))
	path := filepath.Join(t.TempDir(), "bty.db")
	opened := 0
	for range 100 {
		damaged := append([]byte(nil), whole[:min(len(whole), 4<<20)]...)
		damaged = append(damaged, make([]byte, len(whole)-len(damaged))...)
		for range 1 + random.IntN(4) {
			page, offset := 2+random.IntN(used/4096-2), random.IntN(64) // headers and elements hurt most
			damaged[page*4096+offset] ^= byte(1 + random.IntN(255))
		}
		write(t, path, damaged)
		s, err := Open(path, "test")
		if err != nil {
			continue
		}
		opened++
		if err := s.Abandon(); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d of 100 were opened", opened)
}

func TestInterruptedFirstStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bty.db")
	write(t, path+".new", noise(3*4096))
	s := open(t, path)
	if err := s.Update(context.Background(), putMachine(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + ".new"); !os.IsNotExist(err) {
		t.Errorf("what the interrupted start left is still there: %v", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v, want mode 0600", info, err)
	}
}

func TestMigrateFromNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bty.db")
	raw, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Update(func(tx *bolt.Tx) error { // as initialise leaves it when the power fails before migrate
		if _, err := tx.CreateBucket(bucketMeta); err != nil {
			return err
		}
		return setSchema(tx, 0)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Close(); err != nil {
		t.Fatal(err)
	}
	s := open(t, path)
	if err := s.Update(context.Background(), putMachine(1)); err != nil {
		t.Fatal(err)
	}
	var schema uint32
	if err := s.View(func(tx *Tx) (err error) { schema, err = tx.schema(); return err }); err != nil || int(schema) != len(migrations) {
		t.Errorf("schema %d, %v", schema, err)
	}
}

func TestUnknownValueVersion(t *testing.T) {
	path := filled(t)
	raw, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	m := mac(1)
	err = raw.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucketMachines).Put(m[:], []byte("\x09{}")) })
	if err := errors.Join(err, raw.Close()); err != nil {
		t.Fatal(err)
	}
	if text := refused(t, path); !strings.Contains(text, "value version") {
		t.Errorf("got %s", text)
	}
}

func TestDamagedEvent(t *testing.T) {
	for _, value := range []string{"", "\x01", "\x09{}", "\x01[]", "\x01{\"id\":7", "\x01{\"id\"7}"} {
		path := filled(t)
		raw, err := bolt.Open(path, 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = raw.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucketEvents).Put(eventKey(1), []byte(value)) })
		if err := errors.Join(err, raw.Close()); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenCopy(path, func() {}); err == nil {
			t.Errorf("%q: a copy with it is taken", value)
		}
		refused(t, path)
	}
}

// A value that bbolt finds nothing wrong with must still be one.
func TestDamagedValues(t *testing.T) {
	for _, value := range []string{"", "\x01", "\x01{", "\x01{\"mac\":\"52:=4:00:00:00:01\"}", "\x01[]"} {
		path := filled(t)
		raw, err := bolt.Open(path, 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		m := mac(1)
		err = raw.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucketMachines).Put(m[:], []byte(value)) })
		if err := errors.Join(err, raw.Close()); err != nil {
			t.Fatal(err)
		}
		if text := refused(t, path); !strings.Contains(text, "machines/") || !strings.Contains(text, "bty-lab restore") {
			t.Errorf("%q: %s", value, text)
		}
	}
}

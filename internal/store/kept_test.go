package store

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"bty/internal/testenv/states"
)

// earlier is the database of an earlier release in a folder of its own.
func earlier(t *testing.T, name string) (path string, content []byte) {
	t.Helper()
	dir := t.TempDir()
	if err := states.Unpack(name, dir); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "bty.db")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, content
}

func openLive(t *testing.T, path string) *Kept {
	t.Helper()
	s, kept, err := OpenLive(path, "test")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Abandon(); err != nil {
		t.Fatal(err)
	}
	return kept
}

func schemaAt(t *testing.T, path string) uint32 {
	t.Helper()
	file, err := OpenCopy(path, func() {})
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	about, err := file.About()
	if err != nil {
		t.Fatal(err)
	}
	return about.Schema
}

// Before the first migration of a start the file is kept as every earlier release left it, byte for byte.
func TestKeptBeforeMigration(t *testing.T) {
	names := states.Names()
	for i, name := range names {
		t.Run(name, func(t *testing.T) {
			path, content := earlier(t, name)
			kept := openLive(t, path)
			if i == len(names)-1 {
				if beside := keptBeside(path); kept != nil || len(beside) > 0 {
					t.Errorf("nothing was migrated, and %+v was kept: %q", kept, beside)
				}
				return
			}
			if kept == nil || int(kept.Schema) != i+1 || int(kept.Newest) != len(names) || kept.Bytes != int64(len(content)) ||
				!strings.HasPrefix(kept.Path, fmt.Sprintf("%s.schema%d-", path, i+1)) {
				t.Fatalf("%+v", kept)
			}
			if copied, err := os.ReadFile(kept.Path); err != nil || !bytes.Equal(copied, content) {
				t.Errorf("the copy is not what was there: %v", err)
			}
			if info, err := os.Stat(kept.Path); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%v, %v", info, err)
			}
			if now := schemaAt(t, path); int(now) != len(names) {
				t.Errorf("schema %d", now)
			}
			if again := openLive(t, path); again != nil || len(keptBeside(path)) != 1 {
				t.Errorf("the next start keeps %+v: %q", again, keptBeside(path))
			}
		})
	}
}

// A start that was cut off between the copy and the migration does not make another one.
func TestKeptOnce(t *testing.T) {
	path, _ := earlier(t, "schema3")
	first, err := keep(path, 3)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(1100 * time.Millisecond) // its name has seconds
	if second := openLive(t, path); second == nil || *second != *first || len(keptBeside(path)) != 1 {
		t.Errorf("%+v, after %+v: %q", second, first, keptBeside(path))
	}
}

// Only the newest two stay, by when they were made, whatever their schema.
func TestKeptIsBounded(t *testing.T) {
	path, _ := earlier(t, "schema2")
	for _, name := range []string{".schema3-2026-01-02T00-00-00Z", ".schema1-2026-01-03T00-00-00Z", ".schema2-2026-01-01T00-00-00Z", ".schema-mine", ".set-aside"} {
		write(t, path+name, []byte(name))
	}
	kept := openLive(t, path)
	if want := []string{path + ".schema1-2026-01-03T00-00-00Z", kept.Path}; !slices.Equal(keptBeside(path), want) {
		t.Errorf("%q, want %q", keptBeside(path), want)
	}
	for _, name := range []string{".schema-mine", ".set-aside"} {
		if _, err := os.Stat(path + name); err != nil {
			t.Errorf("somebody else's file: %v", err)
		}
	}
	write(t, path+".schema9-2999-01-01T00-00-00Z", nil) // of a clock that was wrong
	if err := os.Remove(kept.Path); err != nil {
		t.Fatal(err)
	}
	again, err := keep(path, 4)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(again.Path); err != nil || len(keptBeside(path)) != 2 {
		t.Errorf("%v: %q", err, keptBeside(path))
	}
}

// A file that cannot be kept is not migrated, and the error says what to do.
func TestNotKeptNotMigrated(t *testing.T) {
	path, content := earlier(t, "schema3")
	if err := os.MkdirAll(filepath.Join(path+keptPart, "full"), 0o700); err != nil { // where the copy would be made
		t.Fatal(err)
	}
	_, kept, err := OpenLive(path, "test")
	failed, ok := errors.AsType[*KeepError](err)
	if !ok || kept != nil || failed.Have != 3 || !strings.Contains(err.Error(), "It was left untouched. Make room for") || !strings.Contains(err.Error(), filepath.Dir(path)) {
		t.Errorf("%v", err)
	}
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, content) {
		t.Errorf("it was written to: %v", err)
	}
	if err := os.RemoveAll(path + keptPart); err != nil {
		t.Fatal(err)
	}
	if kept := openLive(t, path); kept == nil {
		t.Error("with room it is not kept")
	}
}

// The earlier release names the command that puts back what was kept for it.
func TestNewerSchemaNamesWhatWasKept(t *testing.T) {
	path, _ := earlier(t, "schema3")
	kept := openLive(t, path)
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(func(tx *bolt.Tx) error { return setSchema(tx, 99) }), db.Close()); err != nil {
		t.Fatal(err)
	}
	write(t, path+".schema98-2999-01-01T00-00-00Z", nil) // which this release does not know either
	if text := refused(t, path); !strings.HasSuffix(text, PutBack(kept.Path)) {
		t.Error(text)
	}
	if text := putBack(kept.Path, false); !strings.HasSuffix(text, "bty-web.service && bty-lab restore "+kept.Path+" && systemctl start bty-web.socket") {
		t.Error(text)
	}
}

// The folder is the daemon's, and root may be who imports into the database: a link that is in the way of the copy
// leads it nowhere.
func TestKeptFollowsNoLink(t *testing.T) {
	path, content := earlier(t, "schema3")
	host := filepath.Join(t.TempDir(), "passwd")
	if err := errors.Join(os.WriteFile(host, []byte("the host's"), 0o600), os.Symlink(host, path+keptPart)); err != nil {
		t.Fatal(err)
	}
	kept := openLive(t, path)
	if got, err := os.ReadFile(kept.Path); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%s is not the file as it was: %v", kept.Path, err)
	}
	if is, err := os.ReadFile(host); err != nil || string(is) != "the host's" {
		t.Errorf("a file of the host became %.20q, %v", is, err)
	}
}

// A container's message is for the host, where its path is no path: the commands put back what was kept, and lose
// neither the database that they replace nor one that was set aside before.
func TestPutBackOfAContainer(t *testing.T) {
	path, content := earlier(t, "schema3")
	kept := openLive(t, path)
	write(t, path+".set-aside", []byte("before"))
	newer, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "podman"), []byte("#!/bin/sh\n[ \"$*\" = 'volume inspect --format {{.Mountpoint}} bty-data' ] && echo '"+filepath.Dir(path)+"'\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	text := putBack("/var/lib/bty/"+filepath.Base(kept.Path), true)
	_, commands, _ := strings.Cut(text, "stopped: ")
	commands, _, _ = strings.Cut(commands, "; then")
	cmd := exec.Command("sh", "-c", commands)
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(text, "bty-lab restore") {
		t.Fatalf("%s: %v\n%s", text, err, out)
	}
	for name, want := range map[string][]byte{path: content, path + ".set-aside": newer, path + ".set-aside.~1~": []byte("before")} {
		if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

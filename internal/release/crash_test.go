package release

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// setOf is a set whose files all carry one mark.
func setOf(mark string) map[string]string {
	files := map[string]string{}
	for i := range 12 {
		files[fmt.Sprintf("file%02d", i)] = mark
	}
	return files
}

// whole returns the mark of the set in dir, and fails if the files are not all of one set or if
// anything else is there.
func whole(t *testing.T, dir string) string {
	t.Helper()
	names := list(t, dir)
	mark := content(t, dir, "file00")
	for _, name := range names {
		if content(t, dir, name) != mark {
			t.Fatalf("%s is of set %q, the first file of %q", name, content(t, dir, name), mark)
		}
	}
	if len(names) != 12 {
		t.Fatalf("the folder holds %v", names)
	}
	return mark
}

// A process that ends after any step of a switch leaves the old set before the plan is in place,
// and the new one from then on.
func TestEveryStepOfASwitch(t *testing.T) {
	files := setOf("new")
	for moved := -1; moved <= len(files)+1; moved++ {
		dir := t.TempDir()
		write(t, dir, setOf("old"))
		s := newShelf(t, dir)
		staging, err := s.Stage()
		if err != nil {
			t.Fatal(err)
		}
		p := plan{From: staging.dir}
		for name, content := range files {
			if _, err := staging.Receive(name, strings.NewReader(content)); err != nil {
				t.Fatal(err)
			}
			p.Files = append(p.Files, name)
		}
		want := "old"
		if moved >= 0 { // the plan is in place, and so many files have their names
			want = "new"
			if err := s.decide(p); err != nil {
				t.Fatal(err)
			}
			for _, name := range p.Files[:min(moved, len(files))] {
				if err := s.Root.Rename(p.From+"/"+name, name); err != nil {
					t.Fatal(err)
				}
			}
		}
		if moved > len(files) { // even the staging folder is gone
			if err := s.Root.RemoveAll(p.From); err != nil {
				t.Fatal(err)
			}
		}
		if err := newShelf(t, dir).Recover(); err != nil {
			t.Fatalf("after %d files: %v", moved, err)
		}
		if got := whole(t, dir); got != want {
			t.Errorf("after %d files: the %s set", moved, got)
		}
	}
}

// A switch that fails half-way keeps what it needs to be finished: by the next switch, or at the
// next start.
func TestInterruptedSwitchIsFinished(t *testing.T) {
	dir := t.TempDir()
	s := newShelf(t, dir)
	write(t, dir, setOf("old"))
	staging, err := s.Stage()
	if err != nil {
		t.Fatal(err)
	}
	p := plan{From: staging.dir}
	for name, content := range setOf("new") {
		if _, err := staging.Receive(name, strings.NewReader(content)); err != nil {
			t.Fatal(err)
		}
		p.Files = append(p.Files, name)
	}
	staging.decided = true
	if err := s.decide(p); err != nil {
		t.Fatal(err)
	}
	if err := staging.Discard(); err != nil {
		t.Fatal(err)
	}
	if err := put(s, map[string]string{"file00": "new", "file01": "new"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Recover(); err != nil {
		t.Fatal(err)
	}
	if got := whole(t, dir); got != "new" {
		t.Errorf("the %s set", got)
	}
}

const switcherDir = "BTY_TEST_SWITCHER_DIR"

// TestSwitcher is the process that TestKilledInASwitch kills: it puts one set after the other in
// place, for ever.
func TestSwitcher(t *testing.T) {
	dir := os.Getenv(switcherDir)
	if dir == "" {
		return // it is not the one
	}
	s := newShelf(t, dir)
	for i := 0; ; i++ {
		if err := put(s, setOf(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
		fmt.Println("switched")
	}
}

// kill -9 at any moment leaves one whole set.
func TestKilledInASwitch(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	interrupted := 0
	for round := range 40 {
		dir := t.TempDir()
		write(t, dir, setOf("old"))
		process := exec.Command(self, "-test.run=^TestSwitcher$")
		process.Env = append(os.Environ(), switcherDir+"="+dir)
		out, err := process.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := process.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 1)); err != nil { // it is at work
			t.Fatal(err)
		}
		time.Sleep(time.Duration(round) * 500 * time.Microsecond)
		_ = process.Process.Kill()
		_ = process.Wait() // killed
		if slices.ContainsFunc(list(t, dir), func(n string) bool { return n == planName }) {
			interrupted++
		}
		if err := newShelf(t, dir).Recover(); err != nil {
			t.Fatal(err)
		}
		whole(t, dir)
		if err := os.RemoveAll(filepath.Join(dir)); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d of 40 kills hit a switch that was decided and not yet carried out", interrupted)
}

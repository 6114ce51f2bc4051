// Package packaging_test builds the packages twice, in two folders and without a network, and looks
// at what came out: the same bytes, nothing that lintian or rpmlint would say, the files that are
// listed in testdata, manuals and completions that say what the programs say.
package packaging_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const (
	version = "1.2.3"
	date    = "1700000000" // of the last commit, as it were
)

var scratch string

func TestMain(m *testing.M) {
	var err error
	if scratch, err = os.MkdirTemp("", "packaging"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(scratch)
	os.Exit(code)
}

// tree is a copy of the sources in a folder of its own, with the programs and packages made there.
type tree struct{ dir string }

func (t tree) bin(name string) string { return filepath.Join(t.dir, "build/bin", name) }

// packages are the files that were made, by name.
func (t tree) packages() map[string][]byte {
	found := map[string][]byte{}
	paths, _ := filepath.Glob(filepath.Join(t.dir, "build/packages/*.*"))
	for _, p := range paths {
		if b, err := os.ReadFile(p); err == nil {
			found[filepath.Base(p)] = b
		}
	}
	return found
}

func (t tree) glob(tb testing.TB, pattern string) string {
	tb.Helper()
	found, err := filepath.Glob(filepath.Join(t.dir, "build/packages", pattern))
	if err != nil || len(found) != 1 {
		tb.Fatalf("%s: %v, %v", pattern, found, err)
	}
	return found[0]
}

// first has everything; it is built once for all tests.
var first = sync.OnceValues(func() (tree, error) { return build("one") })

func built(t *testing.T) tree {
	t.Helper()
	b, err := first()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// build copies the sources to a folder and makes both packages there, in a network namespace where
// nothing can be reached: the modules that compiled this test are all there is.
func build(folder string) (tree, error) {
	t := tree{filepath.Join(scratch, folder)}
	if err := copySources(t.dir); err != nil {
		return t, err
	}
	cmd := exec.Command("unshare", "-n", "make", "-C", t.dir, "deb", "rpm",
		"VERSION=v"+version, "PACKAGE_VERSION="+version, "COMPRESSION=fast")
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH="+date, "GOPROXY=off", "MAKEFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return t, fmt.Errorf("make deb rpm: %w\n%s", err, out)
	}
	return t, nil
}

// copySources copies what git knows, and what it does not ignore.
func copySources(dir string) error {
	list := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "..")
	names, err := list.Output()
	if err != nil {
		return fmt.Errorf("git ls-files: %w", err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names), "\x00"), "\x00") {
		if err := copyFile(name, filepath.Join(dir, "packaging", name)); err != nil && !os.IsNotExist(err) {
			return err // a file that was deleted since is no error
		}
	}
	return nil
}

func copyFile(from, to string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, content, info.Mode().Perm())
}

// What is packed depends neither on the place nor on the day.
func TestTwoBuildsAreTheSameBytes(t *testing.T) {
	one := built(t).packages()
	other, err := build("a/longer/way/to/two")
	if err != nil {
		t.Fatal(err)
	}
	two := other.packages()
	if len(one) != 5 || len(two) != 5 {
		t.Fatalf("packages: %d and %d, not 5", len(one), len(two))
	}
	for name, content := range one {
		if !bytes.Equal(content, two[name]) {
			t.Errorf("%s differs between two builds", name)
		}
	}
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, &errs)
	}
	return string(out)
}

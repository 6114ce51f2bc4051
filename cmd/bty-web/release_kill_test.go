package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// kill -9 at any moment of a fetch leaves a whole release once the next start is up: the one of
// before or the new one, nothing of both and nothing half.
func TestKilledWhileFetching(t *testing.T) {
	t.Parallel()
	var edition atomic.Int64
	made := func(name string) string {
		return strings.Repeat(fmt.Sprintf("%s of edition %d\n", name, edition.Load()), 20_000)
	}
	mirror := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := path.Base(r.URL.Path)
		if !strings.HasSuffix(name, ".sha256") {
			_, _ = io.WriteString(w, made(name))
			return
		}
		for _, suffix := range []string{".vmlinuz", ".initrd", ".squashfs"} {
			fmt.Fprintf(w, "%x  %s\n", sha256.Sum256([]byte(made(artifactStem+suffix))), artifactStem+suffix)
		}
	}))
	defer mirror.Close()
	a := prepare(t, fromMirror(mirror.URL))
	cmd := a.beginProcess()
	fetch := func() { a.do("POST", "/boot/releases", map[string]any{"tag": "latest"}).is(t, 202) }
	fetch()
	a.eventually("the first edition is installed", func() bool { return a.fetchStatus(0) == "completed" })
	behind := map[int64]int{}
	for round := range 12 {
		edition.Add(1)
		fetch()
		time.Sleep(time.Duration(round) * 4 * time.Millisecond)
		_ = cmd.Process.Signal(syscall.SIGKILL)
		_ = cmd.Wait()
		a.http.CloseIdleConnections()
		cmd = a.beginProcess()
		behind[edition.Load()-a.editionOf(t)]++
	}
	t.Logf("so many editions behind after a kill, so often: %v", behind)
}

// editionOf reads the boot folder, which must hold one whole edition.
func (a *appliance) editionOf(t *testing.T) (edition int64) {
	t.Helper()
	names := a.boots()
	if len(names) != 4 {
		t.Fatalf("the boot folder holds %v", names)
	}
	manifest, err := os.ReadFile(filepath.Join(a.state, "boot", artifactStem+".sha256"))
	if err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{".vmlinuz", ".initrd", ".squashfs"} {
		raw, err := os.ReadFile(filepath.Join(a.state, "boot", artifactStem+suffix))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(manifest), fmt.Sprintf("%x  %s", sha256.Sum256(raw), artifactStem+suffix)) {
			t.Fatalf("%s is not of the edition that the manifest lists", artifactStem+suffix)
		}
		line, _, _ := strings.Cut(string(raw), "\n")
		if _, err := fmt.Sscanf(line, artifactStem+suffix+" of edition %d", &edition); err != nil {
			t.Fatal(err)
		}
	}
	return edition
}

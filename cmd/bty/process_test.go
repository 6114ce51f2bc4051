package main

import (
	"bufio"
	"debug/elf"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestMain lets a test start this program as a process of its own.
func TestMain(m *testing.M) {
	switch os.Getenv("BTY_TEST_AS_MAIN") {
	case "1":
		main()
	case "wizard":
		start(wizardEnv())
	}
	os.Exit(m.Run())
}

// startBty starts the program; what it says appears in the buffer once it has ended.
func startBty(t *testing.T, args ...string) (*exec.Cmd, *bufio.Scanner, *strings.Builder) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), "BTY_TEST_AS_MAIN=1")
	said := &strings.Builder{}
	cmd.Stderr = said
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out), said
}

// Ctrl-C once left the write running.
func TestSignalsOfARealProcess(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		rw.Header().Set("Content-Length", "100000000")
		_, _ = rw.Write(image(8 * mib))
		rw.(http.Flusher).Flush()
		<-req.Context().Done()
	}))
	t.Cleanup(web.Close)
	// A test that is run by nohup would have a child that ignores it.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(hangups) })
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		target, _ := loopDisk(t, 128*mib, "")
		cmd, lines, said := startBty(t, "flash", "--image", web.URL+"/i.img", "--disk", target.Path, "--yes", "--json")
		for lines.Scan() {
			if strings.Contains(lines.Text(), `"stage":"write"`) && !strings.Contains(lines.Text(), `"bytes":0`) {
				_ = cmd.Process.Signal(sig)
			}
		}
		_ = cmd.Wait()
		if cmd.ProcessState.ExitCode() != 130 || !strings.Contains(said.String(), "will not boot") {
			t.Errorf("%v: %v\n%s", sig, cmd.ProcessState, said)
		}
	}
}

func TestStatusOfARealProcess(t *testing.T) {
	cmd, lines, said := startBty(t, "--nonsense")
	for lines.Scan() {
	}
	_ = cmd.Wait()
	if cmd.ProcessState.ExitCode() != 2 || !strings.HasPrefix(said.String(), "bty: ") || strings.Count(said.String(), "\n") != 1 {
		t.Errorf("%v\n%s", cmd.ProcessState, said)
	}
}

// The init of the live environment finds no loader and no library, and every MiB of it is
// fetched by every machine at every boot.
func TestBinaryIsStaticAndSmall(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	path := filepath.Join(t.TempDir(), "bty")
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w -X bty/internal/build.Version=7.8.9", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("it needs a loader")
		}
	}
	if info, err := os.Stat(path); err != nil || info.Size() > 14*mib {
		t.Errorf("%v bytes, %v", info.Size(), err)
	}
	if out, err := exec.CommandContext(t.Context(), path, "--version").Output(); err != nil || string(out) != "bty 7.8.9\n" {
		t.Errorf("%q, %v", out, err)
	}
}

package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"bty/internal/event"
	"bty/internal/fault"
)

// The test binary plays the other process: BTY_STORE_ROLE says which.
func TestMain(m *testing.M) {
	path := os.Getenv("BTY_STORE_PATH")
	switch os.Getenv("BTY_STORE_ROLE") {
	case "":
		os.Exit(m.Run())
	case "hold":
		child(path, func(*Store) { _, _ = io.Copy(io.Discard, os.Stdin) })
	case "write":
		child(path, writeForEver)
	}
}

func child(path string, work func(*Store)) {
	s, err := Open(path, "test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go s.Run(context.Background())
	fmt.Println("open")
	work(s)
	os.Exit(0)
}

// writeForEver prints each write once it is acknowledged.
func writeForEver(s *Store) {
	var work sync.WaitGroup
	for worker := range 8 {
		work.Go(func() {
			for i := worker * 100_000; ; i++ {
				err := s.Update(context.Background(), func(tx *Tx) error {
					return errors.Join(putMachine(i)(tx), tx.AppendEvent(&event.Event{Summary: fmt.Sprint(i)}))
				})
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				fmt.Printf("%d\n", i)
			}
		})
	}
	work.Wait()
}

type peer struct {
	cmd   *exec.Cmd
	stdin io.Closer
	lines *bufio.Scanner
}

func spawn(t *testing.T, role, path string) *peer {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "BTY_STORE_ROLE="+role, "BTY_STORE_PATH="+path)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &peer{cmd, stdin, bufio.NewScanner(stdout)}
	t.Cleanup(p.kill)
	return p
}

// kill ends the process without a chance to clean up. What it printed before can still be read.
func (p *peer) kill() { _ = p.cmd.Process.Signal(syscall.SIGKILL) }

func TestHeldByAnotherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bty.db")
	other := spawn(t, "hold", path)
	if !other.lines.Scan() {
		t.Fatal("the other process did not open the database")
	}
	begun := time.Now()
	s, err := Open(path, "test")
	took := time.Since(begun)
	if err == nil {
		_ = s.Abandon()
		t.Fatal("two processes have the database open")
	}
	comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", other.cmd.Process.Pid))
	for _, want := range []string{path, strings.TrimSpace(string(comm)), fmt.Sprintf("process %d", other.cmd.Process.Pid), "stop it"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	if fault.KindOf(err) != fault.Unavailable || took > 15*time.Second { // it takes 1 s
		t.Errorf("kind %d after %s", fault.KindOf(err), took)
	}
	other.kill()
	_ = other.cmd.Wait()
	open(t, path) // and it is free again
}

// kills is how often the process is killed; BTY_TEST_LONG=1 has it killed more often.
func kills() int {
	if os.Getenv("BTY_TEST_LONG") == "1" {
		return 500
	}
	return 20
}

func TestKilledWhileWriting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bty.db")
	random := rand.New(rand.NewPCG(uint64(os.Getpid()), 1))
	total := 0
	for range kills() {
		writer := spawn(t, "write", path)
		if !writer.lines.Scan() {
			t.Fatal("the writer did not open the database")
		}
		var acknowledged []int
		stopAt := 1 + random.IntN(400)
		for writer.lines.Scan() { // ends when the killed process's pipe is empty
			var n int
			if _, err := fmt.Sscanf(writer.lines.Text()+"\n", "%d\n", &n); err == nil {
				acknowledged = append(acknowledged, n)
			}
			if len(acknowledged) == stopAt {
				writer.kill()
			}
		}
		_ = writer.cmd.Wait()
		total += len(acknowledged)
		afterKill(t, path, acknowledged)
	}
	t.Logf("%d acknowledged writes", total)
}

// afterKill opens the database as the next process does: what was acknowledged is there.
func afterKill(t *testing.T, path string, acknowledged []int) {
	t.Helper()
	s, err := Open(path, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Abandon()
	for _, n := range acknowledged {
		if !knows(t, s, n) {
			t.Fatalf("write %d was acknowledged and is lost", n)
		}
	}
	check(t, s)
}

func TestKilledAtTheFirstStart(t *testing.T) {
	random := rand.New(rand.NewPCG(uint64(os.Getpid()), 2))
	for range kills() {
		path := filepath.Join(t.TempDir(), "bty.db")
		first := spawn(t, "hold", path)
		time.Sleep(time.Duration(random.IntN(20_000)) * time.Microsecond) // anywhere in its start
		first.kill()
		_ = first.cmd.Wait()
		s, err := Open(path, "test")
		if err != nil {
			t.Fatal(err)
		}
		check(t, s)
		_ = s.Abandon()
	}
}

// tiny mounts a file system of so many bytes and returns its folder.
func tiny(t *testing.T, size int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		if testing.Short() {
			t.Skip("mounting needs root:", err)
		}
		t.Fatalf("mount a small tmpfs: %v; run the tests as root", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestFullDisk(t *testing.T) {
	dir := tiny(t, 8<<20)
	path := filepath.Join(dir, "bty.db")
	ballast := filepath.Join(dir, "ballast")
	write(t, ballast, make([]byte, 4<<20))
	s := open(t, path)
	var last atomic.Int64
	fill := func() (err error) {
		for err == nil {
			n := int(last.Load()) + 1
			err = s.Update(context.Background(), func(tx *Tx) error {
				return errors.Join(putMachine(n)(tx), tx.AppendEvent(&event.Event{Summary: strings.Repeat("x", 20_000)}))
			})
			if err == nil {
				last.Store(int64(n))
			}
		}
		return err
	}
	for range 3 { // it stays full, and goes on saying so
		err := fill()
		if fault.KindOf(err) != fault.Full || !strings.Contains(err.Error(), "Free space") {
			t.Fatalf("got %v", err)
		}
	}
	if err := s.Check(context.Background()); err != nil {
		t.Errorf("it cannot be read while the disk is full: %v", err)
	}
	all(t, s, int(last.Load()))
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := s.Update(context.Background(), putMachine(int(last.Load())+1)); err != nil {
		t.Fatalf("there is space again: %v", err)
	}
	all(t, s, int(last.Load())+1)
	check(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, path)
	all(t, again, int(last.Load())+1)
	check(t, again)
	t.Logf("%d updates before the disk was full", last.Load())
}

func all(t *testing.T, s *Store, last int) {
	t.Helper()
	for n := 1; n <= last; n++ {
		if !knows(t, s, n) {
			t.Fatalf("write %d was acknowledged and is lost", n)
		}
	}
}

func TestFullDiskAtTheFirstStart(t *testing.T) {
	dir := tiny(t, 64<<10)
	write(t, filepath.Join(dir, "ballast"), make([]byte, 60<<10))
	path := filepath.Join(dir, "bty.db")
	if _, err := Open(path, "test"); !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), path) {
		t.Fatalf("got %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "ballast")); err != nil {
		t.Fatal(err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("left behind: %v", entries)
	}
	open(t, path)
}

package backup

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/job"
	"bty/internal/ledger"
	"bty/internal/store"
)

// The test binary plays an appliance that makes one backup after the other in the folder that
// BTY_TEST_BACKUPS_IN names, and prints the ID of each that is completed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("BTY_TEST_BACKUPS_IN"); dir != "" {
		if err := backUpForEver(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

func backUpForEver(dir string) error {
	t := &plain{}
	s := siteIn(t, dir, "")
	for n := 0; ; n++ {
		state, err := s.Begin(context.Background(), ByHand, netip.Addr{})
		if err != nil {
			return err
		}
		if state, err = s.Wait(context.Background(), state.Key); err != nil || state.Status != job.Completed {
			return fmt.Errorf("%s: %w", state.Status, errors.Join(err, state.Err))
		}
		fmt.Println(state.Key)
		s.pass(time.Second)
	}
}

// plain is a testing.TB outside of a test.
type plain struct{ testing.TB }

func (*plain) Helper()                  {}
func (*plain) Fatal(args ...any)        { panic(fmt.Sprint(args...)) }
func (*plain) Cleanup(func())           {}
func (*plain) Context() context.Context { return context.Background() }

// whole proves that what carries the name of a backup is one.
func whole(t *testing.T, stored Stored) {
	t.Helper()
	if stored.Problem != "" || stored.Manifest == nil {
		t.Fatalf("%s looks whole and is not: %s", stored.ID, stored.Problem)
	}
	for name, want := range stored.Manifest.Files {
		raw, err := os.ReadFile(filepath.Join(stored.Path, name))
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(raw); hex.EncodeToString(sum[:]) != want.SHA256 {
			t.Fatalf("%s of %s is not what was verified", name, stored.ID)
		}
	}
	kept, err := store.OpenCopy(filepath.Join(stored.Path, snapshotName), func() {})
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	if about, err := kept.About(); err != nil || about.Machines != stored.Manifest.Machines {
		t.Fatalf("%+v, %v", about, err)
	}
}

// A process that is killed in the middle of a backup leaves none that looks whole, and those that
// were completed stay.
func TestKilledInABackup(t *testing.T) {
	dir := t.TempDir()
	first := siteIn(t, dir, "")
	first.machines(0, 2000)
	first.stop()
	kills := 10
	if os.Getenv("BTY_TEST_LONG") == "1" {
		kills = 200
	}
	completed, partial := map[string]bool{}, 0
	for n := range kills {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		peer := exec.Command(self)
		peer.Env = []string{"BTY_TEST_BACKUPS_IN=" + dir}
		out, err := peer.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		var said strings.Builder
		peer.Stderr = &said
		if err := peer.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for range n % 3 { // some live to see one completed, or two
			if !lines.Scan() {
				t.Fatalf("it ended: %s", &said)
			}
			completed[lines.Text()] = true
		}
		time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond) // anywhere in the next
		_ = peer.Process.Signal(syscall.SIGKILL)
		for lines.Scan() {
			completed[lines.Text()] = true
		}
		_ = peer.Wait()
		left, _ := filepath.Glob(filepath.Join(dir, "backups", partialPrefix+"*"))
		partial += len(left)
		found, err := folder{filepath.Join(dir, "backups")}.list()
		if err != nil {
			t.Fatal(err)
		}
		for _, stored := range found {
			whole(t, stored)
		}
	}
	s := siteIn(t, dir, "")
	if got := s.onDisk(); strings.Contains(got, partialPrefix) || strings.Contains(got, deletedPrefix) {
		t.Errorf("left: %s", got)
	}
	s.pass(24 * time.Hour)
	s.backUp(job.Completed) // one that was killed before it deleted the oldest left them to the next
	if found, _ := s.List(); len(found) > 7 || len(completed) >= 7 && len(found) < 7 {
		t.Errorf("%d of %d are kept", len(found), len(completed))
	}
	t.Logf("%d completed, %d killed in the middle", len(completed), partial)
}

// tiny mounts a file system of so many bytes and returns its folder.
func tiny(t *testing.T, size int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		t.Fatalf("mount a small tmpfs: %v; run the tests as root", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// A backup that has no room is refused before it begins; one whose room goes away meanwhile leaves
// nothing.
func TestFullBackupDisk(t *testing.T) {
	disk := tiny(t, 24<<20)
	s := siteIn(t, t.TempDir(), disk)
	s.machines(0, 5000)
	s.backUp(job.Completed)
	ballast := filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 8<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	state := s.backUp(job.Failed)
	for _, want := range []string{disk, "free", "MiB", "backup_dir"} {
		if fault.KindOf(state.Err) != fault.Full || !strings.Contains(fault.Public(state.Err), want) {
			t.Errorf("does not say %q: %v", want, state.Err)
		}
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	id := s.begunAtWork()
	_ = os.WriteFile(ballast, make([]byte, 24<<20), 0o600) // somebody else takes the room
	state = s.ended(id, job.Failed)
	if fault.KindOf(state.Err) != fault.Full || !strings.Contains(fault.Public(state.Err), "is full") {
		t.Errorf("%v", state.Err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if list, err := s.List(); err != nil || len(list) != 1 || strings.Contains(s.onDisk(), partialPrefix) {
		t.Errorf("%v, %v, %s", list, err, s.onDisk())
	}
	s.backUp(job.Completed)
}

// A job at work is cancelled at once, leaves nothing, and says so.
func TestCancelAtWork(t *testing.T) {
	s := newSite(t)
	s.machines(0, 20_000)
	id := s.begunAtWork()
	from := netip.MustParseAddr("192.0.2.1")
	if _, err := s.Cancel(t.Context(), id, from); err != nil {
		t.Fatal(err)
	}
	s.ended(id, job.Cancelled)
	if got := s.happened(id); got != "[backup.create.requested backup.create.started backup.create.cancelled]" {
		t.Error(got)
	}
	var last event.Event
	kind := event.BackupCancelled
	if err := s.store.View(func(tx *store.Tx) error {
		found, err := tx.Events(event.Filter{Kind: &kind})
		last = found[0]
		return err
	}); err != nil || last.SourceIP != from || string(last.Details) != string(ledger.Details(struct {
		ID     string `json:"backup_id"`
		Source string `json:"source"`
	}{id, "operator"})) {
		t.Errorf("%+v, %v", last, err)
	}
	if got := s.onDisk(); got != "[]" {
		t.Errorf("left: %s", got)
	}
}

// A process that stops ends its backups, and the next one has none of them.
func TestStopAtWork(t *testing.T) {
	dir := t.TempDir()
	s := siteIn(t, dir, "")
	s.machines(0, 20_000)
	for range 3 {
		if _, err := s.Begin(t.Context(), ByHand, netip.Addr{}); err != nil {
			t.Fatal(err)
		}
	}
	s.stop()
	for _, j := range s.Jobs() {
		if j.Status != job.Cancelled {
			t.Errorf("%s: %s", j.Key, j.Status)
		}
	}
	if got := siteIn(t, dir, "").onDisk(); got != "[]" {
		t.Errorf("left: %s", got)
	}
}

package owner

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// stranger runs do on a thread that is nobody.
func stranger(t *testing.T, do func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		if testing.Short() {
			t.Skip("needs root to be somebody else")
		}
		t.Fatal("needs root to be somebody else: run as root, or with -short to leave it out")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // it ends with the goroutine
		if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, 1234, 1234, 1234); e != 0 {
			t.Error(e)
			return
		}
		do()
	}()
	<-done
}

// The message names the folder that bars the way, not the file behind it.
func TestExplain(t *testing.T) {
	dir := t.TempDir()
	for p := dir; len(p) > len(os.TempDir()); p = filepath.Dir(p) { // a test's folder is its user's alone
		if err := os.Chmod(p, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	state := filepath.Join(dir, "state")
	file := filepath.Join(state, "bty.toml")
	if err := errors.Join(os.Mkdir(state, 0o750), os.WriteFile(file, nil, 0o640), os.Chown(state, 1000, 1001)); err != nil {
		t.Fatal(err)
	}
	stranger(t, func() {
		_, err := os.ReadFile(file)
		wantExplained(t, Explain(file, err), state+" belongs to user 1000 and group 1001 (mode 0750), and this process is user ")
		err = os.Mkdir(filepath.Join(dir, "new"), 0o755)
		wantExplained(t, Explain(filepath.Join(dir, "new"), err), dir+" belongs to user 0 and group 0 (mode 0755)")
	})
	if err := Explain(file, syscall.EROFS); !errors.Is(err, syscall.EROFS) || !strings.Contains(err.Error(), "mounted read-only") {
		t.Error(err)
	}
	for _, same := range []error{nil, syscall.ENOSPC, os.ErrNotExist} {
		if got := Explain(file, same); got != same {
			t.Errorf("%v became %v", same, got)
		}
	}
}

func wantExplained(t *testing.T, err error, says string) {
	t.Helper()
	if !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "chown") && !InContainer() {
		t.Errorf("%v; want %q", err, says)
	}
}

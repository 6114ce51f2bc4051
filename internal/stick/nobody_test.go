package stick

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"bty/internal/liveenv/builder"
)

// asNobody makes this program one that builds both kinds of stick into a folder, of files in another.
const asNobody = "BTY_TEST_STICK"

func TestMain(m *testing.M) {
	from, to, plays := strings.Cut(os.Getenv(asNobody), " ")
	if !plays {
		os.Exit(m.Run())
	}
	fmt.Println("uid", os.Getuid())
	for name, boot := range map[string]Boot{"live": live(from, builder.X86_64), "chain": &Chain{Host: "a:8080", Programs: []string{from}}} {
		if _, err := Build(context.Background(), Options{Out: filepath.Join(to, name+".img"), Boot: boot, Room: map[string]int64{"live": 100 << 20}[name]}); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
}

// Nobody needs a right, a loop device or a mount to make a stick's image.
func TestBuildAsNobody(t *testing.T) {
	const nobody = 65534
	open, err := os.MkdirTemp("", "stick-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(open) })
	files, out := filepath.Join(open, "files"), filepath.Join(open, "out")
	for path, owner := range map[string]int{open: 0, out: nobody} {
		err := errors.Join(os.MkdirAll(path, 0o755), os.Chmod(path, 0o755), os.Chown(path, owner, owner))
		if err != nil {
			t.Fatalf("%v; run the tests as root", err)
		}
	}
	copied(t, prepared(t), files)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(open, "program")
	output(t, "install", "-m", "755", self, program)
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Dir, cmd.Env = out, []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + out, asNobody + "=" + files + " " + out}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if said, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(said), "uid 65534") {
		t.Fatalf("%v: %s", err, said)
	}
	for _, name := range []string{"live.img", "chain.img"} {
		if table := output(t, "sfdisk", "--dump", filepath.Join(out, name)); !strings.Contains(table, "type=ef, bootable") {
			t.Errorf("%s:\n%s", name, table)
		}
	}
}

// copied makes files that everybody may read of others.
func copied(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		at := filepath.Join(to, strings.TrimPrefix(path, from))
		if err != nil || d.IsDir() {
			return errors.Join(err, os.MkdirAll(at, 0o755))
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(at, data, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}

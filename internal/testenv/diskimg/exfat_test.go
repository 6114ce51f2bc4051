package diskimg

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// What the file system's own checker says of a file that was put in.
func TestPutExFAT(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fs")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 64<<20); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "mkfs.exfat", path).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range []string{"image.img.zst", "a name that takes several entries.img.gz", "ü.raw"} {
		if err := PutExFAT(path, 0, name, bytes.Repeat([]byte(name), 10000)); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.CommandContext(t.Context(), "fsck.exfat", "-n", path).CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("clean. directories 1, files 3")) {
		t.Errorf("%v\n%s", err, out)
	}
}

package flash

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"bty/internal/disk/looptest"
)

func TestRunQCOW2(t *testing.T) {
	want := picture(30*mib, 5)
	dir := t.TempDir()
	raw, img := filepath.Join(dir, "disk.raw"), filepath.Join(dir, "disk.qcow2")
	if err := os.WriteFile(raw, want, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, options := range []string{"", "-c", "-c -o compression_type=zstd"} {
		argv := append(append([]string{"convert", "-f", "raw", "-O", "qcow2"}, strings.Fields(options)...), raw, img)
		if out, err := exec.Command("qemu-img", argv...).CombinedOutput(); err != nil {
			t.Fatalf("qemu-img: %v: %s (apt-get install qemu-utils)", err, out)
		}
		b, err := os.ReadFile(img)
		if err != nil {
			t.Fatal(err)
		}
		path, file := used(t, 40*mib, looptest.Options{})
		res, err := Run(t.Context(), Request{Source: serve(t, "disk.qcow2", b), Target: path, Digest: digest(b)}, nil)
		if err != nil || !res.Verified || res.Transferred != int64(len(b)) {
			t.Fatalf("%q: %+v, %v", options, res, err)
		}
		holds(t, file, want)

		b[len(b)-1]++
		path, file = used(t, 40*mib, looptest.Options{})
		_, err = Run(t.Context(), Request{Source: serve(t, "disk.qcow2", b), Target: path, Digest: digest(bytes.Repeat(b, 2))}, nil)
		fails(t, err, ErrDigest, "was declared")
		unbootable(t, file)
	}
}

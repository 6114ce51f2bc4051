package image

import (
	"bytes"
	"os/exec"
	"testing"
	"time"
)

// A layer is a whole archive, to its last block: engines are lenient, tar itself is not.
func TestLayerIsAWholeArchive(t *testing.T) {
	const block = 512
	for _, size := range []int{0, 1, block - 1, block, block + 1} {
		l := Layer{What: "test", Files: []File{{Path: "/usr/bin/x", Mode: 0o755, Content: make([]byte, size)}}}
		content, unpacked, err := l.tar(time.Unix(1_800_000_000, 0))
		if err != nil {
			t.Fatal(err)
		}
		if len(content)%block != 0 || !bytes.HasSuffix(content, make([]byte, 2*block)) || unpacked != int64(size) {
			t.Errorf("%d bytes make an archive of %d, which does not end as one", size, len(content))
		}
		list := exec.CommandContext(t.Context(), "tar", "--list")
		list.Stdin = bytes.NewReader(content)
		if out, err := list.CombinedOutput(); err != nil || string(out) != "usr/\nusr/bin/\nusr/bin/x\n" {
			t.Errorf("%d bytes: tar says %v: %s", size, err, out)
		}
	}
}

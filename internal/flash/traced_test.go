package flash

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"bty/internal/disk/looptest"
)

// call is one system call as strace shows it.
var call = regexp.MustCompile(`(?m)^(?:\[pid +\d+\] )?(\w+)\((.*)\) += (-?\d+)`)

// traced flashes an image in a program of its own and returns its system calls of some kinds.
func traced(t *testing.T, source, target, kinds string) [][]string {
	t.Helper()
	log := filepath.Join(t.TempDir(), "calls")
	cmd := exec.Command("strace", "-f", "-qq", "-s", "0", "-o", log, "-e", "trace="+kinds, os.Args[0])
	cmd.Env = append(os.Environ(), killedChild+"="+source+" "+target)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s (apt-get install strace)", err, out)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	return calls(string(text))
}

// calls puts together what strace tore apart.
func calls(text string) (all [][]string) {
	begun := map[string]string{}
	for line := range strings.Lines(text) {
		pid, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		rest = strings.TrimSpace(rest)
		if head, cut := strings.CutSuffix(rest, " <unfinished ...>"); cut {
			begun[pid] = head
			continue
		}
		if _, tail, resumed := strings.Cut(rest, " resumed>"); resumed {
			rest = begun[pid] + tail
		}
		if m := call.FindStringSubmatch(rest); m != nil {
			all = append(all, m[1:])
		}
	}
	return all
}

// The disk is opened for nobody else and past the kernel's caches, which take round places only; no image
// is put into a temporary file on its way, a qcow2 neither, which is read by ranges.
func TestDirectAndWithoutAFile(t *testing.T) {
	img := picture(48*mib, 3)
	qcow2 := asQCOW2(t, img)
	for name, image := range map[string][]byte{"disk.img": img, "disk.qcow2": qcow2} {
		t.Run(name, func(t *testing.T) {
			target, file := used(t, 48*mib, looptest.Options{})
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { serveBytes(w, r, name, image) }))
			defer srv.Close()
			opened := false
			for _, c := range traced(t, srv.URL+"/"+name, target, "openat") {
				switch args := c[1]; {
				case strings.Contains(args, "O_RDWR") && strings.Contains(args, `"`+target+`"`):
					opened = true
					if !strings.Contains(args, "O_DIRECT") || !strings.Contains(args, "O_EXCL") {
						t.Errorf("the disk is opened by openat(%s)", args)
					}
				case strings.Contains(args, "O_CREAT"), strings.Contains(args, "O_TMPFILE"):
					t.Errorf("a file is made: openat(%s)", args)
				}
			}
			if !opened {
				t.Error("nobody saw the disk being opened")
			}
			holds(t, file, img)
		})
	}
}

// asQCOW2 is a raw image as qemu-img writes it.
func asQCOW2(t *testing.T, img []byte) []byte {
	t.Helper()
	dir := t.TempDir()
	raw, to := filepath.Join(dir, "raw"), filepath.Join(dir, "qcow2")
	if err := os.WriteFile(raw, img, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, to).CombinedOutput(); err != nil {
		t.Fatalf("qemu-img: %v: %s (apt-get install qemu-utils)", err, out)
	}
	b, err := os.ReadFile(to)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

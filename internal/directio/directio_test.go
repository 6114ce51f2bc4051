package directio

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"unsafe"
)

func TestBuffer(t *testing.T) {
	for _, n := range []int{0, 1, 512, page, page + 1, 1 << 20, huge - 1, huge, huge + 1, 4 << 20, 5<<20 + 3} {
		b := Buffer(n)
		if len(b) != n || cap(b) != n {
			t.Errorf("Buffer(%d) has %d bytes and room for %d", n, len(b), cap(b))
		}
		if at := uintptr(unsafe.Pointer(unsafe.SliceData(b))); at%page != 0 {
			t.Errorf("Buffer(%d) begins at %#x, which is no page", n, at)
		}
		for i, c := range b {
			if c != 0 {
				t.Fatalf("Buffer(%d)[%d] = %d", n, i, c)
			}
		}
	}
}

// The kernel marks what it was asked to keep in huge pages, wherever it knows them.
func TestLargeBufferAsksForHugePages(t *testing.T) {
	_, err := os.Stat("/sys/kernel/mm/transparent_hugepage")
	known := err == nil
	b := Buffer(4 << 20)
	flags := flagsAt(t, uintptr(unsafe.Pointer(unsafe.SliceData(b))))
	if asked := strings.Contains(flags, " hg"); asked != known {
		t.Errorf("flags %q; the kernel knows huge pages: %v", flags, known)
	}
	b[0] = 1 // it is in use until here
}

// flagsAt is the VmFlags line of the mapping that holds an address (proc_pid_smaps(5)).
func flagsAt(t *testing.T, at uintptr) string {
	t.Helper()
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	inside := false
	for line := range strings.Lines(string(smaps)) {
		var from, to uintptr
		if n, _ := fmt.Sscanf(line, "%x-%x ", &from, &to); n == 2 {
			inside = from <= at && at < to
		}
		if inside && strings.HasPrefix(line, "VmFlags:") {
			return line
		}
	}
	t.Fatalf("no mapping holds %#x", at)
	return ""
}

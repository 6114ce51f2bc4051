package agent

import (
	"strings"
	"testing"

	"bty/internal/catalog"
	"bty/internal/flash"
	"bty/internal/wire"
)

// At most four lines per stage on a serial console, never over
// 100 %, and none that stack.
func TestMilestones(t *testing.T) {
	out := &output{}
	c := &Console{Out: out}
	for n := int64(0); n <= 1000; n++ {
		c.Progress(flash.Progress{Stage: "write", Bytes: n, Total: 999})
	}
	c.Progress(flash.Progress{Stage: "sync", Bytes: 999, Total: 999})
	c.Progress(flash.Progress{Stage: "sync", Bytes: 999, Total: 999})
	c.Progress(flash.Progress{Stage: "table", Bytes: 999, Total: 999})
	want := "bty: write 25%\nbty: write 50%\nbty: write 75%\nbty: write 100%\nbty: sync\nbty: table\n"
	if out.String() != want {
		t.Fatalf("%q", out)
	}
}

func TestMilestonesOfTinyImages(t *testing.T) {
	for total := int64(1); total < 9; total++ {
		out := &output{}
		c := &Console{Out: out}
		for n := int64(0); n <= total+2; n++ {
			c.Progress(flash.Progress{Stage: "write", Bytes: n, Total: total})
		}
		if n := strings.Count(out.String(), "\n"); n > 4 || strings.Count(out.String(), "100%") != 1 {
			t.Errorf("%d bytes: %q", total, out)
		}
	}
}

func TestMilestonesWithoutTotal(t *testing.T) {
	out := &output{}
	c := &Console{Out: out}
	for n := int64(0); n <= 300<<20; n += 1 << 20 {
		c.Progress(flash.Progress{Stage: "write", Bytes: n})
	}
	if want := "bty: write 64.0 MiB\nbty: write 128.0 MiB\nbty: write 256.0 MiB\n"; out.String() != want {
		t.Fatalf("%q", out)
	}
}

func TestTerminalHasOneLine(t *testing.T) {
	out := &output{}
	c := &Console{Out: out, Terminal: true}
	c.Progress(flash.Progress{Stage: "write", Bytes: 512 << 20, Total: 1 << 30, Rate: 64 << 20})
	c.Line("a message")
	c.Progress(flash.Progress{Stage: "sync", Bytes: 1 << 30, Total: 1 << 30})
	c.End()
	want := "\r\x1b[Kwrite  512.0 MiB of 1.0 GiB   50%  64.0 MiB/s  8s left" + "\r\x1b[Kbty: a message\n" +
		"\r\x1b[Ksync   1.0 GiB of 1.0 GiB  100%\n"
	if out.String() != want {
		t.Fatalf("%q", out)
	}
}

func TestParseFormat(t *testing.T) {
	for in, want := range map[string]catalog.Format{"": "", "img": "img", " IMG.GZ ": "img.gz", "qcow2": "qcow2"} {
		if got, err := ParseFormat(in); err != nil || got != want {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	if _, err := ParseFormat("tar.gz"); err == nil || !strings.Contains(err.Error(), "img.zst") {
		t.Error(err)
	}
}

func FuzzPrintable(f *testing.F) {
	f.Add("\x1b[2J\r\n\t\u202e\x9b")
	f.Fuzz(func(t *testing.T, s string) {
		if got := Printable(s); strings.ContainsAny(got, "\x1b\r\n\t\u009b") {
			t.Fatalf("%q", got)
		}
	})
}

func FuzzRequestOf(f *testing.F) {
	f.Add("http://h/i.img", "S1", "img.gz", "ab", int64(1))
	f.Fuzz(func(t *testing.T, image, serial, format, digest string, size int64) {
		req, err := requestOf(wire.Plan{Image: image, TargetDiskSerial: serial, Format: format, DiskImageSHA: digest, SizeBytes: size})
		if err == nil && (req.Source == "" || strings.TrimSpace(serial) == "" || req.Size < 0) {
			t.Fatalf("%+v", req)
		}
	})
}

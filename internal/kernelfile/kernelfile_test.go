package kernelfile

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"
)

// The banner is found wherever it lies, also across the borders of what is held at one time.
func TestSearchBanner(t *testing.T) {
	const said = "Linux version 6.12.0-arm64"
	for _, at := range []int{0, 1, 1<<20 - 10, 1 << 20, 1<<20 + 190, 1<<20 + len(banner) + maxWord - 5, 1<<20 + len(banner) + maxWord + 1, 3 << 20} {
		image := strings.Repeat("\x00", at) + "Linux version %s\x00" + said + " (someone)" + strings.Repeat("\xff", 1<<20)
		for name, r := range map[string]io.Reader{"whole": strings.NewReader(image), "half": iotest.HalfReader(strings.NewReader(image)), "with the end": iotest.DataErrReader(strings.NewReader(image))} {
			if version, err := searchBanner(r); err != nil || version != "6.12.0-arm64" {
				t.Errorf("at %d, %s: %q %v", at, name, version, err)
			}
		}
	}
	if version, err := searchBanner(strings.NewReader(said)); err != nil || version != "6.12.0-arm64" {
		t.Errorf("at the very end: %q %v", version, err)
	}
	broken := errors.New("broken")
	if _, err := searchBanner(io.MultiReader(strings.NewReader(said), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("what follows is broken: %v", err)
	}
}

// zboot is an EFI zboot file (drivers/firmware/efi/libstub/zboot-header.S).
func zboot(method string, payload []byte) []byte {
	b := make([]byte, 64)
	copy(b, "MZ\x00\x00zimg")
	binary.LittleEndian.PutUint32(b[8:], 64)
	binary.LittleEndian.PutUint32(b[12:], uint32(len(payload)))
	copy(b[24:], method)
	return append(b, payload...)
}

func TestZboot(t *testing.T) {
	image := []byte(strings.Repeat("\x00", 2<<20) + "Linux version 6.2.1 (x)\x00" + strings.Repeat("\x00", 2<<20))
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	if _, err := w.Write(image); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	pressed := enc.EncodeAll(image, nil)
	for name, file := range map[string][]byte{"gzip": zboot("gzip", zipped.Bytes()), "zstd": zboot("zstd22", pressed)} {
		if version, err := ARM64Version(file); err != nil || version != "6.2.1" || !IsARM64(file) {
			t.Errorf("%s: %q %v", name, version, err)
		}
	}
	for name, file := range map[string][]byte{"gzip": zboot("gzip", zipped.Bytes()[:zipped.Len()-20]), "zstd": zboot("zstd", pressed[:len(pressed)-20])} {
		if version, err := ARM64Version(file); err == nil {
			t.Errorf("a cut %s: %q", name, version)
		}
	}
}

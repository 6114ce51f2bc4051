// Package kernelfile reads what a Linux kernel's file says about itself: its architecture and its
// version.
package kernelfile

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// IsARM64 reports whether data begins like a kernel for arm64.
func IsARM64(data []byte) bool {
	return len(data) >= 64 && (string(data[56:60]) == "ARM\x64" || isZboot(data))
}

func isZboot(data []byte) bool { return string(data[:2]) == "MZ" && string(data[4:8]) == "zimg" }

// X86Version returns the version of a kernel for x86, "" if it does not say, from the boot protocol's
// header (Documentation/arch/x86/boot.rst).
func X86Version(data []byte) (string, error) {
	const (
		headerMagic   = 0x202 // "HdrS"
		versionOffset = 0x20e // of the version string, less 0x200
		xloadflags    = 0x236 // bit 0: has a 64-bit entry point
	)
	if len(data) < 0x400 || string(data[headerMagic:headerMagic+4]) != "HdrS" {
		return "", errors.New("not a bzImage for x86 (give the vmlinuz of a kernel package)")
	}
	if data[xloadflags]&1 == 0 {
		return "", errors.New("a 32-bit kernel; the live environment needs a 64-bit one")
	}
	at := int(binary.LittleEndian.Uint16(data[versionOffset:])) + 0x200
	if at == 0x200 || at >= len(data) {
		return "", nil
	}
	return firstWord(data[at:]), nil
}

// ARM64Version returns the version of an Image (Documentation/arch/arm64/booting.rst) or an EFI
// zboot file, whose payload is an Image that is compressed; "" if it does not say.
func ARM64Version(data []byte) (string, error) {
	if len(data) >= 64 && string(data[56:60]) == "ARM\x64" {
		return bannerVersion(data, true), nil
	}
	if len(data) < 64 || !isZboot(data) {
		return "", errors.New("neither an Image nor an EFI zboot file for arm64")
	}
	offset, size := binary.LittleEndian.Uint32(data[8:]), binary.LittleEndian.Uint32(data[12:])
	if uint64(offset)+uint64(size) > uint64(len(data)) {
		return "", errors.New("an EFI zboot file that is cut short")
	}
	payload := bytes.NewReader(data[offset : offset+size])
	var image io.Reader
	var err error
	switch method := firstWord(data[24:56]); method {
	case "gzip":
		image, err = gzip.NewReader(payload)
	case "zstd", "zstd22":
		var dec *zstd.Decoder
		if dec, err = zstd.NewReader(payload, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20)); err == nil {
			defer dec.Close()
			image = dec
		}
	default:
		return "", nil // cannot look inside; the modules' version goes unproven
	}
	if err != nil {
		return "", fmt.Errorf("unpack the EFI zboot file: %w", err)
	}
	const maxImage = 256 << 20
	version, err := searchBanner(io.LimitReader(image, maxImage))
	if err != nil {
		return "", fmt.Errorf("unpack the EFI zboot file: %w", err)
	}
	return version, nil
}

// maxWord is the longest version that is taken, in bytes.
const maxWord = 200

// searchBanner reads r to its end, so that what is broken in it is found, and returns the version in
// the first banner. An image has tens of megabytes: they are not held at one time.
func searchBanner(r io.Reader) (version string, err error) {
	const step, overlap = 1 << 20, len(banner) + maxWord
	buf := make([]byte, 0, step+overlap)
	for {
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		last := errors.Is(err, io.EOF)
		switch {
		case err != nil && !last:
			return "", err
		case !last && len(buf) < cap(buf):
			continue
		case version == "":
			version = bannerVersion(buf, last)
		}
		if last {
			return version, nil
		}
		buf = buf[:copy(buf, buf[len(buf)-overlap:])]
	}
}

const banner = "Linux version " // which every kernel prints first

// bannerVersion finds the version in the banner. Unless the image ends here, a banner whose version
// may go on behind the end is left to the next look.
func bannerVersion(image []byte, last bool) string {
	for rest := image; ; {
		i := bytes.Index(rest, []byte(banner))
		if i < 0 {
			return ""
		}
		rest = rest[i+len(banner):]
		if !last && len(rest) < maxWord {
			return ""
		}
		if len(rest) > 0 && rest[0] >= '0' && rest[0] <= '9' {
			return firstWord(rest)
		}
	}
}

// firstWord is the text up to a blank or NUL, at most maxWord bytes of it.
func firstWord(b []byte) string {
	b = b[:min(len(b), maxWord)]
	if i := bytes.IndexAny(b, "\x00 \n"); i >= 0 {
		b = b[:i]
	}
	return strings.ToValidUTF8(string(b), "?")
}

// Package diskimg makes small disk images that really boot: what they boot to is one line on
// the first serial port, and then nothing more.
//
// The same image boots on BIOS, from the code in its first sector, and on UEFI, from a program
// of a few bytes for x86-64 and one for arm64 in its EFI system partition. The rest is noise and zeros, so that flashing it
// takes a moment and its digest means something.
package diskimg

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
)

// Table is the kind of partition table.
type Table int

// MBR leaves nothing to adjust when the image lands on a larger disk; GPT has a backup header
// that belongs at the disk's end.
const (
	MBR Table = iota
	GPT
)

// Spec says which image to make.
type Spec struct {
	Line  string // what it says on the serial port, at most 200 bytes
	Size  int64  // a multiple of 1 MiB, at least MinSize
	Table Table
	Seed  uint64 // of the noise: another seed is another image
}

// Image is a finished file.
type Image struct {
	File   string
	Size   int64
	SHA256 string
}

const (
	sector   = 512
	mebi     = 1 << 20
	espStart = mebi
	espSize  = 2 * mebi
	// MinSize leaves room for the table, the EFI system partition, and some noise.
	MinSize = 8 * mebi
)

// Build writes a raw image to file.
func Build(ctx context.Context, file string, spec Spec) (Image, error) {
	if spec.Size < MinSize || spec.Size%mebi != 0 || len(spec.Line) > 200 {
		return Image{}, fmt.Errorf("an image of %d bytes with a line of %d is not possible", spec.Size, len(spec.Line))
	}
	f, err := os.Create(file)
	if err != nil {
		return Image{}, err
	}
	err = errors.Join(f.Truncate(spec.Size), writeParts(ctx, f, spec), f.Close())
	if err != nil {
		return Image{}, fmt.Errorf("making disk image %s: %w", file, err)
	}
	sum, err := sha256Of(file)
	return Image{File: file, Size: spec.Size, SHA256: sum}, err
}

func writeParts(ctx context.Context, f *os.File, spec Spec) error {
	first := bootSector(spec.Line)
	rest := int64(espStart + espSize)
	switch spec.Table {
	case MBR:
		putMBREntry(first, 0, 0x80, 0xef, espStart, espSize)
		putMBREntry(first, 1, 0, 0x83, rest, spec.Size-rest)
	case GPT:
		putMBREntry(first, 0, 0, 0xee, sector, spec.Size-sector)
		if err := writeGPT(f, spec.Size); err != nil {
			return err
		}
	}
	if _, err := f.WriteAt(first, 0); err != nil {
		return err
	}
	esp, err := systemPartition(ctx, efiPrograms(spec.Line))
	if err != nil {
		return err
	}
	if _, err := f.WriteAt(esp, espStart); err != nil {
		return err
	}
	return writeNoise(f, rest, spec.Size-mebi, spec.Seed)
}

// writeNoise fills from..to: of each MiB a quarter is noise, a quarter repeats itself, and the
// rest stays zero.
func writeNoise(f io.WriterAt, from, to int64, seed uint64) error {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	noise := rand.NewChaCha8(key)
	block := make([]byte, mebi/2)
	for at := from; at < to; at += mebi {
		if _, err := noise.Read(block[:mebi/4]); err != nil {
			return err
		}
		for i := mebi / 4; i < len(block); i++ {
			block[i] = "all work and no play "[i%21]
		}
		if _, err := f.WriteAt(block, at); err != nil {
			return err
		}
	}
	return nil
}

func sha256Of(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

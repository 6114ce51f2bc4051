package kmod

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

// maxModule bounds what one compressed module may unpack to; the largest drivers have a few MiB.
const maxModule = 64 << 20

// InsertFrom returns an Insert that loads files below dir, plain or compressed with zstd. Not
// every kernel can unpack a module by itself (CONFIG_MODULE_DECOMPRESS), so we do it.
func InsertFrom(dir string) Insert {
	return func(path, options string) error {
		err := insert(filepath.Join(dir, path), options)
		if errors.Is(err, unix.EEXIST) {
			return nil
		}
		return err
	}
}

func insert(file, options string) error {
	if !strings.HasSuffix(file, ".zst") {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close()
		return unix.FinitModule(int(f.Fd()), options, 0)
	}
	packed, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	image, err := unpack(packed)
	if err != nil {
		return fmt.Errorf("unpack %s: %w", file, err)
	}
	return unix.InitModule(image, options)
}

func unpack(packed []byte) ([]byte, error) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxModule))
	if err != nil {
		return nil, err
	}
	defer dec.Close()
	return dec.DecodeAll(packed, nil)
}

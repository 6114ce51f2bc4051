package stick

import (
	"context"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// makeRoom makes the empty file system for images. mkfs.exfat knows no offset: it works on a file of
// its own, of which the few parts that it wrote are copied.
func makeRoom(ctx context.Context, s tools, image string, p plan) error {
	if p.room.size == 0 {
		return nil
	}
	own := image + ".exfat"
	defer os.Remove(own)
	if err := create(own, p.room.size); err != nil {
		return err
	}
	if err := s.run(ctx, mkfsExFAT, "-L", Label, own); err != nil {
		return err
	}
	if err := os.Truncate(image, p.size()); err != nil {
		return err
	}
	return copyData(own, image, p.room.start)
}

// copyData copies what of a file is not a hole to another one, from at on.
func copyData(from, to string, at int64) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer out.Close()
	for end := int64(0); ; {
		data, err := unix.Seek(int(in.Fd()), end, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return out.Close()
		}
		if err != nil {
			return err
		}
		if end, err = unix.Seek(int(in.Fd()), data, unix.SEEK_HOLE); err != nil {
			return err
		}
		if _, err := io.Copy(io.NewOffsetWriter(out, at+data), io.NewSectionReader(in, data, end-data)); err != nil {
			return err
		}
	}
}

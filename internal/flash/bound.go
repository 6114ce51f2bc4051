package flash

import (
	"fmt"
	"io"

	"bty/internal/catalog"
	"bty/internal/disk"
	"bty/internal/origin"
)

// roomBehind is what may be read of an image beyond twice the size of its disk: tables, checksums, what a
// virtual machine left in a qcow2.
var roomBehind int64 = 64 << 20

// mostOf is how many bytes an image for a disk may have as it is published. No compression makes anything
// twice as large.
func mostOf(d *disk.Target) int64 { return 2*d.Size + roomBehind }

// bounded is the source, which may go on for ever with what gives no byte of the disk: empty members,
// padding, bytes behind the last cluster. One whose length is known ends by itself.
func (j *job) bounded(src *origin.Reader) io.Reader {
	if src.Size() >= 0 {
		return src
	}
	return &bounded{src, mostOf(j.disk), j.tooMuch(fmt.Sprintf("more than %s", disk.HumanSize(mostOf(j.disk))))}
}

type bounded struct {
	io.Reader
	left int64
	err  error // behind that
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, b.err
	}
	n, err := b.Reader.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// isPlausible refuses what is as published larger than any image for the disk. A qcow2 may hold snapshots,
// which nobody writes.
func (j *job) isPlausible(size int64, f catalog.Format) error {
	if f == catalog.QCOW2 || size <= mostOf(j.disk) {
		return nil
	}
	return j.tooMuch(disk.HumanSize(size))
}

func (j *job) tooMuch(much string) error {
	return kind(ErrTooLarge, fmt.Errorf("as published it has %s, and %s has %s: no image for it is that large", much, j.disk.Path, disk.HumanSize(j.disk.Size)))
}

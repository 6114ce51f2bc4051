package testenv

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
)

// Bus is how a disk is attached.
type Bus string

// The buses that machines have.
const (
	VirtIO Bus = "virtio-blk-pci"
	NVMe   Bus = "nvme"
	AHCI   Bus = "ide-hd"
)

// Disk is a machine's disk: a sparse raw file on our side.
type Disk struct {
	File   string
	Serial string
	Bus    Bus // VirtIO if empty
}

// NewDisk makes an empty disk of size bytes.
func NewDisk(file, serial string, size int64) (Disk, error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return Disk{}, fmt.Errorf("making a disk: %w", err)
	}
	return Disk{File: file, Serial: serial}, errors.Join(f.Truncate(size), f.Close())
}

// Fill writes content at the start of the disk: what was on it before.
func (d Disk) Fill(content io.Reader) error {
	f, err := os.OpenFile(d.File, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	return errors.Join(err, f.Close())
}

// Digest is the SHA-256 of the first n bytes of the disk, in hex.
func (d Disk) Digest(n int64) (string, error) {
	f, err := os.Open(d.File)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.CopyN(h, f, n); err != nil {
		return "", fmt.Errorf("reading %d bytes of disk %s: %w", n, d.File, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// args attaches the disk. The cache is unsafe on purpose: what a guest has written survives
// the end of QEMU in the host's page cache, and no test cuts the host's power.
func (d Disk) args(index int) []string {
	id := "disk" + strconv.Itoa(index)
	bus := d.Bus
	if bus == "" {
		bus = VirtIO
	}
	device := fmt.Sprintf("%s,drive=%s,bootindex=%d", bus, id, index+1)
	if d.Serial != "" {
		device += ",serial=" + d.Serial
	}
	return []string{
		"-drive", fmt.Sprintf("if=none,id=%s,format=raw,cache=unsafe,discard=unmap,detect-zeroes=off,file=%s", id, d.File),
		"-device", device,
	}
}

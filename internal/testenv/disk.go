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
	USB    Bus = "usb-storage" // one disk of a machine at most
	SCSI   Bus = "scsi-hd"     // one, on virtio-scsi
	SD     Bus = "sd-card"     // one
)

// SDSerial is the serial of every SD card of QEMU: it cannot be set.
const SDSerial = "0xdeadbeef"

// controllers are what a bus needs besides the disk.
var controllers = map[Bus]string{USB: "qemu-xhci", SCSI: "virtio-scsi-pci", SD: "sdhci-pci"}

// Disk is a machine's disk: a sparse raw file on our side.
type Disk struct {
	File   string
	Serial string
	Bus    Bus // VirtIO if empty

	// FailsAt is a byte whose block cannot be written: an error for whoever tries. 0: none.
	FailsAt int64
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
	device := fmt.Sprintf("%s,id=%s,drive=%s", bus, deviceID(index), id)
	if bus != SD { // which firmware does not boot, and whose serial is fixed
		device += fmt.Sprintf(",bootindex=%d", index+1)
	}
	if d.Serial != "" && bus != SD {
		device += ",serial=" + d.Serial
	}
	args := []string{"-drive", fmt.Sprintf("if=none,id=%s,format=raw,cache=unsafe,discard=unmap,detect-zeroes=off,%s", id, d.source())}
	if controller := controllers[bus]; controller != "" {
		args = append(args, "-device", controller)
	}
	return append(args, "-device", device)
}

func deviceID(index int) string { return "device" + strconv.Itoa(index) }

// source is where a drive's bytes are: a file, perhaps behind QEMU's driver that makes errors
// (docs/devel/blkdebug of QEMU).
func (d Disk) source() string {
	if d.FailsAt == 0 {
		return "file=" + d.File
	}
	return fmt.Sprintf("file.driver=blkdebug,file.image.driver=file,file.image.filename=%s,"+
		"file.inject-error.0.event=none,file.inject-error.0.iotype=write,file.inject-error.0.errno=5,file.inject-error.0.sector=%d", d.File, d.FailsAt/512)
}

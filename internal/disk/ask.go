package disk

import (
	"os"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Requests of the kernel that x/sys does not name.
const (
	hdioGetIdentity = 0x030d // <linux/hdreg.h>: ATA IDENTIFY DEVICE, 512 bytes
	sgIO            = 0x2285 // <scsi/sg.h>
)

// parseUnitSerial reads the Unit Serial Number page (SPC-4 section 7.8.15).
func parseUnitSerial(page []byte) string {
	if len(page) < 4 || page[1] != 0x80 {
		return ""
	}
	n := int(page[2])<<8 | int(page[3])
	return printable(page[4:min(len(page), 4+n)])
}

type ataIdentity struct{ serial, model string }

// parseATA reads IDENTIFY DEVICE data (ACS-3 section 7.12.7) as HDIO_GET_IDENTITY gives them:
// the kernel has put the bytes of the strings, which a drive swaps in pairs, in order already.
func parseATA(id []byte) (ataIdentity, bool) {
	if len(id) < 512 {
		return ataIdentity{}, false
	}
	const word = 2
	a := ataIdentity{serial: printable(id[10*word : 20*word]), model: printable(id[27*word : 47*word])}
	return a, a.serial != ""
}

// printable drops what is no printable ASCII, and blanks around the rest.
func printable(b []byte) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, string(b)))
}

// asked opens a device only to ask it, without waiting for a medium.
func asked(path string, f func(fd uintptr) bool) bool {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer file.Close()
	return f(file.Fd())
}

func askATA(path string) (id ataIdentity, ok bool) {
	buf := make([]byte, 512)
	ok = asked(path, func(fd uintptr) bool {
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, hdioGetIdentity, uintptr(unsafe.Pointer(&buf[0])))
		return errno == 0
	})
	if !ok {
		return ataIdentity{}, false
	}
	return parseATA(buf)
}

// sgHeader is struct sg_io_hdr of <scsi/sg.h>.
type sgHeader struct {
	interfaceID    int32
	direction      int32
	cmdLen         uint8
	maxSense       uint8
	iovecCount     uint16
	dxferLen       uint32
	dxfer          *byte
	cmd            *byte
	sense          *byte
	timeout        uint32
	flags          uint32
	packID         int32
	_              int32
	usr            uintptr
	status         uint8
	maskedStatus   uint8
	msgStatus      uint8
	senseWritten   uint8
	hostStatus     uint16
	driverStatus   uint16
	resid          int32
	duration, info uint32
}

// askUnitSerial sends INQUIRY for the page that kernels before 3.15 and some drivers do not
// show in sysfs.
func askUnitSerial(path string) string {
	page := make([]byte, 252)
	cmd := []byte{0x12, 1, 0x80, 0, byte(len(page)), 0}
	sense := make([]byte, 32)
	h := sgHeader{
		interfaceID: 'S', direction: -3, // SG_DXFER_FROM_DEV
		cmdLen: uint8(len(cmd)), maxSense: uint8(len(sense)), dxferLen: uint32(len(page)),
		dxfer: &page[0], cmd: &cmd[0], sense: &sense[0], timeout: 5000,
	}
	ok := asked(path, func(fd uintptr) bool {
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, sgIO, uintptr(unsafe.Pointer(&h)))
		return errno == 0 && h.status == 0 && h.hostStatus == 0 && h.driverStatus == 0
	})
	if !ok {
		return ""
	}
	return parseUnitSerial(page)
}

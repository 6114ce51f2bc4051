package doctor

import (
	"regexp"
	"strconv"
	"strings"

	"bty/internal/nbp"
	"bty/internal/wire"
)

// method is how a client of DHCP means to boot.
type method int

const (
	other method = iota // it does not say that it boots
	overTFTP
	overHTTP
	byIPXE
)

// client is a kind of client: all of one kind are told the same.
type client struct {
	method   method
	firmware nbp.Firmware
}

func (c client) String() string {
	switch c.method {
	case overTFTP:
		return c.name() + " over PXE"
	case overHTTP:
		return c.name() + " HTTP Boot"
	case byIPXE:
		return "iPXE"
	case other:
	}
	return "other clients"
}

func (c client) name() string {
	if c.firmware == "" {
		return "firmware of no known kind"
	}
	return string(c.firmware)
}

// isFirmware reports whether it waits to be told a boot program.
func (c client) isFirmware() bool { return c.method == overTFTP || c.method == overHTTP }

// Classes of clients (option 60) by how they begin: PXE specification 2.1, section 2.2.1; UEFI
// specification 2.10, section 24.7.2.1.
const (
	classPXE  = "PXEClient"
	classHTTP = "HTTPClient"
)

// clientOf is the kind of client that a request is from.
func clientOf(a wire.Asker) client {
	c := client{firmware: firmwareOf(a)}
	switch {
	case wire.Sighting{UserClass: a.UserClass}.FromIPXE():
		return client{method: byIPXE} // any iPXE runs any script
	case strings.HasPrefix(a.Class, classHTTP):
		c.method = overHTTP
	case strings.HasPrefix(a.Class, classPXE):
		c.method = overTFTP
	default:
		return client{}
	}
	return c
}

// firmwares are the client system architectures (option 93) of RFC 4578 section 2.1 with its
// erratum 4625, and of IANA's registry "Processor Architecture Types".
var firmwares = map[uint16]nbp.Firmware{
	0: nbp.BIOS, 20: nbp.BIOS,
	6: nbp.IA32, 15: nbp.IA32,
	7: nbp.X64, 9: nbp.X64, 16: nbp.X64, 17: nbp.X64,
	10: nbp.ARM32, 18: nbp.ARM32,
	11: nbp.ARM64, 19: nbp.ARM64,
	27: nbp.RISCV64, 28: nbp.RISCV64,
	39: nbp.Loong64, 40: nbp.Loong64,
}

var archInClass = regexp.MustCompile(`^(?:PXE|HTTP)Client:Arch:(\d{5})`)

// firmwareOf goes by option 93, which the class repeats in its text.
func firmwareOf(a wire.Asker) nbp.Firmware {
	if a.ArchCode != nil {
		return firmwares[*a.ArchCode]
	}
	m := archInClass.FindStringSubmatch(a.Class)
	if m == nil {
		return ""
	}
	code, err := strconv.ParseUint(m[1], 10, 16)
	if err != nil {
		return ""
	}
	return firmwares[uint16(code)]
}

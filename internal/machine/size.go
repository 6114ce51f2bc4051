package machine

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// sizeUnits are those of lsblk, each 1024 times the one before.
const sizeUnits = "KMGTPE"

// ParseSize reads a size as lsblk prints it for people ("953.9G"), also with "iB" or "B" behind
// the unit, or a plain number of bytes.
func ParseSize(s string) (bytes int64, ok bool) {
	s = strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(strings.TrimSpace(s)), "B"), "I")
	power := 0
	if s != "" {
		power = strings.IndexByte(sizeUnits, s[len(s)-1]) + 1
	}
	if power > 0 {
		s = s[:len(s)-1]
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	n = math.Round(n * math.Pow(1024, float64(power)))
	if err != nil || !(n >= 0 && n < math.MaxInt64) {
		return 0, false
	}
	return int64(n), true
}

// DecimalSize is a number of bytes for people, in decimal units, as disks are sold.
func DecimalSize(bytes float64) string {
	for _, unit := range []string{"B", "kB", "MB", "GB"} {
		if bytes < 1000 {
			return fmt.Sprintf("%.3g %s", bytes, unit)
		}
		bytes /= 1000
	}
	return fmt.Sprintf("%.3g TB", bytes)
}

// Bytes is the size of the disk, as precise as it was reported; ok is false if it was not, or
// in a form that is not known.
func (d Disk) Bytes() (bytes int64, ok bool) {
	if d.Size == nil {
		return 0, false
	}
	return ParseSize(*d.Size)
}

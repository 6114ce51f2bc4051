package backup

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ID names a backup and its folder: 2026-11-25T21-00-00Z, and -1, -2 for more in the same second.
type ID string

var idPattern = regexp.MustCompile(`^(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ)(?:-([1-9]\d{0,5}))?$`)

const idLayout = "2006-01-02T15-04-05Z"

// ParseID accepts exactly what we name backups; a folder that somebody called <id>-keep is none.
func ParseID(s string) (ID, bool) {
	_, _, ok := ID(s).parts()
	return ID(s), ok
}

func (id ID) parts() (at time.Time, nth int, ok bool) {
	found := idPattern.FindStringSubmatch(string(id))
	if found == nil {
		return at, 0, false
	}
	at, err := time.Parse(idLayout, found[1])
	if err != nil {
		return at, 0, false
	}
	nth, _ = strconv.Atoi(found[2]) // the pattern has settled it; absent is 0
	return at, nth, true
}

// At is the second that the ID names.
func (id ID) At() time.Time { at, _, _ := id.parts(); return at }

// Compare orders IDs by time.
func Compare(a, b ID) int {
	atA, nthA, _ := a.parts()
	atB, nthB, _ := b.parts()
	return cmp.Or(atA.Compare(atB), cmp.Compare(nthA, nthB), strings.Compare(string(a), string(b)))
}

func nthID(at time.Time, nth int) ID {
	id := at.UTC().Format(idLayout)
	if nth > 0 {
		id += "-" + strconv.Itoa(nth)
	}
	return ID(id)
}

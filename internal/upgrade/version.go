package upgrade

import (
	"cmp"
	"regexp"
	"strings"
)

// The forms that a version has here: a tag, what git describe makes of one, and what packages are called.
var (
	describedForm = regexp.MustCompile(`^(.*)-(\d+)-(g[0-9a-f]+)(.*)$`)
	commitForm    = regexp.MustCompile(`^[0-9a-f]{7,40}(-dirty)?$`)
	candidateForm = regexp.MustCompile(`-(alpha|beta|dev|pre|rc)`)
)

// spelled brings the forms of one version into one.
func spelled(version string) string {
	version = strings.TrimPrefix(version, "v")
	version = describedForm.ReplaceAllString(version, "$1+git$2.$3$4")
	return candidateForm.ReplaceAllString(version, "~$1")
}

// Compare orders two versions as dpkg does. It does not know the order of what is named by nothing but a
// commit.
func Compare(a, b string) (order int, known bool) {
	a, b = spelled(a), spelled(b)
	if a == b {
		return 0, true
	}
	if !startsWithDigit(a) || !startsWithDigit(b) || commitForm.MatchString(a) || commitForm.MatchString(b) {
		return 0, false
	}
	return compareParts(a, b), true
}

func startsWithDigit(s string) bool { return s != "" && isDigit(s[0]) }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// compareParts takes text and numbers in turn, as deb-version(7) says.
func compareParts(a, b string) int {
	for a != "" || b != "" {
		var x, y string
		x, a = cut(a, false)
		y, b = cut(b, false)
		if order := compareText(x, y); order != 0 {
			return order
		}
		x, a = cut(a, true)
		y, b = cut(b, true)
		x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
		if order := cmp.Or(cmp.Compare(len(x), len(y)), strings.Compare(x, y)); order != 0 {
			return order
		}
	}
	return 0
}

// cut takes the digits, or what is none, from the front.
func cut(s string, digits bool) (front, rest string) {
	n := 0
	for n < len(s) && isDigit(s[n]) == digits {
		n++
	}
	return s[:n], s[n:]
}

func compareText(a, b string) int {
	for i := 0; i < len(a) || i < len(b); i++ {
		if order := cmp.Compare(weight(a, i), weight(b, i)); order != 0 {
			return order
		}
	}
	return 0
}

// weight has a tilde before the end, the end before letters, and letters before all else.
func weight(s string, i int) int {
	switch {
	case i >= len(s):
		return 0
	case s[i] == '~':
		return -1
	case s[i] >= 'A' && s[i] <= 'Z' || s[i] >= 'a' && s[i] <= 'z':
		return int(s[i])
	}
	return int(s[i]) + 256
}

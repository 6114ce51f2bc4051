package origin

import (
	"bytes"
	"fmt"
)

// errPage: a login page, a captive portal, an error that calls itself 200.
var errPage = fmt.Errorf("%w: it sends a web page instead; check the address, and open it in a browser to see what it says", ErrRefused)

// isPage looks at how an answer begins. No disk and no compressed file begins with a tag.
func isPage(head []byte) bool {
	head = bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	for _, tag := range []string{"<!doctype html", "<html", "<head", "<?xml"} {
		if len(head) >= len(tag) && bytes.EqualFold(head[:len(tag)], []byte(tag)) {
			return true
		}
	}
	return false
}

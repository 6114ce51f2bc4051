package proxy

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"bty/internal/catalog"
)

// ask is what a request names.
type ask struct {
	src    string
	digest catalog.Digest // of ?sha256=, which only these bytes answer; the zero one takes what there is
}

const maxSource = 8 << 10 // bytes; a signed URL has some 2 KiB

// askOf reads withcache's URLs: /b/<base64url of the source>/<name>, where the name is for people
// alone, and /blob?url=<source>.
func askOf(r *http.Request) (ask, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil { // what cannot be read may have been a digest
		return ask{}, errors.New("what follows the question mark cannot be read: write % as %25, and ; as %3B")
	}
	a := ask{src: query.Get("url")}
	if token := r.PathValue("token"); token != "" {
		src, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(token, "="))
		if err != nil {
			return ask{}, errors.New("what follows /b/ is not the base64url of a source; the image's page has the right URL")
		}
		a.src = string(src)
	}
	if err := readable(a.src); err != nil {
		return ask{}, err
	}
	if hex := query.Get("sha256"); hex != "" {
		digest, err := catalog.ParseDigest(hex)
		if err != nil {
			return ask{}, errors.New("sha256 is not a digest: want 64 hex digits")
		}
		a.digest = digest
	}
	return a, nil
}

// readable refuses what no source can be, before it gets into a list or a line of the journal.
func readable(src string) error {
	switch {
	case src == "":
		return errors.New("missing url: ask for /b/<base64url of the source>/<name>, or for /blob?url=<source>")
	case len(src) > maxSource:
		return errors.New("the source is longer than 8 KiB")
	case !utf8.ValidString(src) || strings.ContainsFunc(src, unicode.IsControl):
		return errors.New("what follows /b/ is not the base64url of a source; the image's page has the right URL")
	}
	return nil
}

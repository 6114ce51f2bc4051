package client

import (
	"fmt"
	"net/url"
	"strings"

	"bty/internal/origin"
)

// Server is the base URL of a bty-web: scheme, host, perhaps a path, no trailing slash.
type Server string

// ParseServer accepts a URL or a bare host, as `bty.server=` on a kernel command line and people
// write it. A bare host gets http:// and no port, which means port 80: that is what the clients
// in the field do, so a name in a boot menu means the same to all of them.
func ParseServer(s string) (Server, error) {
	text := strings.TrimSpace(s)
	if strings.Trim(text, "/") == "" {
		return "", fmt.Errorf("no server given: write --server http://HOST:PORT")
	}
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	shown := origin.Redact(text) // somebody may have put a password there
	u, err := url.Parse(text)
	if err != nil {
		return "", fmt.Errorf("invalid server %q: write http://HOST:PORT", shown)
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return "", fmt.Errorf("invalid server %q: the scheme is %q, not http or https", shown, u.Scheme)
	case u.Hostname() == "":
		return "", fmt.Errorf("invalid server %q: it names no host", shown)
	case u.User != nil:
		return "", fmt.Errorf("invalid server: bty-web's routes for machines take no user name or password")
	case u.RawQuery != "" || u.Fragment != "":
		return "", fmt.Errorf("invalid server %q: give the base URL only, without ? or #", shown)
	}
	return Server(strings.TrimRight(u.String(), "/")), nil
}

// Catalog is the URL of the server's image catalog.
func (s Server) Catalog() string { return string(s) + "/catalog.toml" }

package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"

	"bty/internal/password"
)

// Find returns the key with this name ("server.port"), and whether there is one.
func Find(name string) (Key, bool) {
	for _, k := range Keys() {
		if k.String() == name {
			return k, true
		}
	}
	return Key{}, false
}

// Check says what is wrong with text as the value of a key, nil if nothing is.
func Check(name, text string) error {
	k, known := Find(name)
	if !known {
		return fmt.Errorf("%s is not a known setting", name)
	}
	_, err := k.value(text)
	return err
}

// value is text as the file has it: a string, or an int64 for a number. It is in range: what a
// file may hold and Load would correct in silence is refused of somebody who types it.
func (k Key) value(text string) (any, error) {
	if k.truth != nil {
		var c Config
		err := k.setTruth(&c, text, true)
		return *k.truth(&c), err
	}
	if k.number == nil {
		return text, k.setText(&Config{}, text)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n < int64(k.min) || n > int64(k.max) {
		return nil, fmt.Errorf("%s must be %s", k, k.Allowed())
	}
	return n, nil
}

// Allowed says in words which values the key takes.
func (k Key) Allowed() string {
	switch {
	case k.number != nil && k.max == maxInt:
		return fmt.Sprintf("a whole number from %d on", k.min)
	case k.number != nil:
		return fmt.Sprintf("a whole number from %d to %d", k.min, k.max)
	case k.truth != nil:
		return "true or false"
	case len(k.OneOf) > 0:
		return "one of " + quoted(k.OneOf)
	}
	return "a string"
}

func quoted(values []string) string {
	list := make([]string, len(values))
	for i, v := range values {
		list[i] = strconv.Quote(v)
	}
	return strings.Join(list, ", ")
}

// webURL demands the address of a web server.
func webURL(k Key, v string) error {
	u, err := url.Parse(v)
	if err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.User == nil {
		return nil
	}
	return fmt.Errorf("%s must be an http:// or https:// URL without a user name", k)
}

// pairs demands a list of a=b.
func pairs(k Key, v string) error {
	for _, pair := range strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' }) {
		if name, value, ok := strings.Cut(pair, "="); !ok || name == "" || value == "" || strings.Contains(value, "=") {
			return fmt.Errorf("%s has %.200q; want registry=host[:port][/prefix], with commas between several", k, pair)
		}
	}
	return nil
}

// releaseFolder demands the URL of a folder that releases are fetched from.
func releaseFolder(k Key, v string) error {
	u, err := url.Parse(v)
	if err == nil && u.User == nil && ((u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" || u.Scheme == "file") {
		return nil
	}
	return fmt.Errorf("%s must be an http://, https:// or file:// URL without a user name", k)
}

// proxyAddress demands what ParseProxy reads.
func proxyAddress(_ Key, v string) error { _, err := ParseProxy(v); return err }

// globs demands patterns of names with commas between.
func globs(k Key, v string) error {
	for _, one := range List(v) {
		if _, err := path.Match(strings.TrimPrefix(one, "!"), ""); err != nil {
			return fmt.Errorf("%s: %q is no pattern of a link's name, like eth* or !veth*", k, one)
		}
	}
	return nil
}

// macs demands MACs or beginnings of MACs with commas between.
func macs(k Key, v string) error {
	for _, one := range List(v) {
		if !macBeginning.MatchString(one) {
			return fmt.Errorf("%s: %q is neither a MAC nor how one begins, like 52:54:00", k, one)
		}
	}
	return nil
}

var macBeginning = regexp.MustCompile(`^[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){0,5}$`)

// List splits a setting that names several things.
func List(v string) (items []string) {
	for one := range strings.SplitSeq(v, ",") {
		if one = strings.TrimSpace(one); one != "" {
			items = append(items, one)
		}
	}
	return items
}

// ipv4Address demands an address that can be given to machines: firmware has no other kind yet.
func ipv4Address(k Key, v string) error {
	a, err := netip.ParseAddr(v)
	if err != nil || !a.Is4() || a.IsUnspecified() || a.IsMulticast() {
		return fmt.Errorf("%s is %q; it must be an IPv4 address of this appliance, like 192.0.2.1", k, v)
	}
	return nil
}

// usablePassword refuses a hash that no password could match.
func usablePassword(k Key, v string) error {
	if _, err := password.Parse(v); err != nil {
		return fmt.Errorf("%s %w", k, err)
	}
	return nil
}

// Proxy is the reverse proxy whose X-Forwarded-For is believed; the zero Proxy is none.
type Proxy struct {
	Any    bool
	Prefix netip.Prefix
}

// ParseProxy reads an address, a prefix, or a word that says all or none.
func ParseProxy(s string) (Proxy, error) {
	s = strings.TrimSpace(s)
	switch strings.ToLower(s) {
	case "", "0", "false", "no", "off":
		return Proxy{}, nil
	case "1", "true", "yes", "on", "*":
		return Proxy{Any: true}, nil
	}
	if addr, err := netip.ParseAddr(s); err == nil {
		return Proxy{Prefix: netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen())}, nil
	}
	prefix, err := netip.ParsePrefix(s)
	if err != nil {
		return Proxy{}, fmt.Errorf("server.trusted_proxy is %q; set the address of the reverse proxy, like 192.0.2.1 or 192.0.2.0/24, or leave it empty", s)
	}
	return Proxy{Prefix: prefix}, nil
}

// Trusts reports whether what this peer says of others is believed.
func (p Proxy) Trusts(peer netip.Addr) bool {
	return p.Any || p.Prefix.IsValid() && p.Prefix.Contains(peer)
}

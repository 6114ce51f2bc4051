// Package machine holds what the appliance knows about one machine: who it is, what the
// operator wants of it, what it reported, and which steps from one state to the next are legal.
// It is pure: no clock, no file, no network.
package machine

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// MAC is the EUI-48 address of the NIC that a machine boots from, its identity here.
type MAC [6]byte

// ParseMAC accepts what firmware, iPXE (${mac:hexhyp}) and the clients send: six groups of two
// hex digits, any case, joined by colons or hyphens.
func ParseMAC(s string) (MAC, error) {
	var m MAC
	if len(s) != 17 {
		return m, badMAC(s)
	}
	for i := range m {
		if i > 0 && s[3*i-1] != ':' && s[3*i-1] != '-' {
			return m, badMAC(s)
		}
		if _, err := hex.Decode(m[i:i+1], []byte(s[3*i:3*i+2])); err != nil {
			return m, badMAC(s)
		}
	}
	return m, nil
}

// ParseTypedMAC accepts in addition what people paste: bare hex and Cisco's dotted groups.
func ParseTypedMAC(s string) (MAC, error) {
	s = strings.TrimSpace(s)
	if len(s) == 14 && s[4] == '.' && s[9] == '.' {
		s = strings.ReplaceAll(s, ".", "")
	}
	if len(s) == 12 {
		var m MAC
		if _, err := hex.Decode(m[:], []byte(s)); err != nil {
			return m, badMAC(s)
		}
		return m, nil
	}
	return ParseMAC(s)
}

// String is the canonical spelling: lower case, colons.
func (m MAC) String() string { return m.join(':') }

// Hyphens is the spelling that is safe in a file name.
func (m MAC) Hyphens() string { return m.join('-') }

func (m MAC) join(sep byte) string {
	const digits = "0123456789abcdef"
	var b [17]byte
	for i, octet := range m {
		if i > 0 {
			b[3*i-1] = sep
		}
		b[3*i], b[3*i+1] = digits[octet>>4], digits[octet&15]
	}
	return string(b[:])
}

// MarshalText and UnmarshalText make MAC a JSON string and a JSON key.
func (m MAC) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText parses the spellings of ParseMAC.
func (m *MAC) UnmarshalText(b []byte) error {
	parsed, err := ParseMAC(string(b))
	if err == nil {
		*m = parsed
	}
	return err
}

func badMAC(s string) error { return fmt.Errorf("invalid MAC: %q", s) }

// Package token is what an API token is: a name, what it may do, and the hash of its secret.
package token

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"time"
)

// ID names a token where its secret must not stand.
type ID string

// Scope is what a token may do.
type Scope string

const (
	Read  Scope = "read"  // look at everything that is no secret
	Write Scope = "write" // also change it
)

// Hash is the SHA-256 of a secret. The secret has 260 random bits: nothing slower is needed.
type Hash [sha256.Size]byte

// MarshalText writes the hash in hexadecimal.
func (h Hash) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

// UnmarshalText reads what MarshalText writes.
func (h *Hash) UnmarshalText(text []byte) error {
	if len(text) != 2*len(h) {
		return fmt.Errorf("a token's hash has %d hexadecimal digits, not %d", 2*len(h), len(text))
	}
	_, err := hex.Decode(h[:], text)
	return err
}

// Token is an API token as it is kept.
type Token struct {
	ID        ID         `json:"id"`
	Name      string     `json:"name"`
	Scope     Scope      `json:"scope"`
	Hash      Hash       `json:"hash"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt time.Time  `json:"expires_at,omitzero"` // zero: never
	UsedAt    time.Time  `json:"used_at,omitzero"`    // last; zero: never
	UsedFrom  netip.Addr `json:"used_from,omitzero"`
}

// Expired reports whether its time is over.
func (t Token) Expired(now time.Time) bool { return !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt) }

// Prefix makes a secret recognisable to whoever finds one, and to programs that look for them.
const Prefix = "bty_"

var secretForm = regexp.MustCompile(`^` + Prefix + `[a-z2-7]{52}$`)

// NewSecret returns the secret of a new token. It is shown once and never kept.
func NewSecret() string { return Prefix + strings.ToLower(rand.Text()+rand.Text()) }

// NewID returns the name of a new token.
func NewID() ID { return ID(strings.ToLower(rand.Text()[:12])) }

// HashOf returns the hash of a secret, and whether it has the form of one.
func HashOf(secret string) (Hash, bool) {
	return sha256.Sum256([]byte(secret)), secretForm.MatchString(secret)
}

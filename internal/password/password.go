// Package password compares what an operator types with what the configuration holds: a plain
// password, or a hash of one. Nothing is normalised: the bytes count.
package password

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
)

// Stored is a password as it is kept.
type Stored struct {
	plain  string
	bcrypt []byte
	argon  *argon
}

// argon is an argon2id hash with its parameters (RFC 9106).
type argon struct {
	time, memory uint32 // passes; KiB
	threads      uint8
	salt, sum    []byte
}

// What Hash writes: the second choice of the OWASP list, small enough for an appliance with
// little memory that checks a few passwords at one time.
const (
	hashTime    = 2
	hashMemory  = 19 << 10 // KiB
	hashThreads = 1
	saltLength  = 16 // bytes
	sumLength   = 32
)

// What a hash of others may cost at most, so that a sign-in never takes minutes.
const (
	maxTime    = 64
	maxMemory  = 1 << 20 // KiB
	maxThreads = 64
	maxBcrypt  = 16
)

var (
	bcryptForm = regexp.MustCompile(`^\$2[abxy]?\$([0-9]{2})\$[./A-Za-z0-9]{53}$`)
	argonForm  = regexp.MustCompile(`^\$argon2id\$v=19\$m=([0-9]{1,8}),t=([0-9]{1,3}),p=([0-9]{1,3})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$`)
)

// Parse reads what the configuration holds: a bcrypt or argon2id hash if it has the form of one,
// else the password itself. The errors never show what was read.
func Parse(s string) (Stored, error) {
	switch {
	case bcryptForm.MatchString(s):
		cost, err := bcrypt.Cost([]byte(s))
		if err != nil || cost > maxBcrypt {
			return Stored{}, fmt.Errorf("is a bcrypt hash that is not usable here: its cost must be from %d to %d; make one with bty-web hash-password", bcrypt.MinCost, maxBcrypt)
		}
		return Stored{bcrypt: []byte(s)}, nil
	case strings.HasPrefix(s, "$argon2"):
		a, err := parseArgon(s)
		return Stored{argon: a}, err
	}
	return Stored{plain: s}, nil
}

func parseArgon(s string) (*argon, error) {
	broken := errors.New("looks like an argon2 hash and is not usable here: only argon2id of version 19 with sane costs is; make one with bty-web hash-password")
	fields := argonForm.FindStringSubmatch(s)
	if fields == nil {
		return nil, broken
	}
	var a argon
	var threads uint32
	if _, err := fmt.Sscan(fields[1]+" "+fields[2]+" "+fields[3], &a.memory, &a.time, &threads); err != nil {
		return nil, broken
	}
	if a.memory < 8 || a.memory > maxMemory || a.time < 1 || a.time > maxTime || threads < 1 || threads > maxThreads {
		return nil, broken
	}
	a.threads = uint8(threads)
	var errSalt, errSum error
	a.salt, errSalt = base64.RawStdEncoding.DecodeString(fields[4])
	a.sum, errSum = base64.RawStdEncoding.DecodeString(fields[5])
	if errSalt != nil || errSum != nil || len(a.salt) < 8 || len(a.salt) > 64 || len(a.sum) < 16 || len(a.sum) > 64 {
		return nil, broken
	}
	return &a, nil
}

// IsHash reports whether the password itself is not kept.
func (s Stored) IsHash() bool { return s.bcrypt != nil || s.argon != nil }

// Matches reports whether typed is the password. What it takes does not depend on how much of it
// is right; for a hash it takes real work, which the caller must bound.
func (s Stored) Matches(typed string) bool {
	switch {
	case s.bcrypt != nil:
		return bcrypt.CompareHashAndPassword(s.bcrypt, []byte(typed)) == nil
	case s.argon != nil:
		a := s.argon
		sum := argon2.IDKey([]byte(typed), a.salt, a.time, a.memory, a.threads, uint32(len(a.sum)))
		return subtle.ConstantTimeCompare(sum, a.sum) == 1
	}
	want, got := sha256.Sum256([]byte(s.plain)), sha256.Sum256([]byte(typed))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1
}

// Hash returns an argon2id hash of the password, in the PHC string format.
func Hash(typed string) string {
	salt := make([]byte, saltLength)
	_, _ = rand.Read(salt) // never fails
	sum := argon2.IDKey([]byte(typed), salt, hashTime, hashMemory, hashThreads, sumLength)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=%d$%s$%s", hashMemory, hashTime, hashThreads, b64.EncodeToString(salt), b64.EncodeToString(sum))
}

package password

import (
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

func bcryptOf(t *testing.T, password string) string {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(h)
}

// fromReference is the hash of "password" with salt "somesalt" that RFC 9106's reference program prints.
const fromReference = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"

func TestMatches(t *testing.T) {
	passwords := []string{"x", "correct horse", " spaces ", "pässwörd", "pa\u0308sswo\u0308rd", "密码", "\xff\xfe not UTF-8", "$2a$", "$argon", "🐎\n", strings.Repeat("long", 15)}
	for _, right := range passwords {
		for name, kept := range map[string]string{"plain": right, "argon2id": Hash(right), "bcrypt": bcryptOf(t, right)} {
			s, err := Parse(kept)
			if err != nil {
				t.Fatalf("%s of %q: %v", name, right, err)
			}
			if s.IsHash() != (name != "plain") {
				t.Errorf("%s of %q: IsHash %v", name, right, s.IsHash())
			}
			others := append([]string{"", kept + "x", strings.ToUpper(right) + "!"}, passwords...)
			if s.IsHash() {
				others = []string{right, right + "x"} // each costs real work
			}
			for _, typed := range others {
				if got := s.Matches(typed); got != (typed == right) {
					t.Errorf("%s of %q takes %q: %v", name, right, typed, got)
				}
			}
			if s.IsHash() && s.Matches(kept) {
				t.Errorf("the %s hash of %q is itself a password", name, right)
			}
		}
	}
	s, err := Parse(fromReference)
	if err != nil || !s.Matches("password") || s.Matches("Password") {
		t.Errorf("the reference's hash: %v", err)
	}
	if a, b := Hash("x"), Hash("x"); a == b || strings.Contains(a, "=$") {
		t.Error("two hashes of one password are equal")
	}
}

func TestHashesThatAreRefused(t *testing.T) {
	good := Hash("x")
	for _, bad := range []string{
		"$argon2id$", "$argon2i" + strings.TrimPrefix(good, "$argon2id"), "$argon2d" + strings.TrimPrefix(good, "$argon2id"),
		strings.Replace(good, "v=19", "v=16", 1), strings.Replace(good, "m=19456", "m=99999999", 1), strings.Replace(good, "t=2", "t=999", 1),
		strings.Replace(good, "p=1", "p=0", 1), strings.Replace(good, "p=1", "p=256", 1), strings.Replace(good, "m=19456", "m=0", 1), good[:len(good)-30], good + "=",
		"$2b$31$" + strings.Repeat("a", 53), "$2b$03$" + strings.Repeat("a", 53),
	} {
		_, err := Parse(bad)
		if err == nil {
			t.Errorf("%s is taken", bad)
		} else if strings.Contains(err.Error(), bad) {
			t.Errorf("the error shows it: %v", err)
		}
	}
}

// Whatever is kept, reading it ends with a password, a hash of bounded cost or an error.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", "x", "$2a$10$", fromReference, Hash("x"), "$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, kept string) {
		s, err := Parse(kept)
		if err == nil && s.argon != nil && (s.argon.memory > maxMemory || s.argon.time > maxTime || s.argon.threads == 0) {
			t.Errorf("%+v", s.argon)
		}
		if err == nil && !s.IsHash() && !s.Matches(kept) {
			t.Error("a password does not match itself")
		}
	})
}

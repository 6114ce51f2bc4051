// Package auth knows the operator: one admin password, and the signed cookie of who gave it.
package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"bty/internal/fault"
)

// DefaultPassword is what protects the pages when nothing is set. Every page says so then.
const DefaultPassword = "bty-lab"

// cookieName and the age of a sign-in are those that clients know.
const (
	cookieName = "bty-token"
	maxAge     = 7 * 24 * time.Hour
)

// Auth checks passwords and cookies. It is safe for concurrent use.
type Auth struct {
	key      []byte // of the cookies
	password string
	now      func() time.Time
}

// New returns an Auth for a password; blank means the default. Who signed in with another password
// is signed out.
func New(secret []byte, password string, now func() time.Time) *Auth {
	if password = strings.TrimSpace(password); password == "" {
		password = DefaultPassword
	}
	key := hmac.New(sha256.New, secret)
	key.Write([]byte(password))
	return &Auth{key: key.Sum(nil), password: password, now: now}
}

// IsDefault reports whether the well-known password is in force.
func (a *Auth) IsDefault() bool { return a.password == DefaultPassword }

// Check reports whether the password is right, in a time that does not depend on it.
func (a *Auth) Check(password string) bool {
	want, got := sha256.Sum256([]byte(a.password)), sha256.Sum256([]byte(password))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1
}

// Guard lets signed-in requests pass.
func (a *Auth) Guard(r *http.Request) error {
	if a.SignedIn(r) {
		return nil
	}
	return fault.New(fault.Unauthorized, "login required")
}

// SignedIn reports whether the request carries a cookie of ours that is still good.
func (a *Auth) SignedIn(r *http.Request) bool {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return false
	}
	raw, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil || len(raw) != 8+sha256.Size || !hmac.Equal(raw[8:], a.sign(raw[:8])) {
		return false
	}
	return a.now().Unix() < int64(binary.BigEndian.Uint64(raw))
}

// SignIn sets the cookie of somebody who gave the password.
func (a *Auth) SignIn(w http.ResponseWriter) {
	token := binary.BigEndian.AppendUint64(nil, uint64(a.now().Add(maxAge).Unix()))
	token = append(token, a.sign(token)...)
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: base64.RawURLEncoding.EncodeToString(token),
		Path: "/", MaxAge: int(maxAge.Seconds()), HttpOnly: true, SameSite: http.SameSiteStrictMode})
}

// SignOut takes the cookie back.
func (a *Auth) SignOut(w http.ResponseWriter) {
	http.SetCookie(w, &http.Cookie{Name: cookieName, Value: "null", Path: "/", MaxAge: -1, Expires: time.Unix(0, 0), HttpOnly: true, SameSite: http.SameSiteStrictMode})
}

func (a *Auth) sign(message []byte) []byte {
	mac := hmac.New(sha256.New, a.key)
	mac.Write(message)
	return mac.Sum(nil)
}

// Secret returns the key that signs cookies: the configured one, else what the file holds, else a
// new one that is written there, so that a restart signs nobody out.
func Secret(configured, path string) ([]byte, error) {
	if s := strings.TrimSpace(configured); s != "" {
		return []byte(s), nil
	}
	held, err := os.ReadFile(path)
	if s := strings.TrimSpace(string(held)); err == nil && s != "" {
		return []byte(s), nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("read the session secret: %w", err)
	}
	secret := []byte(rand.Text() + rand.Text())
	partial := filepath.Join(filepath.Dir(path), ".session-secret.new")
	if err := os.WriteFile(partial, append(secret, '\n'), 0o600); err != nil {
		return nil, fmt.Errorf("write the session secret: %w", err)
	}
	return secret, os.Rename(partial, path)
}

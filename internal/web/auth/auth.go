// Package auth knows the operator: one admin password and the signed cookie of who gave it, and the
// API tokens of the programs that work for the operator.
package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/password"
	"bty/internal/token"
)

// DefaultPassword is what protects the pages when nothing is set. Every page says so then.
const DefaultPassword = "bty-lab"

// Config is what an Auth works with.
type Config struct {
	Now       func() time.Time
	Client    func(*http.Request) netip.Addr
	Recognise func(secret string, from netip.Addr) (token.Token, error)
}

// Auth checks passwords, cookies and tokens. It is safe for concurrent use.
type Auth struct {
	Config
	inForce atomic.Pointer[credentials]
	limits  limiter
	slots   chan struct{} // bounds how many hashes are worked out at one time
}

// credentials are what cookies and passwords are checked against.
type credentials struct {
	key       []byte // of the cookies
	password  password.Stored
	isDefault bool
}

// hashesAtOnce bounds the memory and the processor time that strangers can make us spend.
const hashesAtOnce = 2

// New returns an Auth that lets nobody in before Set.
func New(c Config) *Auth {
	a := &Auth{Config: c, slots: make(chan struct{}, hashesAtOnce)}
	a.limits.now = c.Now
	return a
}

// Set puts a password in force; blank means the default. Whoever signed in with another one, or in
// another epoch, is signed out.
func (a *Auth) Set(secret []byte, stored, epoch string) error {
	if strings.TrimSpace(stored) == "" {
		stored = DefaultPassword
	}
	parsed, err := password.Parse(stored)
	if err != nil {
		return err
	}
	key := hmac.New(sha256.New, secret)
	key.Write([]byte(stored))
	if epoch != "" {
		key.Write([]byte("\x00" + epoch))
	}
	a.inForce.Store(&credentials{key: key.Sum(nil), password: parsed, isDefault: stored == DefaultPassword})
	return nil
}

// IsDefault reports whether the well-known password is in force.
func (a *Auth) IsDefault() bool { return a.inForce.Load().isDefault }

// Attempt is what became of a sign-in.
type Attempt struct {
	OK      bool
	Wait    time.Duration // until the address may try again; the password was not looked at
	Refused bool          // the first to be made wait since the address had its full number of attempts
}

// hashWait is how long a sign-in waits for its turn.
const hashWait = 10 * time.Second

// Try checks a password that came from an address. Right ones cost the address none of its attempts.
func (a *Auth) Try(ctx context.Context, from netip.Addr, typed string) (Attempt, error) {
	if wait, first := a.limits.take(from); wait > 0 {
		return Attempt{Wait: wait, Refused: first}, nil
	}
	kept := a.inForce.Load().password
	if kept.IsHash() {
		ctx, cancel := context.WithTimeout(ctx, hashWait)
		defer cancel()
		select {
		case a.slots <- struct{}{}:
			defer func() { <-a.slots }()
		case <-ctx.Done():
			a.limits.giveBack(from)
			return Attempt{}, fault.New(fault.Unavailable, "too many sign-ins at one time; try again in a moment")
		}
	}
	ok := kept.Matches(typed)
	if ok {
		a.limits.giveBack(from)
	}
	return Attempt{OK: ok}, nil
}

// caller is who a request says it comes from with a token.
type caller struct {
	token token.Token
	err   error // why the token is none
}

// Identify has the events of what a request does name the token that it carries.
func (a *Auth) Identify(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, given := a.caller(r); given && c.err == nil {
			r = r.WithContext(event.WithBy(r.Context(), "token "+c.token.Name))
		}
		next.ServeHTTP(w, r)
	})
}

// HasToken reports whether a request carries a token, good or not. What a reverse proxy in between
// asks people for (Basic) is none.
func HasToken(r *http.Request) bool { _, given := bearer(r); return given }

func bearer(r *http.Request) (secret string, given bool) {
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return secret, strings.EqualFold(scheme, "Bearer")
}

// caller is the token that a request carries, and whether it carries any. It is looked up each time:
// a stream asks again while it is open.
func (a *Auth) caller(r *http.Request) (caller, bool) {
	secret, given := bearer(r)
	if !given {
		return caller{}, false
	}
	one, err := a.Recognise(strings.TrimSpace(secret), a.Client(r))
	return caller{one, err}, true
}

// Guard lets requests pass that carry a session, or a token whose scope covers the method.
func (a *Auth) Guard(r *http.Request) error {
	c, given := a.caller(r)
	switch {
	case given && c.err != nil:
		return c.err
	case given && c.token.Scope == token.Write, given && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		return nil
	case given:
		return fault.New(fault.Forbidden, "the API token %q may only read; use one with the scope write", c.token.Name)
	case a.SignedIn(r):
		return fromHere(r)
	}
	return fault.New(fault.Unauthorized, "login required")
}

// fromHere refuses what a page of another origin has the operator's browser send. The cookie alone
// does not: browsers take another port of the same host for the same site. Programs name no origin.
func fromHere(r *http.Request) error {
	if err := new(http.CrossOriginProtection).Check(r); err != nil {
		return fault.Wrap(fault.Forbidden, err, "the request comes from a page of %.100q and this appliance is %.100q; open its own page and do it there. A reverse proxy must pass the Host header on",
			r.Header.Get("Origin"), r.Host)
	}
	return nil
}

// Session lets only requests pass that carry a session: pages, and what decides who gets in.
func (a *Auth) Session(r *http.Request) error {
	if c, given := a.caller(r); given && c.err == nil {
		return fault.New(fault.Forbidden, "an API token cannot do this: sign in with the password")
	} else if given {
		return c.err
	}
	return a.Guard(r)
}

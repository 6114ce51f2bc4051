package auth

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/password"
	"bty/internal/token"
)

var here = netip.MustParseAddr("192.0.2.1")

func newAuth(t *testing.T, stored string, recognise func(string, netip.Addr) (token.Token, error)) *Auth {
	t.Helper()
	a := New(Config{Now: time.Now, Client: func(*http.Request) netip.Addr { return here }, Recognise: recognise})
	if err := a.Set([]byte("secret"), stored, ""); err != nil {
		t.Fatal(err)
	}
	return a
}

func TestPasswords(t *testing.T) {
	for _, tt := range []struct {
		stored, typed string
		ok, isDefault bool
	}{
		{"", "bty-lab", true, true}, {" \t", "bty-lab", true, true}, {"bty-lab", "bty-lab", true, true}, {"", "", false, true},
		{"pässwörd", "pässwörd", true, false}, {"pässwörd", "password", false, false}, {" x ", " x ", true, false}, {" x ", "x", false, false},
		{password.Hash("密码"), "密码", true, false}, {password.Hash("a"), "b", false, false},
	} {
		a := newAuth(t, tt.stored, nil)
		got, err := a.Try(t.Context(), here, tt.typed)
		if err != nil || got.OK != tt.ok || got.Wait != 0 || a.IsDefault() != tt.isDefault {
			t.Errorf("%q typed for %q: %+v %v, default %v", tt.typed, tt.stored, got, err, a.IsDefault())
		}
	}
	a := newAuth(t, "good", nil)
	if err := a.Set([]byte("secret"), "$argon2id$broken", ""); err == nil {
		t.Error("a broken hash is taken")
	}
	if got, _ := a.Try(t.Context(), here, "good"); !got.OK {
		t.Error("and has driven out the one in force")
	}
}

// Sessions end with their password, their epoch and their secret, and with nothing else.
func TestSessionsEnd(t *testing.T) {
	a := newAuth(t, "one", nil)
	w := httptest.NewRecorder()
	a.SignIn(w)
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(w.Result().Cookies()[0])
	set := func(secret, stored, epoch string) bool {
		if err := a.Set([]byte(secret), stored, epoch); err != nil {
			t.Fatal(err)
		}
		return a.SignedIn(r)
	}
	for _, tt := range []struct {
		secret, stored, epoch string
		in                    bool
	}{
		{"secret", "one", "", true}, {"secret", "two", "", false}, {"secret", "one", "1", false}, {"other", "one", "", false}, {"secret", "one", "", true},
	} {
		if got := set(tt.secret, tt.stored, tt.epoch); got != tt.in {
			t.Errorf("%+v: signed in %v", tt, got)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		a := newAuth(t, "one", nil)
		w := httptest.NewRecorder()
		a.SignIn(w)
		r := httptest.NewRequest("GET", "/", nil)
		r.AddCookie(w.Result().Cookies()[0])
		time.Sleep(maxAge - time.Second)
		if !a.SignedIn(r) {
			t.Error("signed out too early")
		}
		time.Sleep(2 * time.Second)
		if a.SignedIn(r) {
			t.Error("signed in for ever")
		}
	})
}

func TestGuards(t *testing.T) {
	scopes := map[string]token.Scope{"reader": token.Read, "writer": token.Write}
	a := newAuth(t, "x", func(secret string, _ netip.Addr) (token.Token, error) {
		if scope, ok := scopes[secret]; ok {
			return token.Token{Name: secret, Scope: scope}, nil
		}
		return token.Token{}, fault.New(fault.Unauthorized, "not known")
	})
	w := httptest.NewRecorder()
	a.SignIn(w)
	cookie := w.Result().Cookies()[0]
	const ok = fault.Kind(255)
	for _, tt := range []struct {
		authorization, method string
		cookie                bool
		guard, session        fault.Kind
	}{
		{"", "GET", false, fault.Unauthorized, fault.Unauthorized},
		{"", "POST", true, ok, ok},
		{"Bearer reader", "GET", false, ok, fault.Forbidden},
		{"bearer reader", "HEAD", false, ok, fault.Forbidden},
		{"Bearer reader", "POST", false, fault.Forbidden, fault.Forbidden},
		{"Bearer reader", "PUT", true, fault.Forbidden, fault.Forbidden}, // the token is what counts
		{"Bearer reader", "BREW", false, fault.Forbidden, fault.Forbidden},
		{"Bearer writer", "DELETE", false, ok, fault.Forbidden},
		{"Bearer  writer ", "DELETE", false, ok, fault.Forbidden},
		{"Bearer nobody", "GET", false, fault.Unauthorized, fault.Unauthorized},
		{"Bearer nobody", "GET", true, fault.Unauthorized, fault.Unauthorized},
		{"Bearer", "GET", true, fault.Unauthorized, fault.Unauthorized},
		{"Basic reader", "GET", false, fault.Unauthorized, fault.Unauthorized},
		{"Basic reader", "GET", true, ok, ok},
		{"writer", "GET", false, fault.Unauthorized, fault.Unauthorized},
	} {
		r := httptest.NewRequest(tt.method, "/", nil)
		r.Header.Set("Authorization", tt.authorization)
		if tt.cookie {
			r.AddCookie(cookie)
		}
		kind := func(err error) fault.Kind {
			if err == nil {
				return ok
			}
			return fault.KindOf(err)
		}
		a.Identify(http.HandlerFunc(func(_ http.ResponseWriter, identified *http.Request) {
			for name, r := range map[string]*http.Request{"bare": r, "identified": identified} {
				if g, s := kind(a.Guard(r)), kind(a.Session(r)); g != tt.guard || s != tt.session {
					t.Errorf("%s, %+v: guard %d, session %d", name, tt, g, s)
				}
			}
			if by := event.ByOf(identified.Context()); (by != "") != (tt.guard == ok && tt.session == fault.Forbidden || tt.guard == fault.Forbidden) {
				t.Errorf("%+v: by %q", tt, by)
			}
		})).ServeHTTP(nil, r)
	}
}

// What is open does not outlive the token: who asks again hears that it is gone.
func TestRevokedWhileOpen(t *testing.T) {
	revoked := false
	a := newAuth(t, "x", func(string, netip.Addr) (token.Token, error) {
		if revoked {
			return token.Token{}, fault.New(fault.Unauthorized, "not known")
		}
		return token.Token{Name: "ci", Scope: token.Read}, nil
	})
	r := httptest.NewRequest("GET", "/api/v1/stream", nil)
	r.Header.Set("Authorization", "Bearer x")
	a.Identify(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if err := a.Guard(r); err != nil {
			t.Error(err)
		}
		revoked = true
		if a.Guard(r) == nil {
			t.Error("a token that was revoked still gets in")
		}
	})).ServeHTTP(nil, r)
}

// What a page of another origin sends with the operator's cookie is refused, also from another port
// of this host; what it merely reads is the browser's to keep from it.
func TestForeignPages(t *testing.T) {
	a := newAuth(t, "x", func(string, netip.Addr) (token.Token, error) { return token.Token{Name: "ci", Scope: token.Write}, nil })
	w := httptest.NewRecorder()
	a.SignIn(w)
	for _, tt := range []struct {
		method, origin, site, bearer string
		ok                           bool
	}{
		{"POST", "", "", "", true}, // no browser
		{"POST", "http://bty.lan:8080", "", "", true},
		{"POST", "http://bty.lan:3000", "", "", false},
		{"POST", "null", "", "", false},
		{"DELETE", "http://evil.example", "", "", false},
		{"POST", "https://bty.lan", "same-origin", "", true}, // behind a proxy
		{"POST", "https://evil.example", "cross-site", "", false},
		{"GET", "http://evil.example", "", "", true},
		{"POST", "http://evil.example", "", "ci", true}, // no browser adds a token by itself
	} {
		r := httptest.NewRequest(tt.method, "http://bty.lan:8080/ui/x", nil)
		r.AddCookie(w.Result().Cookies()[0])
		for name, value := range map[string]string{"Origin": tt.origin, "Sec-Fetch-Site": tt.site} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		if tt.bearer != "" {
			r.Header.Set("Authorization", "Bearer "+tt.bearer)
		}
		if err := a.Guard(r); (err == nil) != tt.ok || err != nil && fault.KindOf(err) != fault.Forbidden {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}

// An address that guesses has to wait; others do not notice.
func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuth(t, "right", nil)
		try := func(from, typed string) Attempt {
			got, err := a.Try(t.Context(), netip.MustParseAddr(from), typed)
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		for range 3 * attempts { // whoever knows it is never made wait
			if got := try("192.0.2.1", "right"); !got.OK {
				t.Fatalf("%+v", got)
			}
		}
		for i := range attempts {
			if got := try("192.0.2.1", "wrong"); got.OK || got.Wait != 0 {
				t.Fatalf("attempt %d: %+v", i, got)
			}
		}
		if got := try("192.0.2.1", "right"); got.OK || got.Wait != refill || !got.Refused {
			t.Errorf("%+v", got)
		}
		if got := try("::ffff:192.0.2.1", "wrong"); got.Wait != refill || got.Refused {
			t.Errorf("told twice: %+v", got)
		}
		if got := try("192.0.2.2", "right"); !got.OK {
			t.Errorf("a neighbour is locked out: %+v", got)
		}
		time.Sleep(refill)
		if got := try("192.0.2.1", "wrong"); got.Wait != 0 {
			t.Errorf("%+v", got)
		}
		if got := try("192.0.2.1", "wrong"); got.Wait == 0 || got.Refused {
			t.Errorf("told again before the bucket was full: %+v", got)
		}
		time.Sleep(attempts * refill)
		for range attempts {
			try("192.0.2.1", "wrong")
		}
		if got := try("192.0.2.1", "wrong"); got.Wait == 0 || !got.Refused {
			t.Errorf("a new series is not told: %+v", got)
		}
		for i := range attempts {
			try("2001:db8::"+strconv.Itoa(i), "wrong")
		}
		if got := try("2001:db8::ffff", "wrong"); got.Wait == 0 {
			t.Error("the addresses of one /64 count one by one")
		}
		if got := try("2001:db8:0:1::1", "right"); !got.OK {
			t.Error("another /64 is locked out")
		}
	})
}

// However many addresses guess, what is remembered is bounded, and who guesses most stays known.
func TestLimiterIsBounded(t *testing.T) {
	now := time.Now()
	l := limiter{now: func() time.Time { return now }}
	for range attempts {
		l.take(here)
	}
	for i := range maxBuckets + 300 {
		l.take(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
	}
	if len(l.buckets) > maxBuckets {
		t.Errorf("%d buckets", len(l.buckets))
	}
	if wait, _ := l.take(here); wait == 0 {
		t.Error("a flood of others has made it forget who has to wait")
	}
	now = now.Add(time.Hour)
	l.take(netip.MustParseAddr("198.51.100.1"))
	if len(l.buckets) > maxBuckets/2 {
		t.Errorf("%d buckets after an hour", len(l.buckets))
	}
	if wait, _ := l.take(netip.Addr{}); wait != 0 {
		t.Error("a local socket")
	}
}

// Hashes are worked out a few at a time, and who waits in vain is told.
func TestHashesAreBounded(t *testing.T) {
	a := newAuth(t, password.Hash("x"), nil)
	for range hashesAtOnce {
		a.slots <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Try(ctx, here, "x"); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("%v", err)
	}
	if got := a.limits.buckets[network(here)].level; got != attempts {
		t.Errorf("it cost an attempt: %v left", got)
	}
}

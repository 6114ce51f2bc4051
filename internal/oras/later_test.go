package oras

import (
	"errors"
	"net/http"
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	const now = "Thu, 01 Jan 1998 00:00:00 GMT" // a clock that is not ours
	for said, want := range map[string]time.Duration{
		"": 0, "0": 0, "7": 7 * time.Second, "7200": 2 * time.Hour, "-7": 0, "+7": 0, "7.5": 0, "7_0": 0, "soon": 0, "99999999999999999999": 0,
		"Thu, 01 Jan 1998 00:01:30 GMT": 90 * time.Second, "Wed, 31 Dec 1997 23:00:00 GMT": 0,
	} {
		h := http.Header{"Retry-After": {said}, "Date": {now}}
		if got := RetryAfter(h); got != want {
			t.Errorf("%q is %v, want %v", said, got, want)
		}
	}
	if got := RetryAfter(http.Header{"Retry-After": {now}}); got != 0 {
		t.Errorf("a date without the server's own is %v", got)
	}
}

// A registry, or its token service, that wants to be left alone for a while is asked once, and the error
// says for how long.
func TestLeftAlone(t *testing.T) {
	busy := func(w http.ResponseWriter, status int, after string) {
		w.Header().Set("Retry-After", after)
		w.WriteHeader(status)
	}
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		after  time.Duration
		asked  int32
	}{
		"429":        {func(w http.ResponseWriter, _ *http.Request) { busy(w, 429, "60") }, time.Minute, 1},
		"503":        {func(w http.ResponseWriter, _ *http.Request) { busy(w, 503, "60") }, time.Minute, 1},
		"for a bit":  {func(w http.ResponseWriter, _ *http.Request) { busy(w, 429, "1") }, time.Second, 3},
		"not at all": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) }, 0, 3},
		"404":        {func(w http.ResponseWriter, _ *http.Request) { busy(w, 404, "60") }, 0, 1},
		"its tokens": {func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/token" {
				busy(w, 429, "60")
				return
			}
			challenge("http://HOST/token")(w, r)
		}, time.Minute, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, src, asked := fake(t, tc.answer)
			_, err := c.Resolve(t.Context(), src)
			e, ok := errors.AsType[*Error](err)
			if !ok || e.After != tc.after || asked.Load() != tc.asked {
				t.Errorf("asked %d times: %v, after %v", asked.Load(), err, e.After)
			}
		})
	}
	// The same of a blob's token.
	c, src, _ := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			busy(w, 429, "60")
			return
		}
		challenge("http://HOST/token")(w, r)
	})
	b, err := c.Blob(t.Context(), src, sum("x"))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	_, err = b.Get(t.Context(), 0)
	if e, ok := errors.AsType[*Error](err); !ok || e.After != time.Minute || e.Refused {
		t.Errorf("%v", err)
	}
}

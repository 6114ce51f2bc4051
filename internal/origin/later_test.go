package origin

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"bty/internal/oras"
)

// A server that says when to ask again is not asked before, however soon it would be otherwise; but nobody
// waits longer than is bearable.
func TestRetryAfter(t *testing.T) {
	data := noise(100_000, 1)
	busy := func(status int, after string) act {
		return act{status: status, header: map[string]string{"Retry-After": after}}
	}
	const second = time.Second
	for name, tc := range map[string]struct {
		acts []act
		max  time.Duration
		want []time.Duration // pauses, within some milliseconds
	}{
		"at first":             {[]act{busy(429, "1")}, 0, []time.Duration{second}},
		"when taken up":        {[]act{{give: 70_001, end: "close"}, busy(503, "1")}, 0, []time.Duration{0, second}},
		"longer than bearable": {[]act{busy(429, "9999")}, 300 * time.Millisecond, []time.Duration{300 * time.Millisecond}},
		"only once":            {[]act{busy(429, "1"), {status: 429}}, 300 * time.Millisecond, []time.Duration{300 * time.Millisecond, 0}},
		"by a date": {[]act{{status: 503, header: map[string]string{"Date": "Thu, 01 Jan 1998 00:00:00 GMT", "Retry-After": "Thu, 01 Jan 1998 00:00:01 GMT"}}}, 0,
			[]time.Duration{second}},
		"404 is final all the same": {[]act{busy(404, "1")}, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &scripted{t: t, data: data, acts: tc.acts}
			opts := quick()
			opts.MaxAfter = tc.max
			var pauses []time.Duration
			opts.Waiting = func(_ int, next time.Time, _ error) {
				pauses = append(pauses, time.Until(next).Round(50*time.Millisecond))
			}
			began := time.Now()
			got, _, err := read(t, s.start(), opts)
			if tc.want == nil {
				if !errors.Is(err, ErrRefused) {
					t.Error(err)
				}
				return
			}
			if err != nil || !bytes.Equal(got, data) || fmt.Sprint(pauses) != fmt.Sprint(tc.want) {
				t.Errorf("%d bytes, %v, pauses %v, want %v", len(got), err, pauses, tc.want)
			}
			whole := time.Duration(0)
			for _, p := range tc.want {
				whole += p
			}
			if took := time.Since(began); took < whole {
				t.Errorf("it took %v, less than %v", took, whole)
			}
		})
	}
}

// So it is with registries, whose manifests and tokens are asked for by a library.
func TestRetryAfterOfARegistry(t *testing.T) {
	for _, at := range []string{"/manifests/", "/token"} {
		asked := 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.Path, at) {
				asked++
				w.Header().Set("Retry-After", "60")
				w.WriteHeader(http.StatusTooManyRequests)
				return
			}
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token",service="test"`, r.Host))
			w.WriteHeader(http.StatusUnauthorized)
		}))
		t.Cleanup(server.Close)
		host := strings.TrimPrefix(server.URL, "http://")
		opts := quick()
		opts.MaxAfter = 100 * time.Millisecond
		opts.Registry = &oras.Client{PlainHTTP: []string{host}}
		var pauses []time.Duration
		opts.Waiting = func(_ int, next time.Time, _ error) {
			pauses = append(pauses, time.Until(next).Round(50*time.Millisecond))
		}
		_, _, err := read(t, "oras://"+host+"/lab/image:v1", opts)
		if !errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), "wants fewer requests") || fmt.Sprint(pauses) != "[100ms 100ms 100ms]" || asked != 4 {
			t.Errorf("%s: asked %d times, pauses %v: %v", at, asked, pauses, err)
		}
	}
}

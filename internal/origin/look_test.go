package origin

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A validator that cannot be kept as it is, or is as long as a server lets a header be, is none.
func TestOddValidators(t *testing.T) {
	for etag, want := range map[string]string{`"one"`: `"one"`, "\"gr\xf6\xdfe\"": "", "\"größe\"": "\"größe\"", `"` + strings.Repeat("x", 1<<18) + `"`: ""} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("ETag", etag)
			w.Header().Set("Content-Length", "1000")
		}))
		defer srv.Close()
		if got, err := Look(t.Context(), srv.URL, quick()); err != nil || got != (Mark{Total: 1000, ETag: want}) {
			t.Errorf("%.20q: %.100v, %v", etag, got, err)
		}
	}
}

// What an origin has is found out without its bytes, also where HEAD is refused.
func TestLook(t *testing.T) {
	const modified = "Mon, 02 Jan 2006 15:04:05 GMT"
	for _, tt := range []struct {
		name   string
		head   int
		get    func(w http.ResponseWriter)
		want   Mark
		failed error
	}{
		{name: "HEAD", head: 200, want: Mark{Total: 1000, ETag: `"e"`, Modified: modified}},
		{name: "HEAD is not signed", head: 403, want: Mark{Total: 1000, ETag: `"e"`, Modified: modified}, get: func(w http.ResponseWriter) {
			w.Header().Set("Content-Range", "bytes 0-0/1000")
			w.Header().Set("Content-Length", "1")
			w.WriteHeader(206)
			w.Write([]byte("x"))
		}},
		{name: "HEAD is not known, nor are ranges", head: 405, want: Mark{Total: 1000, ETag: `"e"`, Modified: modified}, get: func(w http.ResponseWriter) {
			w.Header().Set("Content-Length", "1000")
			w.Write(make([]byte, 1000))
		}},
		{name: "not there", head: 404, get: func(w http.ResponseWriter) { w.WriteHeader(404) }, failed: ErrRefused},
		{name: "nonsense", head: 405, get: func(w http.ResponseWriter) { w.WriteHeader(206) }, failed: ErrRefused},
		{name: "busy", head: 503, failed: ErrRefused},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("ETag", `"e"`)
				w.Header().Set("Last-Modified", modified)
				switch {
				case r.Method == http.MethodGet && r.Header.Get("Range") == "bytes=0-0":
					tt.get(w)
				case r.Method == http.MethodHead:
					w.Header().Set("Content-Length", fmt.Sprint(1000))
					w.WriteHeader(tt.head)
				default:
					t.Errorf("%s with %q", r.Method, r.Header)
				}
			}))
			defer srv.Close()
			got, err := Look(t.Context(), srv.URL, quick())
			if got != tt.want || !errors.Is(err, tt.failed) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	if _, err := Look(t.Context(), "file:///etc/passwd", quick()); !errors.Is(err, ErrSource) {
		t.Error(err)
	}
	if _, err := Look(t.Context(), "http://127.0.0.1:1/", quick()); !errors.Is(err, ErrBroken) {
		t.Error(err)
	}
}

func TestDiffers(t *testing.T) {
	for _, tt := range []struct {
		was, now Mark
		differ   bool
	}{
		{Mark{}, Mark{}, false},
		{Mark{ETag: "a"}, Mark{ETag: "a"}, false},
		{Mark{ETag: "a"}, Mark{ETag: "b"}, true},
		{Mark{ETag: "a"}, Mark{}, false},
		{Mark{ETag: "a", Modified: "x"}, Mark{ETag: "a", Modified: "y"}, false}, // mirrors agree on ETags rather than on dates
		{Mark{Modified: "x"}, Mark{Modified: "y"}, true},
		{Mark{Total: 1}, Mark{Total: 2}, true},
		{Mark{Total: 1}, Mark{}, false},
		{Mark{Total: 1, ETag: "a"}, Mark{Total: 2, ETag: "a"}, true},
	} {
		if why := tt.was.Differs(tt.now); (why != "") != tt.differ {
			t.Errorf("%+v, %+v: %q", tt.was, tt.now, why)
		}
	}
}

// A transfer goes on in another Reader, as it does in the same one.
func TestResumeFromMark(t *testing.T) {
	data := make([]byte, 300000)
	for i := range data {
		data[i] = byte(i * 7 / 3)
	}
	begun := Mark{Bytes: 100000, Sum: checksum(0, data[:100000]), Total: 300000, ETag: `"one"`}
	for _, tt := range []struct {
		name   string
		act    act
		mark   func(*Mark)
		failed error
	}{
		{name: "as it was"},
		{name: "no ranges", act: act{noRange: true}},
		{name: "changed", act: act{other: true}, failed: ErrChanged},
		{name: "other bytes", act: act{noRange: true}, mark: func(m *Mark) { m.Sum++ }, failed: ErrChanged},
		{name: "other length", mark: func(m *Mark) { m.Total = 7000000 }, failed: ErrChanged},
		{name: "no validator", mark: func(m *Mark) { m.ETag = "" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &scripted{t: t, data: data, other: make([]byte, 300000), acts: []act{tt.act}}
			o := quick()
			o.Resume, o.Careful = begun, true
			if tt.mark != nil {
				tt.mark(&o.Resume)
			}
			r, err := Open(t.Context(), s.start(), o)
			if !errors.Is(err, tt.failed) {
				t.Fatalf("%v", err)
			}
			if tt.failed != nil {
				return
			}
			defer r.Close()
			got := make([]byte, 200000)
			if n, err := readAll(r, got); n != 200000 || err != nil || string(got) != string(data[100000:]) {
				t.Errorf("%d bytes, %v", n, err)
			}
			if m := r.Mark(); m.Bytes != 300000 || m.Sum != checksum(0, data) || m.Total != 300000 {
				t.Errorf("%+v", m)
			}
			if careful := s.asks[0].Header.Get("Range") == ""; careful != (o.Resume.ETag == "") {
				t.Errorf("asked with %q", s.asks[0].Header)
			}
		})
	}
}

func readAll(r *Reader, p []byte) (n int, err error) {
	for err == nil && n < len(p) {
		var m int
		m, err = r.Read(p[n:])
		n += m
	}
	return n, err
}

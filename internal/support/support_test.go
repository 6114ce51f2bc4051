package support

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestRedact(t *testing.T) {
	r := NewRedactor()
	r.Secret(`open "sesame" & more`)
	r.Secret("open")
	r.Secret("abc") // too short to be looked for
	r.Serial("WD-0001")
	r.Serial("1234")
	token := "bty_" + strings.Repeat("a2", 26)
	for _, c := range []struct{ in, want string }{
		{`say open "sesame" & more now`, "say [removed] now"},
		{`"open \"sesame\" & more"`, `"[removed]"`},
		{`"open \"sesame\" \u0026 more"`, `"[removed]"`},
		{"?p=open+%22sesame%22+%26+more", "?p=[removed]"},
		{"abc 1234 WD-0001", "abc 1234 serial-1"},
		{`"src": "http://user:p@ss@host/a.img?sig=x&y=z", "n": 1`, `"src": "http://[removed]@host/a.img?[removed]", "n": 1`},
		{"oras://u@reg/x and https://host/a@b", "oras://[removed]@reg/x and https://host/a@b"},
		{"GET /events?limit=5", "GET /events?limit=5"},
		{"sent " + token + ".", "sent [removed]."},
		{"Authorization: Bearer abcdefgh.ijk", "Authorization: Bearer [removed]"},
		{"Cookie: bty-token=abcdef; x=1", "Cookie: bty-token=[removed]; x=1"},
		{"hash $2a$10$abcdef and $argon2id$v=19$m=1$xx", "hash [removed] and [removed]"},
		{`BTY_ADMIN_PASSWORD="x"`, `BTY_ADMIN_PASSWORD="[removed]"`},
		{"-----BEGIN EC PRIVATE KEY-----\nMHcCAQ\n-----END EC PRIVATE KEY-----", "[removed]-----END EC PRIVATE KEY-----"},
		{"admin.password   (set) from /etc/bty/bty.toml:3", "admin.password   (set) from /etc/bty/bty.toml:3"},
	} {
		if got := string(r.Redact([]byte(c.in))); got != c.want {
			t.Errorf("%s\nbecomes %s\nnot     %s", c.in, got, c.want)
		}
	}
}

// A file is bounded, and what made a secret recognisable is not cut away from it.
func TestTail(t *testing.T) {
	whole := &tail{limit: 100}
	fmt.Fprint(whole, "a\nb")
	if got := string(whole.text()); got != "a\nb" {
		t.Errorf("%q", got)
	}
	long := &tail{limit: 100}
	for i := range 1000 {
		fmt.Fprintf(long, "line %d\n", i)
		if len(long.kept) > 2*long.limit {
			t.Fatal(len(long.kept))
		}
	}
	got := string(long.text())
	if !strings.HasPrefix(got, "(8791 bytes before this were left out)\nline 989\n") || !strings.HasSuffix(got, "line 999\n") {
		t.Errorf("%q", got)
	}
	line := &tail{limit: 100}
	fmt.Fprint(line, "http://user:"+strings.Repeat("x", 500)+"@host")
	if got := string(line.text()); got != "(517 bytes in one line were left out)\n" {
		t.Errorf("%q", got)
	}
}

// A source that hangs, whether it looks at its context or not, costs no more than the time there is.
func TestCollectIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := make(chan struct{})
		begun := time.Now()
		files := Collect(t.Context(), []Source{
			{Name: "polite", Collect: func(ctx context.Context, w io.Writer) error {
				fmt.Fprint(w, "begun")
				<-ctx.Done()
				return ctx.Err()
			}},
			{Name: "deaf", Collect: func(context.Context, io.Writer) error { <-free; return nil }},
			{Name: "broken", Collect: func(context.Context, io.Writer) error { return errors.New("no") }},
			{Name: "good", Collect: func(_ context.Context, w io.Writer) error { fmt.Fprint(w, "text"); return nil }},
		})
		if took := time.Since(begun); took != maxTime {
			t.Errorf("it took %s", took)
		}
		want := []string{"not whole: polite, deaf: it took longer than 8s", "not whole: broken: no"}
		if got := Gaps(files); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%q", got)
		}
		if string(files[0].Text) != "begun" || string(files[3].Text) != "text" {
			t.Errorf("%+v", files)
		}
		close(free)
	})
}

func TestWrite(t *testing.T) {
	secrets := NewRedactor()
	secrets.Secret("sesame")
	var raw bytes.Buffer
	files := []File{{Source{Name: "a.txt", About: "letters"}, []byte("open sesame"), nil}, {Source{Name: "b.txt"}, nil, errors.New("no sesame")}}
	if err := Write(&raw, "bundle", time.Unix(1e9, 0), files, secrets); err != nil {
		t.Fatal(err)
	}
	packed, err := gzip.NewReader(&raw)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for in := tar.NewReader(packed); ; {
		h, err := in.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(in)
		if err != nil || h.Mode != 0o600 || h.ModTime.Unix() != 1e9 {
			t.Errorf("%+v, %v", h, err)
		}
		got[h.Name] = string(text)
	}
	if got["bundle/a.txt"] != "open [removed]" || !strings.Contains(got["bundle/b.txt"], "(not whole: no [removed])") ||
		!strings.Contains(got["bundle/README"], "letters") || !strings.Contains(got["bundle/README"], "not whole: b.txt: no [removed]") || len(got) != 3 {
		t.Errorf("%q", got)
	}
}

package origin

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bty/internal/catalog"
	"bty/internal/oras"
	"bty/internal/testenv/registry"
)

const diskImage = "application/vnd.test.disk-image.layer.v1+zstd"

func sumOf(b []byte) catalog.Digest { return sha256.Sum256(b) }

// store is what a large registry is made of: the registry, whose tokens expire, and the object
// store behind it, whose signed URLs do. Manifests are those of a real registry.
type store struct {
	objects *scripted

	mu         sync.Mutex
	tokens     int    // given so far; the last one is good
	signatures int    // the same of signed URLs
	expire     func() // called after each answer of the object store
	leaked     bool   // the object store was sent a token
	host       string
}

func startStore(t *testing.T, real string, objects *scripted) *store {
	t.Helper()
	s := &store{objects: objects}
	objects.t, objects.before = t, s.signed
	objectsURL := objects.start()
	manifests := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: real})
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		switch {
		case r.URL.Path == "/token":
			s.tokens++
			fmt.Fprintf(w, `{"token": "secret-%d"}`, s.tokens)
		case r.Header.Get("Authorization") != fmt.Sprintf("Bearer secret-%d", s.tokens):
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/token",service="test"`, r.Host))
			w.WriteHeader(http.StatusUnauthorized)
		case strings.Contains(r.URL.Path, "/blobs/"):
			s.signatures++
			http.Redirect(w, r, fmt.Sprintf("%s%d", objectsURL, s.signatures), http.StatusTemporaryRedirect)
		default:
			manifests.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(front.Close)
	s.host = strings.TrimPrefix(front.URL, "http://")
	return s
}

// signed refuses what has no good signature.
func (s *store) signed(w http.ResponseWriter, r *http.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leaked = s.leaked || r.Header.Get("Authorization") != ""
	if r.URL.Query().Get("sig") != fmt.Sprintf("secret%d", s.signatures) {
		w.WriteHeader(http.StatusForbidden)
		return true
	}
	if s.expire != nil {
		s.expire()
	}
	return false
}

func asked(hosts ...string) Options {
	opts := quick()
	opts.Registry = &oras.Client{PlainHTTP: hosts}
	return opts
}

func TestRegistry(t *testing.T) {
	r := registry.Start(t, false)
	data, other := noise(300_000, 1), noise(300_000, 2)
	first := r.Push("lab/disk", "v1", registry.Layer{Type: diskImage, Title: "disk.img.zst", Content: string(data)})
	src := "oras://" + r.Host + "/lab/disk"
	whole := func(t *testing.T, source string, opts Options) {
		t.Helper()
		got, reader, err := read(t, source, opts)
		if err != nil || !bytes.Equal(got, data) {
			t.Fatalf("%s: %d bytes, %v", source, len(got), err)
		}
		if reader.Digest() != sumOf(data) || reader.Size() != int64(len(data)) || reader.ETag() != fmt.Sprintf("%q", "sha256:"+sumOf(data).String()) {
			t.Errorf("%s: digest %s, size %d, ETag %s", source, reader.Digest(), reader.Size(), reader.ETag())
		}
	}
	whole(t, src+":v1", asked(r.Host))
	whole(t, src+"@"+first, asked(r.Host))
	whole(t, src+"@sha256:"+sumOf(data).String(), asked(r.Host))
	r.Push("lab/disk", "v1", registry.Layer{Type: diskImage, Title: "disk.img.zst", Content: string(other)})
	pinned := asked(r.Host)
	pinned.Digest = sumOf(data)
	whole(t, src+":v1", pinned) // the tag has moved, the catalog has not

	wrong := asked(r.Host)
	wrong.Digest = catalog.Digest{1}
	if _, _, err := read(t, src+":v1", wrong); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "if the image was rebuilt") {
		t.Errorf("a digest that is not there: %v", err)
	}
	sized := asked(r.Host)
	sized.Size = 299_999
	if _, _, err := read(t, src+":v1", sized); !errors.Is(err, ErrLength) {
		t.Errorf("another declared length: %v", err)
	}
	if _, _, err := read(t, src+":none", asked(r.Host)); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "is not in the registry "+r.Host) {
		t.Errorf("no such tag: %v", err)
	}
}

// Who has to sign in does so with a file; over https with the CAs of the client.
func TestRegistryThatIsPrivate(t *testing.T) {
	r := registry.Start(t, true)
	r.Push("lab/disk", "v1", registry.Layer{Type: diskImage, Content: "content"})
	src := "oras://" + r.Host + "/lab/disk:v1"
	if _, _, err := read(t, src, asked(r.Host)); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "put its credentials into the file") {
		t.Errorf("as nobody: %v", err)
	}
	opts := asking(t, r.Host)
	if got, _, err := read(t, src, opts); err != nil || string(got) != "content" {
		t.Errorf("signed in: %q, %v", got, err)
	}

	open := registry.Start(t, false)
	open.Push("lab/disk", "v1", registry.Layer{Type: diskImage, Content: "content"})
	front := open.Front()
	pool, err := ReadCAs(front.CAs)
	if err != nil {
		t.Fatal(err)
	}
	opts = quick()
	opts.Client = NewClient(ClientOptions{CAs: pool})
	if got, _, err := read(t, "oras://"+front.Host+"/lab/disk:v1", opts); err != nil || string(got) != "content" {
		t.Errorf("over https: %q, %v", got, err)
	}
	if _, _, err := read(t, "oras://"+front.Host+"/lab/disk:v1", quick()); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("over https from a stranger: %v", err)
	}
	for _, line := range front.Asked() {
		if strings.Contains(line, "token") && !strings.Contains(line, "/token") {
			t.Error(line)
		}
	}
}

// A real registry refuses a token that has expired: the transfer goes on with a new one, which is
// had with the password, that nobody but the token service sees.
func TestTokenOfARealRegistry(t *testing.T) {
	r, tokens := registry.StartTokens(t, 2*time.Second)
	data := noise(300_000, 1)
	r.Push("lab/disk", "v1", registry.Layer{Type: diskImage, Content: string(data)})
	behind := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: r.Host})
	var asked, refused int
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if strings.HasPrefix(req.Header.Get("Authorization"), "Basic") {
			t.Error("the registry was sent the password")
		}
		if !strings.Contains(req.URL.Path, "/blobs/") {
			behind.ServeHTTP(w, req)
			return
		}
		if asked++; asked > 1 {
			answer := httptest.NewRecorder()
			behind.ServeHTTP(answer, req)
			if answer.Code == http.StatusUnauthorized {
				refused++
			}
			maps.Copy(w.Header(), answer.Header())
			w.WriteHeader(answer.Code)
			w.Write(answer.Body.Bytes())
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(data)))
		w.Write(data[:70_001])
		http.NewResponseController(w).Flush()
		time.Sleep(3 * time.Second) // the token's life, and the second that its end is rounded to
		panic(http.ErrAbortHandler)
	}))
	defer front.Close()
	host := strings.TrimPrefix(front.URL, "http://")
	opts := asking(t, host)
	opts.Stall = 10 * time.Second
	before := tokens.Given()
	got, reader, err := read(t, "oras://"+host+"/lab/disk:v1", opts)
	if err != nil || !bytes.Equal(got, data) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if refused != 1 || reader.Retries() != 1 || tokens.Given() != before+2 {
		t.Errorf("%d refused, %d retries, %d tokens; want one, one and two", refused, reader.Retries(), tokens.Given()-before)
	}
}

// asking is asked with the password of the one account.
func asking(t *testing.T, host string) Options {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.json")
	account := base64.StdEncoding.EncodeToString([]byte(registry.User + ":" + registry.Password))
	if err := os.WriteFile(file, fmt.Appendf(nil, `{"auths":{%q:{"auth":%q}}}`, host, account), 0o600); err != nil {
		t.Fatal(err)
	}
	opts := asked(host)
	opts.Registry.CredentialsFile = file
	return opts
}

// What goes wrong in the middle of a blob: connections, tokens, signed URLs.
func TestRegistryResume(t *testing.T) {
	r := registry.Start(t, false)
	data := noise(300_000, 1)
	r.Push("lab/disk", "v1", registry.Layer{Type: diskImage, Title: "disk.img.zst", Content: string(data)})
	cut := act{give: 70_001, end: "close"}
	for name, tc := range map[string]struct {
		acts    []act
		expire  func(*store)
		retries int
		err     error
		says    string
	}{
		"whole":                {},
		"cut":                  {acts: []act{cut}, retries: 1},
		"reset":                {acts: []act{{give: 70_001, end: "reset"}}, retries: 1},
		"stall":                {acts: []act{{give: 70_001, end: "stall"}}, retries: 1},
		"no answer":            {acts: []act{{hangUp: true}, cut, {hangUp: true}}, retries: 3},
		"token expired":        {acts: []act{cut, cut, cut}, expire: func(s *store) { s.tokens++ }, retries: 3},
		"signature expired":    {acts: []act{cut, cut}, expire: func(s *store) { s.signatures++ }, retries: 2},
		"403 once":             {acts: []act{cut, {status: 403}}, retries: 2},
		"403 at first":         {acts: []act{{status: 403}}, retries: 1},
		"401 of the store":     {acts: []act{cut, {status: 401}}, retries: 2},
		"busy":                 {acts: []act{{status: 503}, cut, {status: 429}}, retries: 3},
		"no ranges":            {acts: []act{cut, {noRange: true}}, retries: 1},
		"another validator":    {acts: []act{cut, {header: map[string]string{"ETag": `"other"`}}}, retries: 1},
		"other bytes":          {acts: []act{cut, {noRange: true, other: true}}, err: ErrChanged, says: "other ones than before"},
		"403 for ever":         {acts: []act{cut, {status: 403}, {status: 403}, {status: 403}}, err: ErrRefused, says: "403"},
		"404 in the middle":    {acts: []act{cut, {status: 404}}, err: ErrRefused, says: "is not in the registry"},
		"longer than declared": {acts: []act{{header: map[string]string{"Content-Length": "300001"}}}, err: ErrLength, says: "300000 were declared"},
		"wrong place":          {acts: []act{cut, {shift: 1}}, err: ErrRefused, says: "from 70002 on"},
		"never again":          {acts: []act{cut, {status: 500}, {status: 500}, {status: 500}, {status: 500}}, err: ErrBroken, says: "gave up at byte 70001"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startStore(t, r.Host, &scripted{data: data, other: noise(300_000, 2), acts: tc.acts})
			if tc.expire != nil {
				s.expire = func() { tc.expire(s) }
			}
			got, reader, err := read(t, "oras://"+s.host+"/lab/disk:v1", asked(s.host))
			if !errors.Is(err, tc.err) || err != nil && !strings.Contains(err.Error(), tc.says) {
				t.Fatalf("error %v, want %v saying %q", err, tc.err, tc.says)
			}
			if s.leaked {
				t.Error("the object store was sent the registry's token")
			}
			if err != nil {
				if strings.Contains(err.Error(), "secret") {
					t.Errorf("a secret is shown: %v", err)
				}
				return
			}
			if !bytes.Equal(got, data) || reader.Retries() != tc.retries || reader.Name() != "disk.img.zst" {
				t.Errorf("%d bytes, %d retries, name %q", len(got), reader.Retries(), reader.Name())
			}
		})
	}
}

// A mirror that gives other bytes of the right length is found out, and not asked again.
func TestMirrorThatLies(t *testing.T) {
	r := registry.Start(t, false)
	data, other := noise(300_000, 1), noise(300_000, 2)
	r.Push("lab/disk", "v1", registry.Layer{Type: diskImage, Title: "disk.img.zst", Content: string(data)})
	liar := &scripted{t: t, data: other}
	behind := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: r.Host})
	liar.before = func(w http.ResponseWriter, req *http.Request) bool {
		if strings.Contains(req.URL.Path, "/blobs/") {
			return false
		}
		behind.ServeHTTP(w, req)
		return true
	}
	at, _ := url.Parse(liar.start())
	opts := asked(r.Host, at.Host)
	opts.Registry.Mirrors = oras.Mirrors{r.Host: {at.Host}}
	src := "oras://" + r.Host + "/lab/disk:v1"
	if _, _, err := read(t, src, opts); !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), "the mirror "+at.Host+" gives other bytes") {
		t.Fatalf("a lie: %v", err)
	}
	if got, _, err := read(t, src, opts); err != nil || !bytes.Equal(got, data) || len(liar.asks) != 1 {
		t.Errorf("after the lie: %d bytes, %v; the mirror was asked %d times", len(got), err, len(liar.asks))
	}
}

// A mirror is asked first; what it does not give, the registry does.
func TestMirrors(t *testing.T) {
	r, near := registry.Start(t, false), registry.Start(t, false)
	data := noise(300_000, 1)
	layer := registry.Layer{Type: diskImage, Title: "disk.img.zst", Content: string(data)}
	r.Push("lab/disk", "v1", layer)
	near.Push("far/lab/disk", "v1", layer)
	down := httptest.NewServer(nil)
	down.Close()
	cut := act{give: 70_001, end: "close"}
	for name, tc := range map[string]struct {
		mirror string // "": that of the script
		acts   []act
		asked  int // blob requests at the mirror of the script
	}{
		"real":             {mirror: near.Host + "/far"},
		"empty":            {mirror: near.Host},
		"down":             {mirror: strings.TrimPrefix(down.URL, "http://")},
		"script":           {asked: 1},
		"404":              {acts: []act{{status: 404}}, asked: 1},
		"503":              {acts: []act{{status: 503}}, asked: 1},
		"shorter":          {acts: []act{{header: map[string]string{"Content-Length": "1000"}}}, asked: 1},
		"cut, then healed": {acts: []act{cut}, asked: 2},
		"cut, then down":   {acts: []act{cut, {status: 503}}, asked: 2},
		"gives no byte":    {acts: []act{cut, {end: "close"}, {end: "close"}}, asked: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &scripted{t: t, data: data, acts: tc.acts}
			real := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: r.Host})
			s.before = func(w http.ResponseWriter, req *http.Request) bool {
				if strings.Contains(req.URL.Path, "/blobs/") {
					return false
				}
				real.ServeHTTP(w, req)
				return true
			}
			script, _ := url.Parse(s.start())
			mirror := tc.mirror
			if mirror == "" {
				mirror = script.Host
			}
			host, _, _ := strings.Cut(mirror, "/")
			opts := asked(r.Host, host)
			opts.Registry.Mirrors = oras.Mirrors{r.Host: {mirror}}
			got, _, err := read(t, "oras://"+r.Host+"/lab/disk:v1", opts)
			if err != nil || !bytes.Equal(got, data) {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
			if len(s.asks) != tc.asked {
				t.Errorf("the mirror was asked %d times for the blob, want %d", len(s.asks), tc.asked)
			}
		})
	}
}

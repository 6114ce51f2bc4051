package ui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"

	"bty/internal/fault"
)

//go:embed static
var staticFiles embed.FS

// static serves the files that pages load.
type static struct{ files map[string]*file }

// file is one of them. What is made of its content is made once it is asked for.
type file struct {
	name   string
	media  string
	digest func() string // of the content, shortened
	packed func() []byte // the content as gzip
}

// media are the types of what ships: the host's table of them may say otherwise, and takes a while
// to read.
var media = map[string]string{
	".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
	"": "text/plain; charset=utf-8", ".txt": "text/plain; charset=utf-8", // licences
}

// shipped are the files, the same for every surface.
var shipped = sync.OnceValue(func() *static {
	s := &static{files: map[string]*file{}}
	err := fs.WalkDir(staticFiles, "static", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			s.files[strings.TrimPrefix(name, "static/")] = newFile(name)
		}
		return err
	})
	if err != nil {
		panic(err) // the folder ships in the program
	}
	return s
})

func newFile(name string) *file {
	f := &file{name: name, media: media[path.Ext(name)]}
	f.digest = sync.OnceValue(func() string {
		sum := sha256.New()
		f.copyTo(sum)
		return hex.EncodeToString(sum.Sum(nil)[:8])
	})
	f.packed = sync.OnceValue(func() []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		f.copyTo(z)
		_ = z.Close() // a Buffer takes everything
		return b.Bytes()
	})
	return f
}

// open returns the content where it lies in the program, not a copy.
func (f *file) open() io.ReadSeeker {
	content, err := staticFiles.Open(f.name)
	if err != nil {
		panic(err) // it was found when the folder was walked
	}
	return content.(io.ReadSeeker) // package embed says so of its files
}

// copyTo is for what takes everything.
func (f *file) copyTo(w io.Writer) { _, _ = io.Copy(w, f.open()) }

// url is where a page loads the file from. It changes with the content, so that a browser may
// keep what it has for ever.
func (s *static) url(name string) (string, error) {
	f, ok := s.files[name]
	if !ok {
		return "", fault.New(fault.NotFound, "no static file %s", name)
	}
	return "/static/" + name + "?v=" + f.digest(), nil
}

func (s *static) serve(w http.ResponseWriter, r *http.Request) error {
	f, ok := s.files[r.PathValue("path")]
	if !ok {
		return fault.New(fault.NotFound, "Not Found")
	}
	header := w.Header()
	header.Set("Content-Type", f.media)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Vary", "Accept-Encoding")
	header.Set("Cache-Control", "no-cache")
	if r.URL.Query().Get("v") == f.digest() {
		header.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	content, tag := f.open(), f.digest()
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") && r.Header.Get("Range") == "" {
		content, tag = bytes.NewReader(f.packed()), f.digest()+"-gzip"
		header.Set("Content-Encoding", "gzip")
	}
	header.Set("ETag", `"`+tag+`"`)
	http.ServeContent(w, r, "", time.Time{}, content)
	return nil
}

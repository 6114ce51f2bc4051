package ui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
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

// file is one of them, ready to be sent.
type file struct {
	content []byte
	digest  string // of the content, shortened
	media   string
	packed  func() []byte // the content as gzip, made at the first request
}

func newStatic() *static {
	s := &static{files: map[string]*file{}}
	err := fs.WalkDir(staticFiles, "static", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := staticFiles.ReadFile(name)
		s.files[strings.TrimPrefix(name, "static/")] = newFile(name, content)
		return err
	})
	if err != nil {
		panic(err) // the folder ships in the program
	}
	return s
}

func newFile(name string, content []byte) *file {
	sum := sha256.Sum256(content)
	media := mime.TypeByExtension(path.Ext(name))
	if media == "" {
		media = "text/plain; charset=utf-8" // a licence
	}
	return &file{content: content, digest: hex.EncodeToString(sum[:8]), media: media, packed: sync.OnceValue(func() []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write(content) // a Buffer takes everything
		_ = z.Close()
		return b.Bytes()
	})}
}

// url is where a page loads the file from. It changes with the content, so that a browser may
// keep what it has for ever.
func (s *static) url(name string) (string, error) {
	f, ok := s.files[name]
	if !ok {
		return "", fault.New(fault.NotFound, "no static file %s", name)
	}
	return "/static/" + name + "?v=" + f.digest, nil
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
	if r.URL.Query().Get("v") == f.digest {
		header.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	content, tag := f.content, f.digest
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") && r.Header.Get("Range") == "" {
		content, tag = f.packed(), f.digest+"-gzip"
		header.Set("Content-Encoding", "gzip")
	}
	header.Set("ETag", `"`+tag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
	return nil
}

package proxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"bty/internal/catalog"
	"bty/internal/fault"
	"bty/internal/message"
	"bty/internal/wire"
)

// Control is the surface of the control socket. Whoever can open the socket's file may use it.
type Control struct {
	Face      *Face
	Published *Published
	Reload    func() (wire.CacheReloaded, error) // reads the configuration again
}

const (
	maxList = 16 << 20 // bytes of a list of sources
	maxBody = 64 << 10
)

// Handler is what the control socket serves.
func (c *Control) Handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, answer := range map[string]func(*http.Request) (any, error){
		"PUT /sources": c.sources, "GET /status": c.status, "POST /warm": c.warm,
		"POST /pin": c.pin, "POST /delete": c.remove, "POST /reload": c.reload,
	} {
		mux.Handle(pattern, answerJSON(answer))
	}
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", c.Face.ready)
	mux.Handle("GET /metrics", c.Face.Metrics)
	return mux
}

// accepted is an answer of 202: the work goes on.
type accepted struct{}

func answerJSON(answer func(*http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		value, err := answer(r)
		status := http.StatusOK
		switch {
		case err != nil:
			status, value = statusOf(err), map[string]string{"detail": publicOf(err)}
		case value == nil:
			w.WriteHeader(http.StatusNoContent)
			return
		case value == accepted{}:
			w.WriteHeader(http.StatusAccepted)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(value) // who does not read it has gone
	})
}

// read parses a body. Fields that are not known are of a newer bty-web.
func read(r *http.Request, limit int64, into any) error {
	text, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, limit))
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return fault.New(fault.TooLarge, "the body has more than %d bytes", limit)
	}
	if err != nil {
		return fault.New(fault.Invalid, "the body is not what this route takes: %v", err)
	}
	return nil
}

func (c *Control) sources(r *http.Request) (any, error) {
	var list wire.CacheSources
	if err := read(r, maxList, &list); err != nil {
		return nil, err
	}
	if err := c.Published.Put(list); err != nil {
		return nil, err
	}
	c.Face.Log.Info("bty-web published its sources", message.CacheSources, "sources", len(list.Sources))
	return nil, nil
}

func (c *Control) status(*http.Request) (any, error) { return c.Face.Status(), nil }

func (c *Control) warm(r *http.Request) (any, error) {
	var s wire.CacheSource
	if err := read(r, maxBody, &s); err != nil {
		return nil, err
	}
	src, err := c.Face.Rules.Admit(s.Src)
	if err != nil {
		return nil, err
	}
	if digest, err := catalog.ParseDigest(s.SHA256); s.SHA256 != "" {
		if err != nil {
			return nil, fault.New(fault.Invalid, "%v", err)
		}
		if digest != src.Digest { // what a tag leads to now, before the catalog takes it
			src.Digest, src.Size = digest, s.SizeBytes
		}
	}
	return accepted{}, c.Face.Cache.Warm(src)
}

func (c *Control) pin(r *http.Request) (any, error) {
	var p wire.CachePin
	if err := read(r, maxBody, &p); err != nil {
		return nil, err
	}
	if err := readable(p.Src); err != nil {
		return nil, fault.New(fault.Invalid, "%v", err)
	}
	return nil, c.Face.Cache.Pin(p.Src, p.Pinned)
}

func (c *Control) remove(r *http.Request) (any, error) {
	var ref wire.CacheRef
	if err := read(r, maxBody, &ref); err != nil {
		return nil, err
	}
	if ref.SHA256 == "" {
		if err := readable(ref.Src); err != nil {
			return nil, fault.New(fault.Invalid, "neither sha256 nor src says what to delete")
		}
		return nil, c.Face.Cache.Delete(ref.Src)
	}
	digest, err := catalog.ParseDigest(ref.SHA256)
	if err != nil {
		return nil, fault.New(fault.Invalid, "%v", err)
	}
	return nil, c.Face.Cache.DeleteDigest(digest)
}

func (c *Control) reload(*http.Request) (any, error) {
	outcome, err := c.Reload()
	if err != nil {
		return nil, fault.New(fault.Invalid, "%v; the configuration in force stays", err)
	}
	return outcome, nil
}

// Reloaded says in words what a reload brought.
func Reloaded(o wire.CacheReloaded) string {
	switch {
	case len(o.Changed) == 0:
		return "nothing has changed"
	case len(o.Restart) == 0:
		return fmt.Sprintf("changed: %v", o.Changed)
	}
	return fmt.Sprintf("changed: %v; these wait for a restart of bty-cache: %v", o.Changed, o.Restart)
}

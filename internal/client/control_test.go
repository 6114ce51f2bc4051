package client

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// control serves h on a socket of its own and returns a client of it.
func control(t *testing.T, h http.HandlerFunc) *Control {
	t.Helper()
	path := filepath.Join(t.TempDir(), "control.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: h}
	go server.Serve(l)
	c := NewControl(path, "bty-lab/test")
	t.Cleanup(func() { c.Close(); server.Close() })
	return c
}

func TestControl(t *testing.T) {
	c := control(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch r.URL.Path {
		case "/echo":
			w.Header().Set("X-Was", r.Header.Get("Content-Type")+" "+r.UserAgent())
			_, _ = w.Write(body)
		case "/broken":
			_, _ = w.Write([]byte("<html>"))
		default:
			w.WriteHeader(http.StatusConflict)
			_, _ = w.Write([]byte(`{"detail":"it is in use"}`))
		}
	})
	var out struct{ A int }
	if err := c.Call(t.Context(), "POST", "/echo", map[string]int{"A": 7}, &out); err != nil || out.A != 7 {
		t.Errorf("%+v, %v", out, err)
	}
	if err := c.Call(t.Context(), "POST", "/echo", nil, nil); err != nil {
		t.Error(err)
	}
	if err := c.Send(t.Context(), "PUT", "/echo", "application/octet-stream", strings.NewReader(`{"A":8}`), 7, &out); err != nil || out.A != 8 {
		t.Errorf("%+v, %v", out, err)
	}
	var b bytes.Buffer
	if h, err := c.Fetch(t.Context(), "/echo", &b); err != nil || !strings.HasSuffix(h.Get("X-Was"), "bty-lab/test") {
		t.Errorf("%v, %v", h, err)
	}
	if err := c.Call(t.Context(), "GET", "/other", nil, &out); CodeOf(err) != 409 || !strings.Contains(err.Error(), "it is in use") {
		t.Error(err)
	}
	if err := c.Call(t.Context(), "GET", "/broken", nil, &out); err == nil {
		t.Error("that is no answer")
	}
}

// Each way in which the socket cannot be used is named with what to do about it.
func TestControlSocketErrors(t *testing.T) {
	dir := t.TempDir()
	left := filepath.Join(dir, "left.sock")
	l, err := net.Listen("unix", left)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	for path, want := range map[string]string{
		filepath.Join(dir, "none.sock"): "systemctl enable --now bty-web.socket",
		left:                            "journalctl -u bty-web",
	} {
		err := NewControl(path, "test").Call(t.Context(), "GET", "/", nil, nil)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) || !IsAbsent(err) {
			t.Errorf("%s: %v", path, err)
		}
	}
	denied := &SocketError{"/run/bty/control.sock", "bty-web", &net.OpError{Op: "dial", Net: "unix", Err: os.NewSyscallError("connect", syscall.EACCES)}}
	if IsAbsent(denied) || !strings.Contains(denied.Error(), "bty-admin") || !errors.Is(denied, syscall.EACCES) {
		t.Error(denied)
	}
}

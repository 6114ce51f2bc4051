package main

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

func TestReload(t *testing.T) {
	answer, status := `{"changed":[],"restart":[]}`, http.StatusOK
	socket := filepath.Join(t.TempDir(), "control.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "POST" || r.URL.Path != "/reload" {
			t.Errorf("%s %s", r.Method, r.URL.Path)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	})}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	call := func() (string, error) {
		var out bytes.Buffer
		err := run(t.Context(), env{args: []string{"reload", "-socket", socket}, stdout: &out, stderr: &out, getenv: func(string) string { return "" }})
		return out.String(), err
	}
	if out, err := call(); err != nil || out != "nothing has changed\n" {
		t.Errorf("%q %v", out, err)
	}
	answer = `{"changed":["admin.password","server.port"],"restart":["server.port (of bty-web)"]}`
	if out, err := call(); err != nil || out != "changed: admin.password, server.port\nneeds a restart: server.port (of bty-web)\n" {
		t.Errorf("%q %v", out, err)
	}
	answer = `{"changed":["cache.allow"],"restart":[],"reload":["cache.allow (of bty-cache)"]}`
	if out, err := call(); err != nil || out != "changed: cache.allow\nneeds a reload: cache.allow (of bty-cache)\n" {
		t.Errorf("%q %v", out, err)
	}
	answer, status = `{"detail":"/etc/bty/bty.toml:1:8: not valid TOML; the configuration in force stays"}`, http.StatusUnprocessableEntity
	if out, err := call(); err == nil || !strings.Contains(err.Error(), "/etc/bty/bty.toml:1:8") {
		t.Errorf("%q %v", out, err)
	}
}

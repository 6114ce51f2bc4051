package deploy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What Podman's generator says is shown whether it gives up, warns and goes on, or finds nothing.
func TestGeneratorWords(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		want   string
	}{
		"gives up":   {"echo 'unsupported key Nothing' >&2; exit 1", generator + " -dryrun: exit status 1: unsupported key Nothing"},
		"warns":      {"echo '[Service] of bty-web'; echo 'User= is not for root' >&2", generator + " -dryrun: User= is not for root"},
		"is content": {"echo '[Service] of bty-web'", "finds nothing wrong"},
		"is silent":  {"exit 3", generator + " -dryrun: exit status 3"},
	} {
		e := &Engine{Root: t.TempDir()}
		path := e.path(generator)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+c.script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		if got := e.generatorWords(t.Context()); !strings.Contains(got, c.want) || strings.Contains(got, "%!") || strings.Contains(got, "[Service]") {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := (&Engine{Root: t.TempDir()}).generatorWords(t.Context()); !strings.Contains(got, "no such file") {
		t.Errorf("not there: %q", got)
	}
}

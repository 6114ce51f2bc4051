package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bty/internal/liveenv/builder"
)

func call(args ...string) (stdout, stderr string, err error) {
	var out, errs bytes.Buffer
	err = run(context.Background(), env{args: args, stdout: &out, stderr: &errs, getenv: func(string) string { return "" }})
	return out.String(), errs.String(), err
}

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		args string
		want string // on either output or in the error
		code int
	}{
		{"", "name a command", 2},
		{"--help", "liveenv", 0},
		{"liveenv --help", "build", 0},
		{"liveenv build --help", "bty-live-ARCH.vmlinuz", 0},
		{"liveenv", "liveenv: name a command", 2},
		{"nonsense", `no command "nonsense"; see bty-lab --help`, 2},
		{"liveenv nonsense", "see bty-lab liveenv --help", 2},
		{"liveenv build", "say where the files go: --install, --out DIR, or both", 2},
		{"liveenv build --out a --kernel b", "--kernel and --modules belong together", 2},
		{"liveenv build --out a --kernel b --modules c --kernel-package d", "leave --kernel and --modules out", 2},
		{"liveenv build --out a --kernel-package /nonexistent", "kernel package /nonexistent: open /nonexistent", 1},
		{"liveenv build --install --socket /nonexistent/control.sock", "there is no control socket /nonexistent/control.sock", 1},
		{"liveenv build --install --socket /nonexistent/control.sock", "repeat with --out DIR instead of --install", 1},
		{"liveenv build --wrong", "wrong", 2},
		{"liveenv build --kernel a --modules b --out c d", `unexpected "d"`, 2},
		{"liveenv build --kernel a --modules b --out c --arch mips", "want x86_64 or arm64", 2},
		{"liveenv build --kernel /nonexistent --modules b --out c --bty /nonexistent", "the kernel: open /nonexistent", 1},
		{"usb build --help", "BTY_IMAGES", 0},
		{"usb build", "say where the image goes: --out FILE", 2},
		{"usb build --out a --chain http://b --images 1G", "--images says something about the live environment", 2},
		{"usb build --out a --chain https://b", "want http://HOST:PORT", 2},
		{"usb build --out a --chain http://b:99999", "want a port from 1 to 65535", 2},
		{"usb build --out a --live /nonexistent --server ftp://b", "not http or https", 2},
		{"usb build --out a --live /nonexistent --server http://b:8080", "make one with bty-lab liveenv build", 1},
		{"usb build --out a --ipxe b", "--ipxe goes with --chain", 2},
		{"usb build --out a --images 1X", `"1X" is no size`, 2},
		{"usb build --out a --live /nonexistent", "make one with bty-lab liveenv build", 1},
		{"backup --help", "if-due", 0},
		{"backup more", "takes 0 arguments, and 1 were given", 2},
		{"backup --socket /nonexistent/control.sock", "bty-web does not run here", 1},
		{"restore --help", "comes back on it", 0},
		{"restore", "takes 1 arguments", 2},
		{"export", "takes 1 arguments", 2},
		{"import --wrong x", "wrong", 2},
		{"import --socket /nonexistent/control.sock /nonexistent", "or the folder of an export or a backup", 1},
		{"import --help", "Everything is checked first", 0},
		{"import", "takes 1 arguments", 2},
		{"import --replace --keep /", "holds neither a state.db nor an inventory.json", 1},
		{"import --replace --keep main.go", "exclude each other", 2},
		{"upgrade --help", "has put in place is looked at", 0},
		{"upgrade a b", "takes one folder, and 2 were given", 2},
		{"upgrade --back --package a.deb", "--back undoes the last upgrade", 2},
		{"upgrade --package a.deb --images b", "name one of them", 2},
		{"upgrade --timeout 1ms", "needs at least 1s", 2},
		{"upgrade --mode podman /nonexistent", "is no mode", 2},
		{"upgrade-guard", "systemd runs it", 2},
		{"upgrade-guard /nonexistent", "bty-lab upgrade takes it up", 1},
		{"version", "bty-lab ", 0},
		{"--version", "bty-lab ", 0},
	} {
		stdout, stderr, err := call(strings.Fields(c.args)...)
		text := stdout + stderr
		code := 0
		if err != nil && !errors.Is(err, flag.ErrHelp) {
			text += err.Error()
			code = 1
			if errors.As(err, new(usageError)) {
				code = 2
			}
		}
		if !strings.Contains(text, c.want) || code != c.code {
			t.Errorf("bty-lab %s: code %d, %q; want code %d and %q", c.args, code, text, c.code, c.want)
		}
	}
}

func TestSourceDate(t *testing.T) {
	for in, want := range map[string]int64{"": 0, "1700000000": 1700000000} {
		if got, err := sourceDate(in); err != nil || got.Unix() != want {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
	for _, bad := range []string{"-1", "x", "99999999999"} {
		if got, err := sourceDate(bad); err == nil {
			t.Errorf("%q: %v", bad, got)
		}
	}
}

func TestDefaults(t *testing.T) {
	o := builder.Options{}
	if err := complete(&o, "amd64", env{getenv: func(string) string { return "5" }}); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if o.Arch != builder.X86_64 || !o.ModTime.Equal(time.Unix(5, 0)) || o.BTY != filepath.Join(filepath.Dir(self), "bty") {
		t.Errorf("%+v", o)
	}
}

package liveenv

import (
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
	"time"

	"bty/internal/liveenv/builder"
)

// TestRescue: a person types on the serial console of a live environment that was built with a shell.
func TestRescue(t *testing.T) {
	if testing.Short() {
		t.Skip("boots a machine")
	}
	need(t, "qemu-system-x86_64", "qemu-system-x86")
	need(t, "busybox", "busybox-static")
	shell, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatal(err)
	}
	live := initOf(t, "probe", func(o *builder.Options) { o.Rescue = shell })
	h := newHost(t)
	keys, typed := io.Pipe()
	defer typed.Close()
	v := vm{kernel: live.Kernel, initrd: live.Initrd, args: userNIC(), keys: keys,
		append: h.arg() + " bty.mac=" + vmMAC + " bty.rescue"}
	console := v.run(deadline(t), t, func(line string) {
		if strings.Contains(line, "bty: network eth0 ") { // the shells are there before
			go func() {
				time.Sleep(time.Second)
				fmt.Fprint(typed, "echo sum $((40+2)) of $$; ls -l /bin/bty; tty; echo listen $(netstat -ltn | grep -c LISTEN); reboot -f\n")
				typed.Close()
			}()
		}
	})
	for _, want := range []string{"sum 42 of ", "/bin/bty -> /init", "/dev/ttyS0", "listen 0"} {
		if !strings.Contains(console, "\n"+want) && !strings.Contains(console, want+"\n") {
			t.Errorf("no %q on the console\n%s", want, tail(console))
		}
	}
	for _, a := range h.asked() {
		if a.request != "GET /healthz" { // the clock
			t.Errorf("the server was asked %q", a.request)
		}
	}
}

// noShell: the word alone is an error that says what to build.
func noShell(t *testing.T, v vm, _ *host) {
	v.append = "bty.rescue bty.hold=1"
	console := v.run(deadline(t), t, nil)
	for _, want := range []string{"bty cannot go on", "bty-lab liveenv build --rescue FILE", "bty: exiting v0-test"} {
		if !strings.Contains(strings.ReplaceAll(console, "\n*  ", " "), want) {
			t.Errorf("no %q on the console\n%s", want, tail(console))
		}
	}
}

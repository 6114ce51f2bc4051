// Command probe stands in for bty in the tests of the live environment: it tells the server on
// the host what it found and reboots.
package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"bty/internal/liveenv"
)

func main() {
	if !liveenv.IsInit() {
		fmt.Fprintln(os.Stderr, "probe: only the init of a live environment")
		os.Exit(1)
	}
	liveenv.Main(context.Background(), "0-test", work)
}

func work(ctx context.Context, b liveenv.Boot) (liveenv.Next, error) {
	cmdline, err := os.ReadFile("/proc/cmdline")
	if err != nil {
		return liveenv.Reboot, err
	}
	switch {
	case strings.Contains(string(cmdline), "test.fail"):
		return liveenv.Reboot, fmt.Errorf("asked to fail")
	case strings.Contains(string(cmdline), "test.panic"):
		panic("asked to panic")
	}
	start := time.Now()
	b.Settle(ctx)
	fmt.Fprintf(b.Console, "probe: settled after %v\n", time.Since(start).Round(time.Millisecond))
	disks, err := filepath.Glob("/sys/block/*")
	if err != nil {
		return liveenv.Reboot, err
	}
	for i, d := range disks {
		disks[i] = filepath.Base(d)
	}
	// As the kernel does for a module that no device announces. Init's children are buried by
	// the kernel, so there is no exit status to wait for: the module has to appear.
	asked := exec.Command("/sbin/modprobe", "-q", "--", "usb-storage").Run()
	_, module := os.Stat("/sys/module/usb_storage")
	helper, _ := os.ReadFile("/proc/sys/kernel/modprobe")
	resolv, _ := os.ReadFile("/etc/resolv.conf")
	mounts, _ := os.ReadFile("/proc/mounts")
	report := fmt.Sprintf("mac=%s\nif=%s\naddr=%s\ntime=%d\ndisks=%s\nresolv=%q\nmounts=%q\nhelper=%s loaded=%v asked=%v\n",
		b.MAC, b.Interface, b.Address, time.Now().Unix(), strings.Join(disks, " "), resolv, mounts,
		strings.TrimSpace(string(helper)), module == nil, asked)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.Server+"/report", bytes.NewReader([]byte(report)))
	if err != nil {
		return liveenv.Reboot, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return liveenv.Reboot, err
	}
	resp.Body.Close()
	return liveenv.Reboot, nil
}

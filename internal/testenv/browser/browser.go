// Package browser drives a real Chromium for the tests of the pages. A tab fails its test for
// whatever a person would find in the console: errors, exceptions, requests that failed.
package browser

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/chromedp/chromedp"
)

// Host is the name under which a tab finds a server of this host. It is no loopback address, which
// a browser would trust: like the appliance's it is plain HTTP.
const Host = "bty.test"

// Browser is a Chromium that runs without a window.
type Browser struct {
	ctx     context.Context
	profile string
	stop    func()
}

// Start starts one.
func Start() (*Browser, error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return nil, fmt.Errorf("%w; as root run: internal/testenv/host/setup.sh demo test", err)
	}
	dir, err := os.MkdirTemp("", "bty-chromium-")
	if err != nil {
		return nil, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.UserDataDir(dir), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-features", "Translate,HttpsUpgrades,HttpsFirstBalancedModeAutoEnable,OptimizationHints,MediaRouter"),
		chromedp.Flag("host-resolver-rules", "MAP "+Host+" 127.0.0.1"),
		chromedp.Flag("hide-scrollbars", true),
		chromedp.Flag("font-render-hinting", "none"),
		chromedp.ModifyCmdFunc(func(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }),
	)
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, leave := chromedp.NewContext(ctx)
	b := &Browser{ctx, dir, func() { leave(); stop() }}
	if _, err := chromedp.Run(ctx, chromedp.Title()); err != nil {
		return nil, errors.Join(fmt.Errorf("chromium does not start: %w", err), b.Close())
	}
	return b, nil
}

// Close ends it and deletes its profile, into which the last of its processes may still write.
func (b *Browser) Close() error {
	b.stop()
	for range 100 {
		if os.RemoveAll(b.profile) == nil {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return os.RemoveAll(b.profile)
}

// URL is how a tab reaches a server that listens on an address of this host.
func URL(address string) string {
	_, port, err := net.SplitHostPort(strings.TrimPrefix(address, "http://"))
	if err != nil {
		panic(err) // the test's own address
	}
	return "http://" + net.JoinHostPort(Host, port)
}

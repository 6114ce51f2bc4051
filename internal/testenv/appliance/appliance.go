// Package appliance runs the real daemons inside a test's LAN, with inherited sockets as under
// systemd, and talks to them as an operator would.
package appliance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"bty/internal/testenv"
)

// URL is where machines on the LAN find bty-web.
const URL = "http://" + testenv.ServerIP + ":8080"

// Config says what to run.
type Config struct {
	Build    string   // folder with bin/, ipxe/ and live/, as make fills it
	HostAddr string   // also serve the pages at this address of the host, "" for not
	Env      []string // settings, BTY_SECTION_NAME=value
}

// Appliance is bty-web and bty-tftp, running. The sockets outlive the processes.
type Appliance struct {
	Web, TFTP *testenv.Log // over all restarts
	Host      net.Addr     // of HostAddr, nil without

	lan      *testenv.LAN
	cfg      Config
	dir      string
	sockets  map[string][]testenv.Socket // by program
	web      *testenv.Process
	tftp     *testenv.Process
	closable []io.Closer
}

// Start makes a state folder with the boot files and starts both daemons.
func Start(ctx context.Context, lan *testenv.LAN, cfg Config) (*Appliance, error) {
	a := &Appliance{
		Web: testenv.NewLog("bty-web"), TFTP: testenv.NewLog("bty-tftp"),
		lan: lan, cfg: cfg, dir: filepath.Join(lan.Dir, "appliance"), sockets: map[string][]testenv.Socket{},
	}
	err := a.prepare()
	if err == nil {
		err = a.listen(ctx)
	}
	if err == nil {
		err = a.StartWeb(ctx)
	}
	if err == nil {
		a.tftp, err = a.start("bty-tftp", a.TFTP)
	}
	if err != nil {
		a.Close()
		return nil, fmt.Errorf("starting the appliance: %w\n%s%s", err, a.Web.Tail(20), a.TFTP.Tail(20))
	}
	return a, nil
}

// StateDir is bty-web's state folder.
func (a *Appliance) StateDir() string { return filepath.Join(a.dir, "state") }

func (a *Appliance) runDir() string { return filepath.Join(a.dir, "run") }

// prepare fills the boot folder with stock iPXE and the live environment.
func (a *Appliance) prepare() error {
	boot := filepath.Join(a.StateDir(), "boot")
	for _, dir := range []string{boot, a.runDir()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	for _, name := range []string{
		"ipxe/undionly.kpxe", "ipxe/ipxe.efi", "ipxe/ipxe-arm64.efi",
		"live/bty-live-x86_64.vmlinuz", "live/bty-live-x86_64.initrd",
	} {
		if err := copyFile(filepath.Join(a.cfg.Build, name), filepath.Join(boot, filepath.Base(name))); err != nil {
			return fmt.Errorf("%w; run: make build ipxe live", err)
		}
	}
	return a.prepareARM64(boot)
}

// prepareARM64 adds the live environment for arm64 to the boot folder, if it was made.
func (a *Appliance) prepareARM64(boot string) error {
	made, err := filepath.Glob(filepath.Join(a.cfg.Build, "live/bty-live-arm64.*"))
	if err != nil {
		return err
	}
	for _, name := range made {
		if err := copyFile(name, filepath.Join(boot, filepath.Base(name))); err != nil {
			return err
		}
	}
	return nil
}

// listen opens what the socket units would.
func (a *Appliance) listen(ctx context.Context) error {
	http, err := a.lan.Listen(ctx, "0.0.0.0:8080")
	if err != nil {
		return err
	}
	udp, err := a.lan.ListenPacket(ctx, "0.0.0.0:69")
	if err != nil {
		return errors.Join(err, http.Close())
	}
	control, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(a.runDir(), "control.sock")})
	if err != nil {
		return errors.Join(err, http.Close(), udp.Close())
	}
	report, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(a.runDir(), "report.sock")})
	if err != nil {
		return errors.Join(err, http.Close(), udp.Close(), control.Close())
	}
	a.closable = []io.Closer{http, udp, control, report}
	err = errors.Join(a.hand("bty-web", "http", http), a.hand("bty-web", "control", control),
		a.hand("bty-web", "report", report), a.hand("bty-tftp", "tftp", udp))
	if err != nil || a.cfg.HostAddr == "" {
		return err
	}
	outside, err := new(net.ListenConfig).Listen(ctx, "tcp", a.cfg.HostAddr)
	if err != nil {
		return err
	}
	a.Host = outside.Addr()
	a.closable = append(a.closable, outside)
	return a.hand("bty-web", "http", outside.(*net.TCPListener))
}

// hand keeps a copy of the socket for every start of the program.
func (a *Appliance) hand(program, name string, socket interface{ File() (*os.File, error) }) error {
	file, err := socket.File()
	if err != nil {
		return err
	}
	a.closable = append(a.closable, file)
	a.sockets[program] = append(a.sockets[program], testenv.Socket{Name: name, File: file})
	return nil
}

func (a *Appliance) start(program string, log *testenv.Log) (*testenv.Process, error) {
	env := append([]string{
		"BTY_PATHS_STATE_DIR=" + a.StateDir(), "BTY_PATHS_RUN_DIR=" + a.runDir(), "BTY_LOG_FORMAT=text",
	}, a.cfg.Env...)
	return a.lan.Start(testenv.Program{
		Name: program, Path: filepath.Join(a.cfg.Build, "bin", program), Env: env,
		Sockets: a.sockets[program], Output: log,
	})
}

// StartWeb starts bty-web after StopWeb or KillWeb. Its sockets were never closed: who connected
// in between has waited.
func (a *Appliance) StartWeb(ctx context.Context) error {
	web, err := a.start("bty-web", a.Web)
	if err != nil {
		return err
	}
	a.web = web
	return a.ready(ctx)
}

// ready waits for the first answer.
func (a *Appliance) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	answered := make(chan error, 1)
	go func() { answered <- a.Client().get(ctx, "/readyz", nil) }()
	select {
	case err := <-answered:
		return err
	case <-a.web.Done():
		return errors.New("bty-web ended at once")
	}
}

// StopWeb ends bty-web as systemctl would.
func (a *Appliance) StopWeb() error { return a.web.Stop() }

// KillWeb ends bty-web as a power cut would.
func (a *Appliance) KillWeb() { a.web.Kill() }

// Close ends both daemons and closes the sockets.
func (a *Appliance) Close() error {
	var errs []error
	for _, p := range []*testenv.Process{a.tftp, a.web} {
		if p != nil {
			errs = append(errs, p.Stop())
		}
	}
	for _, c := range a.closable {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

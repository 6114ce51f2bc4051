package deploy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"bty/internal/config"
	"bty/internal/doctor"
	"bty/internal/host"

	"golang.org/x/sys/unix"
)

// Observe looks at this host, as far as what is wanted asks for it. It changes nothing.
func Observe(ctx context.Context, w Wanted) (Observed, error) {
	o := Observed{At: time.Now(), Root: os.Geteuid() == 0, User: me(), Files: map[string]string{}, WebPort: service("bty-web").Ports[0].Number}
	var err error
	if o.Record, err = ReadRecord(w.Dir); err != nil {
		return o, err
	}
	if o.Addresses, err = addresses(); err != nil {
		return o, fmt.Errorf("the addresses of this host cannot be read: %w", err)
	}
	o.Outbound = outbound(ctx)
	o.Package = installed(ctx)
	o.Podman = podman(ctx)
	o.Snapshots, o.Upgrading = hasSnapshots(w.Dir), isThere(o.guard())
	o.Units, o.Systemd = unitStates(ctx, o.User)
	if program, err := os.Executable(); err == nil && isForServices(program, o.User != nil) {
		o.Lab = program
	}
	o.Containers = containers(ctx, o.Podman)
	o.Previous = previous(ctx, "/", o.Record != nil)
	site, _, _ := Resolve(o, w)
	o.lookForImages(ctx, site, w.Images)
	o.settings(site, w.Dir)
	o.Ports = host.Ports(ctx, o.ports(site)...)
	o.Disks = disks(site, w.Dir)
	if err := o.files(site, w.Dir); err != nil {
		return o, err
	}
	o.Password = o.findPassword(ctx, site, w.Dir)
	return o, ctx.Err()
}

// addresses are those of this host that others could reach.
func addresses() (list []doctor.Address, err error) {
	links, err := net.Interfaces()
	for _, link := range links {
		if link.Flags&net.FlagUp == 0 {
			continue
		}
		own, err := link.Addrs()
		if err != nil {
			return nil, err
		}
		for _, a := range own {
			prefix, err := netip.ParsePrefix(a.String())
			if err == nil && isReachable(prefix.Addr()) {
				list = append(list, doctor.Address{Prefix: prefix, Link: link.Name})
			}
		}
	}
	return list, err
}

// outbound is the address that packets to the outside leave with. Nothing is sent: a UDP socket that
// is connected only looks the route up. The far ends are of the nets for documentation.
func outbound(ctx context.Context) netip.Addr {
	for _, far := range []string{"198.51.100.1:9", "[2001:db8::1]:9"} {
		c, err := new(net.Dialer).DialContext(ctx, "udp", far)
		if err != nil {
			continue
		}
		own, ok := c.LocalAddr().(*net.UDPAddr)
		c.Close()
		if ok {
			return own.AddrPort().Addr().Unmap()
		}
	}
	return netip.Addr{}
}

// lookTime is how long another program may take to say what it is.
const lookTime = 20 * time.Second

// installed looks for the program and the unit of a package.
func installed(ctx context.Context) Package {
	const program = "/usr/bin/bty-web"
	for _, unit := range []string{"/usr/lib/systemd/system/bty-web.service", "/lib/systemd/system/bty-web.service"} {
		if _, err := os.Stat(unit); err != nil {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, lookTime)
		defer cancel()
		out, err := exec.CommandContext(ctx, program, "--version").Output()
		if err != nil {
			continue
		}
		if words := strings.Fields(string(out)); len(words) > 0 {
			return Package{Installed: true, Version: words[len(words)-1]}
		}
	}
	return Package{}
}

// unitStates asks systemd about all of ours: an ordinary user's own.
func unitStates(ctx context.Context, user *User) (map[string]Unit, Systemd) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	_, err := exec.LookPath("systemd-creds")
	s := Systemd{Creds: err == nil}
	if user != nil {
		s.Lingers = lingers(ctx, *user)
	}
	report, err := Site{User: user}.Manager().Look(ctx, append(Units(), volumeUnits()...)...)
	if err != nil {
		s.Away = err.Error()
		return nil, s
	}
	known := map[string]Unit{}
	for _, u := range report.Units {
		known[u.Name] = Unit{Load: u.Load, Active: u.Active, Enabled: u.Enabled, Stale: u.Stale}
	}
	return known, s
}

// settings reads the configuration as the daemons of this host would.
func (o *Observed) settings(s Site, dir string) {
	if s.Mode == Compose {
		o.WebPort = composePort(dir, o.WebPort)
		return
	}
	cfg, _, err := config.Load(config.Source{Etc: filepath.Clean(s.Places().Config), Getenv: func(string) string { return "" }})
	if err != nil {
		if !errors.Is(err, fs.ErrPermission) {
			o.Config = strings.TrimSuffix(err.Error(), ".") + "."
		}
		return
	}
	o.WebPort, o.StateDir = cfg.Server.Port, cfg.Paths.StateDir
	if cfg.Admin.Password != "" && !cfg.Origin("admin.password").IsDefault() {
		o.Password = Configured
	}
}

// ports are those that the services are to have.
func (o *Observed) ports(site Site) (list []doctor.Port) {
	for _, s := range site.services() {
		for _, p := range s.Ports {
			number := p.Number
			if s.Name == "bty-web" {
				number = o.WebPort
			}
			list = append(list, doctor.Port{Network: p.Network, Number: number, Daemon: s.Name, Unit: p.Socket})
		}
	}
	return list
}

// needed are bytes that a deployment needs at least: for a database, some boot files, and images of
// containers.
const (
	needState  = 64 << 20
	needRecord = 1 << 20
	needImages = 300 << 20
)

// disks looks at the file systems that will be written to.
func disks(s Site, dir string) (list []Disk) {
	wanted := []Disk{{Folder: dir, For: "the record", Need: needRecord}}
	switch s.Mode {
	case Host:
		wanted = append(wanted, Disk{Folder: "/etc", For: "settings", Need: needRecord}, Disk{Folder: config.DefaultStateDir, For: "the state", Need: needState})
	case Quadlet:
		units := "/etc"
		if s.User != nil {
			units = filepath.Clean(s.Places().Units)
		}
		wanted = append(wanted, Disk{Folder: units, For: "units", Need: needRecord}, Disk{Folder: s.Storage(), For: "images and state", Need: needImages})
	}
	for _, d := range wanted {
		there := existing(d.Folder)
		var fs unix.Statfs_t
		if err := unix.Statfs(there, &fs); err != nil {
			d.Err = err.Error()
		} else {
			d.ReadOnly = fs.Flags&unix.ST_RDONLY != 0
			d.Free = fs.Bavail * uint64(fs.Bsize)
		}
		list = append(list, d)
	}
	return list
}

// existing is a folder, or the next above it that is there.
func existing(dir string) string {
	for dir != "/" && dir != "." {
		if _, err := os.Stat(dir); err == nil {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	return dir
}

// files takes the digests of what is there of the deployment's files.
func (o *Observed) files(s Site, dir string) error {
	var paths []string
	for _, f := range append(s.Files(dir), s.preview(dir)...) {
		paths = append(paths, f.Path)
	}
	if o.Record != nil {
		for _, w := range o.Record.Files {
			paths = append(paths, w.Path)
		}
	}
	for _, p := range paths {
		d, err := digestOf(p)
		if err != nil && !errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("%s: %w", p, err)
		}
		if d != "" {
			o.Files[p] = d
		}
	}
	return nil
}

// findPassword finds where the operator's password is. What counts most is named.
func (o *Observed) findPassword(ctx context.Context, s Site, dir string) PasswordKind {
	switch s.Mode {
	case Quadlet:
		if _, err := tool(ctx, "", "podman", "secret", "exists", SecretName); err == nil {
			return Secret
		}
		return o.Password
	case Compose:
		if _, err := os.Stat(filepath.Join(dir, secretsFolder, passwordFile)); err == nil {
			return SecretFile
		}
		return NoPassword
	}
	there := func(p string) bool { _, err := os.Stat(p); return err == nil }
	switch {
	case there(sealedPath):
		return Sealed
	case there(credentialPath), there("/run/credstore/" + credentialName):
		return Credential
	}
	return o.Password
}

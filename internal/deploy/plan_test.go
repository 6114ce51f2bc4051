package deploy

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"bty/internal/doctor"
	"bty/internal/golden"
)

// host is one with the package, freshly installed, that nothing was done with.
func hostWithPackage() Observed {
	units := map[string]Unit{}
	for _, u := range Units() {
		units[u] = Unit{Load: "loaded", Active: "inactive", Enabled: "disabled"}
	}
	return Observed{Root: true, Package: Package{Installed: true, Version: "1.2.3"}, Systemd: Systemd{Creds: true}, Units: units, Files: map[string]string{}, WebPort: 8080,
		Addresses: []doctor.Address{{Prefix: netip.MustParsePrefix("192.0.2.9/24"), Link: "eth0"}, {Prefix: netip.MustParsePrefix("2001:db8::9/64"), Link: "eth0"}},
		Outbound:  netip.MustParseAddr("192.0.2.9"), Lab: packagedLab}
}

// podmanHost is one with Podman and archives of the images.
func podmanHost() Observed {
	o := hostWithPackage()
	o.Package, o.Lab = Package{}, "/usr/local/bin/bty-lab"
	o.Podman = Podman{Version: "5.4.2", Compose: "podman-compose"}
	o.Images = Images{Loaded: map[string]bool{}, Archives: map[string]Archive{}, Folders: []string{"/srv/images"}}
	for _, s := range Services() {
		o.Images.Archives[s.Name] = Archive{Path: "/srv/images/" + s.Name + ".x86_64.tar", Ref: "localhost/" + s.Name + ":1.2.3"}
	}
	for u := range o.Units {
		o.Units[u] = Unit{Load: "not-found", Active: "inactive"}
	}
	return o
}

// deployed is a host after its deployment.
func deployed(o Observed, w Wanted) Observed {
	site, _, _ := Resolve(o, w)
	r := &Record{State: Deployed, Site: site, Password: Sealed}
	for _, f := range site.Files(w.Dir) {
		o.Files[f.Path] = digest(f.Content)
		r.Files = append(r.Files, Written{f.Path, digest(f.Content)})
	}
	for _, s := range site.services() {
		for _, u := range s.all() {
			o.Units[u] = Unit{Load: "loaded", Active: "active", Enabled: "static"}
		}
		for _, u := range s.Enable {
			o.Units[u] = Unit{Load: "loaded", Active: "active", Enabled: "enabled"}
		}
		o.Images.Loaded[site.Ref(s.Name)] = true
	}
	if site.Mode == Quadlet {
		r.Password = Secret
	}
	o.Record, o.Password = r, r.Password
	return o
}

// settingsPath is where the host's settings are.
const settingsPath = "/etc/bty/conf.d/10-deploy.toml"

// userHost is one that an ordinary user asks, whose systemd goes on without a session.
func userHost() Observed {
	o := podmanHost()
	o.Root, o.User, o.Lab = false, &User{1000, "/home/alice"}, "/home/alice/bin/bty-lab"
	o.Systemd.Lingers = true
	return o
}

type scene struct {
	name string
	o    func() Observed
	w    Wanted
	run  func(Observed, Wanted) (Plan, error) // "" is Deploy
}

func with(o Observed, change func(*Observed)) func() Observed {
	return func() Observed {
		if o.Images.Loaded == nil {
			o.Images.Loaded = map[string]bool{}
		}
		change(&o)
		return o
	}
}

func purge(data bool) func(Observed, Wanted) (Plan, error) {
	return func(o Observed, w Wanted) (Plan, error) { return Purge(o, w.Dir, data) }
}

// torn is an archive that was not copied to its end.
var torn = Archive{Path: "/srv/images/bty-tftp.x86_64.tar", Err: "it cannot be read: unexpected EOF"}

func scenes() []scene {
	w := Wanted{Dir: "/opt/bty", Version: "1.2.3"}
	wish := func(change func(*Wanted)) Wanted { v := w; change(&v); return v }
	after := func(o Observed, change func(*Observed)) func() Observed {
		return func() Observed {
			o.Images.Loaded = map[string]bool{}
			o = deployed(o, w)
			change(&o)
			return o
		}
	}
	nothing := func(*Observed) {}
	quadlets := func() Observed { return after(podmanHost(), nothing)() }
	user := wish(func(w *Wanted) { w.Dir, w.Mode = "/home/alice/bty", Quadlet })
	afterUser := func(change func(*Observed)) func() Observed {
		return func() Observed {
			o := deployed(with(userHost(), nothing)(), user)
			change(&o)
			return o
		}
	}
	return []scene{
		{name: "host: the first time", o: with(hostWithPackage(), nothing), w: w},
		{name: "host: again", o: after(hostWithPackage(), nothing), w: w},
		{name: "host: without TFTP", o: after(hostWithPackage(), nothing), w: wish(func(w *Wanted) { w.Without = []string{"bty-tftp"} })},
		{name: "host: another address", o: after(hostWithPackage(), func(o *Observed) {
			o.Addresses = append(o.Addresses, doctor.Address{Prefix: netip.MustParsePrefix("198.51.100.7/24"), Link: "eth1"})
		}), w: wish(func(w *Wanted) { w.Address = netip.MustParseAddr("198.51.100.7") })},
		{name: "host: the address has moved", o: after(hostWithPackage(), func(o *Observed) { o.Addresses = o.Addresses[1:] }), w: w},
		{name: "host: an address of IPv6", o: with(hostWithPackage(), nothing), w: wish(func(w *Wanted) { w.Address = netip.MustParseAddr("2001:db8::9") })},
		{name: "host: NAT", o: with(hostWithPackage(), nothing), w: wish(func(w *Wanted) { w.Address, w.Force = netip.MustParseAddr("203.0.113.5"), true })},
		{name: "host: a socket was stopped, a file deleted", o: after(hostWithPackage(), func(o *Observed) {
			delete(o.Files, settingsPath)
			o.Units["bty-tftp.socket"] = Unit{Load: "loaded", Active: "inactive", Enabled: "disabled"}
		}), w: w},
		{name: "host: a file was edited", o: after(hostWithPackage(), func(o *Observed) { o.Files[settingsPath] = "other" }), w: w},
		{name: "host: a file was edited, with force", o: after(hostWithPackage(), func(o *Observed) { o.Files[settingsPath] = "other" }), w: wish(func(w *Wanted) { w.Force = true })},
		{name: "host: a run was cut off before anybody saw the password", o: after(hostWithPackage(), func(o *Observed) { o.Record.State, o.Record.Unseen = Deploying, true }), w: w},
		{name: "host: a later run was cut off", o: after(hostWithPackage(), func(o *Observed) { o.Record.State = Deploying }), w: w},
		{name: "host: the operator has a password already", o: with(hostWithPackage(), func(o *Observed) { o.Password = Credential }), w: w},
		{name: "host: a password is brought", o: after(hostWithPackage(), nothing), w: wish(func(w *Wanted) { w.Password = true })},
		{name: "host: the package was upgraded", o: after(hostWithPackage(), func(o *Observed) { o.Package.Version = "1.3.0" }), w: wish(func(w *Wanted) { w.Version = "1.3.0" })},
		{name: "host: purge", o: after(hostWithPackage(), nothing), w: w, run: purge(true)},
		{name: "host: purge, but not the data", o: after(hostWithPackage(), nothing), w: w, run: purge(false)},
		{name: "host: purge, with the state elsewhere", o: after(hostWithPackage(), func(o *Observed) { o.StateDir = "/srv/bty" }), w: w, run: purge(true)},
		{name: "host: purge of nothing", o: with(hostWithPackage(), nothing), w: w, run: purge(true)},
		{name: "host: init", o: with(hostWithPackage(), nothing), w: w, run: Init},
		{name: "quadlet: the first time", o: with(podmanHost(), nothing), w: w},
		{name: "quadlet: again", o: quadlets, w: w},
		{name: "quadlet: with a newer bty-lab", o: quadlets, w: wish(func(w *Wanted) { w.Version = "1.3.0" })},
		{name: "quadlet: with a newer bty-lab, whose container differs", o: after(podmanHost(), func(o *Observed) {
			const path = "/etc/containers/systemd/bty-web.container"
			o.Files[path], o.recorded(path).Digest = "older", "older"
		}), w: wish(func(w *Wanted) { w.Version = "1.3.0" })},
		{name: "quadlet: without the cache", o: quadlets, w: wish(func(w *Wanted) { w.Without = []string{"bty-cache"} })},
		{name: "quadlet: without the cache, whose container was edited", o: after(podmanHost(), func(o *Observed) { o.Files["/etc/containers/systemd/bty-cache.container"] = "other" }), w: wish(func(w *Wanted) { w.Without = []string{"bty-cache"} })},
		{name: "quadlet: from a registry", o: with(podmanHost(), func(o *Observed) { o.Images.Archives = nil }), w: wish(func(w *Wanted) { w.Prefix = "registry.example/lab" })},
		{name: "quadlet: from a registry, beside archives of our own", o: with(podmanHost(), func(o *Observed) { o.Images.Archives["bty-tftp"] = torn }), w: wish(func(w *Wanted) { w.Prefix = "registry.example/lab" })},
		{name: "quadlet: again, and an archive is broken that nothing needs", o: after(podmanHost(), func(o *Observed) { o.Images.Archives["bty-tftp"] = torn }), w: w},
		{name: "quadlet: purge, and an archive is broken", o: after(podmanHost(), func(o *Observed) { o.Images.Archives["bty-tftp"] = torn }), w: w, run: purge(false)},
		{name: "quadlet: purge", o: quadlets, w: w, run: purge(true)},
		{name: "quadlet: purge, where the operator made the secret", o: after(podmanHost(), func(o *Observed) { o.Record.Password = NoPassword }), w: w, run: purge(false)},
		{name: "compose: as an ordinary user", o: with(podmanHost(), func(o *Observed) { o.Root = false }), w: wish(func(w *Wanted) { w.Dir = "/home/alice/bty" })},
		{name: "compose: as an ordinary user whose systemd would do", o: with(userHost(), nothing), w: wish(func(w *Wanted) { w.Dir = "/home/alice/bty" })},
		{name: "user: the first time", o: with(userHost(), nothing), w: user},
		{name: "user: again", o: afterUser(nothing), w: wish(func(w *Wanted) { w.Dir = user.Dir })},
		{name: "user: a socket was stopped, a drop-in deleted", o: afterUser(func(o *Observed) {
			delete(o.Files, "/home/alice/.config/systemd/user/bty-control.socket.d/05-user.conf")
			o.Units["bty-cache.socket"] = Unit{Load: "loaded", Active: "inactive", Enabled: "disabled"}
			o.Units["bty-web.service"] = Unit{Load: "loaded", Active: "active"}
			o.Ports = []doctor.Port{{Network: "tcp", Number: 8080, Daemon: "bty-web", Unit: "bty-web.socket", Hidden: true}}
		}), w: user},
		{name: "user: purge", o: afterUser(nothing), w: user, run: purge(true)},
		{name: "user: purge in the middle of an upgrade", o: afterUser(func(o *Observed) { o.Upgrading, o.Snapshots = true, true }), w: user, run: purge(false)},
		{name: "refused: root, and a user's deployment", o: afterUser(func(o *Observed) { o.Root, o.User = true, nil }), w: user},
		{name: "refused: root, and the purge of a user's deployment", o: afterUser(func(o *Observed) { o.Root, o.User = true, nil }), w: user, run: purge(true)},
		{name: "refused: a user, and root's deployment", o: after(podmanHost(), func(o *Observed) { o.Root, o.User = false, userHost().User }), w: w},
		{name: "refused: a user whose systemd ends with the session", o: with(userHost(), func(o *Observed) { o.Systemd.Lingers = false }), w: user},
		{name: "refused: a user without a systemd", o: with(userHost(), func(o *Observed) {
			o.Systemd.Away, o.Podman.Version = "systemd cannot be reached over D-Bus: there is no /run/user/1000/bus", "4.9.3"
		}), w: user},
		{name: "refused: a user, and a port that somebody else has", o: with(userHost(), func(o *Observed) {
			o.Ports = []doctor.Port{{Network: "tcp", Number: 8080, Daemon: "bty-web", Unit: "bty-web.socket", Hidden: true}}
		}), w: user},
		{name: "compose: init", o: with(podmanHost(), func(o *Observed) { o.Root = false }), w: wish(func(w *Wanted) { w.Dir = "/home/alice/bty" }), run: Init},
		{name: "host: purge in the middle of an upgrade", o: after(hostWithPackage(), func(o *Observed) { o.Upgrading, o.Snapshots = true, true }), w: w, run: purge(true)},
		{name: "refused: an upgrade is under way", o: after(hostWithPackage(), func(o *Observed) { o.Upgrading = true }), w: w},
		{name: "refused: a password in the configuration, and containers", o: with(podmanHost(), func(o *Observed) { o.Password = Configured }), w: w},
		{name: "refused: purge of a compose project without its program", o: after(podmanHost(), func(o *Observed) { o.Record.Mode, o.Podman.Compose = Compose, "" }), w: w, run: purge(true)},
		{name: "refused: nothing to run", o: with(podmanHost(), func(o *Observed) { o.Podman = Podman{} }), w: w},
		{name: "refused: old Podman", o: with(podmanHost(), func(o *Observed) { o.Podman.Version = "4.9.3" }), w: wish(func(w *Wanted) { w.Mode = Quadlet })},
		{name: "refused: another runtime than crun", o: with(podmanHost(), func(o *Observed) { o.Podman.Runtime = "runc" }), w: wish(func(w *Wanted) { w.Mode = Quadlet })},
		{name: "refused: no root", o: with(hostWithPackage(), func(o *Observed) { o.Root = false }), w: wish(func(w *Wanted) { w.Mode = Host })},
		{name: "refused: all at once", o: with(podmanHost(), func(o *Observed) {
			o.Images.Archives = nil
			o.Config = "configuration: /etc/bty/bty.toml:2:1: server.port must be a whole number, without quotes."
			o.Disks = []Disk{{Folder: "/opt/bty", For: "the record", ReadOnly: true}, {Folder: "/var/lib/containers", For: "images and state", Free: 5e6, Need: 300e6}}
			o.Previous = &doctor.Previous{Containers: []doctor.PreviousContainer{{Name: "withcache", Image: "ghcr.io/safl/withcache:latest"}}}
			o.Ports = []doctor.Port{{Network: "udp", Number: 69, Daemon: "bty-tftp", Unit: "bty-tftp.socket", Holders: []doctor.Process{{PID: 812, Name: "in.tftpd", Unit: "tftpd-hpa.service"}}},
				{Network: "tcp", Number: 8080, Daemon: "bty-web", Unit: "bty-web.socket", Holders: []doctor.Process{{PID: 900, Name: "python3"}}}}
			o.Systemd.Away = "there is no bus"
			o.Files["/etc/systemd/system/bty-web.socket"] = "other"
		}), w: wish(func(w *Wanted) { w.Address = netip.MustParseAddr("203.0.113.5") })},
		{name: "refused: another mode", o: after(hostWithPackage(), func(o *Observed) { p := podmanHost(); o.Podman, o.Images.Archives = p.Podman, p.Images.Archives }), w: wish(func(w *Wanted) { w.Mode = Quadlet })},
		{name: "refused: no route", o: with(hostWithPackage(), func(o *Observed) {
			o.Outbound = netip.Addr{}
			o.Addresses = append(o.Addresses, doctor.Address{Prefix: netip.MustParsePrefix("198.51.100.7/24"), Link: "eth1"})
		}), w: w},
		{name: "refused: loopback, even with force", o: with(hostWithPackage(), nothing), w: wish(func(w *Wanted) { w.Address, w.Force = netip.MustParseAddr("127.0.0.1"), true })},
		{name: "refused: an archive is broken", o: with(podmanHost(), func(o *Observed) { o.Images.Archives["bty-tftp"] = torn }), w: w},
		{name: "refused: images of another build", o: with(podmanHost(), nothing), w: wish(func(w *Wanted) { w.Version = "2.0.0" })},
	}
}

// Every plan there is, as people read it.
func TestPlans(t *testing.T) {
	var b strings.Builder
	for _, s := range scenes() {
		run := s.run
		if run == nil {
			run = Deploy
		}
		p, err := run(s.o(), s.w)
		fmt.Fprintf(&b, "## %s\n", s.name)
		for _, w := range p.Warnings {
			fmt.Fprintln(&b, "warning:", w)
		}
		if refused, ok := errors.AsType[*Refused](err); ok {
			fmt.Fprintln(&b, refused)
		} else if err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
		for i, step := range p.Steps {
			fmt.Fprintf(&b, "%2d. %s\n", i+1, step)
		}
		if len(p.Steps) == 0 && err == nil {
			fmt.Fprintln(&b, "nothing to do")
		}
		fmt.Fprintln(&b)
	}
	golden.Check(t, "plans.txt", []byte(b.String()))
}

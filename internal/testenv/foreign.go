package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Foreign is a DHCP server of other people, with a piece of configuration that makes machines boot.
type Foreign string

// The servers that pieces are tried in.
const (
	Dnsmasq      Foreign = "dnsmasq"
	DnsmasqProxy Foreign = "dnsmasq-proxy" // beside a dnsmasq that knows nothing of booting
	DnsmasqToo   Foreign = "dnsmasq-too"   // a proxy beside whatever serves already
	Kea          Foreign = "kea"
	ISCDHCPD     Foreign = "isc-dhcpd"
)

// Subnet is the LAN's.
const Subnet = "10.77.0.0/24"

// ServeDHCP starts a server in the LAN that gives addresses, and returns once it is up. It ends with
// the LAN.
func (l *LAN) ServeDHCP(ctx context.Context, kind Foreign, piece string) (*Process, error) {
	switch kind {
	case Dnsmasq:
		return l.dnsmasq(ctx, "dnsmasq", piece)
	case Kea:
		return l.kea(ctx, piece)
	case ISCDHCPD:
		return l.iscDHCPD(ctx, piece)
	case DnsmasqToo:
		return l.proxy(ctx, piece)
	case DnsmasqProxy:
		if _, err := l.dnsmasq(ctx, "router", ""); err != nil {
			return nil, err
		}
		return l.proxy(ctx, piece)
	}
	return nil, fmt.Errorf("no DHCP server %q", kind)
}

func (l *LAN) dnsmasqArgs(name, conf string) ([]string, error) {
	file, err := l.write(name+".conf", conf)
	return []string{"--keep-in-foreground", "--conf-file=" + file, "--log-facility=-", "--log-dhcp", "--user=root", "--pid-file=",
		"--leasefile-ro", "--no-ping", "--interface=" + bridge, "--bind-interfaces"}, err
}

func (l *LAN) dnsmasq(ctx context.Context, name, conf string) (*Process, error) {
	args, err := l.dnsmasqArgs(name, conf)
	if err != nil {
		return nil, err
	}
	args = append(args, "--port=0", "--dhcp-range="+firstIP+","+lastIP+",1h", "--dhcp-authoritative")
	return l.up(ctx, "DHCP, IP range", Program{Path: "dnsmasq", Name: name, Args: args})
}

// proxy runs dnsmasq in a network namespace of its own: two servers cannot share a port.
func (l *LAN) proxy(ctx context.Context, conf string) (*Process, error) {
	beside, err := l.Beside(ctx, bridge, []string{"10.77.0.2/24"})
	if err != nil {
		return nil, err
	}
	args, err := l.dnsmasqArgs("proxy", conf)
	if err != nil {
		return nil, err
	}
	return l.up(ctx, "DHCP, proxy on subnet", Program{Path: "ip", Name: "proxy", Args: append([]string{"netns", "exec", beside, "dnsmasq"}, args...)})
}

func (l *LAN) kea(ctx context.Context, piece string) (*Process, error) {
	conf, err := l.write("kea.conf", fmt.Sprintf(`{ "Dhcp4": {
"interfaces-config": { "interfaces": [ "%s" ] },
"lease-database": { "type": "memfile", "persist": false },
"subnet4": [ { "subnet": "%s", "pools": [ { "pool": "%s - %s" } ] } ],
"loggers": [ { "name": "kea-dhcp4", "output_options": [ { "output": "stdout", "flush": true } ], "severity": "INFO" } ],
%s } }`, bridge, Subnet, firstIP, lastIP, piece))
	if err != nil {
		return nil, err
	}
	path, err := l.unconfined("kea-dhcp4")
	if err != nil {
		return nil, err
	}
	return l.up(ctx, "DHCP4_STARTED", Program{Path: path, Args: []string{"-c", conf}, Env: []string{"KEA_PIDFILE_DIR=" + l.Dir, "KEA_LOCKFILE_DIR=none"}})
}

func (l *LAN) iscDHCPD(ctx context.Context, piece string) (*Process, error) {
	conf, err := l.write("dhcpd.conf", piece+"\nauthoritative;\nsubnet 10.77.0.0 netmask 255.255.255.0 { range "+firstIP+" "+lastIP+"; }\n")
	leases, leasesErr := l.write("leases", "")
	if err = errors.Join(err, leasesErr); err != nil {
		return nil, err
	}
	path, err := l.unconfined("dhcpd")
	if err != nil {
		return nil, err
	}
	return l.up(ctx, "Server starting service", Program{Path: path, Args: []string{"-4", "-f", "-d", "-cf", conf, "-lf", leases, "--no-pid", bridge}})
}

// unconfined is a copy of a program: on hosts with AppArmor the one that is installed may read its
// own folder in /etc alone.
func (l *LAN) unconfined(name string) (string, error) {
	installed, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%w; as root run: internal/testenv/host/setup.sh demo test", err)
	}
	content, err := os.ReadFile(installed)
	if err != nil {
		return "", err
	}
	path := filepath.Join(l.Dir, name)
	return path, os.WriteFile(path, content, 0o755)
}

func (l *LAN) write(name, content string) (string, error) {
	path := filepath.Join(l.Dir, name)
	return path, os.WriteFile(path, []byte(content), 0o644)
}

// up starts a program and returns once it says that it is up.
func (l *LAN) up(ctx context.Context, says string, program Program) (*Process, error) {
	p, err := l.Start(program)
	if err != nil {
		return nil, err
	}
	if _, err := p.Log.Expect(ctx, 20*time.Second, says); err != nil {
		p.Kill()
		return nil, fmt.Errorf("%w\n%s", err, p.Log.Tail(20))
	}
	return p, nil
}

// PlugIn adds a network card to the LAN's own namespace, for a machine that a test plays itself.
func (l *LAN) PlugIn(ctx context.Context, nic string) error {
	return ip(ctx, fmt.Sprintf("link add %[1]s type veth peer name %[1]s-port\nlink set %[1]s-port master %[2]s up\nlink set %[1]s up\n", nic, bridge), "-n", l.Name, "-batch", "-")
}

// Addresses changes the LAN's own addresses: "replace 10.77.0.9/32 dev lo".
func (l *LAN) Addresses(ctx context.Context, change string) error {
	return ip(ctx, "", append([]string{"-n", l.Name, "addr"}, strings.Fields(change)...)...)
}

// Check runs the check that a server has of its own configuration.
func (l *LAN) Check(ctx context.Context, piece string) error {
	file, err := l.write("check.conf", piece)
	if err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, "dnsmasq", "--test", "--conf-file="+file).CombinedOutput(); err != nil {
		return fmt.Errorf("dnsmasq --test: %w: %s", err, out)
	}
	return nil
}

package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"bty/internal/doctor"
)

// Door is a port that machines come in by.
type Door struct {
	Network string // udp or tcp
	Port    int
	Service string // of firewalld, that opens it
}

func (d Door) String() string {
	return fmt.Sprintf("%s port %d", strings.ToUpper(d.Network), d.Port)
}

// Firewall asks firewalld, else nftables, what becomes of a new connection to each door.
func Firewall(ctx context.Context, doors ...Door) doctor.Firewall {
	if os.Geteuid() != 0 {
		return doctor.Firewall{Blind: "only root may look at it"}
	}
	if run(ctx, "firewall-cmd", "--state").err == nil {
		return firewalld(ctx, doors)
	}
	if legacy, err := os.ReadFile("/proc/net/ip_tables_names"); err == nil && strings.Contains(string(legacy), "filter") {
		return iptables(ctx, doors)
	}
	return nftables(ctx, doors)
}

type answer struct {
	out string
	err error
}

// run asks another program of the host. What it says when it fails is part of the error.
func run(ctx context.Context, name string, args ...string) answer {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).Output()
	if failed, ok := errors.AsType[*exec.ExitError](err); ok && len(failed.Stderr) > 0 {
		err = fmt.Errorf("%s: %s", name, strings.TrimSpace(strings.SplitN(string(failed.Stderr), "\n", 2)[0]))
	}
	return answer{string(out), err}
}

// firewalld's default zone is where links are that nobody put elsewhere.
func firewalld(ctx context.Context, doors []Door) doctor.Firewall {
	w := doctor.Firewall{By: "firewalld"}
	zone := strings.TrimSpace(run(ctx, "firewall-cmd", "--get-default-zone").out)
	target := run(ctx, "firewall-cmd", "--zone="+zone, "--permanent", "--get-target")
	var open []string
	for _, d := range doors {
		open = append(open, "--add-service="+d.Service)
		if strings.TrimSpace(target.out) == "ACCEPT" ||
			run(ctx, "firewall-cmd", "--query-service="+d.Service).err == nil ||
			run(ctx, "firewall-cmd", fmt.Sprintf("--query-port=%d/%s", d.Port, d.Network)).err == nil {
			continue
		}
		w.Blocked = append(w.Blocked, d.String())
	}
	w.Next = fmt.Sprintf("firewall-cmd --permanent %s, then firewall-cmd --reload; with --zone= of the machines' LAN if that is not %s.", strings.Join(open, " "), zone)
	return w
}

// iptables reads the rules of the kernel's old tables.
func iptables(ctx context.Context, doors []Door) doctor.Firewall {
	w := doctor.Firewall{By: "iptables", Next: "Add rules that accept them, before the one that drops."}
	rules := run(ctx, "iptables-legacy", "-S")
	if rules.err != nil {
		rules = run(ctx, "iptables", "-S")
	}
	if rules.err != nil {
		return doctor.Firewall{Blind: rules.err.Error()}
	}
	set := readIPTables(rules.out)
	return set.judge(w, doors)
}

func nftables(ctx context.Context, doors []Door) doctor.Firewall {
	rules := run(ctx, "nft", "-j", "list", "ruleset")
	if errors.Is(rules.err, exec.ErrNotFound) {
		return doctor.Firewall{Blind: "neither firewall-cmd nor nft is there", Next: "If this host has no packet filter, all is well. Else install nftables and ask again."}
	}
	if rules.err != nil {
		return doctor.Firewall{Blind: rules.err.Error()}
	}
	set, err := readNftables([]byte(rules.out))
	if err != nil {
		return doctor.Firewall{Blind: err.Error()}
	}
	return set.judge(doctor.Firewall{By: "nftables", Next: "Add rules that accept them, before the one that drops."}, doors)
}

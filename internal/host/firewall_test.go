package host

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"bty/internal/doctor"
)

var (
	tftpDoor = Door{"udp", 69, "bty-tftp"}
	webDoor  = Door{"tcp", 8080, "bty"}
)

// judged is what becomes of the two doors: blocked, unsure or open.
type judged struct{ tftp, web string }

func judge(set ruleset) judged {
	word := func(d Door) string {
		w := set.judge(doctor.Firewall{}, []Door{d})
		switch {
		case slices.Contains(w.Blocked, d.String()):
			return "blocked"
		case slices.Contains(w.Unsure, d.String()):
			return "unsure"
		}
		return "open"
	}
	return judged{word(tftpDoor), word(webDoor)}
}

// filters are rulesets as nft takes them. Each is loaded into a kernel's network namespace of its
// own and read back from it.
var filters = []struct {
	name, rules string
	want        judged
}{
	{"none", "", judged{"open", "open"}},
	{"policy accept", "table ip f { chain i { type filter hook input priority 0; policy accept; } }", judged{"open", "open"}},
	{"policy drop", "table ip f { chain i { type filter hook input priority 0; policy drop; } }", judged{"blocked", "blocked"}},
	{"usual", `table inet f { set open { type inet_service; flags interval; elements = { 80, 8000-8100 } }
		chain i { type filter hook input priority 0; policy drop; iifname "lo" accept; ct state established,related accept; ct state invalid drop
		tcp dport 22 accept; tcp dport @open accept; meta l4proto icmp accept; counter reject with icmpx admin-prohibited } }`, judged{"blocked", "open"}},
	{"new", "table inet f { chain i { type filter hook input priority 0; policy drop; udp dport { 67, 69 } ct state new accept; th dport 8080 meta l4proto tcp accept } }", judged{"open", "open"}},
	{"by source", "table inet f { chain i { type filter hook input priority 0; policy drop; ip saddr 10.0.0.0/8 udp dport 69 accept; } }", judged{"unsure", "blocked"}},
	{"by link", `table inet f { chain i { type filter hook input priority 0; policy accept; iifname "wan0" drop } }`, judged{"unsure", "unsure"}},
	{"bans", "table inet f { chain i { type filter hook input priority 0; policy accept; ip saddr { 192.0.2.7, 192.0.2.8 } drop } }", judged{"open", "open"}},
	{"a chain of its own", "table inet f { chain more { udp dport 69 return; tcp dport 8080 drop; accept };  chain i { type filter hook input priority 0; policy drop; jump more; } }", judged{"blocked", "blocked"}},
	{"verdict map", "table inet f { chain i { type filter hook input priority 0; policy drop; udp dport vmap { 67 : drop, 69 : accept }; tcp dport vmap { 8080 : drop } ; accept } }", judged{"open", "blocked"}},
	{"two tables", "table ip a { chain i { type filter hook input priority 0; policy accept; } }; table ip b { chain i { type filter hook input priority 1; policy accept; udp dport 69 drop } }", judged{"blocked", "open"}},
	{"other ways", "table ip a { chain o { type filter hook output priority 0; policy drop; }; chain w { type filter hook forward priority 0; policy drop; } }; table ip6 b { chain i { type filter hook input priority 0; policy drop; } }", judged{"open", "open"}},
	{"not", "table inet f { chain i { type filter hook input priority 0; policy accept; udp dport != 53 drop; tcp dport != { 22, 8080 } drop } }", judged{"blocked", "open"}},
	{"a loop of jumps is refused by the kernel, a deep one is not", "table ip f { chain a { udp dport 69 drop }; chain b { goto a }; chain i { type filter hook input priority 0; policy accept; jump b } }", judged{"blocked", "open"}},
}

func TestNftables(t *testing.T) {
	for _, test := range filters {
		load := exec.CommandContext(t.Context(), "unshare", "--net", "sh", "-c", "nft -f - && nft -j list ruleset")
		load.Stdin = strings.NewReader(strings.ReplaceAll(test.rules, "}", "\n}")) // a statement ends with its line
		var said strings.Builder
		load.Stderr = &said
		out, err := load.Output()
		if err != nil {
			t.Fatalf("%s: %v: %s; as root, with the package nftables", test.name, err, &said)
		}
		set, err := readNftables(out)
		if err != nil {
			t.Fatal(err)
		}
		if got := judge(set); got != test.want {
			t.Errorf("%s: %+v, want %+v\n%s", test.name, got, test.want, out)
		}
	}
}

// elsewhere runs fn in a network namespace of its own, on a thread that ends with it. It is never the
// main thread: the rest of the process would see that namespace as /proc/self/net.
func elsewhere(fn func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == os.Getpid() {
			defer runtime.UnlockOSThread()
			result <- elsewhere(fn)
			return
		}
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			result <- fmt.Errorf("%w; run as root", err)
			return
		}
		result <- fn()
	}()
	return <-result
}

// nft is asked in the network namespace that the doctor is in, and what it says is told.
func TestNftablesIsAsked(t *testing.T) {
	var w doctor.Firewall
	err := elsewhere(func() error {
		load := exec.CommandContext(t.Context(), "nft", "-f", "-")
		load.Stdin = strings.NewReader("table inet f { chain i { type filter hook input priority 0; policy drop; tcp dport 8080 accept\n}\n}\n")
		if out, err := load.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		w = nftables(t.Context(), []Door{webDoor, tftpDoor})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if w.By != "nftables" || w.Blind != "" || !slices.Equal(w.Blocked, []string{"UDP port 69"}) || w.Unsure != nil || w.Next == "" {
		t.Errorf("%+v", w)
	}
	t.Setenv("PATH", t.TempDir())
	if w := nftables(t.Context(), nil); !strings.Contains(w.Blind, "nft is there") {
		t.Errorf("%+v", w)
	}
}

func TestNftablesNonsense(t *testing.T) {
	if _, err := readNftables([]byte("{")); err == nil {
		t.Error("half an object is a ruleset")
	}
	set, err := readNftables([]byte(`{"nftables":[{"chain":{"family":"ip","table":"f","name":"i","hook":"input","policy":"drop"}},
		{"rule":{"family":"ip","table":"f","chain":"i","expr":[{"match":{"op":"==","left":{"new":{}},"right":{}}},{"accept":null}]}},
		{"rule":{"family":"ip","table":"f","chain":"i","expr":[{"vmap":{"key":1}}]}},
		{"rule":{"family":"ip","table":"f","chain":"none","expr":[{"drop":null}]}},
		{"rule":{"family":"ip","table":"f","chain":"i","expr":[{"jump":{"target":"i"}}]}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := judge(set); got != (judged{"unsure", "unsure"}) {
		t.Errorf("%+v", got)
	}
}

func TestIPTables(t *testing.T) {
	for name, test := range map[string]struct {
		rules string
		want  judged
	}{
		"accept": {"-P INPUT ACCEPT\n-P FORWARD DROP\n", judged{"open", "open"}},
		"drop":   {"-P INPUT DROP\n-A INPUT -i lo -j ACCEPT\n-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A INPUT -p tcp -m tcp --dport 8080 -j ACCEPT\n", judged{"blocked", "open"}},
		"ufw-like": {"-P INPUT DROP\n-N user\n-A INPUT -j user\n-A user -p udp -m multiport --dports 67,69 -j ACCEPT\n-A user -s 10.0.0.0/8 -p tcp -m tcp --dport 8000:9000 -j ACCEPT\n-A user -j RETURN\n",
			judged{"open", "unsure"}},
		"reject at the end": {"-P INPUT ACCEPT\n-A INPUT ! -p udp -j ACCEPT\n-A INPUT -j REJECT --reject-with icmp-host-prohibited\n", judged{"blocked", "open"}},
		"log first":         {"-P INPUT ACCEPT\n-A INPUT -p udp --dport 69 -j LOG --log-prefix x\n-A INPUT -j TARPIT\n", judged{"unsure", "unsure"}},
		"nothing":           {"", judged{"open", "open"}},
	} {
		if got := judge(readIPTables(test.rules)); got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}

// The kernel's own tables, as iptables writes them.
func TestIPTablesOfTheKernel(t *testing.T) {
	for name, test := range map[string]struct {
		commands []string
		want     judged
	}{
		"drop":      {[]string{"-P INPUT DROP", "-A INPUT -i lo -j ACCEPT", "-A INPUT -p tcp --dport 8080 -j ACCEPT"}, judged{"blocked", "open"}},
		"multiport": {[]string{"-P INPUT DROP", "-A INPUT -p udp -m multiport --dports 67,69 -j ACCEPT", "-A INPUT -s 10.0.0.0/8 -p tcp --dport 8000:9000 -j ACCEPT"}, judged{"open", "unsure"}},
		"chain":     {[]string{"-N own", "-A INPUT -j own", "-A own ! -p tcp -j RETURN", "-A own -p tcp ! --dport 8080 -j ACCEPT", "-A own -j REJECT"}, judged{"open", "blocked"}},
	} {
		script := "set -e\n"
		for _, c := range test.commands {
			script += "iptables-legacy " + c + "\n"
		}
		cmd := exec.CommandContext(t.Context(), "unshare", "--net", "sh", "-c", script+"iptables-legacy -S")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s; as root, with the package iptables", name, err, out)
		}
		if got := judge(readIPTables(string(out))); got != test.want {
			t.Errorf("%s: %+v, want %+v\n%s", name, got, test.want, out)
		}
	}
}

func FuzzRulesets(f *testing.F) {
	f.Add(`{"nftables":[{"chain":{"family":"ip","table":"f","name":"i","hook":"input","policy":"drop"}},{"rule":{"family":"ip","table":"f","chain":"i","expr":[{"accept":null}]}}]}`)
	f.Add("-P INPUT DROP\n-A INPUT -p udp ! --dport 69 -j a\n-A a -j a\n")
	f.Fuzz(func(t *testing.T, text string) {
		judge(readIPTables(text))
		if set, err := readNftables([]byte(text)); err == nil {
			judge(set)
		}
	})
}

package liveenv

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseCmdline(t *testing.T) {
	// What the server's scripts say, for this live environment and for the one before it.
	s, err := parseCmdline("boot=live fetch=http://h/x.squashfs components console=tty0 console=ttyS1,115200 " +
		"console=ttyS0,115200 earlyprintk=ttyS0,115200 plymouth.enable=0 modprobe.blacklist=nouveau,rndis_host " +
		"nouveau.modeset=0 systemd.gpt_auto=0 bty.server=http://10.0.0.1:8080/ bty.mac=52:54:00:12:34:56\n")
	if err != nil {
		t.Fatal(err)
	}
	if s.server != "http://10.0.0.1:8080" || s.mac == nil || s.mac.String() != "52:54:00:12:34:56" || s.loglevel || s.hold != defaultHold {
		t.Errorf("settings %+v", s)
	}
	if got := slices.Sorted(maps.Keys(s.modules.Blacklist)); !slices.Equal(got, []string{"nouveau", "rndis_host"}) {
		t.Errorf("blacklist %q", got)
	}
	if s.modules.Options["nouveau"] != "modeset=0" || s.modules.Options["bty"] != "" {
		t.Errorf("options %q", s.modules.Options)
	}
}

func TestParseCmdlineValues(t *testing.T) {
	for _, c := range []struct{ line, server, mac, fails string }{
		{"", "", "", ""},
		{"bty.server=10.0.0.1:8080", "http://10.0.0.1:8080", "", ""},
		{"bty.server=https://h/a/ bty.server=http://second", "https://h/a", "", ""},
		{"bty.server=ftp://h", "", "", "not an http or https URL"},
		{"bty.server=http://", "", "", "not an http or https URL"},
		{"bty.server=http://u:secret@h:port", "", "", "bty.server=http://h:port on the kernel's command line is not an http or https URL"},
		{"bty.server=ftp://u:secret@h", "", "", "bty.server=ftp://h on"},
		{"bty.server=http://u:secret@h", "", "", "carries a user name or password"},
		{"bty.mac=52-54-00-AB-cd-EF", "", "52:54:00:ab:cd:ef", ""},
		{"bty.mac=5254", "", "", `invalid MAC: "5254"`},
		{"BOOTIF=01-52-54-00-ab-cd-ef", "", "52:54:00:ab:cd:ef", ""},
		{"BOOTIF=01-52-54-00-ab-cd-ef bty.mac=52:54:00:00:00:01", "", "52:54:00:00:00:01", ""},
		{"BOOTIF=nonsense bty.mac=52:54:00:00:00:01", "", "52:54:00:00:00:01", ""},
		{"BOOTIF=nonsense", "", "", "BOOTIF"},
		{"bty.hold=0", "", "", "1 to 3600"},
		{"bty.log", "", "", ""},
		{"bty.log=file", "", "", "bty.log=file"},
	} {
		s, err := parseCmdline(c.line)
		mac := ""
		if s.mac != nil {
			mac = s.mac.String()
		}
		if s.server != c.server || mac != c.mac {
			t.Errorf("%q: server %q, mac %q", c.line, s.server, mac)
		}
		if (err != nil) != (c.fails != "") || err != nil && !strings.Contains(err.Error(), c.fails) {
			t.Errorf("%q: %v", c.line, err)
		}
	}
	s, err := parseCmdline(`nvme_core.default_ps_max_latency_us=0 nvme-core.multipath=N dyn.dbg="file a.c +p" loglevel=7 bty.hold=5 bty.log=server`)
	if err != nil || s.modules.Options["nvme_core"] != "default_ps_max_latency_us=0 multipath=N" ||
		s.modules.Options["dyn"] != "dbg=file a.c +p" || !s.loglevel || s.hold != 5*time.Second || !s.sendLog {
		t.Errorf("%+v, %v", s, err)
	}
}

func FuzzCmdline(f *testing.F) {
	f.Add("boot=live bty.server=http://h bty.mac=52:54:00:12:34:56 modprobe.blacklist=a,b x.y=z")
	f.Add("BOOTIF=01-52-54-00-ab-cd-ef \"quoted blank\" a.b=\"c d\"")
	f.Add("ip=192.0.2.10::192.0.2.1:24:h:eth0:none:192.0.2.2 vlan=eth0.5:eth0 nameserver=192.0.2.3 bty.nic=eth1")
	f.Fuzz(func(t *testing.T, line string) {
		s, _ := parseCmdline(line)
		if s.server != "" && !strings.HasPrefix(s.server, "http") {
			t.Errorf("server %q", s.server)
		}
		if c := s.network(); c.VLAN < 0 || c.VLAN > 4094 || c.Static != nil && !c.Static.Address.IsValid() {
			t.Errorf("network %+v", c)
		}
		if s.hold < time.Second || s.hold > time.Hour {
			t.Errorf("hold %v", s.hold)
		}
		if slices.Contains(words(line), "") {
			t.Error("an empty word")
		}
	})
}

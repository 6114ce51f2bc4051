package tftp

import (
	"bytes"
	"log/slog"
	"net/netip"
	"testing"
	"time"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestRepeats(t *testing.T) {
	a, b := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	start := time.Unix(1e9, 0)
	type step struct {
		after  time.Duration // since the start
		act    string        // done, script, or the empty word for nothing
		client netip.Addr
		name   string
		want   bool // a request for name by client now is a repeat
	}
	for name, steps := range map[string][]step{
		"first request":               {{0, "", a, "ipxe.efi", false}},
		"after the whole program":     {{0, "done", a, "ipxe.efi", true}},
		"asked twice before it comes": {{0, "done", a, "ipxe.efi", true}, {time.Second, "", a, "ipxe.efi", true}},
		"another program":             {{0, "done", a, "ipxe.efi", true}, {0, "", a, "undionly.kpxe", false}},
		"another client":              {{0, "done", a, "ipxe.efi", true}, {0, "", b, "ipxe.efi", false}},
		"at the edge":                 {{0, "done", a, "ipxe.efi", true}, {60 * time.Second, "", a, "ipxe.efi", true}},
		"too late":                    {{0, "done", a, "ipxe.efi", true}, {60*time.Second + 1, "", a, "ipxe.efi", false}},
		"reset after the script":      {{0, "done", a, "ipxe.efi", true}, {5 * time.Second, "script", a, "ipxe.efi", false}},
		"second round": {{0, "done", a, "ipxe.efi", true}, {5 * time.Second, "script", a, "ipxe.efi", false},
			{30 * time.Second, "done", a, "ipxe.efi", true}},
		"a newer program replaces the mark": {{0, "done", a, "ipxe.efi", true}, {1, "done", a, "snponly.efi", true}, {2, "", a, "ipxe.efi", false}},
		"script of an unmarked client":      {{0, "script", a, "ipxe.efi", false}},
	} {
		r := newRepeats()
		for i, s := range steps {
			now := start.Add(s.after)
			switch s.act {
			case "done":
				r.completed(s.client, s.name, now)
			case "script":
				r.scriptServed(s.client)
			}
			if got := r.isRepeat(s.client, s.name, now); got != s.want {
				t.Errorf("%s, step %d: %v", name, i+1, got)
			}
		}
	}
}

func TestRepeatsAreBounded(t *testing.T) {
	r := newRepeats()
	now := time.Unix(1e9, 0)
	client := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}) }
	for i := range maxMarks + 100 {
		r.completed(client(i), "ipxe.efi", now.Add(time.Duration(i)*time.Millisecond))
	}
	if len(r.marks) > maxMarks {
		t.Errorf("%d marks", len(r.marks))
	}
	last := now.Add((maxMarks + 100) * time.Millisecond)
	if r.isRepeat(client(0), "ipxe.efi", last) || !r.isRepeat(client(maxMarks+99), "ipxe.efi", last) {
		t.Error("the oldest marks must go first")
	}
	r.completed(client(1<<20), "ipxe.efi", last.Add(2*repeatWindow))
	if len(r.marks) != 1 {
		t.Errorf("%d marks after all but one ran out", len(r.marks))
	}
}

// rom is a vendor's PXE ROM: it asks for the size and aborts, then gets the program, and runs it:
// an iPXE, which asks for the same file in its own way.
func TestScriptedPXEROM(t *testing.T) {
	both(t, func(t *testing.T, mode func(*Config)) {
		s := newSite(t, mode)
		powerOn := func(abortCode uint16) {
			t.Helper()
			oack, _, err := asked(t, s, abortCode, "undionly.kpxe", "tsize", "0")
			if err != nil || oack["tsize"] != "70000" {
				t.Errorf("size probe: %v, %v", oack, err)
			}
			program, _, err := newPeer(t, s.at("127.0.0.1")).get("undionly.kpxe", "blksize", "1456")
			if err != nil || !bytes.Equal(program, content(70000)) {
				t.Errorf("program: %d bytes, %v", len(program), err)
			}
			settled(t, s)
			script, oack, err := newPeer(t, s.at("127.0.0.1")).get("undionly.kpxe", "blksize", "1432", "tsize", "0")
			if err != nil || !bytes.HasPrefix(script, []byte("#!ipxe\n")) || oack["tsize"] != "19" {
				t.Errorf("script: %d bytes, %v, %v", len(script), oack, err)
			}
			settled(t, s)
		}
		powerOn(8) // and again at once: a reset must get the program, not the script
		powerOn(0)
		for _, want := range []string{"undionly.kpxe", "script", "undionly.kpxe", "script"} {
			if tr := <-s.reports; tr.Served != want || tr.Err != nil || tr.File != "undionly.kpxe" {
				t.Errorf("reported %+v, want %s; size probes are no transfers", tr, want)
			}
		}
	})
}

// asked probes for the size and aborts.
func asked(t *testing.T, s *site, code uint16, name string, options ...string) (map[string]string, []byte, error) {
	t.Helper()
	p := newPeer(t, s.at("127.0.0.1"))
	oack, data, err := p.ask(name, options...)
	if err == nil {
		p.abort(code)
		settled(t, s)
	}
	return oack, data, err
}

// settled waits until the server has seen the end of the last transfer: the client's last packet
// is on its way when the client is done.
func settled(t *testing.T, s *site) {
	t.Helper()
	waitFor(t, func() bool { return s.slots.used() == 0 })
}

// EDK2 aborts its first request on purpose; counting requests instead of whole transfers would
// hand it the script.
func TestEDK2Sequence(t *testing.T) {
	s := newSite(t, nil)
	edk2 := []string{"tsize", "0", "blksize", "1468", "windowsize", "4"}
	for range 3 { // probes alone never count
		if oack, _, err := asked(t, s, 8, "ipxe.efi", edk2...); err != nil || oack["tsize"] != "300001" || oack["blksize"] != "1428" || oack["windowsize"] != "" {
			t.Fatal(oack, err)
		}
	}
	program, _, err := newPeer(t, s.at("127.0.0.1")).get("ipxe.efi", edk2...)
	if err != nil || len(program) != 300001 {
		t.Fatal(len(program), err)
	}
	settled(t, s)
	auto, _, err := newPeer(t, s.at("127.0.0.1")).get("autoexec.ipxe", "blksize", "1432", "tsize", "0")
	if err != nil || !bytes.HasPrefix(auto, []byte("#!ipxe")) {
		t.Errorf("autoexec.ipxe: %q, %v", auto, err)
	}
	settled(t, s)
	// It has its script: the next power-on gets the program.
	if oack, _, err := asked(t, s, 8, "ipxe.efi", edk2...); err != nil || oack["tsize"] != "300001" {
		t.Error(oack, err)
	}
}

// A transfer that broke off is no mark: the firmware tries again and must get the program.
func TestBrokenTransferIsNoMark(t *testing.T) {
	s := newSite(t, nil)
	p := newPeer(t, s.at("127.0.0.1"))
	if _, _, err := p.ask("ipxe.efi", "blksize", "1428"); err != nil {
		t.Fatal(err)
	}
	p.ack(0)
	if _, err := p.read(); err != nil {
		t.Fatal(err)
	}
	p.abort(0)
	if tr := <-s.reports; tr.Err == nil {
		t.Errorf("%+v", tr)
	}
	settled(t, s)
	if got, _, err := newPeer(t, s.at("127.0.0.1")).get("ipxe.efi", "blksize", "1428"); err != nil || len(got) != 300001 {
		t.Error(len(got), err)
	}
}

func TestSightingGivesTheScript(t *testing.T) {
	s := newSite(t, func(c *Config) {
		c.IsIPXE = func(client netip.Addr) bool { return client == netip.MustParseAddr("127.0.0.7") }
	})
	for addr, want := range map[string]int{"127.0.0.7": 19, "127.0.0.8": 300001} {
		if got, _, err := newPeerFrom(t, addr, s.at("127.0.0.1")).get("ipxe.efi"); err != nil || len(got) != want {
			t.Errorf("%s: %d bytes, %v", addr, len(got), err)
		}
	}
	// Only for programs: iPXE may fetch a kernel over TFTP.
	if got, _, err := newPeerFrom(t, "127.0.0.7", s.at("127.0.0.1")).get("even"); err != nil || len(got) != 1428*3 {
		t.Error(len(got), err)
	}
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"bty/internal/agent"
	"bty/internal/client"
	"bty/internal/client/peer"
	"bty/internal/disk"
	"bty/internal/flash"
	"bty/internal/liveenv"
	"bty/internal/machine"
	"bty/internal/wire"
)

// output may be read while it is written.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// stage is a world for run with its two outputs.
type stage struct {
	env
	out, err *output
	reboots  int
}

func newStage(disks ...disk.Device) *stage {
	s := &stage{out: &output{}, err: &output{}}
	pace := agent.Pace{For: 100 * time.Millisecond, First: time.Millisecond, Max: 10 * time.Millisecond}
	s.env = env{
		stdin: strings.NewReader(""), stdout: s.out, stderr: s.err,
		limits: agent.Limits{Plan: pace, Status: pace, Inventory: pace, LateDisks: 50 * time.Millisecond,
			Rescan: time.Millisecond, Settle: time.Millisecond, Join: time.Second, LastReport: time.Second},
		disks: func(context.Context) ([]disk.Device, error) { return disks, nil },
		inspect: func(path string) (disk.Device, error) {
			for _, d := range disks {
				if d.Path == path {
					return d, nil
				}
			}
			return disk.System().Inspect(path)
		},
		flash:    flashOn(disks),
		hardware: func() (json.RawMessage, error) { return json.RawMessage(`{"id":"host","class":"system"}`), nil },
		reboot:   func(context.Context) error { s.reboots++; return nil },
		root:     true,
		getenv:   func(string) string { return "" },
		nics:     func(client.Server) ([]nic, error) { return nil, nil },
	}
	return s
}

func (s *stage) run(ctx context.Context, args ...string) error {
	s.args = args
	return run(ctx, s.env)
}

func TestUsage(t *testing.T) {
	for _, tc := range []struct {
		args, says string
	}{
		{"", "nothing to do"},
		{"--catalog /x.toml", "needs a terminal"},
		{"--mac 52:54:00:12:34:5", "write it like"},
		{"--server ftp://h --mac 525400123456", `the scheme is "ftp"`},
		{"--nonsense", "nonsense"},
		{"--mac 525400123456 word", `"word" is one word too many`},
		{"--mac 525400123456 --reboot=maybe", "want true or false"},
		{"dance", `no command "dance"`},
		{"disks --yes", "-yes"},
		{"disks sda", `"sda"`},
		{"flash", "--image is missing"},
		{"flash --image x", "--disk is missing"},
		{"flash --image - --disk S1", "needs --yes"},
		{"flash --image x --disk S1 --sha256 zz", "--sha256"},
		{"flash --image x --disk S1 --format tar.gz", "--format"},
	} {
		s := newStage()
		err := s.run(t.Context(), strings.Fields(tc.args)...)
		if codeOf(err) != codeUsage || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%q: %v", tc.args, err)
		}
		if s.out.String() != "" {
			t.Errorf("%q: wrote %q", tc.args, s.out)
		}
	}
}

func TestHelpAndVersion(t *testing.T) {
	for _, args := range []string{"--help", "-h", "help", "flash --help", "disks -h"} {
		s := newStage()
		if err := s.run(t.Context(), strings.Fields(args)...); err != nil || !strings.Contains(s.out.String(), "bty flash --image") {
			t.Errorf("%s: %v, %s", args, err, s.out)
		}
	}
	s := newStage()
	if err := s.run(t.Context(), "--version"); err != nil || !strings.HasPrefix(s.out.String(), "bty ") {
		t.Errorf("%v, %s", err, s.out)
	}
}

// The exit statuses are one table, in the program and in its documentation.
func TestExitStatusesAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../docs/bty.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range codes {
		line := fmt.Sprintf("| %d | %s | %s |", row.code, row.name, row.meaning)
		if !strings.Contains(string(doc), line) {
			t.Errorf("docs/bty.md lacks %q", line)
		}
	}
	for _, c := range commands() {
		if !strings.Contains(string(doc), "bty "+c.name) {
			t.Errorf("docs/bty.md lacks bty %s", c.name)
		}
	}
}

func TestDisksJSON(t *testing.T) {
	s := newStage(disk.Device{Path: "/dev/null", Name: "null", Size: 5, Serial: "S1", Uses: []disk.Use{{Node: "null", What: "swap"}}})
	if err := s.run(t.Context(), "disks", "--json"); err != nil {
		t.Fatal(err)
	}
	var got []map[string]any
	if err := json.Unmarshal([]byte(s.out.String()), &got); err != nil || got[0]["serial"] != "S1" || got[0]["size_bytes"] != 5.0 {
		t.Fatalf("%s: %v", s.out, err)
	}
	s = newStage()
	if err := s.run(t.Context(), "disks", "--json"); err != nil || s.out.String() != "[]\n" {
		t.Fatalf("%q: %v", s.out, err)
	}
	if err := s.run(t.Context(), "disks"); err != nil || !strings.Contains(s.out.String(), "no disk is present") {
		t.Fatalf("%q: %v", s.out, err)
	}
}

func TestInventory(t *testing.T) {
	s := newStage(disk.Device{Path: "/dev/null", Name: "null", Size: 5, Serial: "S1"})
	s.hardware = host().hardware
	if err := s.run(t.Context(), "inventory", "--json"); err != nil {
		t.Fatal(err)
	}
	var inv wire.Inventory
	if err := json.Unmarshal([]byte(s.out.String()), &inv); err != nil || len(inv.Disks) != 1 || len(inv.LSHW) == 0 {
		t.Fatalf("%s: %v", s.out, err)
	}
	if err := s.run(t.Context(), "inventory"); err != nil || !strings.Contains(s.out.String(), "memory ") {
		t.Fatalf("%s: %v", s.out, err)
	}
}

// Nobody is rebooted by surprise: only who was booted for it, or asked for it.
func TestReboot(t *testing.T) {
	plan := wire.Plan{Mode: "inventory"}
	for _, tc := range []struct {
		cmdline, flag string
		want          int
	}{
		{"root=/dev/sda1 quiet", "", 0},
		{"root=/dev/sda1 quiet", "--reboot", 1},
		{"boot=live bty.server=http://h bty.mac=52-54-00-12-34-56", "", 1},
		{"boot=live bty.mac=52:54:00:12:34:56", "--reboot=false", 0},
		{"boot=live bty.mac=52:54:00:12:34:57", "", 0},
		{"bty.mac=", "", 0},
	} {
		s := newStage()
		s.cmdline = tc.cmdline
		args := []string{"--server", (&peer.Web{Plan: plan}).Start(t), "--mac", "5254.0012.3456"}
		if tc.flag != "" {
			args = append(args, tc.flag)
		}
		if err := s.run(t.Context(), args...); err != nil || s.reboots != tc.want {
			t.Errorf("%+v: %d reboots, %v", tc, s.reboots, err)
		}
		if !strings.Contains(s.err.String(), "bty: entered v") || !strings.HasSuffix(s.err.String(), "\n") || !strings.Contains(s.err.String(), "bty: exiting v") {
			t.Errorf("markers: %q", s.err)
		}
	}
}

func TestServerDrivenStatuses(t *testing.T) {
	busy := fmt.Errorf("%w: /dev/sda", disk.ErrBusy)
	plan := wire.Plan{Mode: "flash", Image: "http://h/i.img", TargetDiskSerial: "S1"}
	for name, tc := range map[string]struct {
		web   *peer.Web
		disks []disk.Device
		flash error
		want  code
	}{
		"exit":         {web: &peer.Web{Plan: wire.Plan{Mode: "exit"}}, want: codeDone},
		"interactive":  {web: &peer.Web{Plan: wire.Plan{Mode: "interactive"}}, want: codePerson},
		"unknown mode": {web: &peer.Web{Plan: wire.Plan{Mode: "sing"}}, want: codePerson},
		"no server":    {web: &peer.Web{Fault: func(string, int) peer.Fault { return peer.Fault{Code: 503} }}, want: codeServer},
		"bad plan":     {web: &peer.Web{Plan: wire.Plan{Mode: "flash"}}, want: codeServer},
		"no disk":      {web: &peer.Web{Plan: plan}, want: codeNoDisk},
		"two disks":    {web: &peer.Web{Plan: plan}, disks: []disk.Device{{Path: "/dev/a", Serial: "S1"}, {Path: "/dev/b", Serial: "S1"}}, want: codeNoDisk},
		"busy":         {web: &peer.Web{Plan: plan}, disks: []disk.Device{{Path: "/dev/a", Serial: "S1"}}, flash: busy, want: codeInUse},
		"flash":        {web: &peer.Web{Plan: plan}, disks: []disk.Device{{Path: "/dev/a", Serial: "S1"}}, want: codeDone},
		"inventory refused": {web: &peer.Web{Plan: wire.Plan{Mode: "inventory"}, Fault: func(route string, _ int) peer.Fault {
			if route == "inventory" {
				return peer.Fault{Code: 500}
			}
			return peer.Fault{}
		}}, want: codeServer},
	} {
		s := newStage(tc.disks...)
		s.flash = func(context.Context, flash.Request, func(flash.Progress)) (flash.Result, error) {
			return flash.Result{}, tc.flash
		}
		err := s.run(t.Context(), "--server", tc.web.Start(t), "--mac", "52:54:00:12:34:56", "--reboot")
		if codeOf(err) != tc.want {
			t.Errorf("%s: %d, %v", name, codeOf(err), err)
		}
		rebooted := name == "flash"
		if (s.reboots == 1) != rebooted {
			t.Errorf("%s: %d reboots", name, s.reboots)
		}
	}
}

// A reboot that fails is said, and is no failure of what was done before it.
func TestRebootThatFails(t *testing.T) {
	s := newStage()
	s.reboot = func(context.Context) error { return errors.New("no") }
	err := s.run(t.Context(), "--server", (&peer.Web{Plan: wire.Plan{Mode: "inventory"}}).Start(t), "--mac", "52:54:00:12:34:56", "--reboot")
	if err != nil || !strings.Contains(s.err.String(), "reboot it by hand") {
		t.Fatalf("%v\n%s", err, s.err)
	}
}

func TestConfirm(t *testing.T) {
	for answer, want := range map[string]code{"yes\n": codeDone, " yes \n": codeDone, "yes": codeDone, "y\n": codeUnconfirmed,
		"YES\n": codeUnconfirmed, "\n": codeUnconfirmed, "": codeUnconfirmed, "yes please\n": codeUnconfirmed} {
		s := newStage(disk.Device{Path: "/dev/null", Serial: "S1", Model: "Example", Size: 1 << 30})
		s.terminal, s.stdin = true, strings.NewReader(answer)
		flashes := 0
		s.flash = func(context.Context, flash.Request, func(flash.Progress)) (flash.Result, error) {
			flashes++
			return flash.Result{}, nil
		}
		err := s.run(t.Context(), "flash", "--image", "x.img", "--disk", "S1")
		if codeOf(err) != want || (flashes == 1) != (want == codeDone) {
			t.Errorf("%q: %v, %d flashes", answer, err, flashes)
		}
		for _, shown := range []string{"serial S1", "Example", "1G", "Type yes"} {
			if !strings.Contains(s.err.String(), shown) {
				t.Errorf("%q was not shown: %s", shown, s.err)
			}
		}
	}
}

func TestNobodyToAsk(t *testing.T) {
	s := newStage(disk.Device{Path: "/dev/null", Serial: "S1"})
	s.stdin = strings.NewReader("yes\n")
	err := s.run(t.Context(), "flash", "--image", "x.img", "--disk", "S1")
	if codeOf(err) != codeUnconfirmed || !strings.Contains(err.Error(), "--yes") {
		t.Fatal(err)
	}
}

func TestCtrlCAtTheQuestion(t *testing.T) {
	never, end := io.Pipe()
	defer end.Close()
	s := newStage(disk.Device{Path: "/dev/null", Serial: "S1"})
	s.terminal, s.stdin = true, never
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if err := s.run(ctx, "flash", "--image", "x.img", "--disk", "S1"); codeOf(err) != codeCancelled {
		t.Fatal(err)
	}
}

func FuzzBootedFor(f *testing.F) {
	f.Add("boot=live bty.mac=52:54:00:12:34:56 x")
	f.Fuzz(func(t *testing.T, cmdline string) {
		if bootedFor(cmdline, machine.MAC{1}) && !strings.Contains(cmdline, "bty.mac=") {
			t.Fatal(cmdline)
		}
	})
}

// What a person types is case-sensitive and is passed on as it stands.
func TestCaseIsKept(t *testing.T) {
	s := newStage(disk.Device{Path: "/dev/null", Serial: "WD-Abc"})
	var got flash.Request
	s.flash = func(_ context.Context, req flash.Request, _ func(flash.Progress)) (flash.Result, error) {
		got = req
		return flash.Result{}, nil
	}
	const source = "http://Host/Images/Debian%20A.IMG.zst?Key=V"
	if err := s.run(t.Context(), "flash", "--image", source, "--disk", "WD-Abc", "--yes"); err != nil || got.Source != source || got.Serial != "WD-Abc" || got.Target != "" {
		t.Errorf("%v, %+v", err, got)
	}
	if err := s.run(t.Context(), "flash", "--image", source, "--disk", "wd-abc", "--yes"); codeOf(err) != codeNoDisk {
		t.Error(err)
	}
}

// The live environment does the same work; what it returns as an error is shown before the reboot.
func TestLive(t *testing.T) {
	for _, mode := range []string{"exit", "inventory"} {
		out, settled := &output{}, 0
		web := &peer.Web{Plan: wire.Plan{Mode: mode}}
		next, err := live(t.Context(), liveenv.Boot{
			Server: web.Start(t), MAC: machine.MAC{2}, Console: out, Settle: func(context.Context) { settled++ },
		})
		if next != liveenv.Reboot || err != nil {
			t.Errorf("%s: %v, %v", mode, next, err)
		}
		if settled == 0 || len(web.Requests("inventory")) != 1 {
			t.Errorf("%s: settled %d times, %d inventories", mode, settled, len(web.Requests("inventory")))
		}
		// liveenv.Main says these, and whoever counts them must count one boot.
		if strings.Contains(out.String(), "entered v") || strings.Contains(out.String(), "exiting v") {
			t.Errorf("%s: %q", mode, out)
		}
	}
	if _, err := live(t.Context(), liveenv.Boot{Console: &output{}}); err == nil || !strings.Contains(err.Error(), "bty.server=") {
		t.Error(err)
	}
}

// A machine that waits for a person stays up, says where to choose, and does what was chosen.
func TestLiveWaitsForAPerson(t *testing.T) {
	plan := wire.Plan{Mode: "flash", Image: "http://h/i.img", TargetDiskSerial: "S1"}
	web := &peer.Web{Plan: plan, Known: true, Fault: func(route string, n int) peer.Fault {
		if route == "plan" && n < 20 {
			return peer.Fault{Code: 200, Body: `{"mode":"interactive"}`}
		}
		return peer.Fault{}
	}}
	s := newStage(disk.Device{Path: "/dev/null", Serial: "S1"})
	s.limits.Ask = time.Millisecond
	var got flash.Request
	s.flash = func(_ context.Context, req flash.Request, _ func(flash.Progress)) (flash.Result, error) {
		got = req
		return flash.Result{}, nil
	}
	out := &output{}
	next, err := s.live(t.Context(), liveenv.Boot{Server: web.Start(t), MAC: machine.MAC{2}, Console: out, Settle: func(context.Context) {}})
	if next != liveenv.Reboot || err != nil || got.Serial != "S1" {
		t.Fatalf("%v, %v, %+v", next, err, got)
	}
	if len(web.Requests("plan")) != 20 || len(web.Statuses()) != 1 {
		t.Errorf("%d plans, %+v", len(web.Requests("plan")), web.Statuses())
	}
	for _, says := range []string{"/ui/machines/02:00:00:00:00:00", "flash complete; rebooting"} {
		if strings.Count(out.String(), says) != 1 {
			t.Errorf("%q is not said once:\n%s", says, out)
		}
	}
}

// A defect is told as one, whichever part of the flash has it.
func TestExitStatusOfADefect(t *testing.T) {
	for _, kind := range []error{flash.ErrWrite, flash.ErrOrigin, flash.ErrCancelled} {
		if c := codeOf(&flash.Error{Kind: kind, Err: &flash.Defect{Part: "a writer", Panic: "x"}}); c != codeInternal {
			t.Errorf("%v: status %d", kind, c)
		}
	}
}

package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"bty/internal/catalog"
	"bty/internal/client"
	"bty/internal/client/peer"
	"bty/internal/disk"
	"bty/internal/flash"
	"bty/internal/machine"
	"bty/internal/wire"
)

var mac = machine.MAC{0x52, 0x54, 0, 0x12, 0x34, 0x56}

// quick are limits for tests: the same shape, a thousandth of the time.
var quick = Limits{
	Plan:      Pace{For: 2 * time.Second, First: time.Millisecond, Max: 10 * time.Millisecond},
	Status:    Pace{For: 2 * time.Second, First: time.Millisecond, Max: 10 * time.Millisecond},
	Inventory: Pace{For: 2 * time.Second, First: time.Millisecond, Max: 10 * time.Millisecond},
	LateDisks: 200 * time.Millisecond, Rescan: time.Millisecond, Settle: 5 * time.Millisecond,
	Disks: 10 * time.Second, Hardware: time.Second, Join: time.Second, LastReport: time.Second, Beat: 10 * time.Millisecond,
	Ask: time.Millisecond,
}

// output is a console that may be read while it is written.
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

func dev(path, serial string) disk.Device {
	return disk.Device{Path: path, Serial: serial, Size: 1 << 30}
}

// bench is one machine: its server, its disks, its flasher, its console.
type bench struct {
	web   *peer.Web
	out   *output
	jobs  []flash.Request
	agent *Agent
}

func newBench(t *testing.T, web *peer.Web, disks ...disk.Device) *bench {
	t.Helper()
	c := client.New(client.Server(web.Start(t)), mac, "1")
	t.Cleanup(c.Close)
	b := &bench{web: web, out: &output{}}
	b.agent = &Agent{
		Client: c, Limits: quick, Reboots: true, Console: &Console{Out: b.out},
		Disks:    func(context.Context) ([]disk.Device, error) { return disks, nil },
		Hardware: func() (json.RawMessage, error) { return json.RawMessage(`{"id":"host","class":"system"}`), nil },
		Flash: func(_ context.Context, job flash.Request, report func(flash.Progress)) (flash.Result, error) {
			b.jobs = append(b.jobs, job)
			for i, stage := range []string{"open", "write", "write", "sync", "table"} {
				report(flash.Progress{Stage: stage, Bytes: int64(25 * i), Total: 100})
			}
			return flash.Result{}, nil
		},
	}
	return b
}

var flashPlan = wire.Plan{
	Mode: "flash", Image: "http://h/i.img.zst", TargetDiskSerial: " S1 ", Name: "an image", Format: "img.zst",
	DiskImageSHA: strings.Repeat("ab", 32), SizeBytes: 1234, Verify: true, Grow: true,
}

func (b *bench) wantConsole(t *testing.T, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(b.out.String(), line) {
			t.Errorf("the console lacks %q:\n%s", line, b.out)
		}
	}
}

func TestFlash(t *testing.T) {
	b := newBench(t, &peer.Web{Plan: flashPlan}, dev("/dev/sda", ""), dev("/dev/sdb", "S1  "))
	got, err := b.agent.Run(t.Context())
	if err != nil || got.Result != Flashed || got.Told != nil || b.jobs[0].Serial != "S1" || b.jobs[0].Target != "" {
		t.Fatalf("%+v, %v\n%s", got, err, b.out)
	}
	if len(b.jobs) != 1 {
		t.Fatalf("%d flashes", len(b.jobs))
	}
	job := b.jobs[0]
	if job.Source != flashPlan.Image || job.Format != catalog.Zstd || job.Digest.String() != flashPlan.DiskImageSHA || job.Size != 1234 || !job.Verify || !job.Grow {
		t.Errorf("%+v", job)
	}
	b.wantConsole(t, "bty: auto-flash starting\n", "bty: write 25%\n", "bty: flash complete; rebooting\n")
	if n := len(b.web.Requests("inventory")); n == 0 {
		t.Error("no inventory")
	}
	stages := map[string]bool{}
	for _, r := range b.web.Requests("progress") {
		var p wire.Progress
		if err := json.Unmarshal(r.Body, &p); err != nil {
			t.Error(err)
		}
		stages[p.Stage] = true
	}
	for _, stage := range []string{"open", "write", "sync", "table"} {
		if !stages[stage] {
			t.Errorf("stage %s was not reported: %v", stage, stages)
		}
	}
}

// Done was once posted twice for one flash.
func TestDoneIsPostedOnce(t *testing.T) {
	b := newBench(t, &peer.Web{Plan: flashPlan}, dev("/dev/sdb", "S1"))
	if _, err := b.agent.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := b.web.Statuses(); len(got) != 1 || got[0].Status != "done" {
		t.Fatalf("%+v", got)
	}
}

// The server is away when the flash is over. The report is
// repeated, each time under the same key, and the flash stays a success.
func TestDoneSurvivesTheServersRestart(t *testing.T) {
	web := &peer.Web{Plan: flashPlan, Fault: func(route string, n int) peer.Fault {
		switch {
		case route != "status" || n > 4:
			return peer.Fault{}
		case n == 1:
			return peer.Fault{Reset: true, After: true} // heard, but the answer was lost
		case n == 2:
			return peer.Fault{Reset: true}
		}
		return peer.Fault{Code: 503}
	}}
	b := newBench(t, web, dev("/dev/sdb", "S1"))
	got, err := b.agent.Run(t.Context())
	if err != nil || got.Result != Flashed || got.Told != nil {
		t.Fatalf("%+v, %v", got, err)
	}
	keys := map[string]bool{}
	for _, r := range web.Requests("status") {
		keys[r.Header.Get("Idempotency-Key")] = true
	}
	if len(keys) != 1 || keys[""] || len(web.Requests("status")) != 5 {
		t.Fatalf("%d reports, keys %v", len(web.Requests("status")), keys)
	}
}

// Success never depends on a POST, and the console says what happened.
func TestDoneThatCannotBeToldIsStillDone(t *testing.T) {
	for name, code := range map[string]int{"refused": 404, "failing": 500} {
		web := &peer.Web{Plan: flashPlan, Fault: func(route string, _ int) peer.Fault {
			if route == "status" {
				return peer.Fault{Code: code}
			}
			return peer.Fault{}
		}}
		b := newBench(t, web, dev("/dev/sdb", "S1"))
		b.agent.Limits.Status.For = 50 * time.Millisecond
		got, err := b.agent.Run(t.Context())
		if err != nil || got.Result != Flashed || got.Told == nil {
			t.Fatalf("%s: %+v, %v", name, got, err)
		}
		b.wantConsole(t, "could not tell the server", "the flash is complete", "bty: flash complete; rebooting")
	}
}

// Every failure is posted, with its reason, and nobody is asked
// anything first. What could not be flashed is not tried again.
func TestFailuresAreReported(t *testing.T) {
	broken := flashPlan
	broken.DiskImageSHA = "xyz"
	odd := flashPlan
	odd.Format = "tar.gz"
	noImage := flashPlan
	noImage.Image = ""
	keyboard := flashPlan
	keyboard.Image = "-"
	noSerial := flashPlan
	noSerial.TargetDiskSerial = "  "
	signed := flashPlan
	signed.Image = "https://user:secret@h/i.img?sig=hidden"
	boom := errors.New("write /dev/sdb at 4 MiB: input/output error")
	for name, tc := range map[string]struct {
		plan    wire.Plan
		disks   []disk.Device
		flash   error
		flashes int
		says    string
		is      error
	}{
		"no disk":        {plan: flashPlan, disks: []disk.Device{dev("/dev/sda", "S2")}, says: `serial number "S1"; present: /dev/sda (serial S2`, is: disk.ErrNoDisk},
		"no disks":       {plan: flashPlan, says: "no disk is present", is: disk.ErrNoDisk},
		"two disks":      {plan: flashPlan, disks: []disk.Device{dev("/dev/sda", "S1"), dev("/dev/sdb", "S1 ")}, says: "2 disks have the serial number", is: disk.ErrAmbiguous},
		"write error":    {plan: flashPlan, disks: []disk.Device{dev("/dev/sdb", "S1")}, flash: boom, flashes: 1, says: boom.Error(), is: boom},
		"broken digest":  {plan: broken, disks: []disk.Device{dev("/dev/sdb", "S1")}, says: "disk_image_sha"},
		"unknown format": {plan: odd, disks: []disk.Device{dev("/dev/sdb", "S1")}, says: `format "tar.gz" is not known`},
		"no image":       {plan: noImage, disks: []disk.Device{dev("/dev/sdb", "S1")}, says: "it names no image"},
		"standard input": {plan: keyboard, disks: []disk.Device{dev("/dev/sdb", "S1")}, says: "neither a URL nor an absolute path"},
		"no serial":      {plan: noSerial, disks: []disk.Device{dev("/dev/sdb", "")}, says: "it names no target disk"},
		"signed URL": {plan: signed, disks: []disk.Device{dev("/dev/sdb", "S1")}, flash: fmt.Errorf("GET %s: 403", signed.Image), flashes: 1,
			says: "403"},
	} {
		b := newBench(t, &peer.Web{Plan: tc.plan}, tc.disks...)
		flashes := 0
		b.agent.Flash = func(context.Context, flash.Request, func(flash.Progress)) (flash.Result, error) {
			flashes++
			return flash.Result{}, tc.flash
		}
		_, err := b.agent.Run(t.Context())
		if err == nil || (tc.is != nil && !errors.Is(err, tc.is)) {
			t.Errorf("%s: %v", name, err)
		}
		got := b.web.Statuses()
		if len(got) != 1 || got[0].Status != "failed" || !strings.Contains(got[0].Reason, tc.says) {
			t.Errorf("%s: reported %+v", name, got)
		}
		if flashes != tc.flashes || len(b.web.Requests("plan")) != 1 {
			t.Errorf("%s: %d flashes, %d plans", name, flashes, len(b.web.Requests("plan")))
		}
		if all := b.out.String() + got[0].Reason; strings.Contains(all, "secret") || strings.Contains(all, "hidden") {
			t.Errorf("%s: a secret is shown: %s", name, all)
		}
		b.wantConsole(t, "bty: flash failed: ")
	}
}

func TestLateDiskIsAwaited(t *testing.T) {
	b := newBench(t, &peer.Web{Plan: flashPlan})
	begun, late := time.Now(), []disk.Device{dev("/dev/sdz", "S1")}
	b.agent.Limits.LateDisks = 5 * time.Second
	b.agent.Disks = func(context.Context) ([]disk.Device, error) {
		if time.Since(begun) < 60*time.Millisecond {
			return nil, nil
		}
		return late, nil
	}
	got, err := b.agent.Run(t.Context())
	if err != nil || b.jobs[0].Serial != "S1" || b.jobs[0].Target != "" {
		t.Fatalf("%+v, %v", got, err)
	}
	b.wantConsole(t, "waiting up to 5s for the disk")
}

// The plan was once asked for a single time, though DHCP may just have come up.
func TestPlanIsRetried(t *testing.T) {
	web := &peer.Web{Plan: wire.Plan{Mode: "exit"}, Fault: func(route string, n int) peer.Fault {
		if route == "plan" && n < 4 {
			return []peer.Fault{{}, {Reset: true}, {Code: 500}, {Code: 502}}[n]
		}
		return peer.Fault{}
	}}
	b := newBench(t, web)
	got, err := b.agent.Run(t.Context())
	if err != nil || got.Result != Exit || len(web.Requests("plan")) != 4 {
		t.Fatalf("%+v, %v, %d", got, err, len(web.Requests("plan")))
	}
	b.wantConsole(t, "the server has no plan yet, trying again")
}

func TestPlanThatNeverComes(t *testing.T) {
	for name, tc := range map[string]struct {
		fault peer.Fault
		many  bool
		says  string
	}{
		"down":             {peer.Fault{Reset: true}, true, "that bty-web runs there"},
		"another server":   {peer.Fault{Code: 404}, false, "names a bty-web"},
		"a captive portal": {peer.Fault{Code: 200, Body: "<html>"}, false, "names a bty-web"},
	} {
		web := &peer.Web{Fault: func(string, int) peer.Fault { return tc.fault }}
		b := newBench(t, web, dev("/dev/sda", "S1"))
		b.agent.Limits.Plan.For = 50 * time.Millisecond
		_, err := b.agent.Run(t.Context())
		var server *ServerError
		if !errors.As(err, &server) || !strings.Contains(err.Error(), tc.says) || (len(web.Requests("plan")) > 1) != tc.many {
			t.Errorf("%s: %v after %d plans", name, err, len(web.Requests("plan")))
		}
		if len(web.Statuses()) != 0 {
			t.Errorf("%s: reported %+v", name, web.Statuses())
		}
	}
}

// In mode inventory the report was once sent twice, or lost in a fast reboot.
func TestInventoryIsSentOnce(t *testing.T) {
	b := newBench(t, &peer.Web{Plan: wire.Plan{Mode: "inventory"}}, dev("/dev/sda", " S1 "))
	got, err := b.agent.Run(t.Context())
	if err != nil || got.Result != Inventoried {
		t.Fatalf("%+v, %v", got, err)
	}
	posts := b.web.Requests("inventory")
	if len(posts) != 1 {
		t.Fatalf("%d posts", len(posts))
	}
	var inv wire.Inventory
	if err := json.Unmarshal(posts[0].Body, &inv); err != nil || *inv.Disks[0].Serial != "S1" || len(inv.LSHW) == 0 {
		t.Fatalf("%s: %v", posts[0].Body, err)
	}
}

// A machine that the server has never seen is registered by its request for the plan; the
// inventory that came earlier was refused with 404.
func TestInventoryOfAnUnknownMachine(t *testing.T) {
	web := &peer.Web{Plan: wire.Plan{Mode: "inventory"}, Fault: func(route string, n int) peer.Fault {
		if route == "inventory" && n == 1 {
			return peer.Fault{Code: 404, Body: `{"detail":"no machine record"}`}
		}
		return peer.Fault{}
	}}
	b := newBench(t, web, dev("/dev/sda", "S1"))
	if _, err := b.agent.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(web.Requests("inventory")); n != 2 {
		t.Fatalf("%d posts", n)
	}
}

// A failing inventory was once silent.
func TestInventoryThatCannotBeDelivered(t *testing.T) {
	web := &peer.Web{Plan: wire.Plan{Mode: "inventory"}, Fault: func(route string, _ int) peer.Fault {
		if route == "inventory" {
			return peer.Fault{Code: 422, Body: `{"detail":"disks"}`}
		}
		return peer.Fault{}
	}}
	_, err := newBench(t, web).agent.Run(t.Context())
	if err == nil || client.CodeOf(err) != 422 || !strings.Contains(err.Error(), "inventory was not delivered") {
		t.Fatal(err)
	}
}

// The same while a flash succeeds: it is said, and changes nothing.
func TestFailingInventoryIsSaid(t *testing.T) {
	web := &peer.Web{Plan: flashPlan, Fault: func(route string, _ int) peer.Fault {
		if route == "inventory" {
			return peer.Fault{Code: 422, Body: `{"detail":"disks"}`}
		}
		return peer.Fault{}
	}}
	b := newBench(t, web, dev("/dev/sdb", "S1"))
	if got, err := b.agent.Run(t.Context()); err != nil || got.Result != Flashed {
		t.Fatalf("%+v, %v", got, err)
	}
	b.wantConsole(t, "the inventory was not delivered: ")
}

// The run ends with the inventory sent, or with a bounded wait for it; never with a lost thread.
func TestExitWaitsForTheInventory(t *testing.T) {
	b := newBench(t, &peer.Web{Plan: wire.Plan{Mode: "exit", Reason: "flashed already"}}, dev("/dev/sda", "S1"))
	got, err := b.agent.Run(t.Context())
	if err != nil || got.Result != Exit || len(b.web.Requests("inventory")) != 1 {
		t.Fatalf("%+v, %v, %v", got, err, b.web.Routes())
	}
	b.wantConsole(t, "flashed already")
}

func TestExitDoesNotWaitForEver(t *testing.T) {
	web := &peer.Web{Plan: wire.Plan{Mode: "exit"}, Fault: func(route string, _ int) peer.Fault {
		if route == "inventory" {
			return peer.Fault{Stall: time.Hour}
		}
		return peer.Fault{}
	}}
	b := newBench(t, web, dev("/dev/sda", "S1"))
	b.agent.Limits.Join = 20 * time.Millisecond
	if got, err := b.agent.Run(t.Context()); err != nil || got.Result != Exit {
		t.Fatalf("%+v, %v", got, err)
	}
}

func TestHardwareThatHangs(t *testing.T) {
	b := newBench(t, &peer.Web{Plan: wire.Plan{Mode: "inventory"}}, dev("/dev/sda", "S1"))
	release := make(chan struct{})
	defer close(release)
	b.agent.Limits.Hardware = time.Millisecond
	b.agent.Hardware = func() (json.RawMessage, error) { <-release; return nil, nil }
	if _, err := b.agent.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if body := string(b.web.Requests("inventory")[0].Body); strings.Contains(body, "lshw") {
		t.Fatal(body) // absent, or the server would lose what it has
	}
}

// A dying disk may hang whoever asks it: neither the plan nor the end of the run waits for that.
func TestDisksThatHang(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	for name, tc := range map[string]struct {
		plan  wire.Plan
		limit time.Duration // of the list
		is    error
		says  string
	}{
		"exit":                {plan: wire.Plan{Mode: "exit"}, limit: time.Millisecond, says: "does not answer"},
		"exit, still hanging": {plan: wire.Plan{Mode: "exit"}, limit: time.Hour, says: "the inventory was not delivered"},
		"inventory":           {plan: wire.Plan{Mode: "inventory"}, limit: time.Millisecond, is: errHung},
		"flash":               {plan: flashPlan, limit: time.Millisecond, is: errHung, says: "flash failed"},
	} {
		b := newBench(t, &peer.Web{Plan: tc.plan})
		b.agent.Limits.Disks, b.agent.Limits.Join = tc.limit, 20*time.Millisecond
		b.agent.Disks = func(context.Context) ([]disk.Device, error) { <-release; return nil, nil }
		_, err := b.agent.Run(t.Context())
		if !errors.Is(err, tc.is) {
			t.Errorf("%s: %v", name, err)
		}
		b.wantConsole(t, tc.says)
		if n := len(b.web.Requests("inventory")); n != 0 {
			t.Errorf("%s: %d inventories without the disks", name, n)
		}
	}
}

// An ioctl does not listen to a context either.
func TestInventoryThatHangsIsLeftBehind(t *testing.T) {
	inv := &inventory{done: make(chan struct{}), cancel: func() {}}
	if inv.join(time.Millisecond) {
		t.Error("joined")
	}
}

func TestInteractive(t *testing.T) {
	for name, plan := range map[string]any{
		"by the operator": wire.Plan{Mode: "interactive", Catalog: "http://other/catalog.toml"},
		"unknown mode":    wire.Plan{Mode: "dance", Catalog: "http://other/catalog.toml"},
		"no mode":         `{"catalog":"http://other/catalog.toml"}`,
	} {
		b := newBench(t, &peer.Web{Plan: plan}, dev("/dev/sda", "S1"))
		got, err := b.agent.Run(t.Context())
		if err != nil || got.Result != Interactive || len(b.jobs) != 0 || len(b.web.Statuses()) != 0 {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		b.wantConsole(t, "wants a person", "http://other/catalog.toml", "bty flash --image URL --disk SERIAL")
	}
}

// planned makes a server whose plan is the n-th one at the n-th request, and stays the last one.
// The code of a plan that is a number is answered instead.
func planned(plans ...any) *peer.Web {
	return &peer.Web{Fault: func(route string, n int) peer.Fault {
		if route != "plan" {
			return peer.Fault{}
		}
		plan := plans[min(n, len(plans))-1]
		if code, ok := plan.(int); ok {
			return peer.Fault{Code: code}
		}
		body, _ := json.Marshal(plan)
		return peer.Fault{Code: 200, Body: string(body)}
	}, Known: true}
}

// A run that stays waits for a person through anything, and then does what was chosen.
func TestStay(t *testing.T) {
	person := wire.Plan{Mode: "interactive", Reason: "no image is bound"}
	for name, tc := range map[string]struct {
		then any
		want Result
	}{
		"flash":     {flashPlan, Flashed},
		"inventory": {wire.Plan{Mode: "inventory"}, Inventoried},
		"exit":      {wire.Plan{Mode: "exit"}, Exit},
	} {
		web := planned(person, person, person, 503, 404, 503, person, wire.Plan{Mode: "dance"}, tc.then)
		b := newBench(t, web, dev("/dev/sdb", "S1"))
		b.agent.Stays = true
		got, err := b.agent.Run(t.Context())
		if err != nil || got.Result != tc.want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		// The plan that is followed is the one that was asked for last: a plan to flash counts.
		if n := len(web.Requests("plan")); n != 9 {
			t.Errorf("%s: %d plans", name, n)
		}
		if n := len(web.Requests("inventory")); n != 2 {
			t.Errorf("%s: %d inventories", name, n)
		}
		b.wantConsole(t, "/ui/machines/"+mac.String(), "no image is bound", `plan "dance"`, "the server has a plan now: "+name)
		if strings.Count(b.out.String(), "no image is bound") != 2 || strings.Count(b.out.String(), "asking on") != 1 {
			t.Errorf("%s: one line for each change:\n%s", name, b.out)
		}
	}
}

func TestStayEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	b := newBench(t, &peer.Web{Plan: wire.Plan{Mode: "interactive"}}, dev("/dev/sdb", "S1"))
	b.agent.Stays = true
	if _, err := b.agent.Run(ctx); !errors.Is(err, context.DeadlineExceeded) || len(b.web.Requests("plan")) < 2 {
		t.Fatalf("%v after %d plans", err, len(b.web.Requests("plan")))
	}
}

// Old servers have no route for progress: it is asked once, never again, and the flash goes on.
func TestProgressIsSilencedByAnOldServer(t *testing.T) {
	b := newBench(t, &peer.Web{Plan: flashPlan, Old: true}, dev("/dev/sdb", "S1"))
	b.agent.Flash = func(ctx context.Context, _ flash.Request, report func(flash.Progress)) (flash.Result, error) {
		for i := range 50 {
			report(flash.Progress{Stage: fmt.Sprint("s", i/10), Bytes: int64(i)})
			if err := sleep(ctx, time.Millisecond); err != nil {
				return flash.Result{}, err
			}
		}
		return flash.Result{}, nil
	}
	if _, err := b.agent.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(b.web.Requests("progress")); n != 1 {
		t.Fatalf("%d posts", n)
	}
}

// A server that stalls on progress costs the flash nothing and its end a bounded wait.
func TestProgressNeverSlowsTheFlash(t *testing.T) {
	web := &peer.Web{Plan: flashPlan, Fault: func(route string, _ int) peer.Fault {
		if route == "progress" {
			return peer.Fault{Stall: time.Hour}
		}
		return peer.Fault{}
	}}
	b := newBench(t, web, dev("/dev/sdb", "S1"))
	var flashing time.Duration
	b.agent.Flash = func(_ context.Context, _ flash.Request, report func(flash.Progress)) (flash.Result, error) {
		begun := time.Now()
		for i := range 10_000 {
			report(flash.Progress{Stage: fmt.Sprint("s", i%3), Bytes: int64(i)})
		}
		flashing = time.Since(begun)
		return flash.Result{}, nil
	}
	if _, err := b.agent.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if flashing > time.Second {
		t.Fatalf("10,000 reports took %v", flashing)
	}
}

// Ctrl-C in the middle: the disk is partial, and the server learns of it.
func TestCancelledFlashIsReported(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	b := newBench(t, &peer.Web{Plan: flashPlan}, dev("/dev/sdb", "S1"))
	b.agent.Flash = func(ctx context.Context, _ flash.Request, report func(flash.Progress)) (flash.Result, error) {
		report(flash.Progress{Stage: "write", Bytes: 1})
		cancel()
		<-ctx.Done()
		return flash.Result{}, &flash.Error{Kind: flash.ErrCancelled, Disk: "/dev/sdb", Touched: true, Err: ctx.Err()}
	}
	_, err := b.agent.Run(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if got := b.web.Statuses(); len(got) != 1 || got[0].Status != "failed" || !strings.Contains(got[0].Reason, "cancelled") {
		t.Fatalf("%+v", got)
	}
}

func TestCancelledWhileAskingForThePlan(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	web := &peer.Web{Fault: func(string, int) peer.Fault { return peer.Fault{Code: 503} }}
	b := newBench(t, web)
	b.agent.Limits.Plan.For = time.Hour
	if _, err := b.agent.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
}

// Text of the server and of firmware reaches a terminal: it must not be able to move the cursor.
func TestConsoleIsNotObeyed(t *testing.T) {
	plan := flashPlan
	plan.Name = "nice\x1b[2J\nbty: flash complete"
	b := newBench(t, &peer.Web{Plan: plan}, dev("/dev/sdb", "S1"))
	if _, err := b.agent.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.out.String(), "\x1b") || strings.Count(b.out.String(), "\nbty: flash complete") != 1 {
		t.Fatalf("%q", b.out)
	}
}

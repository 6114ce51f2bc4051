package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"bty/internal/event"
	"bty/internal/liveenv/netup"
	"bty/internal/message"
	"bty/internal/testenv/msgcatalog"
)

// explained are the entries of the catalog that explain the events, by kind.
var explained = sync.OnceValues(func() (map[string]msgcatalog.Entry, error) {
	entries, err := msgcatalog.Read("../../" + msgcatalog.Path)
	if err != nil {
		return nil, err
	}
	byID := map[string]msgcatalog.Entry{}
	for _, e := range entries {
		byID[e.ID] = e
	}
	byKind := map[string]msgcatalog.Entry{}
	for _, k := range event.Kinds {
		byKind[string(k)] = byID[message.OfKind(k).Value.String()]
	}
	return byKind, nil
})

// told are the kinds of event that the logs of all tests had.
var told sync.Map

var eventOf = regexp.MustCompile(`(?m)^time=.* event=(\S+) event_id=.*$`)

// holdAgainstCatalog fails for a line of the log that lacks what the catalog puts into the
// explanation of its class.
func (a *appliance) holdAgainstCatalog() {
	a.Helper()
	entries, err := explained()
	if err != nil {
		a.Fatal(err)
	}
	failed := map[string]bool{}
	for _, m := range eventOf.FindAllStringSubmatch(a.log.String(), -1) {
		line, kind := m[0], m[1]
		told.Store(kind, true)
		if strings.Contains(line, " event=netboot.tftp.transfer ") && strings.Contains(line, " err=") {
			continue // of a class of its own
		}
		for _, f := range entries[kind].Fields {
			key := strings.ToLower(strings.TrimPrefix(f, "BTY_"))
			if !failed[kind+f] && !strings.Contains(line, " "+key+"=") {
				failed[kind+f] = true
				a.Errorf("the catalog explains %s with @%s@, which this line lacks: %s", kind, f, line)
			}
		}
	}
}

// neverTold are the kinds that no test of this package makes happen, each with where else it does.
var neverTold = map[event.Kind]string{
	event.ContactsFolded: "it is no news, and is not told",
	event.BackupRestored: "it is written into the database that comes; who serves that says so",
	event.TFTPStarted:    "D-Bus: internal/testenv/systemd",
	event.TFTPStopped:    "D-Bus: internal/testenv/systemd",
	event.TFTPRestarted:  "D-Bus: internal/testenv/systemd",
	event.DoctorFound:    "half a minute of patience: internal/checkup",
	event.DoctorGone:     "minutes of patience: internal/checkup",
	event.MachineTaken:   "a state.db of the previous system: cmd/bty-lab TestImportPreviousState",
	event.StateTaken:     "the same",
}

// untold are the kinds that should have been told in a run of all tests and were not.
func untold() (kinds []event.Kind) {
	for _, k := range event.Kinds {
		if _, was := told.Load(string(k)); !was && neverTold[k] == "" {
			kinds = append(kinds, k)
		}
	}
	return kinds
}

// isWholeRun reports whether all tests of the package were to run.
func isWholeRun() bool {
	for _, name := range []string{"test.run", "test.skip", "test.list"} {
		if f := flag.Lookup(name); f != nil && f.Value.String() != "" {
			return false
		}
	}
	short := flag.Lookup("test.short")
	return short == nil || short.Value.String() == "false"
}

// allTold is the exit code of a run of the tests, which fails too if an event was never told: what
// the catalog says of it would be proven by nothing.
func allTold(code int) int {
	if kinds := untold(); code == 0 && isWholeRun() && len(kinds) > 0 {
		fmt.Fprintf(os.Stderr, "no test had the journal tell of %v\n", kinds)
		return 1
	}
	return code
}

// The life of a machine that is never heard of again, as the log tells it: each line has its MAC in
// the one spelling, whichever it was asked with.
func TestJournalOfAMachine(t *testing.T) {
	a := start(t, map[string]string{"BTY_BOOT_MAX_ATTEMPTS": "2"})
	a.live()
	bind(a, "bty-flash-once")
	for range 2 {
		a.script()
		a.boot()
		a.plan()
		a.anonymous("POST", "/pxe/52-54-00-00-00-01/progress", map[string]any{"stage": "write", "bytes": 1, "total": 2}).is(t, 204)
	}
	a.script()
	a.do("POST", "/api/v1/machines/"+mac1+"/arm", nil).is(t, 200)
	a.script()
	a.boot()
	a.anonymous("POST", "/pxe/"+mac1+"/status", map[string]any{"status": "failed", "reason": "no disk has the serial SER1"}).is(t, 204)
	a.anonymous("POST", "/pxe/"+strings.ToUpper(mac1)+"/status", map[string]any{"status": "done"}).is(t, 204)
	var life []string
	for _, m := range eventOf.FindAllStringSubmatch(a.log.String(), -1) {
		if strings.Contains(m[0], " mac="+mac1) {
			life = append(life, m[1])
		} else if strings.Contains(strings.ToLower(m[0]), mac1) {
			t.Errorf("this line is of the machine and has no mac: %s", m[0])
		}
	}
	want := "machine.created netboot.pxe.offered netboot.artifact.fetched netboot.flasher.armed netboot.pxe.plan machine.stage " +
		"netboot.pxe.offered netboot.artifact.fetched netboot.pxe.plan machine.stage netboot.pxe.offered machine.stuck machine.armed " +
		"netboot.pxe.offered netboot.artifact.fetched netboot.flasher.armed machine.flash_failed machine.flashed"
	if got := strings.Join(life, " "); got != want {
		t.Errorf("told of %s\nwant    %s", got, want)
	}
	for _, want := range []string{
		`msg="52:54:00:00:00:01 failed: no disk has the serial SER1" event=machine.flash_failed`,
		`actor=operator mac=52:54:00:00:00:01 remote=127.0.0.1 mode=bty-flash-once image=debian-x86_64.img.zst image_ref=`, `err="no disk has the serial SER1"`, `level=WARN msg="52:54:00:00:00:01 was started 2 times`,
	} {
		if !strings.Contains(a.log.String(), want) {
			t.Errorf("the log lacks %s", want)
		}
	}
}

// Without systemd the log is text without ids for people, or JSON with them for programs.
func TestLogWithoutSystemd(t *testing.T) {
	a := start(t, map[string]string{"BTY_LOG_FORMAT": "json", "JOURNAL_STREAM": "1:2"})
	a.script()
	text := start(t, map[string]string{"JOURNAL_STREAM": "1:2"})
	text.script()
	for _, b := range []*appliance{a, text} {
		if err := b.stop(); err != nil {
			t.Fatal(err)
		}
	}
	discovered := 0
	for line := range strings.Lines(a.log.String()) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if fields["event"] == "machine.discovered" && fields["mac"] == mac1 && fields["remote"] == "127.0.0.1" &&
			fields["message_id"] == message.OfKind(event.MachineDiscovered).Value.String() {
			discovered++
		}
	}
	if discovered != 1 {
		t.Errorf("the machine is told of %d times:\n%s", discovered, a.log)
	}
	if said := text.log.String(); !strings.Contains(said, "event=machine.discovered") || strings.Contains(said, "message_id") {
		t.Errorf("as text:\n%s", said)
	}
}

// What strangers cause is a few lines whose counts tell of each request.
func TestFloodOfRefusedRequests(t *testing.T) {
	t.Parallel()
	const each = 500
	a := start(t, nil)
	before := strings.Count(a.log.String(), "\n")
	var work sync.WaitGroup
	for range 4 {
		work.Go(func() {
			for n := range each {
				a.anonymous("GET", fmt.Sprintf("/pxe/nonsense-%d", n), nil)
				a.anonymous("POST", "/pxe/"+mac2+"/status", map[string]any{"status": "done"})
				a.anonymous("GET", "/api/v1/events", nil, "Authorization", "Bearer nonsense")
				a.anonymous("POST", "/ui/login", url.Values{"password": {fmt.Sprint("wrong", n)}})
			}
		})
	}
	work.Wait()
	if err := a.stop(); err != nil {
		t.Fatal(err)
	}
	lines, refused := 0, 0
	for line := range strings.Lines(a.log.String()) {
		if lines++; strings.Contains(line, `msg="request refused"`) {
			var more int
			if _, count, ok := strings.Cut(line, " more="); ok {
				fmt.Sscan(count, &more)
			}
			refused += max(more, 1)
		}
	}
	// The limit of wrong passwords lets ten pass, and one more every six seconds.
	if lines -= before; lines > 60 {
		t.Errorf("%d lines:\n%s", lines, a.log)
	}
	if want := 4*each*4 - 60; refused < want {
		t.Errorf("%d refusals are told of, of %d at least", refused, want)
	}
}

// A request that no route takes is told as that; the question for the time, of this live environment
// and of those before it, is none.
func TestNoRouteInTheJournal(t *testing.T) {
	a := start(t, nil)
	for _, path := range []string{"/", "/healthz"} {
		if r := a.anonymous("HEAD", path, nil).is(t, 405); r.Header.Get("Date") == "" {
			t.Errorf("HEAD %s: no Date", path)
		}
	}
	if _, err := netup.ServerTime(t.Context(), a.url); err != nil {
		t.Error(err)
	}
	if said := a.log.String(); strings.Contains(said, "request refused") {
		t.Errorf("%s", said)
	}
	a.anonymous("HEAD", "/version", nil).is(t, 405)
	said := a.log.String()
	if strings.Count(said, `err="no route takes this method and path"`) != 1 || strings.Contains(said, "internal error") {
		t.Errorf("%s", said)
	}
}

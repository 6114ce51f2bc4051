package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"bty/internal/client/peer"
	"bty/internal/testenv/screen"
	"bty/internal/wire"
)

// A terminal that goes away sends two hang-ups: the shell's, and the kernel's at the shell's end. The
// second one once ended the program before a slow server had heard that the flash was cancelled.
func TestWizardHangsUpTwice(t *testing.T) {
	t.Parallel()
	target, _ := loopDisk(t, 128*mib, "S-1")
	web := &peer.Web{Known: true, Plan: wire.Plan{Mode: "interactive", Catalog: catalogOf(t, slowImage(t))},
		Fault: func(route string, _ int) peer.Fault {
			if route == "status" {
				return peer.Fault{Stall: time.Second, Code: 204}
			}
			return peer.Fault{}
		}}
	s := wide(target).open(t, "--server", web.Start(t), "--mac", "52-54-00-12-34-56")
	s.confirmed()
	s.See("[Flash]", "8%")
	s.signal(syscall.SIGHUP)
	time.Sleep(200 * time.Millisecond)
	s.signal(syscall.SIGHUP)
	if status := s.ended(); status != "130" || !strings.Contains(s.History(), "will not boot") {
		t.Errorf("status %s\n%s", status, s.History())
	}
	if got := web.Statuses(); len(got) != 1 || got[0].Status != "failed" {
		t.Errorf("the server heard %+v", got)
	}
}

// What a signal finds done stays done; it once was said that nothing had been written.
func TestWizardSignalAfterTheFlash(t *testing.T) {
	t.Parallel()
	data := image(mib)
	target, file := loopDisk(t, 8*mib, "S-1")
	s := wide(target).open(t, "--catalog", catalogOf(t, serve(t, data)+"/i.img"))
	s.confirmed()
	s.See("Image 000 is on " + target.Path)
	s.signal(syscall.SIGTERM)
	status, said := s.ended(), s.History()
	if status != "0" || !strings.Contains(said, "/i.img is on "+target.Path) || strings.Contains(said, "cancelled") {
		t.Errorf("status %s\n%s", status, said)
	}
	wantOnDisk(t, file, data)
}

// A signal before anything was written says so.
func TestWizardSignalSays(t *testing.T) {
	t.Parallel()
	s := wide().open(t, "--catalog", catalogOf(t, "http://h/0.img"))
	s.See("> Image 000")
	s.signal(syscall.SIGTERM)
	s.ended()
	if !strings.Contains(s.History(), "bty: cancelled; nothing was written") {
		t.Error(s.History())
	}
}

// "bty ... 2>&1 | tee": the Ctrl-C that cancels the flash ends the tee as well, and what is said then
// once ended the program before the server was told.
func TestReaderOfOutputIsGone(t *testing.T) {
	target, _ := loopDisk(t, 128*mib, "S-1")
	web := &peer.Web{Known: true, Plan: wire.Plan{Mode: "flash", Image: slowImage(t), TargetDiskSerial: "S-1"}}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "--server", web.Start(t), "--mac", "52-54-00-12-34-56")
	cmd.Env = append(os.Environ(), "BTY_TEST_AS_MAIN=wizard", wide(target).offered())
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(said); lines.Scan(); {
		if strings.Contains(lines.Text(), "bty: disk ") {
			break
		}
	}
	said.Close()
	time.Sleep(300 * time.Millisecond)
	_ = cmd.Process.Signal(os.Interrupt)
	_ = cmd.Wait()
	if got := web.Statuses(); len(got) != 1 || got[0].Status != "failed" || cmd.ProcessState.ExitCode() != 130 {
		t.Errorf("%v; the server heard %+v", cmd.ProcessState, got)
	}
}

// A terminal that goes away is seen at its keys, too, and often before the hang-up: the status is the
// same.
func TestTerminalIsGone(t *testing.T) {
	person, near := screen.PTY(t)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "--catalog", catalogOf(t, "http://h/0.img"))
	cmd.Env = append(os.Environ(), "BTY_TEST_AS_MAIN=wizard", "TERM=vt100", wide().offered())
	cmd.Stdin, cmd.Stdout, cmd.Stderr = near, io.Discard, near
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no hang-up comes
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	near.Close()
	seen := screen.Watch(t, person)
	seen.Wait("Image 000")
	person.Close()
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != int(codeCancelled) {
		t.Error("status", code)
	}
}

package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"bty/internal/client/peer"
	"bty/internal/disk"
	"bty/internal/wire"
)

// catalogOf writes a catalog of images with these sources, and returns its path.
func catalogOf(t *testing.T, srcs ...string) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("version = 1\n")
	for i, src := range srcs {
		fmt.Fprintf(&b, "[[images]]\nname = \"Image %03d\"\nsrc = %q\nformat = \"img\"\ngrow = false\nverify = false\n", i, src)
	}
	return write(t, filepath.Join(t.TempDir(), "catalog.toml"), []byte(b.String()))
}

// wide is a terminal as most are.
func wide(disks ...disk.Device) terminal {
	return terminal{kind: "vt100", width: 80, height: 24, disks: disks}
}

// confirmed goes from the images to the end of the confirmation.
func (s *seat) confirmed() {
	s.t.Helper()
	s.See("[Image]", "Image 000")
	s.Keys("Enter")
	s.See("[Disk]", "S-1")
	s.Keys("Enter")
	s.See("[Confirm]")
	s.Type("yes")
	s.Keys("Enter")
}

// Esc goes back at every step, to where the mark was; left without a flash nothing is written.
func TestWizardBack(t *testing.T) {
	t.Parallel()
	first, _ := loopDisk(t, 8*mib, "S-0")
	second, file := loopDisk(t, 8*mib, "S-1")
	s := wide(first, second).open(t, "--catalog", catalogOf(t, "http://h/0.img", "http://h/1.img", "http://h/2.img"))
	s.See("> Image 000")
	s.Keys("Down", "Enter")
	s.See("The disk for Image 001")
	s.Keys("j", "Enter")
	s.See("[Confirm]", "serial  S-1")
	s.Type("ye")
	for _, shows := range []string{"[Disk]", "[Image]", "[Catalog]"} {
		s.Keys("Escape")
		s.See(shows)
	}
	s.Keys("Escape")
	s.See("This is the first step")
	s.Keys("q")
	if status := s.ended(); status != "10" || !strings.Contains(s.Shown(), "nothing was written") {
		t.Errorf("status %s\n%s", status, s.Shown())
	}
	wantOnDisk(t, file, make([]byte, 8*mib))
}

// The search finds
// one image of 500, and is kept on the way back.
func TestWizardSearch(t *testing.T) {
	t.Parallel()
	srcs := make([]string, 500)
	for i := range srcs {
		srcs[i] = fmt.Sprintf("http://h/%d.img", i)
	}
	target, _ := loopDisk(t, 8*mib, "S-1")
	s := wide(target).open(t, "--catalog", catalogOf(t, srcs...))
	s.See("1 of 500")
	s.Keys("End")
	s.See("> Image 499", "500 of 500")
	s.Keys("PageUp", "Home")
	s.See("> Image 000")
	s.Type("/image 32")
	s.See("search: image 32", "> Image 032", "Image 321")
	s.Type("1")
	s.See("> Image 321")
	s.Keys("Enter", "Enter")
	s.See("The disk for Image 321")
	s.Keys("Escape")
	s.See("> Image 321", `, 1 of 500 with "image 321"`)
	s.Keys("Escape")
	s.See("> Image 321", "322 of 500")
	s.Keys("C-c")
	if status := s.ended(); status != "10" {
		t.Error("status", status)
	}
}

// The terminal gets smaller and larger, and something else writes over it.
func TestWizardResize(t *testing.T) {
	t.Parallel()
	target, _ := loopDisk(t, 8*mib, "S-1")
	s := wide(target).open(t, "--catalog", catalogOf(t, "http://h/0.img"))
	s.See("[Image]", "> Image 000")
	s.Resize(40, 15)
	s.See("Step 2 of 6: Image", "> Image 000")
	s.Keys("Enter")
	s.See("Step 3 of 6: Disk", "S-1")
	s.Resize(132, 50)
	s.See("[Disk]", "S-1")
	s.Scribble("\x1b[5;1H[   12.345] kernel: a line in the way\r\nand one more\r\n")
	s.See("in the way")
	s.Keys("C-l")
	s.Gone("in the way")
	s.See("[Disk]", "S-1")
	s.Keys("q")
	s.ended()
}

// A flash fails because the image is gone: the server has heard of it before the person is asked
// anything, the screen says why and what to do, and the next try works. A server that goes away
// meanwhile changes nothing about the disk.
func TestWizardFailsThenWorks(t *testing.T) {
	t.Parallel()
	data := image(2 * mib)
	var there, deaf atomic.Bool
	host := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		if !there.Load() {
			http.NotFound(rw, req)
			return
		}
		http.ServeContent(rw, req, "", time.Unix(1, 0), bytes.NewReader(data))
	}))
	t.Cleanup(host.Close)
	web := &peer.Web{Known: true, Plan: wire.Plan{Mode: "interactive", Catalog: catalogOf(t, host.URL+"/i.img"), Reason: "no image is bound", Grow: true, GrowSet: true, Verify: true, VerifySet: true},
		Fault: func(route string, _ int) peer.Fault {
			if route == "status" && deaf.Load() {
				return peer.Fault{Code: 503}
			}
			return peer.Fault{}
		}}
	target, file := loopDisk(t, 8*mib, "S-1")
	s := wide(target).open(t, "--server", web.Start(t), "--mac", "52-54-00-12-34-56")
	s.See("no image is bound", "52:54:00:12:34:56")
	s.confirmed()
	s.See("The flash failed", "404", "Check that the image is still there", "> Try again")
	if got := web.Statuses(); len(got) != 1 || got[0].Status != "failed" || !strings.Contains(got[0].Reason, "404") {
		t.Fatalf("the server heard %+v", got)
	}
	there.Store(true)
	deaf.Store(true)
	s.Keys("Enter")
	s.See("[Confirm]", "verify  yes", "grow    yes") // as was decided for the machine, whatever its image says
	s.Type("yes")
	s.Keys("Enter")
	s.See("Image 000 is on", "The server does not know of it", "503")
	wantOnDisk(t, file, data)
	deaf.Store(false)
	s.See("> Put this image on another disk") // and not the reboot of a machine that was not booted for this
	s.Keys("Enter")
	s.See("[Disk]")
	s.Keys("Enter")
	s.See("[Confirm]")
	s.Type("yes")
	s.Keys("Enter")
	s.See("Image 000 is on")
	if got := web.Statuses(); got[len(got)-1] != (wire.Status{Status: "done"}) {
		t.Errorf("the server heard %+v", got)
	}
	picks := 0
	for _, r := range web.Requests("progress") {
		if bytes.Contains(r.Body, []byte(`"picked"`)) && bytes.Contains(r.Body, []byte(`"serial":"S-1"`)) {
			picks++
		}
	}
	if picks != 3 {
		t.Errorf("%d picks were reported", picks)
	}
	s.Keys("q")
	if status := s.ended(); status != "0" {
		t.Errorf("status %s\n%s", status, s.Shown())
	}
}

// No catalog is to be had: the screen says so, and another source can be chosen.
func TestWizardWithoutServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "local.img"), image(mib))
	x := wide()
	x.env = []string{"BTY_IMAGE_ROOT=" + dir}
	s := x.open(t, "--catalog", "http://127.0.0.1:1/catalog.toml")
	s.See("The catalog http://127.0.0.1:1/catalog.toml cannot be had", "refused", "r tries again")
	s.Keys("Escape")
	s.See("> Images on this machine", dir)
	s.Keys("Enter")
	s.See("> local.img")
	s.Keys("Enter")
	s.See("No disk is present")
	s.Keys("q")
	s.ended()
}

// What lies beside the images of a folder, as on a USB stick, and lists others is offered too; what only a Mac
// leaves there is not.
func TestWizardCatalogsOfTheFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "local.img"), image(mib))
	raw, err := os.ReadFile(catalogOf(t, "http://h/0.img", "http://h/1.img"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "Site.TOML"), raw)
	write(t, filepath.Join(dir, "broken.toml"), []byte("version = 2"))
	write(t, filepath.Join(dir, "._Site.toml"), []byte("x"))
	if err := os.Mkdir(filepath.Join(dir, "folder.toml"), 0o755); err != nil {
		t.Fatal(err)
	}
	x := wide()
	x.env = []string{"BTY_IMAGE_ROOT=" + dir}
	s := x.open(t)
	s.See("> Images on this machine", "Catalog Site.TOML", "Catalog broken.toml", "Another catalog")
	for _, hidden := range []string{"._Site", "folder.toml"} {
		if strings.Contains(s.Shown(), hidden) {
			t.Errorf("%s is offered:\n%s", hidden, s.Shown())
		}
	}
	s.Keys("Down", "Enter")
	s.See("[Image]", "> Image 000", "Image 001")
	s.Keys("Escape")
	s.See("[Catalog]")
	s.Keys("Down", "Enter")
	s.See("is no catalog of", "want version = 1")
	s.Keys("q")
	s.ended()
}

// slowImage is one that never ends.
func slowImage(t *testing.T) string {
	t.Helper()
	web := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		rw.Header().Set("Content-Length", "100000000")
		_, _ = rw.Write(image(8 * mib))
		rw.(http.Flusher).Flush()
		<-req.Context().Done()
	}))
	t.Cleanup(web.Close)
	return web.URL + "/i.img"
}

// Ctrl-C during a flash asks first; y ends it in good order, and the disk does not boot.
func TestWizardCancel(t *testing.T) {
	t.Parallel()
	target, _ := loopDisk(t, 128*mib, "S-1")
	s := wide(target).open(t, "--catalog", catalogOf(t, slowImage(t)))
	s.confirmed()
	s.See("[Flash]", "MiB of 95.4 MiB", "8%")
	s.Keys("C-c")
	s.See("Cancel?")
	s.Keys("n")
	s.See("Esc cancel")
	s.Keys("C-c")
	s.See("Cancel?")
	s.Keys("y")
	s.See("The flash failed", "cancelled", "will not boot", "> Try again")
	s.Keys("q")
	if status := s.ended(); status != "130" {
		t.Errorf("status %s\n%s", status, s.Shown())
	}
}

// A signal gives the terminal back, whatever is shown, and ends a flash in good order.
func TestWizardSignals(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP} {
		s := wide().open(t, "--catalog", catalogOf(t, "http://h/0.img"))
		s.See("> Image 000")
		s.signal(sig)
		if status := s.ended(); status != "130" {
			t.Errorf("%v: status %s", sig, status)
		}
		target, _ := loopDisk(t, 128*mib, "S-1")
		s = wide(target).open(t, "--catalog", catalogOf(t, slowImage(t)))
		s.confirmed()
		s.See("[Flash]", "8%")
		s.signal(sig)
		if status := s.ended(); status != "130" || !strings.Contains(s.History(), "will not boot") {
			t.Errorf("%v: status %s\n%s", sig, status, s.History())
		}
	}
}

// A reboot that a person chooses after a flash that failed is one; the exit status still says that it
// failed.
func TestWizardRebootsAfterAFailure(t *testing.T) {
	t.Parallel()
	target, _ := loopDisk(t, 8*mib, "S-1")
	s := wide(target).open(t, "--catalog", catalogOf(t, "http://127.0.0.1:1/0.img"))
	s.confirmed()
	s.See("[Flash]", "The image does not come, trying again", "refused") // it takes minutes until that is a failure
	s.Keys("Escape")
	s.See("Cancel?")
	s.Keys("y")
	s.See("The flash failed", "> Try again")
	s.Type("jjj")
	s.See("> Reboot this machine")
	s.Keys("Enter")
	if status := s.ended(); status != "130" || !strings.Contains(s.History(), "REBOOTED") {
		t.Errorf("status %s\n%s", status, s.History())
	}
}

// A defect in what is asked of the disks is shown, and the terminal is given back in the end.
func TestWizardDefect(t *testing.T) {
	t.Parallel()
	x := wide()
	x.defect = true
	s := x.open(t, "--catalog", catalogOf(t, "http://h/0.img"))
	s.See("> Image 000")
	s.Keys("Enter")
	s.See("a defect in bty: a defect of the test")
	s.Keys("q")
	s.ended()
}

// A terminal whose cursor does not move: lines, and the same keys.
func TestWizardDumb(t *testing.T) {
	t.Parallel()
	data := image(mib)
	target, file := loopDisk(t, 8*mib, "S-1")
	s := terminal{kind: "dumb", width: 80, height: 24, disks: []disk.Device{target}}.open(t, "--catalog", catalogOf(t, serve(t, data)+"/i.img"))
	s.confirmed()
	s.See("Image 000 is on " + target.Path)
	wantOnDisk(t, file, data)
	s.Keys("q")
	if status := s.ended(); status != "0" {
		t.Error("status", status)
	}
}

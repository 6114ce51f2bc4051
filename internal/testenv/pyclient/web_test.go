package pyclient

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// The main job: power-on, plan, flash, report, and then the machine's own disk.
func TestFlashOnceCycle(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	raw := noise(6 * mib)
	published := packed(t, raw, "img.gz")
	w.publish("bty-flash-once", "debian.img.gz", published, hexSum(published))
	if !w.powerOn() {
		t.Fatal("the live environment is not started")
	}
	w.images.forget()
	c := w.client()
	if got := c.Run(t.Context()); got.Result != 0 || got.Why != "" || !got.Rebooted {
		t.Fatalf("%+v", got)
	}
	w.wantDisk(raw)
	if got := w.images.log("/debian.img.gz"); !slices.Equal(got, []string{"HEAD /debian.img.gz", "GET /debian.img.gz"}) {
		t.Errorf("the image's server was asked %q; want a HEAD, then the whole of it", got)
	}
	if !slices.Contains(c.Lines(), "bty: flash complete; rebooting") {
		t.Errorf("%q", c.Lines())
	}
	// The client says done twice; it is one completion.
	if m := w.Machine(w.mac); m["last_flashed_at"] == nil {
		t.Errorf("%v", m)
	}
	if n := w.count("machine.flashed"); n < 1 || n > 2 {
		t.Errorf("%d completions", n)
	}
	if w.powerOn() {
		t.Error("it is not to be flashed again")
	}
	// A client that is run once more is told to leave the disk alone.
	if got := w.client().Run(t.Context()); got.Rebooted || got.Wizard || len(w.images.log("/debian.img.gz")) != 2 {
		t.Errorf("after the cycle: %+v", got)
	}
	if inventory := w.count("machine.inventory"); inventory != 2 {
		t.Errorf("%d inventories; want one for each run", inventory)
	}
}

// Each format that the client knows, from a catalog that declares its digest.
func TestFormats(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i, format := range formats {
		raw := noise(2*mib + i*mib)
		published := packed(t, raw, format)
		w.publish("bty-flash-always", fmt.Sprintf("image-%d.%s", i, format), published, hexSum(published))
		if !w.powerOn() {
			t.Fatalf("%s: the live environment is not started", format)
		}
		if got := w.client().Run(t.Context()); got.Result != 0 || !got.Rebooted {
			t.Errorf("%s: %+v", format, got)
		}
		w.wantDisk(raw)
	}
}

// A failure waits for a person before it is told; the server learns of it then, and the machine is
// left alone until it is armed.
func TestFailedCycles(t *testing.T) {
	t.Parallel()
	raw := noise(2 * mib)
	for name, tc := range map[string]struct {
		break_ func(*world)
		result int
		says   string
	}{
		"wrong digest": {func(w *world) { w.publish("bty-flash-once", "a.img", raw, strings.Repeat("ab", 32)) }, 5, "digest mismatch"},
		"no such disk": {func(w *world) { w.publish("bty-flash-once", "a.img", raw, hexSum(raw)); w.serial = "other" }, 2, "no disk with serial"},
		"image is gone": {func(w *world) {
			w.publish("bty-flash-once", "a.img", raw, hexSum(raw))
			delete(w.images.files, "/a.img")
		}, 3, "not reachable"},
		"too large": {func(w *world) { big := noise(9 * mib); w.publish("bty-flash-once", "a.img", big, hexSum(big)) }, 4, "larger than the target"},
		"damaged":   {func(w *world) { w.publish("bty-flash-once", "a.img.gz", raw, hexSum(raw)) }, 5, "exited"},
		"does not fit": {func(w *world) {
			p := packed(t, noise(9*mib), "img.gz")
			w.publish("bty-flash-once", "a.img.gz", p, hexSum(p))
		}, 5, "exited"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			tc.break_(w)
			if !w.powerOn() {
				t.Fatal("the live environment is not started")
			}
			c, asked := w.client(), 0
			c.Enter = func() {
				asked++
				if n := w.count("machine.flash_failed"); n != 0 {
					t.Errorf("%d failures before a person was there", n)
				}
			}
			got := c.Run(t.Context())
			if got.Result != tc.result || !strings.Contains(got.Why, tc.says) || got.Rebooted || !got.Wizard || asked != 1 {
				t.Fatalf("%+v, asked %d times", got, asked)
			}
			failed := w.Of(w.mac, "machine.flash_failed")
			if len(failed) != 1 || !strings.Contains(fmt.Sprint(failed[0]["details"]), tc.says) {
				t.Fatalf("%v", failed)
			}
			if len(got.Entries) == 0 {
				t.Error("the wizard has no images to show")
			}
			if w.powerOn() {
				t.Error("a machine that failed is started again without a word")
			}
			if again := w.client().Run(t.Context()); again.Wizard || again.Rebooted {
				t.Errorf("after the failure: %+v", again)
			}
			w.Do("POST", "/api/v1/machines/"+w.mac+"/arm", nil)
			if !w.powerOn() {
				t.Error("armed, it is started again")
			}
		})
	}
}

// The wizard gets the catalog of the plan; what a person flashes there is reported.
func TestInteractive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	raw := noise(4 * mib)
	published := packed(t, raw, "img.zst")
	w.publish("bty-flash-once", "a.img.zst", published, hexSum(published))
	ref := w.Machine(w.mac)["bty_image_ref"]
	for _, body := range []string{`{"boot_mode":"bty-tui"}`, fmt.Sprintf(`{"boot_mode":"bty-flash-always","bty_image_ref":%q}`, ref)} {
		w.Put(w.mac, body) // the second has an image and no disk
		w.powerOn()
		c := w.client()
		c.Choose = func(entries []Entry) (string, string) {
			if len(entries) != 1 || entries[0].SHA256 != hexSum(published) {
				t.Errorf("%+v", entries)
				return "", ""
			}
			return entries[0].Src, w.serial
		}
		before := w.count("machine.flashed")
		got := c.Run(t.Context())
		if got.Why != "" || !got.Wizard || !got.Rebooted || got.Banner != "" || got.Catalog != w.URL+"/catalog.toml" {
			t.Fatalf("%s: %+v", body, got)
		}
		w.wantDisk(raw)
		if n := w.count("machine.flashed"); n != before+1 {
			t.Errorf("%s: %d completions", body, n-before)
		}
	}
}

// An unknown machine is registered and reports its hardware, twice in one run.
func TestInventory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if !w.powerOn() {
		t.Fatal("an unknown machine reports itself")
	}
	c := w.client()
	c.LSHW = json.RawMessage(`{"id":"host","class":"system","children":[{"id":"core","class":"bus"}]}`)
	if got := c.Run(t.Context()); !got.Rebooted || got.Why != "" {
		t.Fatalf("%+v", got)
	}
	if n := w.count("machine.inventory"); n != 2 {
		t.Errorf("%d inventories", n)
	}
	disks, _ := w.Machine(w.mac)["known_disks"].([]any)
	if len(disks) != 1 {
		t.Fatalf("%v", disks)
	}
	if d := disks[0].(map[string]any); d["serial"] != w.serial || d["model"] != "Loop" || d["path"] != w.path || d["size"] != "8M" {
		t.Errorf("%v", d)
	}
}

// What no bty-web says, the stand-in takes as the client does.
func TestOddPlans(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status int
		plan   string
		banner string
	}{
		"unknown mode": {200, `{"mode":"dance"}`, `unknown mode "dance"`},
		"no disk":      {200, `{"mode":"flash","image":"http://h/i.img"}`, "no image or no disk"},
		"no JSON":      {200, `<html>`, "plan fetch failed"},
		"an error":     {500, `{}`, "plan fetch failed: HTTP Error 500"},
	} {
		var asked []string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case strings.HasSuffix(r.URL.Path, "/plan"):
				asked = append(asked, r.Method+" "+r.Header.Get("Accept"))
				w.WriteHeader(tc.status)
				fmt.Fprint(w, tc.plan)
			case r.URL.Path == "/catalog.toml":
				fmt.Fprint(w, "version = 1\n")
			}
		}))
		c := &Client{Server: server.URL, MAC: "52:54:00:12:34:56", Lsblk: As(nil)}
		got := c.Run(t.Context())
		server.Close()
		if !got.Wizard || !strings.Contains(got.Banner, tc.banner) || got.Why != "" || !slices.Equal(asked, []string{"GET application/json"}) {
			t.Errorf("%s: %+v, asked %q", name, got, asked)
		}
	}
}

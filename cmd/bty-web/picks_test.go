package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"bty/internal/client"
	"bty/internal/machine"
	"bty/internal/wire"
)

// agent is the client of a live environment on mac1.
func (a *appliance) agent() *client.Client {
	a.Helper()
	mac, err := machine.ParseMAC(mac1)
	if err != nil {
		a.Fatal(err)
	}
	c := client.New(client.Server(a.url), mac, "test")
	a.Cleanup(c.Close)
	return c
}

// What somebody picks at the console is an event, a line of the journal and a step of the timeline.
func TestPickAtTheConsole(t *testing.T) {
	a := start(t, nil)
	a.live()
	pick := wire.Pick{Image: "debian-13", Ref: strings.Repeat("ab", 32), Serial: "SER1", Disk: "/dev/sda"}
	c := a.agent()
	if err := c.Picked(t.Context(), pick); client.CodeOf(err) != 404 {
		t.Errorf("of a machine that nobody knows: %v", err)
	}
	put(a, mac1, `{"boot_mode":"bty-tui"}`)
	a.script()
	if _, err := c.Plan(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := pick
	other.Image = strings.Repeat("x", 600) // is cut
	for _, p := range []wire.Pick{pick, pick, other} {
		if err := c.Picked(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	events := a.events("kind=machine.picked")
	if len(events) != 2 {
		t.Fatalf("%v", events)
	}
	first := events[1]
	const says = "debian-13 was picked by hand at the console for /dev/sda (serial SER1)"
	if first["summary"] != mac1+": "+says || first["subject_id"] != mac1 || first["actor"] != "pxe-client" || keys(first["details"]) != "disk image ref serial" {
		t.Errorf("%v", first)
	}
	a.do("GET", "/api/v1/machines/"+mac1+"/timeline", nil).is(t, 200, says, `"title":"Image picked"`)
	a.do("GET", "/ui/machines/"+mac1, nil).is(t, 200, "Image picked", says)
	for bad, status := range map[string]int{
		`{"stage":"picked"}`: 422, `{"stage":"write","pick":{"image":"x"}}`: 422, `{"stage":"picked","pick":{"image":""}}`: 422,
		`{"stage":"picked","pick":{"image":"x","more":1}}`: 422, `{"stage":"picked","pick":7}`: 422, `{"stage":"picked","pick":{"image":"x","ref":"zz"}}`: 422,
		`{"stage":"picked","pick":{"image":"<b>"}}`: 204, `{"stage":"write","pick":null}`: 204,
	} {
		a.anonymous("POST", "/pxe/"+mac1+"/progress", jsonText(bad)).is(t, status)
	}
	if page := a.do("GET", "/ui/machines/"+mac1, nil).is(t, 200, "&lt;b&gt; was picked"); strings.Contains(page.body, "<b> was picked") {
		t.Error("a name is taken for HTML")
	}
	a.alive()
}

// The log of a live environment is shown, bounded, made harmless, and deleted with its machine.
func TestLogOfAMachine(t *testing.T) {
	t.Parallel()
	a := start(t, nil)
	c := a.agent()
	if err := c.Log(t.Context(), []byte("x\n")); client.CodeOf(err) != 404 {
		t.Errorf("of a machine that nobody knows: %v", err)
	}
	a.script()
	a.do("GET", "/api/v1/machines/"+mac1+"/log", nil).is(t, 404, "bty.log")
	a.do("GET", "/ui/machines/"+mac1, nil).is(t, 200, "It has sent none")
	for _, piece := range []string{"bty: find\x1b[1m the disk\x1b[0m\n", "bty: <script>alert(1)</script>\n"} {
		if err := c.Log(t.Context(), []byte(piece)); err != nil {
			t.Fatal(err)
		}
	}
	file := a.do("GET", "/api/v1/machines/"+mac1+"/log", nil).is(t, 200)
	if file.body != "bty: find the disk\nbty: <script>alert(1)</script>\n" || file.Header.Get("X-Content-Type-Options") != "nosniff" ||
		!strings.HasPrefix(file.Header.Get("Content-Type"), "text/plain") || !strings.HasPrefix(file.Header.Get("Content-Disposition"), "attachment") {
		t.Errorf("%q %v", file.body, file.Header)
	}
	if page := a.do("GET", "/ui/machines/"+mac1, nil).is(t, 200, "bty: find the disk\nbty: &lt;script&gt;"); strings.Contains(page.body, "<script>alert") {
		t.Error("a log is taken for HTML")
	}
	a.anonymous("GET", "/api/v1/machines/"+mac1+"/log", nil).is(t, 401)
	a.anonymous("POST", "/pxe/"+mac1+"/log", "x").is(t, 422, "text/plain")
	if err := c.Log(t.Context(), make([]byte, wire.MaxLog+1)); client.CodeOf(err) != 413 {
		t.Errorf("a piece that is too large: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var err error
	for err == nil && ctx.Err() == nil {
		err = c.Log(ctx, make([]byte, wire.MaxLog))
	}
	if client.CodeOf(err) != 503 || !client.Retryable(err) {
		t.Errorf("too fast: %v", err)
	}
	a.restart()
	a.do("GET", "/api/v1/machines/"+mac1+"/log", nil).is(t, 200)
	a.do("DELETE", "/machines/"+mac1, nil).is(t, 204)
	a.script()
	a.do("GET", "/api/v1/machines/"+mac1+"/log", nil).is(t, 404)
	a.alive()
}

package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"bty/internal/client"
	"bty/internal/client/peer"
	"bty/internal/machine"
	"bty/internal/wire"
)

var mac = machine.MAC{0x52, 0x54, 0, 0x12, 0x34, 0x56}

func dial(t *testing.T, web *peer.Web) *client.Client {
	t.Helper()
	server, err := client.ParseServer(web.Start(t))
	if err != nil {
		t.Fatal(err)
	}
	c := client.New(server, mac, "9.9")
	t.Cleanup(c.Close)
	return c
}

func TestParseServer(t *testing.T) {
	for in, want := range map[string]string{
		"bty-server":             "http://bty-server", // no port is added: port 80
		" http://10.0.0.1:8080/": "http://10.0.0.1:8080",
		"10.0.0.1:8080":          "http://10.0.0.1:8080",
		"https://lab.example//":  "https://lab.example",
		"http://[fd00::1]:8080":  "http://[fd00::1]:8080",
		"HTTP://Server/base/":    "http://Server/base",
	} {
		if got, err := client.ParseServer(in); err != nil || string(got) != want {
			t.Errorf("%q: got %q, %v, want %q", in, got, err, want)
		}
	}
	for _, bad := range []string{"", " / ", "ftp://x", "http://", "http://u:p@h", "http://h?x=1", "http://h:port", "http://h\x7f",
		"http://u:p@h:port", "ftp://u:p@h", "http://u:p@h\x7f", "u:p@h:port", "http://u:p@:80", "http://h?x=u:p"} {
		if got, err := client.ParseServer(bad); err == nil {
			t.Errorf("%q: accepted as %q", bad, got)
		} else if strings.Contains(err.Error(), "u:p") {
			t.Errorf("%q: the error shows the password: %v", bad, err)
		}
	}
}

func FuzzParseServer(f *testing.F) {
	f.Add("http://10.0.0.1:8080/")
	f.Add("bty-server")
	f.Add("://")
	f.Fuzz(func(t *testing.T, s string) {
		server, err := client.ParseServer(s)
		if err != nil {
			return
		}
		again, err := client.ParseServer(string(server))
		if err != nil || again != server {
			t.Fatalf("%q gives %q, and that gives %q, %v", s, server, again, err)
		}
	})
}

func TestPlan(t *testing.T) {
	web := &peer.Web{Plan: wire.Plan{Mode: "flash", Image: "http://h/i.img.zst", TargetDiskSerial: "S1", Format: "img.zst"}}
	plan, err := dial(t, web).Plan(t.Context())
	if err != nil || plan != web.Plan {
		t.Fatalf("%+v, %v", plan, err)
	}
	got := web.Requests("plan")[0].Header
	if got.Get("Accept") != "application/json" || got.Get("User-Agent") != "bty/9.9" {
		t.Errorf("headers %v", got)
	}
}

func TestPlanIgnoresWhatItDoesNotKnow(t *testing.T) {
	web := &peer.Web{Plan: `{"mode":"exit","new_key":{"a":1},"image":null}`}
	if plan, err := dial(t, web).Plan(t.Context()); err != nil || plan.Mode != "exit" {
		t.Fatalf("%+v, %v", plan, err)
	}
}

func TestPlanErrors(t *testing.T) {
	for name, tc := range map[string]struct {
		web   *peer.Web
		fault peer.Fault
		retry bool
		says  string
	}{
		"not JSON":         {fault: peer.Fault{Code: 200, Body: "<html>"}, says: "not a plan of bty-web"},
		"wrong type":       {fault: peer.Fault{Code: 200, Body: `{"mode":7}`}, says: "not a plan of bty-web"},
		"an array":         {fault: peer.Fault{Code: 200, Body: `[]`}, says: "not a plan of bty-web"},
		"too long":         {fault: peer.Fault{Code: 200, Body: strings.Repeat(" ", 1<<20+1)}, says: "longer than 1 MiB"},
		"bad MAC":          {fault: peer.Fault{Code: 400, Body: `{"detail":"invalid MAC: 'x'"}`}, says: "400 Bad Request: invalid MAC: 'x'"},
		"validation":       {fault: peer.Fault{Code: 422, Body: `{"detail":[{"type":"missing"}]}`}, says: `[{"type":"missing"}]`},
		"not found":        {fault: peer.Fault{Code: 404, Body: "nope"}, says: "404 Not Found"},
		"internal error":   {fault: peer.Fault{Code: 500, Body: "Internal Server Error"}, retry: true, says: "500"},
		"starting":         {fault: peer.Fault{Code: 503}, retry: true, says: "503"},
		"too many":         {fault: peer.Fault{Code: 429}, retry: true, says: "429"},
		"connection reset": {fault: peer.Fault{Reset: true}, retry: true, says: "EOF"},
	} {
		web := &peer.Web{Fault: func(string, int) peer.Fault { return tc.fault }}
		_, err := dial(t, web).Plan(t.Context())
		if err == nil || client.Retryable(err) != tc.retry || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v (retryable %v)", name, err, client.Retryable(err))
		}
	}
}

func TestNobodyListens(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	c := client.New(client.Server(gone.URL), mac, "1")
	_, err := c.Plan(t.Context())
	if err == nil || !client.Retryable(err) || strings.Count(err.Error(), gone.URL) != 1 {
		t.Fatalf("%v", err)
	}
}

// A server that accepts and then says nothing must not hang the machine.
func TestStallHasADeadline(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for a deadline")
	}
	web := &peer.Web{Known: true, Fault: func(string, int) peer.Fault { return peer.Fault{Stall: time.Minute} }}
	err := dial(t, web).Progress(t.Context(), wire.Progress{Stage: "write"})
	var stall *client.StallError
	if !errors.As(err, &stall) || stall.Limit != client.ProgressTimeout || !client.Retryable(err) {
		t.Fatalf("%v", err)
	}
}

func TestCancelledIsNotRetryable(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := dial(t, &peer.Web{}).Plan(ctx)
	if !errors.Is(err, context.Canceled) || client.Retryable(err) {
		t.Fatalf("%v", err)
	}
}

func ptr(s string) *string { return &s }

// One field over its limit makes the server refuse the whole inventory.
func TestInventoryFitsTheWire(t *testing.T) {
	long := strings.Repeat("ü", 400)
	inv := wire.Inventory{LSHW: json.RawMessage(`{"id":"host"}`)}
	for range 100 {
		inv.Disks = append(inv.Disks, machine.Disk{Path: "/dev/" + long, Size: &long, Vendor: &long, Model: &long, Serial: &long, Tran: &long})
	}
	web := &peer.Web{Known: true}
	if err := dial(t, web).Inventory(t.Context(), inv); err != nil {
		t.Fatal(err)
	}
	var got wire.Inventory
	if err := json.Unmarshal(web.Requests("inventory")[0].Body, &got); err != nil || len(got.Disks) != 64 || len(got.LSHW) == 0 {
		t.Fatalf("%d disks, lshw %s, %v", len(got.Disks), got.LSHW, err)
	}
}

// Padded serials: inventory and match must agree, so both trim.
func TestInventoryTrims(t *testing.T) {
	fit := client.Fit(wire.Inventory{Disks: []machine.Disk{
		{Path: "/dev/sda", Serial: ptr("  S1 "), Model: ptr("  "), Vendor: ptr("bad\xffbyte")}, {Path: ""}}})
	if len(fit.Disks) != 1 || *fit.Disks[0].Serial != "S1" || fit.Disks[0].Model != nil || *fit.Disks[0].Vendor != "bad?byte" {
		t.Fatalf("%+v", fit.Disks)
	}
}

func TestInventoryWithoutAnything(t *testing.T) {
	web := &peer.Web{Known: true}
	if err := dial(t, web).Inventory(t.Context(), wire.Inventory{}); err != nil {
		t.Fatal(err) // "disks":null would be refused
	}
	if got := string(web.Requests("inventory")[0].Body); got != `{"disks":[]}` {
		t.Fatal(got)
	}
}

func TestInventoryDropsHugeHardware(t *testing.T) {
	huge := json.RawMessage(`"` + strings.Repeat("x", client.MaxLSHW) + `"`)
	if client.Fit(wire.Inventory{LSHW: huge}).LSHW != nil {
		t.Fatal("kept")
	}
}

func TestStatus(t *testing.T) {
	web := &peer.Web{Known: true}
	c := dial(t, web)
	if err := c.Status(t.Context(), wire.Status{Status: "failed", Reason: "  " + strings.Repeat("é", 600)}, "key"); err != nil {
		t.Fatal(err)
	}
	if err := c.Status(t.Context(), wire.Status{Status: "done"}, "key"); err != nil {
		t.Fatal(err)
	}
	got := web.Requests("status")
	if string(got[1].Body) != `{"status":"done"}` || got[0].Header.Get("Idempotency-Key") != "key" {
		t.Errorf("%s, %v", got[1].Body, got[0].Header)
	}
	if n := utf8.RuneCountInString(web.Statuses()[0].Reason); n != 500 {
		t.Errorf("reason has %d characters", n)
	}
}

func TestUnknownMachine(t *testing.T) {
	err := dial(t, &peer.Web{}).Inventory(t.Context(), wire.Inventory{})
	if client.CodeOf(err) != 404 || client.Retryable(err) || !strings.Contains(err.Error(), "no machine record for 52:54:00:12:34:56") {
		t.Fatal(err)
	}
}

func FuzzPlanAnswer(f *testing.F) {
	f.Add([]byte(`{"mode":"flash","image":"http://h/i","target_disk_serial":"S","size_bytes":1}`))
	f.Add([]byte(`{"mode":null}`))
	f.Add([]byte(`{"detail":"x"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		web := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.Write(body) }))
		defer web.Close()
		c := client.New(client.Server(web.URL), mac, "1")
		defer c.Close()
		if _, err := c.Plan(t.Context()); err == nil && !json.Valid(body) {
			t.Fatalf("accepted %q", body)
		}
	})
}

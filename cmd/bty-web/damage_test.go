package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestDamagedDatabase starts bty-web over databases that were damaged in many ways. It either
// refuses, names the file, leaves it as it is and gives the command that restores a backup; or the
// damage is of a kind that it can live with, and every page and list still answers.
func TestDamagedDatabase(t *testing.T) {
	t.Parallel()
	good := usedDatabase(t)
	random := rand.New(rand.NewPCG(7, 7))
	var used []int // pages that hold something: most of the file is room to grow
	for page := range len(good) / os.Getpagesize() {
		if at := page * os.Getpagesize(); len(bytes.Trim(good[at:at+os.Getpagesize()], "\x00")) > 0 {
			used = append(used, page)
		}
	}
	type damage struct {
		name string
		raw  []byte
	}
	damages := []damage{{"empty", nil}, {"one byte", good[:1]}, {"half", good[:len(good)/2]}, {"all but the last page", good[:len(good)-os.Getpagesize()]}, {"text", []byte(strings.Repeat("not a database\n", 5000))}}
	for i := range 44 {
		raw := bytes.Clone(good)
		page := used[random.IntN(len(used))]
		at := page * os.Getpagesize()
		var name string
		switch i % 4 {
		case 0:
			at += random.IntN(os.Getpagesize())
			raw[at] ^= 1 << random.IntN(8)
			name = fmt.Sprintf("bit at %d", at)
		case 1:
			for range 64 {
				raw[at+random.IntN(os.Getpagesize())] ^= byte(random.Uint32())
			}
			name = fmt.Sprintf("noise in page %d", page)
		case 2:
			clear(raw[at : at+os.Getpagesize()])
			name = fmt.Sprintf("zeros in page %d", page)
		case 3: // where a page says what is where: bbolt believes it
			at += random.IntN(16 + 4*16)
			raw[at] ^= byte(1 + random.IntN(255))
			name = fmt.Sprintf("another byte at %d", at)
		}
		damages = append(damages, damage{name, raw})
	}
	var refused atomic.Int32
	t.Run("all", func(t *testing.T) {
		for _, d := range damages {
			t.Run(d.name, func(t *testing.T) {
				t.Parallel()
				if overDamage(t, d.raw) {
					refused.Add(1)
				}
			})
		}
	})
	t.Logf("%d of %d were refused", refused.Load(), len(damages))
	if int(refused.Load()) < len(damages)/3 {
		t.Errorf("only %d of %d damaged databases were refused", refused.Load(), len(damages))
	}
}

// usedDatabase is the file of a server that was used.
func usedDatabase(t *testing.T) []byte {
	t.Helper()
	a := start(t, nil)
	a.live()
	for i := range 40 {
		mac := fmt.Sprintf("52:54:00:00:01:%02x", i)
		a.anonymous("GET", "/pxe/"+mac, nil).is(t, 200)
		a.anonymous("POST", "/pxe/"+mac+"/inventory", jsonText(`{"disks":[{"path":"/dev/sda","serial":"S"}],"lshw":{"id":"`+strings.Repeat("x", 500)+`"}}`)).is(t, 204)
	}
	bind(a, "bty-flash-once")
	if err := a.stop(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(a.state, "bty.db"))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// overDamage runs the program over a database and reports whether it refused it.
func overDamage(t *testing.T, raw []byte) bool {
	a := prepare(t, nil)
	path := filepath.Join(a.state, "bty.db")
	if err := os.MkdirAll(a.state, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = []string{"BTY_TEST_AS_BTY_WEB=1"}
	for k, v := range a.vars {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	cmd.Stderr = a.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	settled := false
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		select {
		case err := <-ended:
			if _, exited := errors.AsType[*exec.ExitError](err); !exited {
				t.Fatalf("%v", err)
			}
			says(t, a.log.String(), path, "bty-lab restore")
			for _, word := range []string{"panic", "goroutine ", "fault address"} {
				if strings.Contains(a.log.String(), word) {
					t.Errorf("it fell over: %.1500s", a.log)
				}
			}
			hadBegun := strings.Contains(a.log.String(), "listening by itself")
			if kept, err := os.ReadFile(path); err != nil || !hadBegun && !bytes.Equal(kept, raw) {
				t.Errorf("the file was changed: %v", err)
			}
			return true
		default:
		}
		if r, err := a.http.Get(a.url + "/readyz"); err == nil {
			r.Body.Close()
			if r.StatusCode == http.StatusOK {
				if !settled { // events are read beside the first requests, and a damaged one ends it then
					settled = true
					time.Sleep(500 * time.Millisecond)
					continue
				}
				livesOn(t, a)
				_ = cmd.Process.Kill()
				<-ended
				return false
			}
		}
	}
	t.Fatalf("neither starts nor ends: %.1500s", a.log)
	return false
}

// livesOn asks for everything that reads the database.
func livesOn(t *testing.T, a *appliance) {
	for _, path := range []string{"/machines", "/images", "/catalog/entries", "/events?limit=500", "/catalog.toml", "/ui/machines", "/ui/dashboard", "/ui/events", "/ui/images", "/ui/settings",
		"/machines/52:54:00:00:01:05/lshw.json", "/pxe/52:54:00:00:01:05", "/pxe/52:54:00:00:01:06/plan"} {
		r := a.do("GET", path, nil)
		if r.StatusCode >= 500 {
			t.Errorf("GET %s: %s: %.300s", path, r.Status, r.body)
		}
	}
	if strings.Contains(a.log.String(), "panic") || strings.Contains(a.log.String(), "request failed") {
		t.Errorf("%.3000s", a.log)
	}
}

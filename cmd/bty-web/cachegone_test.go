package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"bty/internal/agent"
	"bty/internal/disk"
	"bty/internal/disk/looptest"
	"bty/internal/flash"
)

// A cache that dies after a plan has led to it, before a machine asks or in the middle, costs no flash:
// the machine goes on at the origin, its disk holds the image, and the server knows what happened.
func TestCacheDies(t *testing.T) {
	t.Parallel()
	for when, inTheMiddle := range map[string]bool{"before": false, "midst": true} { // short: a socket's path has 108 bytes
		for proof, digest := range map[string]bool{"+": true, "-": false} { // a digest is declared
			t.Run(when+proof, func(t *testing.T) {
				o := newCountingOrigin(t, 16<<20, 2*time.Second)
				a, c := besideRealCache(t, nil)
				a.live()
				order := map[string]any{"image_url": o.URL + "/rack.img"}
				if digest {
					order["sha_url"] = o.URL + "/SHA256SUMS"
				}
				entry := a.do("POST", "/catalog/entries", order).is(t, 201).object(t)
				put(a, mac1, fmt.Sprintf(`{"boot_mode":"bty-flash-once","bty_image_ref":%q,"target_disk_serial":"S1"}`, entry["bty_image_ref"]))
				a.script()
				soon(t, "the plan leads to the cache", func() bool { return strings.Contains(a.planOf(mac1)["image"].(string), "/b/") })

				path, file := looptest.New(t, 24<<20, looptest.Options{})
				var kill sync.Once
				die := func() { kill.Do(func() { c.end(syscall.SIGKILL) }) }
				console := &logBuffer{}
				machine := &agent.Agent{
					Client: a.agent(), Console: &agent.Console{Out: console}, Hardware: func() (json.RawMessage, error) { return nil, nil },
					Disks: func(context.Context) ([]disk.Device, error) {
						return []disk.Device{{Path: path, Serial: "S1", Size: 24 << 20}}, nil
					},
					Flash: func(ctx context.Context, req flash.Request, report func(flash.Progress)) (flash.Result, error) {
						if !inTheMiddle {
							die()
						}
						req.Serial, req.Target = "", path // a loop device has no serial
						req.Origin.FirstPause, req.Origin.MaxPause = 10*time.Millisecond, 40*time.Millisecond
						return flash.Run(ctx, req, func(p flash.Progress) {
							if report(p); p.Bytes >= 2<<20 {
								die()
							}
						})
					},
				}
				done, err := machine.Run(t.Context())
				if err != nil || done.Result != agent.Flashed || done.Told != nil || done.Flash.Verified != digest {
					t.Fatalf("%+v, %v\n%s", done, err, console)
				}
				got, err := os.ReadFile(file)
				if err != nil || !bytes.Equal(got[:len(o.image)], o.image) {
					t.Errorf("the disk does not hold the image (%v)", err)
				}
				says := "comes from the origin " + o.URL + "/rack.img"
				if !strings.Contains(console.String(), says) {
					t.Errorf("the console does not say so:\n%s", console)
				}
				var told []string
				for _, e := range a.events("kind=machine.stage") {
					if text, _ := e["summary"].(string); strings.Contains(text, "stage origin: the image cache http://127.0.0.1:") && strings.Contains(text, says) {
						told = append(told, text)
					}
				}
				if len(told) != 1 || strings.Contains(told[0], "what follows its first") != inTheMiddle {
					t.Errorf("events: %q", told)
				}
				a.do("GET", "/api/v1/machines/"+mac1+"/timeline", nil).is(t, 200, "From the origin, no longer from the cache", says)
			})
		}
	}
}

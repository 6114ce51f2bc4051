package contract

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// FreshMAC is a MAC that nobody has; what the server makes of it is removed when the case ends.
func (c Caller) FreshMAC() string {
	c.Helper()
	var b [4]byte
	_, _ = rand.Read(b[:])
	mac := fmt.Sprintf("02:b7:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3])
	c.Cleanup(func() { _, _ = c.try("DELETE", "/machines/"+mac, nil, nil, c.operator()) })
	return mac
}

// operator is the cookie, after a sign-in if need be.
func (c Caller) operator() string {
	if c.Server.cookie == "" {
		c.Server.cookie = c.SignIn()
	}
	return c.Server.cookie
}

// Machine reads one machine.
func (c Caller) Machine(mac string) map[string]any {
	c.Helper()
	return c.Do("GET", "/machines/"+mac, nil).Is(200).Object()
}

// Put sets what a machine is for.
func (c Caller) Put(mac, body string) map[string]any {
	c.Helper()
	return c.Do("PUT", "/machines/"+mac, JSON(body)).Is(200).Object()
}

// Script is what the machine's iPXE gets.
func (c Caller) Script(mac string) string {
	c.Helper()
	return c.Anonymous("GET", "/pxe/"+strings.ReplaceAll(mac, ":", "-"), nil).Is(200, "#!ipxe").Body
}

// Plan is what the machine's live environment gets.
func (c Caller) Plan(mac string) map[string]any {
	c.Helper()
	return c.Anonymous("GET", "/pxe/"+mac+"/plan", nil, "Accept", "application/json").Is(200).Object()
}

// Boot fetches kernel and initrd as the script tells, which arms.
func (c Caller) Boot(mac string) {
	c.Helper()
	for _, suffix := range []string{"vmlinuz", "initrd"} {
		c.Anonymous("GET", "/boot/"+c.Live(suffix)+"?mac="+mac, nil).Is(200)
	}
}

// Report posts the end of a flash.
func (c Caller) Report(mac, status string) {
	c.Helper()
	c.Anonymous("POST", "/pxe/"+mac+"/status", map[string]string{"status": status}).Is(204)
}

// Starts reports whether a script starts a live environment.
func Starts(script string) bool { return strings.Contains(script, "\nkernel ") }

var kernelName = regexp.MustCompile(`/boot/(bty-[A-Za-z0-9_.-]+?)\.vmlinuz`)

// Live is the name of a file of the live environment that the server's scripts name. The files
// are uploaded when the server has none.
func (c Caller) Live(suffix string) string {
	c.Helper()
	if c.live == "" {
		for _, suffix := range []string{"vmlinuz", "initrd", "squashfs"} {
			name := "/boot/bty-netboot-pc-x86_64-v0.65.4." + suffix
			if c.Anonymous("HEAD", name, nil).StatusCode != 200 {
				c.Do("PUT", name, Text{"application/octet-stream", "the bytes of " + suffix}).Is(200)
			}
		}
		mac := c.FreshMAC()
		c.Put(mac, `{"boot_mode":"bty-tui"}`)
		found := kernelName.FindStringSubmatch(strings.ReplaceAll(c.Script(mac), "${buildarch}", "x86_64"))
		if found == nil {
			c.Fatalf("the script names no kernel:\n%s", c.Script(mac))
		}
		c.Server.live = found[1]
	}
	return c.live + "." + suffix
}

// Events are those that a query selects, newest first.
func (c Caller) Events(query ...string) []map[string]any {
	c.Helper()
	values := url.Values{}
	for i := 0; i+1 < len(query); i += 2 {
		values.Add(query[i], query[i+1])
	}
	var found struct{ Events []map[string]any }
	answer := c.Do("GET", "/events?"+values.Encode(), nil).Is(200)
	if err := json.Unmarshal([]byte(answer.Body), &found); err != nil {
		c.Fatal(err)
	}
	return found.Events
}

// Of are a machine's events of one kind.
func (c Caller) Of(mac, kind string) []map[string]any {
	c.Helper()
	return c.Events("subject_id", mac, "kind", kind, "limit", "500")
}

// Offered are the details of the newest offer to a machine.
func (c Caller) Offered(mac string) map[string]any {
	c.Helper()
	return c.newest(mac, "netboot.pxe.offered")
}

// Planned are the details of the newest plan of a machine.
func (c Caller) Planned(mac string) map[string]any {
	c.Helper()
	return c.newest(mac, "netboot.pxe.plan")
}

func (c Caller) newest(mac, kind string) map[string]any {
	c.Helper()
	found := c.Of(mac, kind)
	if len(found) == 0 {
		c.Fatalf("no %s of %s", kind, mac)
	}
	details, _ := found[0]["details"].(map[string]any)
	return details
}

// Image adds an image with a digest that nobody has added, and returns its entry. It is removed
// when the case ends.
func (c Caller) Image(name string) map[string]any {
	c.Helper()
	folder := "/" + strings.ToLower(rand.Text())[:12]
	digest := strings.Repeat("c0ffee42", 8)
	image, sums := c.Origin.Put(folder+"/"+name, "the bytes of "+name), c.Origin.Put(folder+"/SHA256SUMS", digest+" *./"+name+"\n")
	return c.Add(map[string]any{"image_url": image, "sha_url": sums})
}

// Add adds an entry to the catalog.
func (c Caller) Add(request map[string]any) map[string]any {
	c.Helper()
	entry := c.Do("POST", "/catalog/entries", request).Is(201).Object()
	c.forget(fmt.Sprint(request["image_url"]))
	return entry
}

// forget removes an entry when the case ends.
func (c Caller) forget(src string) {
	c.Cleanup(func() {
		_, _ = c.try("DELETE", "/catalog/entries?force=1&src="+url.QueryEscape(src), nil, nil, c.operator())
	})
}

// Bind gives the machine an image that is new, and a disk.
func (c Caller) Bind(mac, mode string) map[string]any {
	c.Helper()
	entry := c.Image("debian-x86_64.img.zst")
	c.Put(mac, fmt.Sprintf(`{"boot_mode":%q,"bty_image_ref":%q,"target_disk_serial":"SER1"}`, mode, entry["bty_image_ref"]))
	return entry
}

// obj is a value as an object, nil when it is none.
func obj(v any) map[string]any { o, _ := v.(map[string]any); return o }

// items is a value as a list, nil when it is none.
func items(v any) []any { l, _ := v.([]any); return l }

// first is the first of a list, nil when there is none.
func first(v any) any {
	if l := items(v); len(l) > 0 {
		return l[0]
	}
	return nil
}

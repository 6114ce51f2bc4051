package contract

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestSection05_Plans(t *testing.T) {
	for _, row := range []struct {
		name, body string // of the PUT; REF is that of an image with a digest
		mode, kind string
	}{
		{"tui", `{"boot_mode":"bty-tui"}`, "interactive", "plan:interactive:tui"},
		{"inventory", `{"boot_mode":"bty-inventory"}`, "inventory", "plan:inventory"},
		{"ipxe-exit", `{"bty_image_ref":"REF","target_disk_serial":"S"}`, "exit", "plan:exit:ipxe-exit"},
		{"flash-once", `{"boot_mode":"bty-flash-once","bty_image_ref":"REF","target_disk_serial":"S"}`, "flash", "plan:flash:bty-flash-once"},
		{"flash-always", `{"boot_mode":"bty-flash-always","bty_image_ref":"REF","target_disk_serial":"S"}`, "flash", "plan:flash:bty-flash-always"},
		{"no serial", `{"boot_mode":"bty-flash-once","bty_image_ref":"REF"}`, "interactive", "plan:interactive:flash-unresolved"},
		{"no image", `{"boot_mode":"bty-flash-once","bty_image_ref":"` + strings.Repeat("0f", 32) + `","target_disk_serial":"S"}`, "interactive", "plan:interactive:flash-unresolved"},
		{"no ref", `{"boot_mode":"bty-flash-once"}`, "exit", "plan:exit:bty-flash-once"},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := on(t)
			mac := c.FreshMAC()
			entry := c.Image("plan-arm64.img.gz")
			c.Put(mac, strings.ReplaceAll(row.body, "REF", entry["bty_image_ref"].(string)))
			plan := c.Anonymous("GET", "/pxe/"+mac+"/plan", nil, "Host", "10.0.0.1:8080", "Accept", "application/json").Is(200).Object()
			want := map[string]any{"mode": row.mode}
			switch row.mode {
			case "interactive":
				want["catalog"] = "http://10.0.0.1:8080/catalog.toml"
			case "flash":
				want = map[string]any{"mode": "flash", "image": entry["src"], "target_disk_serial": "S", "name": "plan-arm64.img.gz",
					"disk_image_sha": strings.Repeat("c0ffee42", 8), "format": "img.gz"}
			}
			for key, value := range want {
				if !reflect.DeepEqual(plan[key], value) {
					t.Errorf("%s is %v, want %v", key, plan[key], value)
				}
			}
			for _, key := range []string{"image", "catalog", "target_disk_serial", "name", "disk_image_sha", "format"} {
				if _, has := plan[key]; has && want[key] == nil {
					t.Errorf("%s is not of this mode: %v", key, plan)
				}
			}
			details := c.Planned(mac)
			if details["plan"] != row.mode || details["offer_kind"] != row.kind || details["boot_mode"] != c.Machine(mac)["boot_mode"] || (details["withcache"] != nil) != (row.mode == "flash") {
				t.Errorf("%v", details)
			}
		})
	}
}

func TestSection05_AnImageWithoutADigest(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	entry := c.Add(map[string]any{"image_url": c.Origin.Put("/"+mac+"/plain", "x")})
	c.Put(mac, fmt.Sprintf(`{"boot_mode":"bty-flash-once","bty_image_ref":%q,"target_disk_serial":"S"}`, entry["bty_image_ref"]))
	plan := c.Plan(mac)
	_, hasDigest := plan["disk_image_sha"]
	_, hasFormat := plan["format"]
	if hasDigest || hasFormat || plan["mode"] != "flash" {
		t.Errorf("%v", plan)
	}
}

// 5.2: the URL of an image in the cache.
func TestSection05_CacheURL(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	for name, want := range map[string]string{"a.img": "a.img", "a b.img": "", "a%20b.img": "a%2520b.img", "a:b@c.img": "a%3Ab%40c.img"} {
		if want == "" {
			continue // a space is no URL
		}
		src := c.Origin.Put("/"+strings.ReplaceAll(mac, ":", "")+"/"+name, "x")
		entry := c.Add(map[string]any{"image_url": src})
		c.Origin.Cache(src)
		c.Put(mac, fmt.Sprintf(`{"boot_mode":"bty-flash-once","bty_image_ref":%q,"target_disk_serial":"S"}`, entry["bty_image_ref"]))
		plan := c.Plan(mac)
		if !c.cached(mac) {
			continue
		}
		if plan["image"] != c.Origin.Blob(src, want) {
			t.Errorf("%s: image is %v, want %s", src, plan["image"], c.Origin.Blob(src, want))
		}
	}
}

// cached reports whether the server has a cache, which the newest plan tells.
func (c Caller) cached(mac string) bool {
	c.Helper()
	cache, _ := c.Planned(mac)["withcache"].(map[string]any)
	if cache["configured"] == true {
		return true
	}
	if own != nil {
		c.Error("the server that was started with a cache says that it has none")
	}
	if cache["hit"] != nil || cache["served_from"] != "origin" {
		c.Errorf("without a cache: %v", cache)
	}
	return false
}

func TestSection05_Inventory(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	c.Script(mac)
	post := func(body string) { c.Anonymous("POST", "/pxe/"+mac+"/inventory", JSON(body)).Is(204) }
	c.Do("GET", "/machines/"+mac+"/disks.json", nil).Detail(404, "no disk inventory for "+mac)
	c.Do("GET", "/machines/"+mac+"/lshw.json", nil).Detail(404, "no lshw hardware inventory for "+mac)
	post(`{"disks":[{"path":"/dev/sda","serial":" S1 ","size":"1G"},{"path":"/dev/sr0","serial":""}],"lshw":{"b":1,"a":[2]}}`)
	if disks := c.Do("GET", "/machines/"+mac+"/disks.json", nil).Is(200).List(); len(disks) != 2 || len(obj(disks[0])) != 8 {
		t.Errorf("%v", disks)
	}
	e := c.Of(mac, "machine.inventory")[0]
	if d := obj(e["details"]); d["count"] != 2.0 || len(items(d["serials"])) != 1 || d["lshw"] != true || e["actor"] != "pxe-client" {
		t.Errorf("%v", e)
	}
	tree := c.Do("GET", "/machines/"+mac+"/lshw.json", nil).Is(200)
	if !reflect.DeepEqual(tree.Object(), map[string]any{"a": []any{2.0}, "b": 1.0}) || strings.Index(tree.Body, `"a"`) > strings.Index(tree.Body, `"b"`) {
		t.Errorf("%s", tree.Body)
	}
	post(`{"disks":[]}`)
	if answer := c.Do("GET", "/machines/"+mac+"/disks.json", nil).Is(200); answer.Body != "[]" {
		t.Errorf("an empty inventory is one: %s", answer.Body)
	}
	if got := c.Machine(mac)["known_disks"]; !reflect.DeepEqual(got, []any{}) {
		t.Errorf("%v", got)
	}
}

func TestSection05_Status(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	c.Bind(mac, "bty-flash-once")
	c.Script(mac)
	c.Anonymous("POST", "/pxe/"+mac+"/status", JSON(`{"status":"failed","reason":"  disk is gone \n"}`)).Is(204)
	if e := c.Of(mac, "machine.flash_failed")[0]; !reflect.DeepEqual(e["details"], map[string]any{"reason": "disk is gone"}) {
		t.Errorf("%v", e)
	}
	c.Anonymous("POST", "/pxe/"+mac+"/status", JSON(`{"status":"failed"}`)).Is(204)
	if e := c.Of(mac, "machine.flash_failed")[0]; e["details"] != nil {
		t.Errorf("%v", e)
	}
	c.Report(mac, "done")
	if m := c.Machine(mac); m["last_flashed_at"] == nil || m["boot_mode"] != "bty-flash-once" {
		t.Errorf("%v", m)
	}
	if e := c.Of(mac, "machine.flashed"); len(e) != 1 || e[0]["details"] != nil || e[0]["source_ip"] == nil {
		t.Errorf("%v", e)
	}
	c.Anonymous("POST", "/pxe/"+mac+"/status", FormOf("status", "ramboot.up")).Is(422)
	differs(t, "POST /pxe/{mac}/done, which clients up to 0.60 send, is taken for done")
	c.Anonymous("POST", "/pxe/"+mac+"/done", nil).Is(204)
	if n := len(c.Of(mac, "machine.flashed")); n != 2 {
		t.Errorf("%d times flashed", n)
	}
}

package contract

import (
	"net/url"
	"strings"
	"testing"
)

func TestSection02_MAC(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	mixed := mac[:2] + "-" + mac[3:8] + "-" + mac[9:]
	for name, spelling := range map[string]string{
		"colons": mac, "hyphens": strings.ReplaceAll(mac, ":", "-"), "upper case": strings.ToUpper(mac), "mixed": mixed,
		"encoded colons": strings.ReplaceAll(mac, ":", "%3A"), "upper-case hyphens": strings.ToUpper(strings.ReplaceAll(mac, ":", "-")),
	} {
		t.Run(name, func(t *testing.T) {
			c := on(t)
			c.Anonymous("GET", "/pxe/"+spelling, nil).Is(200, "#!ipxe")
			c.Anonymous("GET", "/pxe/"+spelling+"/plan", nil).Is(200)
			c.Anonymous("POST", "/pxe/"+spelling+"/inventory", JSON(`{}`)).Is(204)
			c.Anonymous("POST", "/pxe/"+spelling+"/status", JSON(`{"status":"failed"}`)).Is(204)
			if got := c.Do("GET", "/machines/"+spelling, nil).Is(200).Object()["mac"]; got != mac {
				t.Errorf("the canonical form is %v", got)
			}
			c.Do("PUT", "/machines/"+spelling, JSON(`{}`)).Is(200)
			c.Do("GET", "/ui/machines/"+spelling, nil).Is(200, mac)
		})
	}
	if n := len(c.Of(mac, "machine.discovered")); n != 1 {
		t.Errorf("%d machines from the spellings of one", n)
	}
	bare := strings.ReplaceAll(mac, ":", "")
	for name, spelling := range map[string]string{
		"bare": bare, "dotted": bare[:4] + "." + bare[4:8] + "." + bare[8:], "five groups": mac[:14], "seven groups": mac + ":00", "a space": mac + " ",
		"no hex": "zz" + mac[2:], "one digit": strings.Replace(mac, "02", "2", 1), "slash": strings.Replace(mac, ":", "/", 1), "empty group": strings.Replace(mac, "02:", ":", 1),
		"wide digits": "０２" + mac[2:],
	} {
		t.Run(name, func(t *testing.T) {
			c := on(t)
			path := url.PathEscape(spelling)
			for _, route := range []struct{ method, path string }{
				{"GET", "/pxe/" + path}, {"GET", "/pxe/" + path + "/plan"}, {"GET", "/machines/" + path}, {"DELETE", "/machines/" + path}, {"GET", "/machines/" + path + "/disks.json"},
			} {
				answer := c.Do(route.method, route.path, nil)
				if name == "slash" && answer.StatusCode == 404 {
					continue // an encoded slash may as well match no route
				}
				answer.Detail(400, "invalid MAC: '"+spelling+"'")
			}
		})
	}
	c.Anonymous("GET", "/boot/"+c.Live("vmlinuz")+"?mac=nonsense", nil).Is(200)
}

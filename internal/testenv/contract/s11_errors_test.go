package contract

import (
	"fmt"
	"strings"
	"testing"
)

func TestSection11_Problems(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	answer := c.Do("PUT", "/machines/"+mac, JSON(`{"labels":["ok",".bad"],"target_disk_serial":"`+strings.Repeat("x", 129)+`","extra":{"a":1}}`)).Is(422)
	places := map[string]map[string]any{}
	for _, v := range items(answer.Object()["detail"]) {
		p := obj(v)
		if _, has := p["url"]; has {
			t.Errorf("a problem has a url: %v", p)
		}
		places[fmt.Sprint(p["loc"])] = p
	}
	for place, want := range map[string]struct{ kind, ctx string }{
		"[body labels 1]": {"string_pattern_mismatch", "pattern"}, "[body target_disk_serial]": {"string_too_long", "max_length"}, "[body extra]": {"extra_forbidden", ""},
	} {
		p := places[place]
		if p["type"] != want.kind || want.ctx != "" && obj(p["ctx"])[want.ctx] == nil || want.ctx == "" && p["ctx"] != nil {
			t.Errorf("%s: %v", place, p)
		}
	}
	c.Do("PUT", "/machines/"+mac, JSON(`{"labels":[`+labels(17)+`]}`)).Is(422, `"field_type":"List"`, `"max_length":16`, `"actual_length":17`)
	syntax := c.Do("PUT", "/machines/"+mac, JSON(`{"labels": x}`)).Problem("json_invalid", "body 11")
	if obj(obj(first(syntax.Object()["detail"]))["ctx"])["error"] == nil {
		t.Errorf("%s", syntax.Body)
	}
}

func TestSection11_Texts(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	c.Do("GET", "/machines/"+mac, nil).Detail(404, "no machine record for "+mac)
	c.Do("GET", "/machines/"+mac+"/lshw.json", nil).Is(404)
	c.Anonymous("POST", "/pxe/"+mac+"/inventory", JSON(`{}`)).Detail(404, "no machine record for "+mac)
	c.Anonymous("GET", "/boot/none.bin", nil).Detail(404, "no such file: none.bin")
	c.Do("DELETE", "/catalog/entries?src=none", nil).Detail(404, "no catalog entry with src=none")
	for _, method := range []string{"GET", "HEAD"} { // the byte proxy is gone
		c.Anonymous(method, "/images/"+strings.Repeat("ab", 32), nil).Is(404)
	}
}

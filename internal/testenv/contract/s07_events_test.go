package contract

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

func TestSection07_Events(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	c.Bind(mac, "bty-flash-once")
	c.Script(mac)
	c.Report(mac, "failed")
	found := c.Events("subject_id", mac)
	for i, e := range found {
		c.Keys("an event", e, "id ts kind subject_kind subject_id actor source_ip summary details acknowledged")
		if i > 0 && e["id"].(float64) >= found[i-1]["id"].(float64) {
			t.Errorf("%v comes after %v", e["id"], found[i-1]["id"])
		}
	}
	kinds := func(query ...string) string {
		var list []string
		for _, e := range c.Events(append(query, "subject_id", mac)...) {
			list = append(list, e["kind"].(string))
		}
		return strings.Join(list, " ")
	}
	for _, test := range []struct {
		query []string
		want  string
	}{
		{nil, "machine.flash_failed netboot.pxe.offered machine.created"},
		{[]string{"kind", "machine.created"}, "machine.created"},
		{[]string{"kind", ""}, ""}, {[]string{"kind", "machine"}, ""},
		{[]string{"subject_kind", "machine"}, "machine.flash_failed netboot.pxe.offered machine.created"},
		{[]string{"subject_kind", "catalog"}, ""},
		{[]string{"actor", "operator"}, "machine.created"},
		{[]string{"actor", "pxe-client"}, "machine.flash_failed netboot.pxe.offered"},
		{[]string{"failed", "1"}, "machine.flash_failed"}, {[]string{"failed", "0"}, "machine.flash_failed"},
		{[]string{"failed", ""}, "machine.flash_failed netboot.pxe.offered machine.created"},
		{[]string{"source_ip", fmt.Sprint(found[0]["source_ip"])}, "machine.flash_failed netboot.pxe.offered machine.created"},
		{[]string{"source_ip", "192.0.2.99"}, ""}, {[]string{"source_ip", ""}, ""},
		{[]string{"actor", "pxe-client", "failed", "1", "kind", "machine.flash_failed"}, "machine.flash_failed"},
		{[]string{"limit", "1"}, "machine.flash_failed"}, {[]string{"limit", "0"}, "machine.flash_failed"}, {[]string{"limit", "-7"}, "machine.flash_failed"},
		{[]string{"limit", "501"}, "machine.flash_failed netboot.pxe.offered machine.created"},
		{[]string{"before_id", strconv.Itoa(int(found[0]["id"].(float64)))}, "netboot.pxe.offered machine.created"},
		{[]string{"before_id", strconv.Itoa(int(found[2]["id"].(float64)))}, ""},
	} {
		if got := kinds(test.query...); got != test.want {
			t.Errorf("%v: %q, want %q", test.query, got, test.want)
		}
	}
	for _, query := range []string{"limit=x", "limit=", "before_id=x", "before_id=1.5", "limit=99999999999999999999"} {
		c.Do("GET", "/events?"+query, nil).Is(422, `"loc":["query"`)
	}
}

func TestSection07_Paging(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	for range 7 {
		c.Plan(mac)
	}
	var seen []float64
	before := ""
	for {
		query := []string{"subject_id", mac, "limit", "3"}
		if before != "" {
			query = append(query, "before_id", before)
		}
		page := c.Events(query...)
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			seen = append(seen, e["id"].(float64))
		}
		before = strconv.Itoa(int(seen[len(seen)-1]))
	}
	if len(seen) != 8 { // with the discovery
		t.Errorf("%v", seen)
	}
}

func TestSection07_Acknowledge(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	c.Script(mac)
	e := c.Events("subject_id", mac)
	id := int(e[0]["id"].(float64))
	for range 2 {
		answer := c.Do("POST", fmt.Sprintf("/events/%d/ack", id), nil).Is(200)
		if answer.Body != fmt.Sprintf(`{"id":%d,"acknowledged":true}`, id) {
			t.Error(answer.Body)
		}
	}
	if c.Events("subject_id", mac)[0]["acknowledged"] != true {
		t.Error("is not acknowledged")
	}
	c.Do("POST", "/events/999999999999/ack", nil).Detail(404, "no event with id 999999999999")
	c.Do("POST", "/events/x/ack", nil).Is(422, `"int_parsing"`)
}

func TestSection07_AcknowledgeForm(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	c.Script(mac)
	e := c.Events("subject_id", mac)
	ids := []string{fmt.Sprint(int(e[0]["id"].(float64))), fmt.Sprint(int(e[1]["id"].(float64))), "999999999999"}
	form := func(acknowledged string) Text {
		return Text{"application/x-www-form-urlencoded", url.Values{"ids": ids, "acknowledged": {acknowledged}}.Encode()}
	}
	for value, want := range map[string]bool{"1": true, "0": false, "x": true, "false": false, "on": true, "": false} {
		got := c.Do("POST", "/ui/events/acknowledge", form(value)).Is(200).Object()
		if got["updated"] != 2.0 || got["acknowledged"] != want {
			t.Errorf("%q: %v", value, got)
		}
		for _, e := range c.Events("subject_id", mac) {
			if e["acknowledged"] != want {
				t.Errorf("%q: %v", value, e)
			}
		}
	}
	c.Do("POST", "/ui/events/acknowledge", FormOf("ids", "x", "acknowledged", "1")).Is(422)
}

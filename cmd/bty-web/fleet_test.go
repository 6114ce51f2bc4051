package main

import (
	"fmt"
	"net/url"
	"testing"
)

// A page of machines has what was asked for, and says how much more there is.
func TestPageOfMachines(t *testing.T) {
	a := start(t, nil)
	for i := range 12 {
		mac := fmt.Sprintf("52:54:00:00:01:%02x", i)
		a.do("PUT", "/machines/"+mac, map[string]any{"labels": []string{fmt.Sprintf("rack-%d", i%3)}}).is(t, 200)
	}
	page := func(query string) map[string]any {
		t.Helper()
		return a.do("GET", "/api/v1/machines?"+query, nil).is(t, 200).object(t)
	}
	first := page("limit=5")
	if got := keys(first); got != "all limit machines offset total" {
		t.Errorf("keys %s", got)
	}
	if n := len(first["machines"].([]any)); n != 5 || first["total"] != 12.0 || first["all"] != 12.0 {
		t.Errorf("%d machines, %v of %v", n, first["total"], first["all"])
	}
	if rack := page("label=rack-1&sort=last_seen_at&desc=1"); rack["total"] != 4.0 {
		t.Errorf("label: %v", rack["total"])
	}
	if one := page("q=" + url.QueryEscape("5254.0000.0103")); one["total"] != 1.0 {
		t.Errorf("typed MAC: %v", one["total"])
	}
	for _, query := range []string{"mode=bty-fly", "state=odd", "filter=x", "image=12", "sort=colour", "limit=x", "offset=1e9"} {
		a.do("GET", "/api/v1/machines?"+query, nil).is(t, 422, `"detail":"`)
	}
	if n := len(page("limit=0&offset=-3")["machines"].([]any)); n != 1 {
		t.Errorf("bounds: %d machines", n)
	}
	a.anonymous("GET", "/api/v1/machines", nil).is(t, 401)
}

// People type MACs as switches, labels and shells show them; what machines send stays strict.
func TestTypedMAC(t *testing.T) {
	a := start(t, nil)
	a.do("PUT", "/machines/"+mac1, map[string]any{"boot_mode": "bty-inventory"}).is(t, 200)
	for _, typed := range []string{mac1, "52-54-00-00-00-01", "52:54-00:00-00:01", "525400000001", "5254.0000.0001", "5254.0000.0001%20"} {
		a.do("GET", "/api/v1/machines/"+typed, nil).is(t, 200, `"mac":"`+mac1+`"`)
		a.do("POST", "/api/v1/machines/"+typed+"/arm", nil).is(t, 200)
	}
	for _, typed := range []string{"525400000001", "5254.0000.0001"} {
		a.do("GET", "/machines/"+typed, nil).is(t, 400, "invalid MAC: '"+typed+"'")
		a.anonymous("GET", "/pxe/"+typed, nil).is(t, 400)
	}
	a.do("GET", "/api/v1/machines/52540000000", nil).is(t, 400, "invalid MAC")
	a.do("GET", "/api/v1/machines/"+mac2, nil).is(t, 404)
}

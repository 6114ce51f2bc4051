package main

import (
	"strings"
	"testing"
)

// Scripts name the address that a machine has reached, or the one that the operator has set: behind a
// published port of a container the former is the container's own.
func TestAddressInScripts(t *testing.T) {
	for _, tt := range []struct {
		set  []string
		want string
	}{
		{nil, "http://127.0.0.1:8080/"},
		{[]string{"BTY_NETBOOT_ADDRESS=192.0.2.7", "BTY_SERVER_PORT=80"}, "http://192.0.2.7:80/"},
	} {
		h := newHost(t)
		p := h.start(tt.set...)
		script, err := h.curl("127.0.0.1", "autoexec.ipxe")
		if err != nil || !strings.Contains(string(script), tt.want) {
			t.Errorf("%q: %v\n%s\nwant %s", tt.set, err, script, tt.want)
		}
		p.Stop()
	}
}

package deploy

import (
	"net/netip"
	"testing"

	"bty/internal/doctor"
)

// Whose lines they are in a daemon's journal says whether anybody but this host has asked it.
func TestHasOthers(t *testing.T) {
	o := Observed{Addresses: []doctor.Address{{Prefix: netip.MustParsePrefix("192.0.2.9/24"), Link: "eth0"}}}
	for name, c := range map[string]struct {
		journal string
		want    bool
	}{
		"nothing":               {"", false},
		"its own start":         {`{"MESSAGE":"ready"}` + "\n" + `{"MESSAGE":"listening"}` + "\n", false},
		"this host, by itself":  {`{"BTY_REMOTE":"127.0.0.1"}` + "\n" + `{"BTY_REMOTE":"::1"}`, false},
		"this host, on its LAN": {`{"BTY_REMOTE":"192.0.2.9"}` + "\n" + `{"BTY_REMOTE":"::ffff:192.0.2.9"}`, false},
		"another host":          {`{"BTY_REMOTE":"192.0.2.9"}` + "\n" + `{"BTY_REMOTE":"192.0.2.10"}`, true},
		"a machine":             {`{"BTY_MAC":"52:54:00:00:00:01"}`, true},
		"a field twice":         {`{"BTY_REMOTE":["127.0.0.1","192.0.2.10"]}`, true},
		"a line cut off":        {`{"BTY_REMOTE":"127.0`, true},
	} {
		if got := hasOthers(c.journal, o); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

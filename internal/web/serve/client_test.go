package serve

import (
	"net/http"
	"testing"

	"bty/internal/config"
)

func TestClient(t *testing.T) {
	for _, tt := range []struct{ proxy, peer, forwarded, want string }{
		{"", "192.0.2.1:1", "198.51.100.7", "192.0.2.1"},
		{"off", "[::ffff:192.0.2.1]:1", "198.51.100.7", "192.0.2.1"},
		{"192.0.2.1", "192.0.2.1:1", "198.51.100.7", "198.51.100.7"},
		{"192.0.2.1", "192.0.2.1:1", "203.0.113.9, 198.51.100.7", "198.51.100.7"}, // the first is the client's own word
		{"192.0.2.0/24", "192.0.2.1:1", "198.51.100.7, 192.0.2.8", "198.51.100.7"},
		{"192.0.2.1", "203.0.113.5:1", "198.51.100.7", "203.0.113.5"}, // not the proxy
		{"192.0.2.1", "192.0.2.1:1", "", "192.0.2.1"},
		{"192.0.2.1", "192.0.2.1:1", "nonsense", "192.0.2.1"},
		{"true", "203.0.113.5:1", "::ffff:198.51.100.7, 10.0.0.1", "198.51.100.7"},
		{"192.0.2.1", "@", "198.51.100.7", "invalid IP"},
	} {
		proxy, err := config.ParseProxy(tt.proxy)
		if err != nil {
			t.Fatal(err)
		}
		r := &http.Request{RemoteAddr: tt.peer, Header: http.Header{"X-Forwarded-For": {tt.forwarded}}}
		if got := Client(r, proxy).String(); got != tt.want {
			t.Errorf("proxy %q, peer %s, forwarded %q: %s, want %s", tt.proxy, tt.peer, tt.forwarded, got, tt.want)
		}
	}
	if _, err := config.ParseProxy("my-proxy"); err == nil {
		t.Error("a name is no address")
	}
}

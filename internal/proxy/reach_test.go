package proxy

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

func TestClassOf(t *testing.T) {
	for class, list := range map[reach]string{
		public: "8.8.8.8 203.0.113.7 2001:db8::1 2606:4700::1111 172.32.0.1 100.128.0.1 ::ffff:8.8.8.8 64:ff9b::808:808 2002:808:808::1 192.167.1.1",
		lan: "10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 100.127.255.255 fd00::1 fc00::1 ::ffff:10.0.0.1 64:ff9b::a00:1 2002:a00:1::1 " +
			"64:ff9b:1::a00:1 2002:c0a8:101::",
		loopback: "127.0.0.1 127.255.255.254 ::1 ::ffff:127.0.0.1 64:ff9b::7f00:1",
		special: "0.0.0.0 0.1.2.3 169.254.169.254 fe80::1 fe80::1%eth0 224.0.0.1 239.1.1.1 255.255.255.255 240.0.0.1 ff02::1 :: 198.18.0.1 192.0.0.8 " +
			"::ffff:169.254.169.254 64:ff9b::a9fe:a9fe fec0::1 ::7f00:1 ::ffff:0.0.0.0 192.88.99.1",
	} {
		for addr := range strings.FieldsSeq(list) {
			if got := classOf(netip.MustParseAddr(addr)); got != class {
				t.Errorf("%s is %d, want %d", addr, got, class)
			}
		}
	}
}

func TestOwnReach(t *testing.T) {
	for host, want := range map[string]reach{
		"images.example": lan, "nas": lan, "localhost": loopback, "LOCALHOST": loopback, "x.localhost": loopback, "notlocalhost": lan,
		"127.0.0.1": loopback, "10.1.1.1": lan, "203.0.113.7": public, "169.254.169.254": special, "::1": loopback, "fd00::1": lan,
	} {
		if got := ownReach(host); got != want {
			t.Errorf("%s reaches %d, want %d", host, got, want)
		}
	}
}

// Where a request may go, by where it began.
func TestReach(t *testing.T) {
	known := map[string]bool{"203.0.113.7": true, "10.1.1.1": true, "127.0.0.1": true, "localhost": true, "images.example": true}
	g, err := NewGuard("")
	if err != nil {
		t.Fatal(err)
	}
	g.Known = func(host string) bool { return known[host] }
	for _, tt := range []struct {
		first, host string
		redirected  bool
		want        reach
	}{
		{"203.0.113.7", "203.0.113.7", false, public},
		{"203.0.113.7", "10.1.1.1", true, public}, // however well known that is
		{"203.0.113.7", "localhost", true, public},
		{"10.1.1.1", "10.1.1.1", false, lan},
		{"10.1.1.1", "10.2.2.2", true, lan},
		{"10.1.1.1", "localhost", true, lan},
		{"127.0.0.1", "127.0.0.1", false, loopback},
		{"localhost", "127.0.0.1", true, loopback},
		{"images.example", "images.example", false, lan},
		{"tokens.example", "tokens.example", false, public},
		{"169.254.169.254", "169.254.169.254", false, public},
	} {
		if got := g.reach(t.Context(), tt.first, tt.host, !tt.redirected); got != tt.want {
			t.Errorf("%+v: %d", tt, got)
		}
	}
	// A name of the LAN may redirect within the LAN, one of the internet may not.
	for addr, want := range map[string]reach{"10.1.1.1": lan, "203.0.113.7": public, "127.0.0.1": public} {
		g.Resolver = leadsTo(t, netip.MustParseAddr(addr))
		if got := g.reach(t.Context(), "images.example", "10.2.2.2", false); got != want {
			t.Errorf("redirected by a name that leads to %s: %d, want %d", addr, got, want)
		}
	}
	for _, addr := range []string{"10.1.1.1", "::ffff:10.1.1.1"} {
		if err := g.check("h", netip.MustParseAddr(addr), public); Refused(err) == "" {
			t.Errorf("%s is reached", addr)
		}
	}
	g.AllowPrivate([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")})
	if err := g.check("h", netip.MustParseAddr("::ffff:10.1.1.1"), public); err != nil {
		t.Error(err)
	}
	if err := g.check("h", netip.MustParseAddr("192.168.1.1"), public); err == nil {
		t.Error("more than allow_private names is reached")
	}
}

// The connection is refused, before a byte is sent, and no connection that was made with other
// rights is used again.
func TestGuardRefuses(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer server.Close()
	g, err := NewGuard("")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	get := func(host string) error {
		resp, err := g.Client().Get("http://" + host + ":" + u.Port() + "/")
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
	g.Known = func(host string) bool { return host == "127.0.0.1" }
	if err := get("127.0.0.1"); err != nil || asked != 1 {
		t.Fatalf("what is known by its address: %v, asked %d times", err, asked)
	}
	g.Known = func(string) bool { return false }
	if err := get("127.0.0.1"); Refused(err) == "" || asked != 1 {
		t.Errorf("what nobody named: %v, asked %d times", err, asked)
	}
	// A known name that leads to this host: as if whoever runs its DNS had changed that.
	g.Known = func(string) bool { return true }
	g.Resolver = leadsTo(t, netip.MustParseAddr("127.0.0.1"))
	if err := get("images.example"); !strings.Contains(Refused(err), "images.example leads to 127.0.0.1, an address of the cache's own host") || asked != 1 {
		t.Errorf("a name that leads here: %v, asked %d times", err, asked)
	}
	g.AllowPrivate([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")})
	if err := get("images.example"); err != nil || asked != 2 {
		t.Errorf("as the operator allows: %v, asked %d times", err, asked)
	}
	if g.livesInLAN(t.Context(), "images.example") {
		t.Error("127.0.0.1 counts as a private network")
	}
}

// leadsTo is a DNS in which every name has one IPv4 address.
func leadsTo(t *testing.T, addr netip.Addr) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		for buf := make([]byte, 512); ; {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(answer(buf[:n], addr), from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// answer has the address for a question of type A, and nothing for others.
func answer(question []byte, addr netip.Addr) []byte {
	var p dnsmessage.Message
	if err := p.Unpack(question); err != nil {
		return nil
	}
	p.Response, p.Additionals = true, nil
	if q := p.Questions[0]; q.Type == dnsmessage.TypeA {
		p.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class}, Body: &dnsmessage.AResource{A: addr.As4()}}}
	}
	packed, _ := p.Pack()
	return packed
}

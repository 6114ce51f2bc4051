package docs

import (
	"net/netip"
	"strings"
	"testing"

	"bty/internal/snippet"
	"bty/internal/testenv/guide"
)

// TestQuickstart compares what the quick start shows for DHCP servers with what the Netboot page shows,
// which is run in real servers: each product has its place there.
func TestQuickstart(t *testing.T) {
	blocks, err := guide.Read("quickstart.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	site := snippet.Site{Host: netip.MustParseAddr("192.0.2.5"), Port: 8080, Subnet: netip.MustParsePrefix("192.0.2.0/24")}
	for _, b := range blocks {
		if b.Snippet == "" {
			continue
		}
		shown[b.Snippet] = true
		want, err := snippet.Fill(b.Snippet, site)
		if err != nil {
			t.Errorf("%s: %v", b, err)
		} else if strings.TrimSpace(b.Text) != strings.TrimSpace(want) {
			t.Errorf("%s is not what the Netboot page shows:\n%s", b, want)
		}
	}
	for _, product := range snippet.Products() {
		if !shown[product.Texts[0].ID] {
			t.Errorf("%s has no place in quickstart.md", product.Title)
		}
	}
}

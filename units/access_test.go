package units_test

import (
	"encoding/xml"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What the polkit rule allows bty-web, in real systemd: internal/testenv/systemd. Here: it names
// two units and nothing that matches more.
func TestPolkitRuleIsNarrow(t *testing.T) {
	text := read(t, "polkit/*.rules")["polkit/50-bty.rules"]
	var pairs []string
	for _, m := range regexp.MustCompile(`unit == "([^"]+)" && \(verb == "(\w+)" \|\| verb == "(\w+)"\)`).FindAllStringSubmatch(text, -1) {
		pairs = append(pairs, strings.Join(m[1:], " "))
	}
	if want := []string{"bty-tftp.socket start stop", "bty-tftp.service stop restart"}; !slices.Equal(pairs, want) {
		t.Errorf("%q", pairs)
	}
	if n := strings.Count(text, "Result.YES"); n != len(pairs) || !strings.Contains(text, `subject.user != "bty"`) {
		t.Errorf("%d times YES", n)
	}
	for _, wide := range []string{"match", "test(", "indexOf", "isInGroup"} {
		if strings.Contains(text, wide) {
			t.Errorf("the rule has %s: name each unit in full", wide)
		}
	}
}

func TestFirewalldServices(t *testing.T) {
	type port struct {
		Protocol string `xml:"protocol,attr"`
		Port     string `xml:"port,attr"`
	}
	want := map[string]port{"firewalld/bty.xml": {"tcp", "8080"}, "firewalld/bty-tftp.xml": {"udp", "69"}, "firewalld/bty-cache.xml": {"tcp", "3000"}}
	for name, text := range read(t, "firewalld/*.xml") {
		var service struct {
			XMLName     xml.Name `xml:"service"`
			Short       string   `xml:"short"`
			Description string   `xml:"description"`
			Ports       []port   `xml:"port"`
		}
		if err := xml.Unmarshal([]byte(text), &service); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if service.Short == "" || service.Description == "" || !slices.Equal(service.Ports, []port{want[name]}) {
			t.Errorf("%s: %+v", name, service)
		}
	}
}

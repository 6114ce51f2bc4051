package hardware

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSummarise(t *testing.T) {
	for name, test := range map[string]struct {
		tree string
		want Summary
	}{
		"lshw": {`[{"id":"host","class":"system","vendor":"Dell Inc.","product":"PowerEdge R640","serial":"ABC1234","children":[{"id":"core","class":"bus","children":[
			{"id":"cpu:0","class":"processor","description":"CPU","product":"Intel(R) Xeon(R) Gold 6130","configuration":{"cores":"16","enabledcores":"16","threads":"32"}},
			{"id":"cpu:1","class":"processor","description":"CPU [empty]"},
			{"id":"memory","class":"memory","size":68719476736,"children":[{"id":"bank:0","class":"memory","size":34359738368},{"id":"bank:1","class":"memory"},{"id":"bank:2","class":"memory","size":34359738368}]},
			{"id":"pci","class":"bridge","children":[{"id":"network:0","class":"network","logicalname":["eno1","vmnet"],"serial":"52:54:00:AA:00:01","vendor":"Broadcom","product":"BCM5720"},
			{"id":"network:1","class":"network","logicalname":"eno2","serial":"52:54:00:aa:00:02"}]}]}]}]`,
			Summary{System: "Dell Inc. PowerEdge R640", Serial: "ABC1234", CPUs: []CPU{{"Intel(R) Xeon(R) Gold 6130", 16}}, Memory: 64 << 30, Modules: 2,
				NICs: []NIC{{"eno1", "52:54:00:aa:00:01", "Broadcom BCM5720"}, {"eno2", "52:54:00:aa:00:02", ""}}}},
		"memory as a whole": {`{"class":"system","product":"To Be Filled By O.E.M.","children":[{"id":"memory","class":"memory","size":"1024"}]}`, Summary{Memory: 1024}},
		"odd types":         {`{"class":"system","children":[{"class":"processor","configuration":{"cores":4}},{"class":"network","logicalname":[1]},{"id":"memory","class":"memory","size":-3}]}`, Summary{CPUs: []CPU{{"CPU", 4}}, NICs: []NIC{{}}}},
	} {
		got, ok := Summarise(json.RawMessage(test.tree))
		if diff := cmp.Diff(test.want, got); !ok || diff != "" {
			t.Errorf("%s: %v\n%s", name, ok, diff)
		}
	}
	for _, none := range []string{``, `null x`, `[]`, `7`, `"x"`, `{"children":7}`} {
		if s, ok := Summarise(json.RawMessage(none)); ok && none != "" {
			t.Errorf("%s: %+v", none, s)
		}
	}
	deep := strings.Repeat(`{"children":[`, 1000) + `{"class":"processor"}` + strings.Repeat(`]}`, 1000)
	if s, _ := Summarise(json.RawMessage(deep)); len(s.CPUs) != 0 {
		t.Error("read to the bottom")
	}
}

// What our own live environment reports is understood.
func TestSummaryOfThisHost(t *testing.T) {
	tree, err := Host().JSON()
	if err != nil {
		t.Fatal(err)
	}
	if s, ok := Summarise(tree); !ok || len(s.CPUs) == 0 || s.Memory == 0 {
		t.Errorf("%+v %v", s, ok)
	}
}

func FuzzSummarise(f *testing.F) {
	f.Add(`{"class":"system","children":[{"class":"network","logicalname":["a"]}]}`)
	f.Fuzz(func(_ *testing.T, tree string) { Summarise(json.RawMessage(tree)) })
}

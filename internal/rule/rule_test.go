package rule

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"bty/internal/catalog"
	"bty/internal/machine"
)

func ptr(s string) *string { return &s }

func TestPatterns(t *testing.T) {
	for _, one := range []struct {
		pattern, value string
		want           bool
	}{
		{"", "anything", true}, {"dell", "Dell Inc.", true}, {"INC", "Dell Inc.", true}, {"hp", "Dell Inc.", false},
		{"dell*", "Dell Inc.", true}, {"dell*", "My Dell", false}, {"*dell", "My Dell", true}, {"*", "", true}, {"?", "", false},
		{"r6?0", "R640", true}, {"r6?0", "PowerEdge R640", false}, {"*r6?0*", "PowerEdge R640 v2", true}, {"a*b*c", "aXbYbZc", true},
		{"a*b*c", "aXbYbZ", false}, {"ü?", "ÜX", true}, {"**", "x", true}, {"a**b", "ab", true},
	} {
		if got := newPattern(one.pattern).matches(one.value); got != one.want {
			t.Errorf("%q on %q: %t", one.pattern, one.value, got)
		}
	}
	if p := newPattern(strings.Repeat("*a", 32) + "b"); p.matches(strings.Repeat("a", 128)) { // and it ends
		t.Error("matches")
	}
}

func TestCanonicalPrefix(t *testing.T) {
	for given, want := range map[string]string{
		"52:54:00": "52:54:00", "52-54-00": "52:54:00", "525400": "52:54:00", "5254.00": "52:54:00", " 5254.0 ": "52:54:0",
		"B8-27-EB": "b8:27:eb", "5": "5", "52:54:00:00:00:01": "52:54:00:00:00:01",
	} {
		if got, ok := CanonicalPrefix(given); !ok || got != want {
			t.Errorf("%q: %q %t", given, got, ok)
		}
	}
	for _, bad := range []string{"", ":", "g", "52:54:00:00:00:01:0", "52 54"} {
		if got, ok := CanonicalPrefix(bad); ok {
			t.Errorf("%q is taken for %q", bad, got)
		}
	}
}

var (
	nvme     = machine.Disk{Path: "/dev/nvme0n1", Size: ptr("953.9G"), Model: ptr("SAMSUNG MZVLB1T0"), Serial: ptr("S4EM"), Tran: ptr("nvme")}
	sata     = machine.Disk{Path: "/dev/sda", Size: ptr("447.1G"), Model: ptr("Samsung SSD 860"), Serial: ptr("S3Z9"), Tran: ptr("sata")}
	big      = machine.Disk{Path: "/dev/sdb", Size: ptr("7.3T"), Model: ptr("ST8000"), Serial: ptr("ZA1"), Tran: ptr("sata")}
	stick    = machine.Disk{Path: "/dev/sdc", Size: ptr("28.6G"), Serial: ptr("4C53"), Tran: ptr("usb"), Removable: true}
	rom      = machine.Disk{Path: "/dev/sdd", Size: ptr("1G"), Serial: ptr("RO"), ReadOnly: true}
	nameless = machine.Disk{Path: "/dev/vda", Size: ptr("20G")}
	unsized  = machine.Disk{Path: "/dev/sde", Serial: ptr("NOSIZE")}
	empty    = machine.Disk{Path: "/dev/sdf", Size: ptr("0B"), Serial: ptr("CARD")}
	twin     = machine.Disk{Path: "/dev/sdg", Size: ptr("447.1G"), Serial: ptr("S3ZA"), Tran: ptr("sata")}
	double   = machine.Disk{Path: "/dev/sdh", Size: ptr("1.8T"), Serial: ptr(" S3Z9 "), Tran: ptr("usb")}
)

func TestChoose(t *testing.T) {
	for _, one := range []struct {
		name  string
		rule  DiskRule
		disks []machine.Disk
		want  string // serial, or with a ! in front what the reason says
	}{
		{"the only one", DiskRule{Pick: Only}, []machine.Disk{nvme}, "S4EM"},
		{"beside what is never written", DiskRule{Pick: Only}, []machine.Disk{stick, rom, empty, nvme}, "S4EM"},
		{"not the only one", DiskRule{Pick: Only}, []machine.Disk{nvme, sata}, "!2 disks"},
		{"the only one that has a name", DiskRule{Pick: Only}, []machine.Disk{nvme, nameless}, "!2 disks"},
		{"nothing but a stick", DiskRule{Pick: Only}, []machine.Disk{stick}, "!none of its 1 disks is fixed"},
		{"nothing but read-only", DiskRule{Pick: Largest}, []machine.Disk{rom}, "!none of its 1 disks is fixed"},
		{"nothing", DiskRule{Pick: Only}, []machine.Disk{}, "!no disk at all"},
		{"no serial", DiskRule{Pick: Only}, []machine.Disk{nameless}, "!/dev/vda has no serial"},
		{"smallest", DiskRule{Pick: Smallest}, []machine.Disk{nvme, sata, big, stick}, "S3Z9"},
		{"largest", DiskRule{Pick: Largest}, []machine.Disk{nvme, big, sata}, "ZA1"},
		{"smallest without a serial", DiskRule{Pick: Smallest}, []machine.Disk{nvme, nameless}, "!no serial"},
		{"smallest of two of one size", DiskRule{Pick: Smallest}, []machine.Disk{sata, nvme, twin}, "!of one size"},
		{"largest, where two are smaller", DiskRule{Pick: Largest}, []machine.Disk{sata, twin, nvme}, "S4EM"},
		{"a size that is not known", DiskRule{Pick: Largest}, []machine.Disk{nvme, unsized}, "!size of /dev/sde"},
		{"the only one of a size not known", DiskRule{Pick: Only}, []machine.Disk{unsized}, "NOSIZE"},
		{"by transport", DiskRule{Pick: Only, Transport: "NVMe"}, []machine.Disk{sata, nvme, big}, "S4EM"},
		{"by model", DiskRule{Pick: Only, Model: "samsung*860"}, []machine.Disk{sata, nvme}, "S3Z9"},
		{"by part of the model", DiskRule{Pick: Smallest, Model: "samsung"}, []machine.Disk{nvme, sata, big}, "S3Z9"},
		{"by size", DiskRule{Pick: Only, Min: "500G", Max: "1T"}, []machine.Disk{sata, nvme, big}, "S4EM"},
		{"by size, to the dot", DiskRule{Pick: Only, Min: "953.9G", Max: "953.9G"}, []machine.Disk{sata, nvme, big}, "S4EM"},
		{"two with one serial", DiskRule{Pick: Only, Transport: "sata"}, []machine.Disk{sata, double}, "!same serial"},
		{"nothing fits", DiskRule{Pick: Only, Transport: "sas"}, []machine.Disk{sata, nvme}, "!on sas"},
	} {
		serial, why := one.rule.Choose(&machine.Hardware{Disks: one.disks})
		if bad, isBad := strings.CutPrefix(one.want, "!"); isBad && (serial != "" || !strings.Contains(why, bad)) || !isBad && (serial != one.want || why != "") {
			t.Errorf("%s: %q %q", one.name, serial, why)
		}
	}
	if serial, why := (DiskRule{Pick: Only}).Choose(nil); serial != "" || why == "" {
		t.Errorf("before the inventory: %q %q", serial, why)
	}
}

func TestSelectors(t *testing.T) {
	m := machine.Machine{MAC: machine.MAC{0x52, 0x54, 0, 0xab, 0xcd, 0xef}, Arch: "x86_64", Intent: machine.Intent{Free: true, Labels: []string{"lab", "rack 1"}}}
	h := &machine.Hardware{Vendor: "Dell Inc.", Product: "PowerEdge R640", Disks: []machine.Disk{sata, stick}}
	for _, one := range []struct {
		name string
		s    Selector
		h    *machine.Hardware
		want Miss
	}{
		{"nothing asked", Selector{}, nil, Matches},
		{"labels", Selector{Labels: []string{"rack 1", "lab"}}, nil, Matches},
		{"one label is missing", Selector{Labels: []string{"lab", "x"}}, nil, MissLabel},
		{"labels are exact", Selector{Labels: []string{"Lab"}}, nil, MissLabel},
		{"excluded", Selector{NotLabels: []string{"x", "lab"}}, nil, MissNotLabel},
		{"not excluded", Selector{NotLabels: []string{"x"}}, nil, Matches},
		{"prefix", Selector{MACPrefix: "52:54:00"}, nil, Matches},
		{"half an octet", Selector{MACPrefix: "52:54:00:a"}, nil, Matches},
		{"other half", Selector{MACPrefix: "52:54:00:b"}, nil, MissMAC},
		{"whole", Selector{MACPrefix: "52:54:00:ab:cd:ef"}, nil, Matches},
		{"arch", Selector{Arch: "x86_64"}, nil, Matches},
		{"other arch", Selector{Arch: "arm64"}, nil, MissArch},
		{"vendor", Selector{Vendor: "dell*"}, h, Matches},
		{"vendor before the inventory", Selector{Vendor: "dell*"}, nil, MissHardware},
		{"other vendor", Selector{Vendor: "hp"}, h, MissVendor},
		{"product", Selector{Vendor: "dell", Product: "r640"}, h, Matches},
		{"other product", Selector{Product: "r740"}, h, MissProduct},
		{"disk", Selector{DiskMin: "400G", DiskMax: "500G"}, h, Matches},
		{"disk too small", Selector{DiskMin: "500G"}, h, MissDisk},
		{"a stick is no disk", Selector{DiskMax: "100G"}, h, MissDisk},
	} {
		set := NewSet([]Rule{{ID: 1, Selector: one.s}}, Assignment{})
		if got := set.Verdicts(m, one.h)[0].Miss; got != one.want {
			t.Errorf("%s: %q, want %q", one.name, got, one.want)
		}
	}
}

// random makes any machine, hardware and rules, of few enough values that rules match often.
func random(r *rand.Rand) (machine.Machine, *machine.Hardware, *Set) {
	pick := func(s ...string) string { return s[r.IntN(len(s))] }
	m := machine.Machine{MAC: machine.MAC{byte(r.IntN(2))}, Arch: pick("", "x86_64")}
	m.Intent = machine.Intent{Free: r.IntN(2) == 0, Mode: machine.Modes[r.IntN(len(machine.Modes))], TargetSerial: pick("", "OWN")}
	m.Intent.Image[0] = byte(r.IntN(2))
	for _, l := range []string{"a", "b"} {
		if r.IntN(2) == 0 {
			m.Intent.Labels = append(m.Intent.Labels, l)
		}
	}
	var h *machine.Hardware
	if r.IntN(4) > 0 {
		h = &machine.Hardware{Vendor: pick("Dell", "HP"), Disks: []machine.Disk{sata, nvme, big}[:r.IntN(4)]}
	}
	var rules []Rule
	for i := range r.IntN(6) {
		one := Rule{ID: ID(i + 1), Order: r.IntN(3), Selector: Selector{Vendor: pick("", "dell"), MACPrefix: pick("", "", "00"), Arch: pick("", "x86_64")}}
		if r.IntN(2) == 0 {
			one.Selector.Labels = []string{pick("a", "b")}
		}
		if r.IntN(2) == 0 {
			one.Assign.Mode = &machine.Modes[r.IntN(len(machine.Modes))]
		}
		one.Assign.Image[0] = byte(r.IntN(3))
		if r.IntN(2) == 0 {
			one.Assign.Disk = &DiskRule{Pick: Picks[r.IntN(3)], Transport: pick("", "sata")}
		}
		rules = append(rules, one)
	}
	return m, h, NewSet(rules, Assignment{})
}

// What was set for the machine itself always wins, the first rule that matches decides the rest,
// and the answer depends on nothing else.
func TestOwnSettingAlwaysWins(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	seen := map[Origin]int{}
	for range 20_000 {
		m, h, set := random(r)
		a := Assign(m, h, set)
		seen[a.ModeBy.Origin]++
		switch {
		case !m.Intent.Free && (a.Mode != m.Intent.Mode || a.ModeBy.Origin != Own),
			!m.Intent.Image.IsZero() && (a.Image != m.Intent.Image || a.ImageBy.Origin != Own),
			m.Intent.TargetSerial != "" && (a.Serial != m.Intent.TargetSerial || a.DiskBy.Origin != Own):
			t.Fatalf("%+v became %+v", m.Intent, a)
		case m.Intent.Free && a.ModeBy.Origin == Own, a.NoDisk != "" && a.Serial != "":
			t.Fatalf("%+v", a)
		}
		if a.ModeBy.Origin == ByRule {
			checkFirst(t, set, m, h, a)
		}
		if b := Assign(m, h, NewSet(set.Rules, set.Default)); b.Mark() != a.Mark() || b.ModeBy != a.ModeBy {
			t.Fatalf("%+v, then %+v", a, b)
		}
		if set2 := NewSet(append(set.Rules, Rule{ID: 99, Order: 9, Selector: Selector{Labels: []string{"nobody"}}, Assign: Assignment{Image: catalog.ImageRef{9}}}), set.Default); Assign(m, h, set2).Mark() != a.Mark() {
			t.Fatal("a rule for nobody changed something")
		}
	}
	if seen[Own] == 0 || seen[ByRule] == 0 || seen[Default] == 0 {
		t.Fatalf("not all was tried: %v", seen)
	}
}

// checkFirst finds the deciding rule the slow way.
func checkFirst(t *testing.T, set *Set, m machine.Machine, h *machine.Hardware, a Assigned) {
	t.Helper()
	for i, v := range set.Verdicts(m, h) {
		if v.Miss == Matches && set.Rules[i].Assign.Mode != nil {
			if v.Rule != a.ModeBy.Rule {
				t.Fatalf("rule %d decided the mode, and %d comes first", a.ModeBy.Rule, v.Rule)
			}
			return
		}
	}
	t.Fatal("no rule says a mode")
}

func FuzzSelector(f *testing.F) {
	f.Add(`{"labels":["a"],"vendor":"d*l?","mac_prefix":"52:54","disk_min":"1G"}`, "Dell", "447.1G")
	f.Add(`{"disk_max":"9E9","product":"**"}`, "\xff", "x")
	f.Add(`{"mac_prefix":"zz"}`, "", "")
	f.Fuzz(func(t *testing.T, raw, vendor, size string) {
		var s Selector
		if json.Unmarshal([]byte(raw), &s) != nil {
			t.Skip()
		}
		if p, ok := CanonicalPrefix(s.MACPrefix); ok {
			s.MACPrefix = p
		} else {
			s.MACPrefix = ""
		}
		h := &machine.Hardware{Vendor: vendor, Product: vendor, Disks: []machine.Disk{{Size: &size, Serial: &size}}}
		m := machine.Machine{Intent: machine.Intent{Free: true}}
		set := NewSet([]Rule{{ID: 1, Selector: s, Assign: Assignment{Disk: &DiskRule{Pick: Largest, Model: s.Vendor, Min: s.DiskMin}}}}, Assignment{})
		if v := set.Verdicts(m, h); v[0].Miss.Because() == "" {
			t.Errorf("%q has no words", v[0].Miss)
		}
		if a := Assign(m, h, set); a.Mark() == "" {
			t.Error("no mark")
		}
	})
}

// BenchmarkAssign is what a contact asks of a thousand rules of which the last is for it.
func BenchmarkAssign(b *testing.B) {
	for _, n := range []int{0, 10, 1000} {
		var rules []Rule
		for i := range n {
			rules = append(rules, Rule{ID: ID(i + 1), Order: i, Selector: Selector{Labels: []string{"other"}}})
		}
		if n > 0 {
			rules[n-1].Selector.Labels, rules[n-1].Assign.Mode = nil, &machine.Modes[0]
		}
		set := NewSet(rules, Assignment{})
		m := machine.Machine{Intent: machine.Intent{Free: true, Labels: []string{"a", "b"}}}
		b.Run(fmt.Sprintf("rules=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = Assign(m, nil, set)
			}
		})
	}
}

// BenchmarkMark is what each contact compares.
func BenchmarkMark(b *testing.B) {
	a := Assigned{Mode: machine.FlashOnce, Serial: "S4EMNX0R123456"}
	mark := a.Mark()
	b.ReportAllocs()
	for b.Loop() {
		if !a.Continues(mark) {
			b.Fatal("it does not")
		}
	}
}

package kmod

import (
	"bytes"
	"slices"
	"testing"
)

func testIndex(t testing.TB, modules []Module, aliases []Alias) *Index {
	t.Helper()
	var b bytes.Buffer
	if err := WriteIndex(&b, modules, aliases); err != nil {
		t.Fatal(err)
	}
	x, err := ParseIndex(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestMatch(t *testing.T) {
	x := testIndex(t, nil, []Alias{
		{"pci:v00008086d000010D3sv*sd*bc*sc*i*", "e1000e"},
		{"pci:v00008086d*sv*sd*bc02sc00i*", "generic-net"},
		{"pci:v*d*sv*sd*bc01sc06i01*", "ahci"},
		{"virtio:d00000001v*", "virtio_net"},
		{"mmc:block", "mmc_block"},
		{"usb:v*p*d*dc*dsc*dp*ic08isc06ip50in*", "usb-storage"},
		{"usb:v*p*d*dc*dsc*dp*ic08isc06ip[5-6]?in*", "uas"},
		{"scsi:t-0x00*", "sd_mod"},
		{"fs-efivarfs", "efivarfs"},
		{"has blank", "never"},
	})
	for _, c := range []struct {
		modalias string
		want     []string
	}{
		{"pci:v00008086d000010D3sv00001AF4sd00001100bc02sc00i00", []string{"e1000e", "generic_net"}},
		{"pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01", []string{"ahci"}},
		{"virtio:d00000001v00001AF4", []string{"virtio_net"}},
		{"virtio:d00000002v00001AF4", nil},
		{"mmc:block", []string{"mmc_block"}},
		{"usb:v46F4p0001d0000dc00dsc00dp00ic08isc06ip50in00", []string{"uas", "usb_storage"}},
		{"usb:v46F4p0001d0000dc00dsc00dp00ic08isc06ip62in00", []string{"uas"}},
		{"scsi:t-0x00", []string{"sd_mod"}},
		{"fs-efivarfs", []string{"efivarfs"}},
		{"fs_efivarfs", []string{"efivarfs"}},
		{"", nil},
	} {
		if got := x.Match(c.modalias); !slices.Equal(got, c.want) {
			t.Errorf("Match(%q) = %q, want %q", c.modalias, got, c.want)
		}
	}
}

func TestModule(t *testing.T) {
	x := testIndex(t, []Module{
		{Name: "virtio_net", Path: "a/virtio_net.ko", Deps: []string{"net_failover", "virtio"}},
		{Name: "net-failover", Path: "a/net_failover.ko", Deps: []string{"failover"}},
		{Name: "failover", Path: "a/failover.ko"},
		{Name: "r8169", Path: "r8169.ko", Pre: []string{"realtek"}, Post: []string{"x", "y"}},
	}, nil)
	m, ok := x.Module("net_failover")
	if !ok || m.Path != "a/net_failover.ko" || !slices.Equal(m.Deps, []string{"failover"}) {
		t.Errorf("Module(net_failover) = %+v, %v", m, ok)
	}
	m, ok = x.Module("r8169")
	if !ok || !slices.Equal(m.Pre, []string{"realtek"}) || !slices.Equal(m.Post, []string{"x", "y"}) || m.Deps != nil {
		t.Errorf("Module(r8169) = %+v, %v", m, ok)
	}
	if _, ok := x.Module("virtio"); ok {
		t.Error("Module(virtio) was found")
	}
}

func TestIndexRefuses(t *testing.T) {
	for _, bad := range []string{"", "bty-modules 2\n%aliases\n", "bty-modules 1\n", "bty-modules 1\na b - - -\n"} {
		if _, err := ParseIndex([]byte(bad)); err == nil {
			t.Errorf("ParseIndex(%q) accepted it", bad)
		}
	}
	for _, m := range []Module{{}, {Name: "a b", Path: "p"}, {Name: "a", Path: "p q"}, {Name: "a"}, {Name: "%a", Path: "p"}} {
		if err := WriteIndex(&bytes.Buffer{}, []Module{m}, nil); err == nil {
			t.Errorf("WriteIndex accepted %+v", m)
		}
	}
}

// FuzzIndex: a broken index is refused or finds nothing; it never stops init.
func FuzzIndex(f *testing.F) {
	var good bytes.Buffer
	if err := WriteIndex(&good, []Module{{Name: "a", Path: "a.ko", Deps: []string{"b"}}}, []Alias{{"pci:*", "a"}, {"virtio:d1v*", "b"}}); err != nil {
		f.Fatal(err)
	}
	f.Add(good.Bytes(), "pci:v1")
	f.Add([]byte("bty-modules 1\n%aliases\n"), "a")
	f.Add([]byte("bty-modules 1\n\n\n%aliases\n\n\n"), "")
	f.Fuzz(func(t *testing.T, data []byte, ask string) {
		x, err := ParseIndex(data)
		if err != nil {
			return
		}
		x.Module(ask)
		x.Match(ask)
		NewLoader(x, Params{}, func(string, string) error { return nil }).Load(ask, "")
	})
}

// FuzzMatch: the search finds what trying every pattern finds.
func FuzzMatch(f *testing.F) {
	f.Add("pci:v*d[0-9]*", "pci:v1d5", "virtio:*")
	f.Add("*", "", "")
	f.Add("a-b", "a_b", "[!-]x")
	f.Fuzz(func(t *testing.T, pattern, modalias, other string) {
		aliases := []Alias{{pattern, "one"}, {other, "two"}, {"zz*", "three"}}
		x := testIndex(t, nil, aliases)
		var want []string
		for _, a := range aliases {
			usable := a.Pattern != "" && !bytes.ContainsAny([]byte(a.Pattern), " \n")
			if usable && len(modalias) <= maxModalias && matchGlob(normalisePattern(a.Pattern), Normalise(modalias)) {
				want = append(want, a.Module)
			}
		}
		slices.Sort(want)
		if got := x.Match(modalias); !slices.Equal(got, want) {
			t.Errorf("Match(%q) with %q, %q = %q, want %q", modalias, pattern, other, got, want)
		}
	})
}

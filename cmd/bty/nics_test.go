package main

import (
	"context"
	"encoding/binary"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"bty/internal/agent"
	"bty/internal/client"
	"bty/internal/machine"
)

// The server is asked for each NIC with a link until it wants something else than a report; a
// machine with one NIC is asked for once, by the run itself.
func TestFindMAC(t *testing.T) {
	first, second := machine.MAC{2, 0, 0, 0, 0, 1}, machine.MAC{2, 0, 0, 0, 0, 2}
	for name, tc := range map[string]struct {
		nics  []nic
		plans map[machine.MAC]string
		want  machine.MAC
		asked int
		code  code
	}{
		"one":          {nics: []nic{{mac: first}}, want: first},
		"second known": {nics: []nic{{mac: first}, {mac: second}}, plans: map[machine.MAC]string{second: "exit"}, want: second, asked: 2},
		"first known":  {nics: []nic{{mac: first}, {mac: second}}, plans: map[machine.MAC]string{first: "flash"}, want: first, asked: 1},
		"none known":   {nics: []nic{{mac: first}, {mac: second}}, want: first, asked: 2},
		"away":         {nics: []nic{{mac: first}, {mac: second}}, plans: map[machine.MAC]string{first: "503"}, want: first, asked: 1},
		"refused":      {nics: []nic{{mac: first}, {mac: second}}, plans: map[machine.MAC]string{first: "404"}, asked: 1, code: codeServer},
		"no link":      {code: codeServer},
	} {
		var mu sync.Mutex
		asked := 0
		web := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			asked++
			mode := "inventory"
			for mac, plan := range tc.plans {
				if strings.Contains(req.URL.Path, mac.String()) {
					mode = plan
				}
			}
			if code, err := strconv.Atoi(mode); err == nil {
				rw.WriteHeader(code)
				return
			}
			_, _ = rw.Write([]byte(`{"mode":"` + mode + `"}`))
		}))
		s := newStage()
		s.nics = func(client.Server) ([]nic, error) { return tc.nics, nil }
		got, err := s.findMAC(t.Context(), client.Server(web.URL), &agent.Console{Out: s.err})
		if got != tc.want || codeOf(err) != tc.code || asked != tc.asked {
			t.Errorf("%s: %s, %v, asked %d times", name, got, err, asked)
		}
		web.Close()
	}
}

// Ctrl-C while the server does not answer is no fault of the server's.
func TestFindMACCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		cancel()
		<-req.Context().Done()
	}))
	t.Cleanup(web.Close)
	s := newStage()
	s.nics = func(client.Server) ([]nic, error) { return []nic{{mac: machine.MAC{2}}, {mac: machine.MAC{4}}}, nil }
	if _, err := s.findMAC(ctx, client.Server(web.URL), &agent.Console{Out: s.err}); complaint(err) != "cancelled; nothing was written" {
		t.Error(err)
	}
}

// The NICs of this machine: whatever they are, the one toward an address that is its own comes first.
func TestLinkedNICs(t *testing.T) {
	nics, err := linkedNICs("http://127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range nics {
		if n.name == "lo" || i > 0 && n.toward && !nics[i-1].toward {
			t.Errorf("%+v", nics)
		}
	}
}

// A host of containers: each of their NICs once became a machine of the server. What leads to the
// server is asked for whatever it is.
func TestAskable(t *testing.T) {
	mac := func(last byte) machine.MAC { return machine.MAC{2, 0, 0, 0, 0, last} }
	hardware := func(name string) bool { return strings.HasPrefix(name, "eth") }
	for name, tc := range map[string]struct {
		nics []nic
		want string
	}{
		"containers": {[]nic{{"docker0", mac(1), false}, {"eth0", mac(2), false}, {"eth1", mac(3), true}, {"veth7", mac(4), false}}, "eth1 eth0"},
		"bridge":     {[]nic{{"eth0", mac(1), false}, {"eth1", mac(2), false}, {"br0", mac(1), true}}, "br0 eth1"},
		"in one":     {[]nic{{"veth0", mac(1), true}}, "veth0"},
		"no way":     {[]nic{{"eth0", mac(1), false}, {"virbr0", mac(2), false}}, "eth0"},
	} {
		var got []string
		for _, n := range askable(tc.nics, hardware) {
			got = append(got, n.name)
		}
		if strings.Join(got, " ") != tc.want {
			t.Errorf("%s: %q; want %s", name, got, tc.want)
		}
	}
}

// Labels of file systems that their own makers made.
func TestLabels(t *testing.T) {
	for _, tc := range []struct{ args, want string }{
		{"mke2fs -q -F -t ext4 -L root", `ext2/3/4 "root"`},
		{"mkfs.fat -F 32 -n BOOT", `FAT "BOOT"`},
		{"mkfs.fat -F 16 -n SMALL", `FAT "SMALL"`},
		{"mkfs.fat -F 16", "FAT"},
	} {
		path := filepath.Join(t.TempDir(), "fs")
		write(t, path, nil)
		if err := os.Truncate(path, 64*mib); err != nil {
			t.Fatal(err)
		}
		words := append(strings.Fields(tc.args), path)
		if out, err := exec.CommandContext(t.Context(), words[0], words[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", tc.args, err, out)
		}
		if got := formatAt(path, "unknown", "empty"); got != tc.want {
			t.Errorf("%s: %s; want %s", tc.args, got, tc.want)
		}
	}
}

// exFAT keeps its label in a file of the root directory; there is no maker of it everywhere.
func TestLabelOfExFAT(t *testing.T) {
	disk := make([]byte, 1<<20)
	copy(disk[3:], "EXFAT   ")
	binary.LittleEndian.PutUint32(disk[88:], 128) // cluster heap, in sectors
	binary.LittleEndian.PutUint32(disk[96:], 5)   // first cluster of the root directory
	disk[108], disk[109] = 9, 3                   // 512 bytes in a sector, 8 sectors in a cluster
	entry := disk[(128+3*8)*512:]
	entry[0], entry[32], entry[33] = 0x81, 0x83, 10
	for i, r := range "BTY_IMAGES" {
		binary.LittleEndian.PutUint16(entry[34+2*i:], uint16(r))
	}
	path := write(t, filepath.Join(t.TempDir(), "fs"), disk)
	if got := formatAt(path, "", ""); got != `exFAT "BTY_IMAGES"` {
		t.Error(got)
	}
}

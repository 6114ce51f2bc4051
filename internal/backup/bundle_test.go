package backup

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"bty/internal/fault"
	"bty/internal/fleet"
	"bty/internal/machine"
	"bty/internal/store"
)

func TestBundleRows(t *testing.T) {
	long := strings.Repeat("x", 200)
	disks := func(n int) string { return "[" + strings.Repeat(`{"path":"/dev/sda"},`, n-1) + `{"path":"/dev/sda"}]` }
	for name, tt := range map[string]struct {
		row     string
		mac     string // of a row that can be used
		disks   int    // -1 for none
		tree    string
		problem string // part of it
		note    string
	}{
		"bare":              {`{"mac":"52:54:00:00:00:01"}`, "52:54:00:00:00:01", -1, "", "", ""},
		"nulls":             {`{"mac":"52:54:00:00:00:01","known_disks":null,"known_disks_at":null,"hw_lshw":null,"hw_lshw_at":null}`, "52:54:00:00:00:01", -1, "", "", ""},
		"upper case":        {`{"mac":"52-54-00-AB-CD-EF"}`, "52:54:00:ab:cd:ef", -1, "", "", ""},
		"bare hex":          {`{"mac":"525400ABCDEF"}`, "52:54:00:ab:cd:ef", -1, "", "", ""},
		"Cisco":             {`{"mac":"5254.00ab.cdef"}`, "52:54:00:ab:cd:ef", -1, "", "", ""},
		"more fields":       {`{"mac":"52:54:00:00:00:01","labels":["a"],"boot_mode":"x"}`, "52:54:00:00:00:01", -1, "", "", ""},
		"null MAC":          {`{"mac":null}`, "", 0, "", "invalid MAC", ""},
		"no MAC":            {`{}`, "", 0, "", "invalid MAC", ""},
		"number":            {`{"mac":82}`, "", 0, "", "invalid MAC", ""},
		"garbage":           {`{"mac":"` + long + `"}`, "", 0, "", "invalid MAC", ""},
		"no object":         {`"52:54:00:00:00:01"`, "", 0, "", "no object", ""},
		"null":              {`null`, "", 0, "", "invalid MAC", ""},
		"no disks":          {`{"mac":"52:54:00:00:00:01","known_disks":[]}`, "52:54:00:00:00:01", 0, "", "", ""},
		"disks":             {`{"mac":"52:54:00:00:00:01","known_disks":[{"path":"/dev/sda","serial":null,"more":1}]}`, "52:54:00:00:00:01", 1, "", "", ""},
		"disks in text":     {`{"mac":"52:54:00:00:00:01","known_disks":"[{\"path\":\"/dev/sda\"}]"}`, "52:54:00:00:00:01", 1, "", "", ""},
		"empty text":        {`{"mac":"52:54:00:00:00:01","known_disks":""}`, "52:54:00:00:00:01", -1, "", "", ""},
		"disks as object":   {`{"mac":"52:54:00:00:00:01","known_disks":{}}`, "", 0, "", "known_disks", ""},
		"disk without path": {`{"mac":"52:54:00:00:00:01","known_disks":[{"serial":"x"}]}`, "", 0, "", "no path", ""},
		"long serial":       {`{"mac":"52:54:00:00:00:01","known_disks":[{"path":"/dev/sda","serial":"` + long + `"}]}`, "", 0, "", "serial", ""},
		"64 disks":          {`{"mac":"52:54:00:00:00:01","known_disks":` + disks(64) + `}`, "52:54:00:00:00:01", 64, "", "", ""},
		"65 disks":          {`{"mac":"52:54:00:00:00:01","known_disks":` + disks(65) + `}`, "", 0, "", "64 is the limit", ""},
		"tree":              {`{"mac":"52:54:00:00:00:01","hw_lshw":{"b": 1, "a":[ ]}}`, "52:54:00:00:00:01", -1, `{"a":[],"b":1}`, "", ""},
		"tree in text":      {`{"mac":"52:54:00:00:00:01","hw_lshw":"[{\"a\":1}]"}`, "52:54:00:00:00:01", -1, `[{"a":1}]`, "", ""},
		"tree is a number":  {`{"mac":"52:54:00:00:00:01","hw_lshw":7}`, "52:54:00:00:00:01", -1, "", "", "neither an object nor a list"},
		"tree too large":    {`{"mac":"52:54:00:00:00:01","hw_lshw":["` + strings.Repeat("x", fleet.MaxTree) + `"]}`, "52:54:00:00:00:01", -1, "", "", "limit"},
	} {
		t.Run(name, func(t *testing.T) {
			rows, err := readBundle(strings.NewReader(`{"bty_export_version":3,"machines":[` + tt.row + `]}`))
			if err != nil || len(rows) != 1 {
				t.Fatalf("%v, %v", rows, err)
			}
			row := rows[0]
			if tt.problem != "" || row.Problem != "" {
				if tt.problem == "" || !strings.Contains(row.Problem, tt.problem) || len(row.Problem) > 200 {
					t.Errorf("problem %q, want %q", row.Problem, tt.problem)
				}
				return
			}
			got := -1
			if row.Disks != nil {
				got = len(row.Disks)
			}
			if row.MAC.String() != tt.mac || got != tt.disks || string(row.Tree) != tt.tree || (tt.note == "") != (row.Note == "") || !strings.Contains(row.Note, tt.note) {
				t.Errorf("%+v", row)
			}
		})
	}
}

func TestTimesInBundles(t *testing.T) {
	want := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, text := range []string{"2026-01-02T03:04:05Z", "2026-01-02T03:04:05+00:00", "2026-01-02T04:04:05.000000+01:00", "2026-01-02T03:04:05", "2026-01-02 03:04:05"} {
		if got := ReadTime(text); !got.Equal(want) {
			t.Errorf("%q: %s", text, got)
		}
	}
	for _, v := range []any{nil, 7.0, "", "yesterday"} {
		if got := ReadTime(v); !got.IsZero() {
			t.Errorf("%v: %s", v, got)
		}
	}
}

// What is exported comes in again as it was, and comes out again the same.
func TestBundleRoundTrip(t *testing.T) {
	export := func(s *site) string {
		t.Helper()
		file, err := s.Export(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		raw, err := io.ReadAll(file)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	from := newSite(t)
	if got := export(from); !strings.Contains(got, `"machines": []`) || !json.Valid([]byte(got)) || !strings.HasSuffix(got, "\n}\n") {
		t.Errorf("empty: %s", got)
	}
	from.machines(0, 3)
	serial := "S <&> \u2028 ü"
	err := from.store.Update(t.Context(), func(tx *store.Tx) error {
		m := machine.New(machine.MAC{0x52, 0x54, 0, 0, 0, 1}, from.now())
		m.Facts.InventoriedAt = from.now()
		if err := tx.PutMachine(m); err != nil {
			return err
		}
		if err := tx.PutHardware(m.MAC, machine.Hardware{Disks: []machine.Disk{{Path: "/dev/sda", Serial: &serial}}}); err != nil {
			return err
		}
		return tx.PutTree(m.MAC, json.RawMessage(`{"children":[{}],"id":"x"}`))
	})
	if err != nil {
		t.Fatal(err)
	}
	first := export(from)
	to := newSite(t)
	to.machines(2, 4) // one that both have, one that only this one has
	report, err := to.Import(t.Context(), strings.NewReader(first), false, "test", fleet.Who{From: netip.MustParseAddr("192.0.2.1")})
	if err != nil {
		t.Fatal(err)
	}
	outcomes := map[fleet.Outcome]int{}
	for _, r := range report {
		outcomes[r.Outcome]++
	}
	if outcomes[fleet.ImportCreated] != 2 || outcomes[fleet.ImportUnchanged] != 1 || to.Fleet.Count() != 2 { // those that it saw come
		t.Errorf("%v, %d machines", outcomes, to.Fleet.Count())
	}
	machines := func(text string) (list []json.RawMessage) {
		t.Helper()
		var b struct{ Machines []json.RawMessage }
		if err := json.Unmarshal([]byte(text), &b); err != nil {
			t.Fatal(err)
		}
		return b.Machines
	}
	for i, row := range machines(first) {
		if again := machines(export(to))[i]; !bytes.Equal(row, again) {
			t.Errorf("%s\ncame back as\n%s", row, again)
		}
	}
}

// A bundle that breaks off is the way's fault, one that is none the sender's; neither changes a thing.
func TestBadBundles(t *testing.T) {
	s := newSite(t)
	whole := `{"bty_export_version":3,"machines":[{"mac":"52:54:00:00:00:01"}]}`
	for n := range len(whole) {
		if _, err := s.Import(t.Context(), strings.NewReader(whole[:n]), false, "test", fleet.Who{}); err == nil {
			t.Fatalf("%q was taken", whole[:n])
		}
	}
	for _, text := range []string{`7`, `"x"`, `[]`, `{"bty_export_version":3,"machines":{}}`, `{"bty_export_version":3.0,"machines":[]}`, `{"bty_export_version":2,"machines":[]}`, whole + whole} {
		if _, err := s.Import(t.Context(), strings.NewReader(text), false, "test", fleet.Who{}); fault.KindOf(err) != fault.Rejected {
			t.Errorf("%s: %v", text, err)
		}
	}
	if n := s.Fleet.Count(); n != 0 {
		t.Errorf("%d machines", n)
	}
}

func FuzzBundle(f *testing.F) {
	f.Add(`{"bty_export_version":3,"machines":[{"mac":"52:54:00:00:00:01","known_disks":"[]","hw_lshw":{}}]}`)
	f.Add(`{"bty_export_version":3,"machines":[null,7,{},{"mac":null}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		rows, err := readBundle(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, row := range rows {
			if row.Problem == "" && len(row.Disks) > maxDisks || len(row.Tree) > fleet.MaxTree || !row.At.IsZero() && fmt.Sprint(row.At) == "" {
				t.Errorf("%+v", row)
			}
		}
	})
}

package api

import (
	"encoding/json"
	"reflect"
	"testing"

	"bty/internal/machine"
	"bty/internal/rule"
	"bty/internal/web/body"
)

// FuzzReadRule: whatever comes in as a rule is refused or is a rule that can be asked, and that
// reads the same when it is sent back as it was shown.
func FuzzReadRule(f *testing.F) {
	for _, s := range []string{
		`{"name":"x","boot_mode":"bty-tui"}`,
		`{"name":"x","labels":["a","b"],"not_labels":["c"],"mac_prefix":"5254.0","arch":"x86_64","vendor":"dell*","product":"r6?0","disk_min":"1G","disk_max":"2TiB","target_pick":"largest"}`,
		`{"name":"x","target_transport":"nvme","target_model":"*","target_min":"0","target_max":"9P"}`,
		`{"name":"x","bty_image_ref":"` + "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" + `"}`,
		`{"name":7,"labels":{},"boot_mode":null}`, `[]`, `null`, `"x"`,
	} {
		f.Add(s)
	}
	serial, size := "S", "447.1G"
	h := &machine.Hardware{Vendor: "Dell Inc.", Product: "R640", Disks: []machine.Disk{{Path: "/dev/sda", Serial: &serial, Size: &size}}}
	f.Fuzz(func(t *testing.T, raw string) {
		var v any
		if json.Unmarshal([]byte(raw), &v) != nil {
			t.Skip()
		}
		_, _ = ReadChange(body.Of(v))
		_, _, _ = ReadBulk(body.Of(v))
		_, _ = ReadDefault(body.Of(v))
		r, err := ReadRule(body.Of(v))
		if err != nil {
			return
		}
		set := rule.NewSet([]rule.Rule{r}, rule.Assignment{})
		_ = rule.AssignTraced(machine.Machine{Intent: machine.Intent{Free: true}}, h, set)
		shown, err := json.Marshal(Rule(r, 1))
		if err != nil {
			t.Fatal(err)
		}
		fields := map[string]any{}
		if err := json.Unmarshal(shown, &fields); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"id", "place", "created_at", "updated_at"} {
			delete(fields, name)
		}
		again, err := ReadRule(body.Of(fields))
		if err != nil || !reflect.DeepEqual(r, again) {
			t.Errorf("%s\nreads as  %+v\nthen as   %+v: %v", raw, r, again, err)
		}
	})
}

package boot

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"bty/internal/machine"
	"bty/internal/rule"
)

func traceOf(t *testing.T, o Offer) map[string]any {
	t.Helper()
	raw := o.Trace()
	if len(raw) > MaxTrace {
		t.Errorf("%d bytes: %s", len(raw), raw)
	}
	var v map[string]any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	return v
}

// The worst there can be: everything set, a thousand rules with the largest IDs, an architecture
// that somebody made up.
func TestTraceIsBounded(t *testing.T) {
	last := rule.By{Origin: rule.ByRule, Rule: math.MaxUint64}
	f := machine.Facts{Under: strings.Repeat("f", 24), Attempts: math.MaxInt, Launched: true, Planned: true, Completed: true, Failed: true, Stuck: true, DiskAt: then}
	o := Offer{Asker: Firmware, Question: Question{Via: machine.ViaTFTP, Again: true}, Rule: RuleNoLiveFiles, Action: StartLive,
		Machine: machine.Machine{Arch: strings.Repeat(`"\`, 40) + "\x00ü", Facts: f}}
	o.Assigned = rule.Assigned{ModeBy: last, ImageBy: last, DiskBy: last, NoDisk: strings.Repeat("x", 1000)}
	for longest := range 3 {
		for _, n := range []int{0, 1, 5, 20, 1000} {
			o.Assigned.Verdicts = nil
			for range n {
				o.Assigned.Verdicts = append(o.Assigned.Verdicts, rule.Verdict{Rule: math.MaxUint64, Miss: []rule.Miss{rule.MissNotLabel, rule.MissHardware, rule.Matches}[longest]})
			}
			v := traceOf(t, o)
			shown, _ := v["e"].([]any)
			cut, _ := v["cut"].(float64)
			if len(shown)+int(cut) != n || n > 0 && len(shown) == 0 {
				t.Errorf("of %d rules %d are shown and %v left out", n, len(shown), cut)
			}
		}
	}
}

func TestTrace(t *testing.T) {
	o := Offer{Asker: Live, Rule: RuleFlash, Machine: machine.Machine{Facts: machine.Facts{Under: "ab", Attempts: 2, Launched: true}},
		Assigned: rule.Assigned{ModeBy: rule.By{Origin: rule.Own}, ImageBy: rule.By{Origin: rule.ByRule, Rule: 7}, DiskBy: rule.By{Origin: rule.Default},
			Verdicts: []rule.Verdict{{Rule: 3, Miss: rule.MissLabel}, {Rule: 7}}}}
	if got, want := string(o.Trace()), `{"q":"l","r":"flash","n":2,"f":"l","u":"ab","m":"own","i":7,"d":"default","e":[[3,"label"],7]}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := string(Offer{Rule: RuleExit}.Trace()); got != `{"q":"f","r":"exit"}` {
		t.Errorf("the least there is: %s", got)
	}
}

func BenchmarkTrace(b *testing.B) {
	o := Offer{Asker: Live, Rule: RuleFlash, Machine: machine.Machine{Facts: machine.Facts{Under: "abcdefabcdefabcdefabcdef", Attempts: 2, Launched: true}}}
	o.Assigned.Verdicts = []rule.Verdict{{Rule: 3, Miss: rule.MissLabel}, {Rule: 7}}
	b.ReportAllocs()
	for b.Loop() {
		_ = o.Trace()
	}
}

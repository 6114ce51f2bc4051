package boot

import (
	"encoding/json"
	"strconv"

	"bty/internal/machine"
	"bty/internal/rule"
)

// MaxTrace is the longest trace of an answer, in bytes of JSON.
const MaxTrace = 512

// Trace is why an offer is what it is, in an object of at most MaxTrace bytes that is stored with
// each answer: the inputs of the decision and the assignment rules that were asked. docs/rules.md
// explains its keys.
func (o Offer) Trace() json.RawMessage {
	a := o.Assigned
	t := tracer{b: make([]byte, 0, MaxTrace)}
	t.open('{')
	t.text("q", o.asked())
	t.text("r", string(o.Rule))
	t.number("n", uint64(o.Machine.Facts.Attempts))
	t.text("f", flags(o.Machine.Facts))
	t.text("u", o.Machine.Facts.Under)
	t.by("m", a.ModeBy)
	t.by("i", a.ImageBy)
	t.by("d", a.DiskBy)
	if a.NoDisk != "" {
		t.text("nd", "1")
	}
	if o.Action == StartLive {
		t.text("k", archOf(o.Machine))
	}
	t.verdicts(a.Verdicts)
	t.b = append(t.b, '}')
	return t.b
}

// asked is who asked and how, in letters.
func (o Offer) asked() string {
	s := "l"
	if o.Asker == Firmware {
		s = "f"
	}
	switch o.Question.Via {
	case machine.ViaTFTP:
		s += "t"
	case machine.ViaHTTP:
		s += "h"
	}
	if o.Question.Again {
		s += "a"
	}
	return s
}

// flags is the facts of the cycle, in letters.
func flags(f machine.Facts) string {
	s := ""
	for _, flag := range []struct {
		is     bool
		letter string
	}{{f.Launched, "l"}, {f.Planned, "p"}, {f.Completed, "c"}, {f.Failed, "x"}, {f.Stuck, "s"}, {!f.DiskAt.IsZero(), "d"}} {
		if flag.is {
			s += flag.letter
		}
	}
	return s
}

// maxArch is the longest name of an architecture that a trace repeats.
const maxArch = 16

func archOf(m machine.Machine) string { return m.Arch[:min(len(m.Arch), maxArch)] }

// tracer writes JSON by hand: it is on the way of every contact, and bounded.
type tracer struct {
	b     []byte
	first bool
}

func (t *tracer) open(b byte) { t.b, t.first = append(t.b, b), true }

func (t *tracer) key(name string) {
	t.comma()
	t.b = append(append(append(t.b, '"'), name...), '"', ':')
}

func (t *tracer) comma() {
	if !t.first {
		t.b = append(t.b, ',')
	}
	t.first = false
}

// text writes what is not empty. Our own words need no escapes; an architecture comes from the
// wire, and what would need one is left out of it.
func (t *tracer) text(name, value string) {
	if value == "" {
		return
	}
	t.key(name)
	t.b = append(t.b, '"')
	for i := range len(value) {
		if c := value[i]; c >= ' ' && c < 0x7f && c != '"' && c != '\\' {
			t.b = append(t.b, c)
		}
	}
	t.b = append(t.b, '"')
}

func (t *tracer) number(name string, n uint64) {
	if n > 0 {
		t.key(name)
		t.b = strconv.AppendUint(t.b, n, 10)
	}
}

// by writes who decided: "own", "default" or the ID of a rule.
func (t *tracer) by(name string, by rule.By) {
	switch by.Origin {
	case rule.Own:
		t.text(name, "own")
	case rule.Default:
		t.text(name, "default")
	case rule.ByRule:
		t.number(name, uint64(by.Rule))
	case rule.Nobody:
	}
}

// closing is room for what ends a trace: the count of what was left out and the brackets.
const closing = len(`],"cut":18446744073709551615}`)

// verdicts writes as many as there is room for, those that match as a bare ID.
func (t *tracer) verdicts(all []rule.Verdict) {
	if len(all) == 0 {
		return
	}
	t.key("e")
	t.open('[')
	var one []byte
	for i, v := range all {
		one = verdict(one[:0], v)
		if len(t.b)+len(one)+1+closing > MaxTrace {
			t.b = append(t.b, ']')
			t.first = false
			t.number("cut", uint64(len(all)-i))
			return
		}
		t.comma()
		t.b = append(t.b, one...)
	}
	t.b = append(t.b, ']')
	t.first = false
}

func verdict(b []byte, v rule.Verdict) []byte {
	if v.Miss == rule.Matches {
		return strconv.AppendUint(b, uint64(v.Rule), 10)
	}
	b = strconv.AppendUint(append(b, '['), uint64(v.Rule), 10)
	b = append(append(b, `,"`...), v.Miss...)
	return append(b, `"]`...)
}

package wire

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

// fill gives each field another value than the zero one, so that one which is added is not forgotten.
func fill(t *testing.T, v reflect.Value) {
	for i := range v.NumField() {
		switch f := v.Field(i); f.Interface().(type) {
		case time.Time:
			f.Set(reflect.ValueOf(time.Date(2026, 11, 26, 3, 4, 5, 600, time.UTC)))
		case string:
			f.SetString(v.Type().Field(i).Name)
		case *uint16:
			f.Set(reflect.ValueOf(new(uint16)))
		case *Asker:
			asker := new(Asker)
			fill(t, reflect.ValueOf(asker).Elem())
			f.Set(reflect.ValueOf(asker))
		case uint16:
			f.SetUint(7)
		case int:
			f.SetInt(9)
		default:
			t.Fatalf("%s: a field of type %s needs a value here", v.Type().Field(i).Name, f.Type())
		}
	}
}

func observed(t *testing.T, text string) Observations {
	o := Observations{Sightings: make([]Sighting, 2), Answers: make([]DHCPAnswer, 2)}
	fill(t, reflect.ValueOf(&o.Sightings[0]).Elem())
	fill(t, reflect.ValueOf(&o.Answers[0]).Elem())
	o.Sightings[1].Class, o.Answers[1].Bootfile = text, text
	return o
}

// What is written by hand is read as what encoding/json writes.
func TestObservationsAsJSON(t *testing.T) {
	for _, text := range []string{"", "plain", `a "quoted" one`, `C:\pxe`, "<&>", "tab\t", "ö \u2028", "\xff"} {
		o := observed(t, text)
		sameJSON(t, o)
	}
	for _, o := range []Observations{{}, {Sightings: []Sighting{}, Answers: []DHCPAnswer{}}} {
		if got := string(o.AppendJSON(nil)); got != `{"sightings":[],"answers":[]}` {
			t.Errorf("nothing: %s", got)
		}
	}
}

func sameJSON(t *testing.T, o Observations) {
	t.Helper()
	raw, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	var want, got any
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}
	mine := o.AppendJSON([]byte{})
	if err := json.Unmarshal(mine, &got); err != nil {
		t.Fatalf("%v: %s", err, mine)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s\nwant\n%s", mine, raw)
	}
}

func FuzzObservationsAsJSON(f *testing.F) {
	f.Add("PXEClient:Arch:00007:UNDI:003016")
	f.Add("\"\\\x00\xff")
	f.Fuzz(func(t *testing.T, text string) { sameJSON(t, observed(t, text)) })
}

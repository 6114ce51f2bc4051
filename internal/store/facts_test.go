package store

import (
	"bytes"
	"context"
	"fmt"
	"reflect"
	"syscall"
	"testing"
	"time"

	"bty/internal/machine"
)

// Every field of machine.Facts is kept: who adds one must add it to the row, in a new version.
func TestFactsAreKept(t *testing.T) {
	var full facts
	v := reflect.ValueOf(&full.Facts).Elem()
	at := time.Date(2026, 1, 2, 3, 4, 5, 678901234, time.UTC)
	full.UpdatedAt = at
	for i := range v.NumField() {
		one := facts{UpdatedAt: at}
		for _, field := range []reflect.Value{reflect.ValueOf(&one.Facts).Elem().Field(i), v.Field(i)} {
			switch field.Interface().(type) {
			case bool:
				field.SetBool(true)
			case int:
				field.SetInt(int64(i + 1000))
			case string, machine.Via:
				field.SetString(fmt.Sprint("ü<", i))
			case time.Time:
				field.Set(reflect.ValueOf(at.Add(time.Duration(i) * time.Nanosecond)))
			default:
				t.Fatalf("a row has no %s", field.Type())
			}
		}
		if got, err := decodeFacts(nil, one.encode(nil)); err != nil || got != one {
			t.Errorf("%s: got %+v, want %+v: %v", v.Type().Field(i).Name, got, one, err)
		}
	}
	far := facts{UpdatedAt: time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC)}
	far.DiskAt = time.Unix(0, 0).UTC()
	for _, want := range []facts{full, {}, far} {
		if got, err := decodeFacts(nil, want.encode(nil)); err != nil || got != want {
			t.Errorf("got %+v, want %+v: %v", got, want, err)
		}
	}
}

func FuzzFacts(f *testing.F) {
	whole := factsOf(schema3().Machines[6])
	f.Add(whole.encode(nil))
	f.Add((&facts{}).encode(nil))
	f.Add([]byte{valueVersion, 0xff, 0xff, 0xff})
	f.Add([]byte{valueVersion, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, raw []byte) {
		one, err := decodeFacts([]byte("key"), raw)
		if err != nil {
			return
		}
		again, err := decodeFacts(nil, one.encode(nil))
		if err != nil || again != one {
			t.Errorf("%x is %+v, and that comes back as %+v, %v", raw, one, again, err)
		}
	})
}

// What happens to a machine leaves the row that the operator wrote alone, and the other way round;
// what is saved unchanged writes nothing.
func TestPutMachineWritesWhatDiffers(t *testing.T) {
	s := fresh(t)
	m := machine.New(mac(1), time.Unix(1, 0).UTC())
	m.Intent.Labels = []string{"a"}
	rows := func(tx *Tx) (intent, facts []byte) {
		facts = tx.rawFacts(m.MAC)
		return bytes.Clone(tx.tx.Bucket(bucketMachines).Get(m.MAC[:])), bytes.Clone(facts)
	}
	for i, step := range []struct {
		change        func()
		intent, facts bool
	}{
		{func() {}, true, true},
		{func() {}, false, false},
		{func() { m.Facts.Attempts++ }, false, true},
		{func() { m.UpdatedAt = time.Unix(2, 5).UTC() }, false, true},
		{func() { m.Intent.Labels = []string{"b"} }, true, false},
		{func() { m.Arch = "arm64" }, true, false},
		{func() { m.DiscoveredAt = time.Time{} }, true, false},
		{func() { m.CreatedAt = time.Unix(3, 0).UTC() }, true, false},
		{func() { m.Intent.Mode = machine.TUI; m.Arm(time.Unix(4, 0).UTC()) }, true, true},
		{func() {}, false, false},
	} {
		step.change()
		err := s.Update(context.Background(), func(tx *Tx) error {
			intent, facts := rows(tx)
			if err := tx.PutMachine(m); err != nil {
				return err
			}
			newIntent, newFacts := rows(tx)
			if bytes.Equal(intent, newIntent) == step.intent || bytes.Equal(facts, newFacts) == step.facts || tx.wrote != (step.intent || step.facts) {
				t.Errorf("step %d: wrote %t\n%s\n%s\n%x\n%x", i, tx.wrote, intent, newIntent, facts, newFacts)
			}
			got, found, err := tx.Machine(m.MAC)
			if !found || !reflect.DeepEqual(got, m) {
				t.Errorf("step %d: got %+v, want %+v", i, got, m)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Update(context.Background(), func(tx *Tx) error { return tx.DeleteMachine(m.MAC) }); err != nil {
		t.Fatal(err)
	}
	_ = s.View(func(tx *Tx) error {
		if intent, facts := rows(tx); intent != nil || facts != nil {
			t.Errorf("deleted, and there is %s %x", intent, facts)
		}
		return nil
	})
}

// BenchmarkFacts is a commit in which 256 machines of so many change a fact, and tells how many
// pages it writes.
func BenchmarkFacts(b *testing.B) {
	for _, machines := range []int{256, 10_000} {
		b.Run(fmt.Sprint(machines), func(b *testing.B) { benchmarkFacts(b, machines) })
	}
}

func benchmarkFacts(b *testing.B, machines int) {
	s := fresh(b)
	const chunk = 2000
	for from := 0; from < machines; from += chunk {
		err := s.Update(context.Background(), func(tx *Tx) error {
			for i := from; i < min(from+chunk, machines); i++ {
				m := machine.New(mac(i), time.Unix(int64(i), 5).UTC())
				m.Facts.Under, m.Intent.Labels = "0123456789ab", []string{"rack-17"}
				if err := tx.PutMachine(m); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	n := 0
	touch := func(tx *Tx) error {
		for i := range 256 {
			m, _, err := tx.Machine(mac((i*machines/256 + n*7919) % machines))
			if err != nil {
				return err
			}
			m.Inventoried(time.Unix(int64(n), 123456789).UTC())
			m.Facts.Attempts++
			m.Facts.Launched = !m.Facts.Launched
			if err := tx.PutMachine(m); err != nil {
				return err
			}
		}
		n++
		return nil
	}
	for range 3 * machines / 256 { // rows have grown to what they are in life
		if err := s.Update(context.Background(), touch); err != nil {
			b.Fatal(err)
		}
	}
	before, worked := s.db.Stats(), processorTime(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Update(context.Background(), touch); err != nil {
			b.Fatal(err)
		}
	}
	after := s.db.Stats()
	b.ReportMetric(float64(after.TxStats.GetWrite()-before.TxStats.GetWrite())/float64(b.N), "pages/op")
	b.ReportMetric(float64((processorTime(b)-worked).Microseconds())/float64(b.N), "cpu-µs/op")
}

// processorTime is what can be compared while the machine has other work, too.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

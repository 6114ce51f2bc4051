package fleet

import (
	"cmp"
	"slices"

	"bty/internal/machine"
)

// Overview is the fleet at a glance.
type Overview struct {
	All        int // machines that are known
	Unassigned int // to which no image is bound
	Phases     map[machine.Phase]int

	Working   []Record // whose live environment is at work, those first that began last
	Attention []Record // failed and stuck, the newest first
	Busy      int      // how many are at work, listed or not
	Halted    int      // how many are failed or stuck, listed or not
}

// Overview looks at all machines once; it lists at most limit of each kind.
func (f *Fleet) Overview(limit int) (Overview, error) {
	o := Overview{Phases: map[machine.Phase]int{}}
	err := f.Store.View(func(tx Tx) error {
		var working, halted []dated
		err := tx.EachMachine(func(own machine.Machine) error {
			m, err := settled(tx, own)
			if err != nil {
				return err
			}
			o.All++
			o.Phases[m.Phase()]++
			if m.Intent.Image.IsZero() {
				o.Unassigned++
			}
			if m.Facts.Halted() {
				halted = append(halted, dated{own, m.UpdatedAt.UnixNano()})
			} else if p := f.activity.get(m.MAC).Progress; p != nil {
				working = append(working, dated{own, p.StageAt.UnixNano()})
			}
			return nil
		})
		if err != nil {
			return err
		}
		o.Busy, o.Halted = len(working), len(halted)
		if o.Working, err = f.newest(tx, working, limit); err != nil {
			return err
		}
		o.Attention, err = f.newest(tx, halted, limit)
		return err
	})
	return o, err
}

// dated is a machine as it is kept and when what matters of it happened.
type dated struct {
	machine machine.Machine
	at      int64
}

func (f *Fleet) newest(tx Tx, found []dated, limit int) ([]Record, error) {
	slices.SortStableFunc(found, func(a, b dated) int { return cmp.Compare(b.at, a.at) })
	var records []Record
	for _, d := range found[:min(limit, len(found))] {
		r, err := f.record(tx, d.machine)
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	return records, nil
}

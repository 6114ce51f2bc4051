package fleet

import (
	"context"
	"fmt"

	"bty/internal/event"
	"bty/internal/machine"
)

// Add makes a machine known before it has ever asked; it boots its own disk until it is told
// otherwise. One that is known already is left as it is, and is not news.
func (f *Fleet) Add(ctx context.Context, mac machine.MAC, who Who) (isNew bool, err error) {
	now := f.Now()
	err = f.commit(ctx, func(tx Tx) ([]event.Event, error) {
		_, found, err := tx.Machine(mac)
		if isNew = !found; found || err != nil {
			return nil, err
		}
		m := machine.Machine{MAC: mac, CreatedAt: now, UpdatedAt: now}
		return []event.Event{machineEvent(event.MachineCreated, mac, event.Operator, who.From, now,
			fmt.Sprintf("%s added by hand", mac), policyOf(m.Intent))}, tx.PutMachine(m)
	})
	if err == nil && isNew {
		f.machines.Add(1)
	}
	return isNew && err == nil, err
}

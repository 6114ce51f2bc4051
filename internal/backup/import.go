package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"bty/internal/fault"
	"bty/internal/fleet"
	"bty/internal/machine"
	"bty/internal/store"
)

// Export returns the portable bundle of the present state, the hardware of all machines in format
// 3, as a file without a name: who fetches it slowly holds no transaction.
func (m *Manager) Export(ctx context.Context) (*os.File, error) {
	file, err := os.CreateTemp(m.Dir, partialPrefix+"export-")
	if err != nil {
		return nil, fmt.Errorf("make an export: %w", err)
	}
	err = os.Remove(file.Name())
	if err == nil {
		err = m.Store.View(func(tx *store.Tx) error {
			return writeBundle(file, tx, m.Now(), m.Version, func(machine.Machine) error { return context.Cause(ctx) })
		})
	}
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err == nil {
		return file, nil
	}
	if err = errors.Join(err, file.Close()); isFull(err) {
		err = fault.Wrap(fault.Full, err, "the disk of %s is full; nothing was exported. Free space there and repeat it", m.Dir)
	}
	return nil, err
}

// Import takes the machines of a bundle in: hardware only. See fleet.Import.
func (m *Manager) Import(ctx context.Context, r io.Reader, replace bool, source string, who fleet.Who) ([]fleet.Imported, error) {
	if !m.importing.TryLock() {
		return nil, fault.New(fault.Conflict, "another import is under way; wait until it has ended")
	}
	defer m.importing.Unlock()
	rows, err := readBundle(r)
	if err != nil {
		return nil, err
	}
	return m.Fleet.Import(ctx, rows, replace, sourceName(source), who)
}

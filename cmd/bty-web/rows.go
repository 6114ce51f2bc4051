package main

import (
	"bty/internal/build"
	"bty/internal/store"
	"bty/internal/wire"
)

// rows names what is in the database at one moment.
func (a *app) rows() (wire.Rows, error) {
	rows := wire.Rows{Version: build.Version}
	err := a.state.View(func(tx *store.Tx) (err error) {
		rows.Tables = tx.Rows()
		rows.Schema, err = tx.Schema()
		return err
	})
	return rows, err
}

package takeover

import (
	"fmt"
	"os"

	"bty/internal/settings"
	"bty/internal/store"
	"bty/internal/wire"
)

// Mark tells whether a database of the previous system is still as it was when it was taken over,
// under whatever path it is seen. It is "" if there is none.
func Mark(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%d bytes of %d", info.Size(), info.ModTime().UnixNano())
}

// noteMark plans to note which file was taken over: nobody needs to be told of it any more.
func (p *plan) noteMark(tx *store.Tx, in wire.PreviousState) error {
	stored, err := tx.Settings()
	if err == nil && in.Mark != "" && stored[string(settings.TakenOver)] != in.Mark {
		p.writes = append(p.writes, func(tx *store.Tx) error { return tx.PutSetting(string(settings.TakenOver), in.Mark) })
	}
	return err
}

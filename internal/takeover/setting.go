package takeover

import (
	"time"

	"bty/internal/settings"
	"bty/internal/store"
	"bty/internal/wire"
)

const kindSetting = "setting"

// settings plans for each stored value. What one holds is never repeated.
func (p *plan) settings(tx *store.Tx, in wire.PreviousState, _ time.Time) error {
	stored, err := tx.Settings()
	if err != nil {
		return err
	}
	for _, one := range in.Settings {
		p.setting(stored, one)
	}
	return nil
}

// withoutEffect are settings that this release keeps and does not act on.
var withoutEffect = map[settings.Name]bool{settings.NbdmuxURL: true, settings.RambootOverlay: true}

func (p *plan) setting(stored map[string]string, one wire.PreviousSetting) {
	known, err := settings.Usable(one.Key, one.Value)
	here, isSet := stored[one.Key]
	outcome, reason := wire.TakenNew, ""
	switch {
	case one.Problem != "":
		p.refuse(kindSetting, one.Key, one.Problem)
		return
	case !known:
		p.add(kindSetting, one.Key, wire.TakenNot, "it has no counterpart here")
		return
	case err != nil:
		p.refuse(kindSetting, one.Key, err.Error())
		return
	case isSet && here == one.Value:
		p.add(kindSetting, one.Key, wire.TakenUnchanged, "")
		return
	case isSet && settings.Name(one.Key) == settings.BackupLastRun:
		p.add(kindSetting, one.Key, wire.TakenKept, "backups have been made here")
		return
	case isSet:
		if outcome, reason = p.conflict("another value is stored here"); outcome != wire.TakenReplaced {
			p.add(kindSetting, one.Key, outcome, reason)
			return
		}
	case withoutEffect[settings.Name(one.Key)]:
		reason = "it has no effect in this release: ramboot has no counterpart"
	}
	p.add(kindSetting, one.Key, outcome, reason)
	p.writes = append(p.writes, func(tx *store.Tx) error { return tx.PutSetting(one.Key, one.Value) })
}

package message

import (
	"log/slog"

	"bty/internal/event"
)

// ofKind are the ids of the events. An id is for ever: whoever watches for one must find it after
// an update too. Contacts that were folded are no news, and
// what was restored is said by the class Restored: those two are not told.
var ofKind = map[event.Kind]slog.Attr{
	event.MachineSighted:       id("342af62852724da7837f1fa0434649c2"),
	event.MachineDiscovered:    id("e15367783e414d3ba04e2af7254d0c40"),
	event.MachineCreated:       id("81c181c318bc4d5793bca0bbf6307449"),
	event.MachineUpserted:      id("57ef414e0dad453b90c3683f835e1f62"),
	event.MachineDeleted:       id("6a7f946d6d0d460e9b5f63571655776c"),
	event.MachineTaken:         id("a9d08fc4c6ce4ca291406bb987d350bd"),
	event.MachineArmed:         id("3c47a600e8d94dae878a9138525b95b3"),
	event.MachineInventory:     id("8ea5efc6c81842859ee53f492b35af74"),
	event.MachineStage:         id("5f5c8241179e43f58c8653bc0505fbc6"),
	event.MachinePicked:        id("d2744b0005f841358e85d6aefc2f90aa"),
	event.MachineFlashed:       id("c1e97575ec8e428bbcbc97a33c06da65"),
	event.MachineFlashFailed:   id("98058266f10c4bfa86e69c2dcfe25d33"),
	event.MachineStuck:         id("150fca7534e14014813b2308254f5bd1"),
	event.PXEOffered:           id("c9f2e580d59a446493bf85f895ab2a02"),
	event.PXEPlan:              id("1472889703714bcf9ba7715c8e284c21"),
	event.FlasherArmed:         id("81fa069291c242f692f2ba9427b9d38d"),
	event.ArtifactFetched:      id("5a3e74e61a9b4203bfea0f401ded5f58"),
	event.LiveMissing:          id("20119897d3c6487abf205efe24ed2da9"),
	event.TFTPTransfer:         id("f8ad07036f914cd2abeebb012b680a0c"),
	event.DoctorFound:          id("109430c596d3482cb33d16a8490d0151"),
	event.DoctorGone:           id("ab84f22e2bd4427f95eefee893b8837f"),
	event.ClientOrphan:         id("c08207b3f88542c49291adc0405b0989"),
	event.FetchRequested:       id("b1c5deb51bd143068de4871fe8f76a4e"),
	event.FetchStarted:         id("cd794009c7074064ad5282808775cc52"),
	event.FetchDone:            id("d9718ae750bf418c806ccef3b7a6e328"),
	event.FetchFailed:          id("f6625781ffd84604bdf91d65cfc8c309"),
	event.FetchCancelled:       id("c6173fb724ab4f4ba40cbf416e5a5f4d"),
	event.ArtifactsInstalled:   id("36ff2102919e4d1d9842a1e10d6e2a7c"),
	event.ArtifactUploaded:     id("a3d8c2eab3684ee79800adcbda7c0d47"),
	event.ArtifactDeleted:      id("40cf159cdc044e79920ce5e30f240477"),
	event.EntryAdded:           id("6b8c599620234b538fc82279e7028bc8"),
	event.EntryAddFailed:       id("61c549e3b2774b91844c28b1a959e54e"),
	event.EntryChanged:         id("8d524bfd4e5548b6bf6296917ef98bb3"),
	event.EntryDeleted:         id("81bfa85d41804de4bc87b7d84d2b1763"),
	event.EntriesImported:      id("c8f623b2f33846f4920be0b4ca5ab7a7"),
	event.TagMoved:             id("8f89a6e346324564addc2f33a6c6365d"),
	event.CacheWarmed:          id("9423d6757c3c4a988ecd5fb52998ae37"),
	event.CacheFilled:          id("f2d6bed49b1f4a08ab665e62b8313a27"),
	event.CacheFillFailed:      id("9ab1b16922074bbfae37e96ca0ba01b2"),
	event.CachePinned:          id("043c0a59a67f4294b5290317650aa3c4"),
	event.CacheDeleted:         id("6780382dbefd40f0a45cdc2f3143d657"),
	event.BackupRequested:      id("fa699311fe0544c4ab3a85f5b1999c01"),
	event.BackupStarted:        id("9db4d861f2444fd78568386812605683"),
	event.BackupCreated:        id("2c33df7a18db4b89b6f07a1ba17938a7"),
	event.BackupFailed:         id("b5a0015bf63e45a6a0567be7102b6d14"),
	event.BackupCancelled:      id("d9ec67022b85403ba7062282c133e8b5"),
	event.BackupPruned:         id("139600623eda4df9a5a92ad8b0ae24a8"),
	event.BackupDeleted:        id("9786b6849af24b79a8a3a1b13a2742a2"),
	event.BundleImported:       id("e9ddb9fd42b44c748f3bc0f1e413cbaa"),
	event.StateTaken:           id("a5cffebc4b3a4357bfdb7a78f7033e4c"),
	event.SettingsUpstream:     id("1f8d98bbb12f4cd6ae5f91f47334ab36"),
	event.SettingsBackup:       id("5ff0a25f735648a0ac5489462730b451"),
	event.SettingsDisplay:      id("cc06ab6694ea41aea440d437ebf5d3e8"),
	event.SettingsEvents:       id("796c3e0c33064986848c548a0e3d77b9"),
	event.SettingsForgotten:    id("d8f8a585143844afa25d8f2940f2abcb"),
	event.SettingsConfig:       id("43782aed07fe4e8dbf93a3683bf53e61"),
	event.SettingsConfigFailed: id("b13f7510116f4629b4c216c1c1505b2b"),
	event.TokenCreated:         id("634639aa2dc440b6b73f7a4211db2a15"),
	event.TokenRevoked:         id("4b2d876dbd544c78a905ac731a94b1a7"),
	event.LoginSucceeded:       id("54bf72b4b3704dd3b79c4420b119fc03"),
	event.LoginFailed:          id("0f5b2d183698487bb84b7b96b98193c0"),
	event.LoginLimited:         id("7aa1818e59584e039948817d040b7212"),
	event.SessionsEnded:        id("a7f67aedf96844969a49e964938d0f5e"),
	event.Logout:               id("a61ab9d0ceba4cd8a05da1531e4ddfa7"),
	event.RuleCreated:          id("772811eee6f94e818f89042d8bed7c71"),
	event.RuleChanged:          id("a25473584ad24ef5a3b2f8be9c1c4c18"),
	event.RuleDeleted:          id("1c8ee8d57f424f659e001fae7d3973d5"),
	event.TFTPStarted:          id("b74c1ddf151e410f9cfad2ae39a1dc7b"),
	event.TFTPStopped:          id("658a366111b84cf1a10275b80e6524ed"),
	event.TFTPRestarted:        id("4909604fd2a84c6695e47b175edcd509"),
	event.TFTPControlFailed:    id("65eaf76b4e744f958a9f2ae0d600211c"),
}

// OfEvent is the class of an event's line.
func OfEvent(e event.Event) slog.Attr {
	if e.Kind == event.TFTPTransfer && failed(e) {
		return TFTPFailed
	}
	return ofKind[e.Kind]
}

// OfKind is the class of what is logged beside an event of this kind.
func OfKind(k event.Kind) slog.Attr { return ofKind[k] }

func failed(e event.Event) bool {
	for _, a := range e.Attrs {
		if a.Key == "err" {
			return true
		}
	}
	return false
}

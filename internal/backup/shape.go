package backup

import (
	"bty/internal/fault"
	"bty/internal/fleet"
	"bty/internal/wire"
)

// JobShape is a job in the shape of the wire.
func JobShape(s State) wire.BackupState {
	shown := wire.BackupState{
		ID: s.Key, Status: string(s.Status), StartedAt: wire.EpochTime(s.StartedAt), FinishedAt: wire.EpochTime(s.FinishedAt),
		Machines: s.Detail.Machines, BytesDone: s.Detail.Done, BytesTotal: s.Detail.Total, Stage: s.Detail.Stage,
		Trigger: string(s.Detail.Trigger),
	}
	if s.Status.Ended() {
		shown.Stage = ""
	}
	if s.Detail.Dest != "" {
		shown.DestPath = &s.Detail.Dest
	}
	if s.Err != nil {
		why := fault.Public(s.Err)
		shown.Error = &why
	}
	return shown
}

// Shape is a backup on the disk in the shape of the wire.
func (s Stored) Shape() wire.Backup {
	shown := wire.Backup{ID: string(s.ID), MadeAt: wire.Time(s.At()), MadeBy: s.MadeBy, Machines: s.Machines, Size: s.Size,
		Path: s.Path, Restorable: s.Problem == "", Problem: s.Problem}
	if m := s.Manifest; m != nil {
		shown.Trigger, shown.Images, shown.Events, shown.WillFlash = string(m.Trigger), m.Images, m.Events, m.WillFlash
		shown.SHA256 = m.Files[snapshotName].SHA256
	}
	return shown
}

// Shape is the outlook in the shape of the wire.
func (o Outlook) Shape() wire.BackupSchedule {
	return wire.BackupSchedule{On: o.On, Cadence: string(o.Cadence), Retention: o.Keep, LastRunAt: wire.Time(o.LastRun),
		NextAt: wire.Time(o.NextAt), Failures: o.Failures, Reason: o.Reason}
}

// Shape is a restore in the shape of the wire.
func (r Restoring) Shape() wire.Restore {
	return wire.Restore{Source: r.Source, At: wire.Time(r.At), Safety: string(r.Safety), Kept: r.Kept, Machines: r.Machines,
		Events: r.Events, WillFlash: r.WillFlash}
}

// Shape is how a restore ended in the shape of the wire.
func (o Outcome) Shape() wire.Restore {
	shown := o.Restoring.Shape()
	if shown.Done = o.Err == nil; !shown.Done {
		shown.Error = fault.Public(o.Err)
	}
	return shown
}

// ReportShape is the report of an import in the shape of the wire.
func ReportShape(rows []fleet.Imported) wire.ImportReport {
	report := wire.ImportReport{Rows: make([]wire.ImportRow, len(rows))}
	counts := map[fleet.Outcome]*int{
		fleet.ImportCreated: &report.Created, fleet.ImportMerged: &report.Merged, fleet.ImportReplaced: &report.Replaced,
		fleet.ImportUnchanged: &report.Unchanged, fleet.ImportRejected: &report.Rejected,
	}
	for i, r := range rows {
		*counts[r.Outcome]++
		report.Rows[i] = wire.ImportRow{MAC: r.Given, Outcome: string(r.Outcome), Reason: r.Reason}
	}
	report.Machines = len(rows) - report.Rejected
	return report
}

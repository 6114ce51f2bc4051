package wire

import (
	"strconv"
	"time"
)

// EpochTime is a point in time as the states of backups and fetches carry it: seconds since 1970,
// with a fraction. The zero time is null.
type EpochTime time.Time

// MarshalJSON implements json.Marshaler.
func (t EpochTime) MarshalJSON() ([]byte, error) {
	at := time.Time(t)
	if at.IsZero() {
		return []byte("null"), nil
	}
	return strconv.AppendFloat(nil, float64(at.UnixMicro())/1e6, 'f', 6, 64), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *EpochTime) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*t = EpochTime{}
		return nil
	}
	seconds, err := strconv.ParseFloat(string(b), 64)
	if err == nil {
		*t = EpochTime(time.UnixMicro(int64(seconds * 1e6)))
	}
	return err
}

// BackupState is one backup that waits, is made, or has ended since the process began.
type BackupState struct {
	ID         string    `json:"backup_id"`
	Status     string    `json:"status"` // queued, running, completed, cancelled, failed
	StartedAt  EpochTime `json:"started_at"`
	FinishedAt EpochTime `json:"finished_at"`
	Machines   int       `json:"machines"`
	BytesDone  int64     `json:"bytes_done"`
	BytesTotal int64     `json:"bytes_total"` // of the database, 0 while not known
	Stage      string    `json:"stage"`       // for people: copying, verifying, listing
	DestPath   *string   `json:"dest_path"`
	Trigger    string    `json:"trigger"` // manual, scheduled, restore
	Error      *string   `json:"error"`
}

// BackupJobs is the answer of GET /workers/backups.
type BackupJobs struct {
	Root        string        `json:"backups_root"`
	MaxParallel int           `json:"max_parallel"`
	Backups     []BackupState `json:"backups"`
}

// Backup is one backup on the disk.
type Backup struct {
	ID         string `json:"backup_id"`
	MadeAt     Time   `json:"made_at"`
	MadeBy     string `json:"made_by_bty_version"`
	Trigger    string `json:"trigger"`
	Machines   *int   `json:"machines"` // null if that cannot be read
	Images     int    `json:"images"`
	Events     int    `json:"events"`
	WillFlash  int    `json:"will_flash"` // machines that flash at their next boot once it is restored
	Size       int64  `json:"bytes_on_disk"`
	SHA256     string `json:"snapshot_sha256"`
	Path       string `json:"path"`
	Restorable bool   `json:"restorable"`
	Problem    string `json:"problem"` // why it cannot be restored
}

// Backups is the answer of GET /api/v1/backups.
type Backups struct {
	Root     string         `json:"backups_root"`
	Backups  []Backup       `json:"backups"` // newest first
	Schedule BackupSchedule `json:"schedule"`
}

// BackupSchedule is what the schedule does and will do.
type BackupSchedule struct {
	On        bool   `json:"on"`
	Cadence   string `json:"cadence"`
	Retention int    `json:"retention_count"`
	LastRunAt Time   `json:"last_run_at"`
	NextAt    Time   `json:"next_at"`
	Failures  int    `json:"failures"` // in a row
	Reason    string `json:"reason"`   // of the last failure
}

// BackupBegun is the answer to a request for a backup if it is due.
type BackupBegun struct {
	Due      bool           `json:"due"`
	Backup   *BackupState   `json:"backup"` // null if it is not due
	Schedule BackupSchedule `json:"schedule"`
}

// BackupRemoved is the answer to a deletion.
type BackupRemoved struct {
	ID       string `json:"backup_id"`
	Machines *int   `json:"machines"`
	Size     int64  `json:"bytes_on_disk"`
}

// Restore is a restore that is about to happen, or the last that did.
type Restore struct {
	Source    string `json:"source"`
	At        Time   `json:"at"`
	Safety    string `json:"safety_backup_id"`
	Kept      string `json:"kept"` // file beside the database that has the replaced one, with its last writes
	Machines  int    `json:"machines"`
	Events    int    `json:"events"`
	WillFlash int    `json:"will_flash"`
	Done      bool   `json:"done"`
	Error     string `json:"error"` // why the present state stayed
}

// ImportReport is the answer to an import.
type ImportReport struct {
	Machines  int         `json:"machines"`
	Created   int         `json:"created"`
	Merged    int         `json:"merged"`
	Replaced  int         `json:"replaced"`
	Unchanged int         `json:"unchanged"`
	Rejected  int         `json:"rejected"`
	Rows      []ImportRow `json:"rows"`
}

// ImportRow is what became of one machine of a bundle.
type ImportRow struct {
	MAC     string `json:"mac"` // as the bundle has it
	Outcome string `json:"outcome"`
	Reason  string `json:"reason"`
}

// UnmarshalJSON implements json.Unmarshaler, for the programs that read what the server says.
func (t *Time) UnmarshalJSON(b []byte) error { return (*time.Time)(t).UnmarshalJSON(b) }

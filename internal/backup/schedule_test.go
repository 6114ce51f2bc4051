package backup

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bty/internal/job"
	"bty/internal/settings"
)

func TestOutlook(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	const day, week = 24 * time.Hour, 7 * 24 * time.Hour
	for name, tt := range map[string]struct {
		schedule settings.Backup
		trouble  trouble
		on, due  bool
		next     time.Time
	}{
		"off":                 {settings.Backup{Cadence: settings.Daily}, trouble{}, false, false, time.Time{}},
		"manual":              {settings.Backup{Enabled: true, Cadence: settings.Manual}, trouble{}, false, false, time.Time{}},
		"never run":           {settings.Backup{Enabled: true, Cadence: settings.Daily}, trouble{}, true, true, now},
		"daily, just run":     {settings.Backup{Enabled: true, Cadence: settings.Daily, LastRun: now}, trouble{}, true, false, now.Add(day)},
		"daily, a day ago":    {settings.Backup{Enabled: true, Cadence: settings.Daily, LastRun: ago(day)}, trouble{}, true, true, now},
		"weekly, a day ago":   {settings.Backup{Enabled: true, Cadence: settings.Weekly, LastRun: ago(day)}, trouble{}, true, false, now.Add(6 * day)},
		"weekly, long ago":    {settings.Backup{Enabled: true, Cadence: settings.Weekly, LastRun: ago(2 * week)}, trouble{}, true, true, ago(week)},
		"the clock was wrong": {settings.Backup{Enabled: true, Cadence: settings.Daily, LastRun: now.Add(2 * day)}, trouble{}, true, true, now},
		"failed once":         {settings.Backup{Enabled: true, Cadence: settings.Daily}, trouble{1, now, "full"}, true, false, now.Add(time.Minute)},
		"failed, waited":      {settings.Backup{Enabled: true, Cadence: settings.Daily}, trouble{1, ago(time.Minute), "full"}, true, true, now},
		"failed 4 times":      {settings.Backup{Enabled: true, Cadence: settings.Daily}, trouble{4, now, "full"}, true, false, now.Add(8 * time.Minute)},
		"failed for ever":     {settings.Backup{Enabled: true, Cadence: settings.Daily}, trouble{1000, now, "full"}, true, false, now.Add(6 * time.Hour)},
	} {
		got := look(tt.schedule, tt.trouble, now)
		if got.On != tt.on || got.Due != tt.due || !got.NextAt.Equal(tt.next) {
			t.Errorf("%s: on %v, due %v, next %s; want %v, %v, %s", name, got.On, got.Due, got.NextAt, tt.on, tt.due, tt.next)
		}
	}
}

// jobsOf counts the backups of the schedule.
func (s *site) jobsOf(trigger Trigger) (n int) {
	for _, j := range s.Jobs() {
		if j.Detail.Trigger == trigger {
			n++
		}
	}
	return n
}

func (s *site) tickUntilDone(want job.Status) State {
	s.Helper()
	s.tick(s.Context())
	jobs := s.Jobs()
	return s.ended(jobs[len(jobs)-1].Key, want)
}

// Only what the schedule itself made moves its anchor, and it makes one at a time.
func TestSchedule(t *testing.T) {
	s := newSite(t)
	s.set(settings.Backup{Enabled: true, Cadence: settings.Daily, Keep: 7})
	s.backUp(job.Completed)
	if !s.Outlook().Due {
		t.Error("a backup by hand has moved the anchor")
	}
	s.tickUntilDone(job.Completed)
	if o := s.Outlook(); o.Due || !o.LastRun.Equal(s.now()) {
		t.Errorf("%+v", o)
	}
	for range 23 {
		s.pass(time.Hour)
		s.tick(t.Context())
	}
	if n := s.jobsOf(BySchedule); n != 1 {
		t.Errorf("%d backups in one day", n)
	}
	s.pass(time.Hour)
	began := map[string]bool{} // a timer and the process's own schedule at one time
	for range 5 {
		if state, _, err := s.BeginIfDue(t.Context()); err != nil {
			t.Error(err)
		} else if state != nil {
			began[state.Key] = true
		}
	}
	if len(began) > 1 || s.jobsOf(BySchedule) != 2 {
		t.Errorf("began %v, %d in all", began, s.jobsOf(BySchedule))
	}
}

// A schedule that fails tries again after a minute, then twice as long each time, and says so.
func TestFailingSchedule(t *testing.T) {
	s := newSite(t)
	s.set(settings.Backup{Enabled: true, Cadence: settings.Daily, Keep: 7})
	if err := os.Remove(s.Dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.Dir, nil, 0o600); err != nil { // no backup can be made there
		t.Fatal(err)
	}
	state := s.tickUntilDone(job.Failed)
	if got := s.happened(state.Key); !strings.Contains(got, "backup.failed") {
		t.Error(got)
	}
	for range 24 * 60 {
		s.pass(time.Minute)
		if s.tick(t.Context()); s.Outlook().Failures != s.jobsOf(BySchedule) {
			jobs := s.Jobs()
			s.ended(jobs[len(jobs)-1].Key, job.Failed)
		}
	}
	// 1 + 2 + 4 ... minutes up to 6 hours: 10 in the first 6 hours or so, and then 4 a day.
	if o := s.Outlook(); o.Failures < 10 || o.Failures > 13 || o.Due || o.NextAt.IsZero() || o.Reason == "" {
		t.Errorf("%+v", o)
	}
	if err := errors.Join(os.Remove(s.Dir), os.Mkdir(s.Dir, 0o700)); err != nil {
		t.Fatal(err)
	}
	s.pass(6 * time.Hour)
	s.tickUntilDone(job.Completed)
	if o := s.Outlook(); o.Failures != 0 || o.Reason != "" || o.Due {
		t.Errorf("%+v", o)
	}
}

// A backup that was made and could not be recorded counts as a failure: the schedule waits before
// it makes another one.
func TestUnrecordedBackup(t *testing.T) {
	s := newSite(t)
	s.set(settings.Backup{Enabled: true, Cadence: settings.Daily, Keep: 7})
	s.Ran = func() error { return errors.New("the settings cannot be read") }
	s.tickUntilDone(job.Failed)
	if o := s.Outlook(); o.Due || o.Failures != 1 {
		t.Errorf("%+v", o)
	}
}

// The newest are kept, and nothing is touched that is not exactly one of ours.
func TestRetention(t *testing.T) {
	s := newSite(t)
	foreign := []string{"2020-01-01T00-00-00Z-keep", "2020-01-01T00-00-00Zfoo", "notes.txt", "lost+found"}
	for _, name := range foreign {
		if err := os.Mkdir(filepath.Join(s.Dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	old := filepath.Join(s.Dir, "2020-01-01T00-00-00Z") // of the previous system
	if err := errors.Join(os.Mkdir(old, 0o700), os.WriteFile(filepath.Join(old, "inventory.json"), []byte(`{"machines":[{},{}],"exported_by_bty_version":"0.65"}`), 0o600)); err != nil {
		t.Fatal(err)
	}
	if list, err := s.List(); err != nil || len(list) != 1 || *list[0].Machines != 2 || list[0].MadeBy != "0.65" || list[0].Problem == "" {
		t.Errorf("%+v, %v", list, err)
	}
	s.set(settings.Backup{Cadence: settings.Manual, Keep: 2})
	var ids []string
	for range 4 {
		s.pass(time.Second)
		ids = append(ids, s.backUp(job.Completed).Key)
		list, err := s.List() // a backup is completed only once the others have been deleted
		if err != nil || len(list) > 2 || string(list[0].ID) != ids[len(ids)-1] {
			t.Errorf("%v, %v", list, err)
		}
	}
	for _, name := range foreign {
		if _, err := os.Stat(filepath.Join(s.Dir, name)); err != nil {
			t.Error(err)
		}
	}
	if got := s.happened("2020-01-01T00-00-00Z"); got != "[backup.pruned]" {
		t.Error(got)
	}
	s.set(settings.Backup{Keep: 1})
	if _, err := s.Restore(t.Context(), ids[2], netip.Addr{}); err != nil { // the safety backup deletes nothing
		t.Fatal(err)
	}
	if list, _ := s.List(); len(list) != 3 {
		t.Errorf("%v", list)
	}
}

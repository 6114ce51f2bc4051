package upgrade

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"bty/internal/deploy"
)

// Outcome is how a run ended.
type Outcome struct {
	Record
	Folder   string   `json:"folder,omitempty"`   // of the snapshot
	Changed  bool     `json:"changed"`            // false if there was nothing to do
	Notes    []string `json:"notes,omitempty"`    // for people
	Database string   `json:"database,omitempty"` // what a way back has done to it
	Planned  []string `json:"planned,omitempty"`  // steps, of a dry run
}

// WentBack is an upgrade that was undone: the old release runs.
type WentBack struct {
	From, To string
	Reason   string
	Folder   string
	PutBack  string // what was done to the database, "" if it stayed
	Took     time.Duration
}

func (e *WentBack) Error() string {
	return fmt.Sprintf("upgrade to %s: %s\n-> %s runs again with its state; %s. Secrets and configuration as they were are in %s", e.To, e.Reason, e.From, e.database(), e.Folder)
}

func (e *WentBack) database() string {
	if e.PutBack == "" {
		return "the database is the one that was in use, and no write to it is lost"
	}
	return e.PutBack
}

// lock keeps a second run away.
func (u *Upgrade) lock() (unlock func(), err error) {
	if err := os.MkdirAll(Snapshots(u.Dir), 0o700); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(Snapshots(u.Dir), ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		file.Close()
		return nil, refused("busy", "another bty-lab upgrade works on "+u.Dir, "Wait until it has ended")
	}
	other, err := deploy.Lock(u.Dir)
	if err != nil {
		file.Close()
		return nil, refused("busy", err.Error(), "A deploy or a purge may be at work there")
	}
	return func() { other(); file.Close() }, nil
}

// Run upgrades, or takes up what an earlier run left undone.
func (u *Upgrade) Run(ctx context.Context) (Outcome, error) {
	unlock, err := u.lock()
	if err != nil {
		return Outcome{}, err
	}
	defer unlock()
	begun, err := u.undone(ctx)
	if err != nil {
		return Outcome{}, err
	}
	look, err := u.Place.Look(ctx)
	if begun != nil { // what is in place may be half of either release, and hard to look at
		return u.takeUp(ctx, *begun, look)
	}
	if err != nil {
		return Outcome{}, err
	}
	done, err := u.check(look)
	if err == nil && done {
		err = u.confirm(ctx, look)
	}
	if done || err != nil {
		return Outcome{Record: Record{Mode: u.Mode, From: look.From, To: look.To, Phase: Upgraded, Look: look}, Notes: look.Notes}, err
	}
	r, err := u.prepare(ctx, look)
	if err != nil {
		return Outcome{Record: r}, err
	}
	return u.forward(ctx, r, false)
}

// confirm has the release that is in place already run, and be healthy.
func (u *Upgrade) confirm(ctx context.Context, look Look) error {
	since := u.Now()
	if err := u.Place.Refresh(ctx); err != nil {
		return err
	}
	if err := u.await(ctx, Record{Look: look}, since); err != nil {
		return fmt.Errorf("%s was in place already, so there is nothing to go back to from here: %w", look.To, err)
	}
	return u.Place.Settled(ctx, "", look.To)
}

// undone is the upgrade that was cut off, nil if none was. One that had touched nothing yet is forgotten.
func (u *Upgrade) undone(ctx context.Context) (*Record, error) {
	if err := u.sweep(); err != nil {
		return nil, err
	}
	records, err := u.all()
	if err != nil {
		return nil, err
	}
	for _, r := range slices.Backward(records) {
		switch {
		case r.Phase.over():
		case r.Phase != Preparing:
			return &r, nil
		default:
			if err := errors.Join(u.release(ctx), os.RemoveAll(u.folder(r))); err != nil {
				return nil, err
			}
		}
	}
	return nil, u.release(ctx)
}

// takeUp goes on where an earlier run was cut off.
func (u *Upgrade) takeUp(ctx context.Context, r Record, look Look) (Outcome, error) {
	if look.To != "" && look.To != r.To && look.To != r.From {
		return Outcome{Record: r}, refused("undone", fmt.Sprintf("the upgrade from %s to %s, begun %s, has not ended, and %s is another release", r.From, r.To, r.Begun.Local().Format(time.DateTime), look.To),
			fmt.Sprintf("Finish it first (bty-lab upgrade %s), or go back to %s (bty-lab upgrade --back %s)", u.Dir, r.From, u.Dir))
	}
	u.Tell(fmt.Sprintf("an upgrade from %s to %s was cut off while %s; taking it up", r.From, r.To, r.Phase))
	switch {
	case r.Phase != Returning:
		return u.forward(ctx, r, true)
	case r.Reason != asked:
		if err := u.keptWork(ctx, r, errors.New(r.Reason)); err != nil {
			return u.outcome(r), err
		}
	}
	return wanted(u.back(ctx, r, r.Reason))
}

// check refuses what must not be, and reports whether all is done already.
func (u *Upgrade) check(look Look) (done bool, err error) {
	order, known := Compare(look.To, look.From)
	switch {
	case look.To == "":
		return false, refused("nothing", "no release is named to upgrade to", "Name one; bty-lab upgrade --help says how")
	case known && order == 0:
		return true, nil
	case known && order < 0 && !u.Downgrade:
		return false, refused("downgrade", fmt.Sprintf("%s is older than %s, which is in place. An older release does not know what a newer one has made of the database", look.To, look.From),
			"To undo the last upgrade with its state: bty-lab upgrade --back. If an older release is meant all the same: --downgrade; it goes back by itself when the older one refuses the database")
	}
	if err := checkRoom(rooms(u.Dir, look)); err != nil {
		return false, err
	}
	return false, nil
}

func (u *Upgrade) prepare(ctx context.Context, look Look) (Record, error) {
	now := u.Now().UTC()
	r := Record{ID: now.Format(idLayout), Mode: u.Mode, From: look.From, To: look.To, Phase: Preparing, Look: look, Begun: now, Changed: now, By: u.By}
	for n := 1; ; n++ {
		if _, err := os.Stat(u.folder(r)); errors.Is(err, fs.ErrNotExist) {
			break
		}
		r.ID = fmt.Sprintf("%s-%d", now.Format(idLayout), n)
	}
	u.Tell("[1/5] snapshot: " + u.folder(r))
	var err error
	if r.Running, err = u.running(ctx, look.Units); err != nil {
		return r, err
	}
	if u.Guarded {
		r.Ended = u.invocation(ctx, look.Units[0])
	}
	return r, u.take(ctx, r)
}

// running are the units that are at work.
func (u *Upgrade) running(ctx context.Context, units []string) (names []string, err error) {
	if !u.Guarded {
		return nil, nil
	}
	report, err := u.Manager.Look(ctx, units...)
	for _, unit := range report.Units {
		if unit.Active == "active" {
			names = append(names, unit.Name)
		}
	}
	return names, err
}

func (u *Upgrade) to(r *Record, phase Phase) error {
	r.Phase, r.Changed = phase, u.Now().UTC()
	return r.write(u.folder(*r))
}

// forward puts the new release in place. Whatever is wrong with it, the old one comes back.
func (u *Upgrade) forward(ctx context.Context, r Record, isTakenUp bool) (Outcome, error) {
	if err := u.to(&r, Switching); err != nil {
		return u.outcome(r), err
	}
	u.Tell("[2/5] guard: the database is kept when the old release has ended")
	if err := u.hold(ctx, r); err != nil {
		return u.giveUp(ctx, r, err, isTakenUp)
	}
	since := u.Now()
	u.Tell(fmt.Sprintf("[3/5] switch: %s to %s", r.From, r.To))
	err := u.Place.Switch(ctx, u.folder(r))
	if err == nil {
		err = u.switched(&r)
	}
	if err == nil {
		u.Tell("[4/5] health: waiting until " + r.To + " is ready")
		err = u.await(ctx, r, since)
	}
	if err == nil {
		u.Tell("[5/5] rows: comparing what is in the database with what was")
		r.Proven, err = u.compare(ctx, r)
	}
	switch {
	case err != nil && ctx.Err() != nil: // somebody ended this run: nothing is wrong with the release
		return u.outcome(r), u.notOver(context.Cause(ctx))
	case errors.As(err, new(*notNow)):
		return u.outcome(r), u.notOver(err)
	case err != nil:
		return u.giveUp(ctx, r, err, isTakenUp)
	}
	return u.finish(ctx, r, Upgraded, r.To)
}

// finish lifts the guard and keeps what the next upgrade may want to go back to.
func (u *Upgrade) finish(ctx context.Context, r Record, phase Phase, release string) (Outcome, error) {
	err := u.release(ctx)
	if err == nil {
		err = u.Place.Settled(ctx, u.folder(r), release)
	}
	if err == nil {
		err = os.RemoveAll(filepath.Join(u.folder(r), backName))
	}
	if err == nil {
		err = u.to(&r, phase)
	}
	if err == nil {
		err = errors.Join(u.prune(), pruneAside(r.Look.Database))
	}
	return u.outcome(r), err
}

// pruneAside keeps the newest databases that a way back has put aside.
func pruneAside(database string) error {
	left, err := filepath.Glob(database + aside + "*")
	slices.Sort(left) // their names are times
	for len(left) > kept {
		err = errors.Join(err, os.Remove(left[0]))
		left = left[1:]
	}
	return err
}

func (u *Upgrade) outcome(r Record) Outcome {
	return Outcome{Record: r, Folder: u.folder(r), Changed: true, Notes: r.Look.Notes}
}

// DryRun says what Run would do.
func (u *Upgrade) DryRun(ctx context.Context) (Outcome, error) {
	look, err := u.Place.Look(ctx)
	if err != nil {
		return Outcome{}, err
	}
	out := Outcome{Record: Record{Mode: u.Mode, From: look.From, To: look.To, Look: look}, Notes: look.Notes}
	records, err := u.all()
	if err != nil {
		return out, err
	}
	if n := len(records); n > 0 && !records[n-1].Phase.over() && records[n-1].Phase != Preparing {
		last := records[n-1]
		out.Planned = []string{fmt.Sprintf("take up the upgrade from %s to %s, which was cut off while %s", last.From, last.To, last.Phase)}
		return out, nil
	}
	done, err := u.check(look)
	if done || err != nil {
		return out, err
	}
	out.Changed = true
	out.Planned = []string{
		fmt.Sprintf("take a snapshot of secrets and configuration, and of the old release, in %s", Snapshots(u.Dir)),
		fmt.Sprintf("put %s in place of %s; the database (%s) is kept in between, when no release has it open", look.To, look.From, mebibytes(sizeOf(look.Database))),
		fmt.Sprintf("wait up to %v until it is ready, and compare the rows", u.Limit),
		"go back to " + look.From + " if it does not become ready or lacks a row",
	}
	return out, nil
}

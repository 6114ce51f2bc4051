package upgrade

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bty/internal/deploy"
)

// giveUp goes back from a release that does not work, unless it has worked for somebody before it was taken up.
func (u *Upgrade) giveUp(ctx context.Context, r Record, why error, isTakenUp bool) (Outcome, error) {
	if isTakenUp {
		if err := u.keptWork(ctx, r, why); err != nil {
			return u.outcome(r), err
		}
	}
	return u.back(ctx, r, why.Error())
}

// notOver is why a run ends before the upgrade does.
func (u *Upgrade) notOver(why error) error {
	return fmt.Errorf("%w. The upgrade is not over: bty-lab upgrade %s goes on, bty-lab upgrade --back %s undoes it", why, u.Dir, u.Dir)
}

// back puts the old release in place again.
func (u *Upgrade) back(ctx context.Context, r Record, reason string) (Outcome, error) {
	began := u.Now()
	r.Reason = reason
	if err := u.to(&r, Returning); err != nil {
		return u.outcome(r), err
	}
	first, _, _ := strings.Cut(reason, "\n")
	u.Tell("going back to " + r.From + ": " + first)
	if err := u.goBack(ctx, r, began); err != nil {
		return u.outcome(r), fmt.Errorf("upgrade to %s: %s\nand the way back to %s has not ended: %w\n-> Run bty-lab upgrade %s again to try once more. By hand: docs/upgrade.md, with the snapshot %s", r.To, reason, r.From, err, u.Dir, u.folder(r))
	}
	out, err := u.finish(ctx, r, Returned, r.From)
	if err != nil {
		return out, err
	}
	return out, &WentBack{From: r.From, To: r.To, Reason: reason, Folder: u.folder(r), PutBack: putBackNote(u.folder(r)), Took: u.Now().Sub(began)}
}

func (u *Upgrade) goBack(ctx context.Context, r Record, since time.Time) error {
	if err := deploy.ReplaceFile(filepath.Join(u.folder(r), backName), nil, 0o600); err != nil {
		return err
	}
	if err := u.hold(ctx, r); err != nil {
		return err
	}
	// Before the old release starts, and after what removes the new one has run.
	if err := u.restore(ctx, r); err != nil {
		return err
	}
	if err := u.Place.Return(ctx, u.folder(r)); err != nil {
		return err
	}
	if err := u.restore(ctx, r); err != nil {
		return err
	}
	for _, path := range u.deleted(r) {
		u.Tell(fmt.Sprintf("note: %s was deleted since the upgrade, and stays so; as it was it is %s", path, filepath.Join(u.folder(r), treeName, path)))
	}
	return u.await(ctx, r, since)
}

// Back undoes the last upgrade, one that has ended as well.
func (u *Upgrade) Back(ctx context.Context) (Outcome, error) {
	unlock, err := u.lock()
	if err != nil {
		return Outcome{}, err
	}
	defer unlock()
	if err := u.sweep(); err != nil {
		return Outcome{}, err
	}
	records, err := u.all()
	if err != nil {
		return Outcome{}, err
	}
	records = slices.DeleteFunc(records, func(r Record) bool { return r.Phase == Returned })
	if len(records) == 0 {
		return Outcome{}, refused("no-snapshot", "there is no upgrade in "+u.Dir+" that bty-lab made and did not undo", "By hand: docs/upgrade.md")
	}
	r := records[len(records)-1]
	if r.Phase == Preparing {
		return u.outcome(r), errors.Join(u.release(ctx), os.RemoveAll(u.folder(r)))
	}
	if _, err := os.Stat(filepath.Join(u.folder(r), packagesName)); errors.Is(err, fs.ErrNotExist) {
		return Outcome{}, refused("no-snapshot", fmt.Sprintf("the upgrade from %s to %s is not the last one: what it would need to go back was removed when a later one had worked", r.From, r.To),
			"Only the last upgrade can be undone. To an older release: bty-lab upgrade --downgrade with its package or images")
	}
	if err := errors.Join(u.checkPlace(ctx, r), u.checkLoss(ctx, r)); err != nil {
		return u.outcome(r), err
	}
	if r.Running, err = u.wanted(ctx, r); err != nil {
		return u.outcome(r), err
	}
	return wanted(u.back(ctx, r, asked))
}

// wanted are the services that are to run again: those that ran before, but for what somebody has stopped
// since the upgrade ended.
func (u *Upgrade) wanted(ctx context.Context, r Record) ([]string, error) {
	if !u.Guarded || r.Phase != Upgraded || len(r.Running) == 0 {
		return r.Running, nil
	}
	report, err := u.Manager.Look(ctx, r.Running...)
	names := r.Running[:0]
	for _, unit := range report.Units {
		if unit.Name == server || unit.Active != "inactive" {
			names = append(names, unit.Name)
		}
	}
	return names, err
}

// checkPlace refuses to undo an upgrade whose release is not in place any more, unless somebody said yes:
// the package manager, or somebody by hand, has brought another since.
func (u *Upgrade) checkPlace(ctx context.Context, r Record) error {
	if r.Phase != Upgraded || u.Yes {
		return nil
	}
	look, err := u.Place.Look(ctx)
	if err != nil || look.From == r.To { // what cannot be looked at may be why somebody wants to go back
		return nil
	}
	return refused("other-release", fmt.Sprintf("%s is in place. The last upgrade by bty-lab was from %s to %s, so going back would lead past that", look.From, r.From, r.To),
		"Repeat with --yes if "+r.From+" is meant")
}

// asked is the reason for a way back that is no failure.
const asked = "somebody asked for it"

func wanted(out Outcome, err error) (Outcome, error) {
	if back, ok := errors.AsType[*WentBack](err); ok && back.Reason == asked {
		out.Database, err = back.database(), nil
	}
	return out, err
}

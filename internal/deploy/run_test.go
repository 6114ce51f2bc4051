package deploy

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Before anything but images was changed, a step that fails takes the run back: its images, its record and
// the folders for it. Later, what was done stays. A run that is interrupted goes on where it was.
func TestTakenBack(t *testing.T) {
	const dir = "/opt/bty"
	refused := errors.New("the registry refuses")
	for name, c := range map[string]struct {
		was       *Record
		late      bool // the step that fails comes after one that cannot be taken back
		interrupt bool
		stuck     bool // a step cannot be taken back
		back      bool
	}{
		"the first run":         {back: true},
		"a later run":           {was: &Record{State: Deployed, Site: Site{Prefix: "localhost"}, At: time.Unix(1_800_000_000, 0).UTC()}, back: true},
		"files are written":     {late: true},
		"interrupted":           {interrupt: true},
		"an image that is used": {stuck: true},
	} {
		root := t.TempDir()
		if c.was != nil {
			if err := errors.Join(os.MkdirAll(filepath.Join(root, dir), 0o755), c.was.write(filepath.Join(root, dir))); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var images []string
		d := &planner{Observed: Observed{Record: c.was}, want: Wanted{Dir: dir}, plan: &Plan{Doing: "deploy", Dir: dir, Site: Site{Mode: Quadlet, Prefix: "registry.example"}}, left: map[string]bool{}}
		pulled := action(func(context.Context, *Engine) error { images = append(images, "one"); return nil })
		away := action(func(context.Context, *Engine) error {
			if c.stuck {
				return errors.New("in use")
			}
			images = nil
			return nil
		})
		d.trial("pull", "one", "", pulled, away)
		if c.late {
			d.step("write", "files", "", nothing)
		}
		d.trial("pull", "two", "sign in", action(func(context.Context, *Engine) error {
			if c.interrupt {
				cancel()
			}
			return refused
		}), nothing)
		d.frame()
		err := d.plan.Run(ctx, &Engine{Root: root}, func(Progress) {})
		failed, ok := errors.AsType[*StepError](err)
		if !ok || !errors.Is(err, refused) || failed.Back != c.back || c.back == strings.Contains(err.Error(), "What was done before stays") {
			t.Errorf("%s: %v", name, err)
		}
		left, err := ReadRecord(filepath.Join(root, dir))
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case !c.back && (left == nil || left.State != Deploying || !slices.Equal(images, []string{"one"})):
			t.Errorf("%s: %+v %v is left", name, left, images)
		case c.back && len(images) > 0, c.back && c.was == nil && left != nil, c.back && c.was != nil && (left == nil || left.State != Deployed || left.Prefix != "localhost" || !left.At.Equal(c.was.At)):
			t.Errorf("%s: %+v %v is left", name, left, images)
		}
		if _, err := os.Stat(filepath.Join(root, "/opt")); c.back && c.was == nil && err == nil {
			t.Errorf("%s: a folder is left", name)
		}
	}
}

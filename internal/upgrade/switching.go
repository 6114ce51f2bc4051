package upgrade

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bty/internal/deploy"
	"bty/internal/systemd/manager"
)

// oldFiles is the list of what a switch replaces, in the folder of a snapshot.
const oldFiles = packagesName + "/quadlets.json"

// Prepare implements Place. Images that are loaded beside those that run touch nothing.
func (c *Containers) Prepare(ctx context.Context, folder string) error {
	if err := os.MkdirAll(filepath.Join(folder, packagesName), 0o700); err != nil {
		return err
	}
	for _, one := range c.running {
		if err := c.pin(ctx, one); err != nil {
			return err
		}
		if err := bring(ctx, one); err != nil {
			return err
		}
	}
	files, _, err := c.files()
	if err != nil {
		return err
	}
	plan := switching{Next: files}
	for _, one := range c.running {
		plan.Units = append(plan.Units, one.unit())
		now, err := os.ReadFile(one.imageDropIn())
		if err != nil {
			return err
		}
		plan.Next = append(plan.Next, deploy.File{Path: one.imageDropIn(), Content: withImage(string(now), one.next), Mode: 0o644})
	}
	for _, f := range plan.Next {
		now, err := os.ReadFile(f.Path)
		if err != nil {
			return err
		}
		plan.Old = append(plan.Old, deploy.File{Path: f.Path, Content: string(now), Mode: f.Mode})
	}
	raw, err := json.MarshalIndent(plan, "", "  ")
	if err != nil {
		return err
	}
	return deploy.ReplaceFile(filepath.Join(folder, oldFiles), raw, 0o600)
}

// switching is what differs between the two releases.
type switching struct {
	Units     []string
	Old, Next []deploy.File
}

func readSwitching(folder string) (s switching, err error) {
	raw, err := os.ReadFile(filepath.Join(folder, oldFiles))
	if err == nil {
		err = json.Unmarshal(raw, &s)
	}
	if err != nil {
		err = fmt.Errorf("what differs between the releases cannot be read: %w", err)
	}
	return s, err
}

// pin has a container name its release by itself, with a tag that no other image takes over. What it runs
// stays what it is.
func (c *Containers) pin(ctx context.Context, one container) error {
	_, err := os.Stat(one.imageDropIn())
	prefix, name, tag := splitReference(one.now)
	if err == nil && tag != "latest" {
		return nil
	}
	pinned := one.now
	if tag == "latest" {
		id, err := tool(ctx, "podman", "image", "inspect", "--format", "{{.Id}}", one.now)
		if err != nil {
			return err
		}
		pinned = prefix + "/" + name + ":was-" + strings.TrimSpace(id)[:12]
		if _, err := tool(ctx, "podman", "tag", one.now, pinned); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Dir(one.imageDropIn()), 0o755); err != nil {
		return err
	}
	text := imageLines(pinned)
	if now, err := os.ReadFile(one.imageDropIn()); err == nil {
		if changed := withImage(string(now), pinned); strings.Contains(changed, "Image="+pinned+"\n") {
			text = changed
		}
	}
	return deploy.ReplaceFile(one.imageDropIn(), []byte(text), 0o644)
}

// Switch implements Place.
func (c *Containers) Switch(ctx context.Context, folder string) error {
	return c.put(ctx, folder, func(s switching) []deploy.File { return s.Next })
}

// Return implements Place.
func (c *Containers) Return(ctx context.Context, folder string) error {
	r, err := readRecord(folder)
	if err != nil {
		return err
	}
	return c.put(ctx, folder, func(s switching) []deploy.File {
		return slices.DeleteFunc(s.Old, func(f deploy.File) bool { return r != nil && r.Switched && c.isDeleted(f) })
	})
}

// isDeleted reports a file that somebody has deleted since the switch put it there. What names the image of a
// container comes back all the same, as long as there is the container: it says which release is in place.
func (c *Containers) isDeleted(f deploy.File) bool {
	if folder, name := filepath.Split(f.Path); name == imageDropInName {
		return isGone(strings.TrimSuffix(filepath.Clean(folder), ".d"))
	}
	return isGone(f.Path)
}

func isGone(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}

func (c *Containers) put(ctx context.Context, folder string, choose func(switching) []deploy.File) error {
	plan, err := readSwitching(folder)
	if err != nil {
		return err
	}
	files := choose(plan)
	for _, f := range files {
		if err := os.MkdirAll(filepath.Dir(f.Path), 0o755); err != nil {
			return err
		}
		if err := deploy.ReplaceFile(f.Path, []byte(f.Content), modeOf(f.Path, f.Mode)); err != nil {
			return err
		}
	}
	if err := c.users(ctx, files); err != nil {
		return err
	}
	if err := c.Manager.Reload(ctx); err != nil {
		return err
	}
	return c.restart(ctx, plan.Units)
}

// users has systemd make the users and folders of files that have changed.
func (c *Containers) users(ctx context.Context, files []deploy.File) error {
	for _, f := range files {
		var err error
		switch filepath.Dir(f.Path) {
		case "/etc/sysusers.d":
			_, err = tool(ctx, "systemd-sysusers", f.Path)
		case "/etc/tmpfiles.d":
			_, err = tool(ctx, "systemd-tmpfiles", "--create", f.Path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// restart restarts what runs. A release that does not come up is seen by its health.
func (c *Containers) restart(ctx context.Context, units []string) error {
	report, err := c.Manager.Look(ctx, units...)
	if err != nil {
		return err
	}
	for _, unit := range report.Units {
		if unit.Active == "inactive" {
			continue
		}
		err := c.Manager.Restart(ctx, unit.Name)
		if _, failed := errors.AsType[*manager.JobError](err); err != nil && !failed {
			return err
		}
	}
	return nil
}

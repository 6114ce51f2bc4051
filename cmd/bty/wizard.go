package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"bty/internal/agent"
	"bty/internal/build"
	"bty/internal/catalog"
	"bty/internal/client"
	"bty/internal/flash"
	"bty/internal/machine"
	"bty/internal/origin"
	"bty/internal/tui"
	"bty/internal/wire"
)

// imageRoot is where image files are, unless BTY_IMAGE_ROOT says otherwise. A partition BTY_IMAGES
// of a USB stick is mounted there.
const imageRoot = "/var/lib/bty/images"

// wizard is the setup of one run of the wizard: where it reads, and to whom it reports.
type wizard struct {
	env
	terminal tui.Terminal
	agent    *agent.Agent
	setup    tui.Setup
}

// byHand is the wizard without a plan: nobody but the person knows what is to be done.
func (e env) byHand(ctx context.Context, server client.Server, mac machine.MAC, catalogAt string) error {
	if !e.terminal {
		return failf(codeUsage, "nothing to do: the wizard needs a terminal; give a command, or --server and --mac; see bty --help")
	}
	run, err := e.agent(server, mac, &agent.Console{Out: io.Discard}, bootedFor(e.cmdline, mac))
	if err != nil {
		return err
	}
	if server == "" || mac == (machine.MAC{}) {
		run.Client = nil
	}
	w := e.wizard(run, e.tty(), server, mac)
	if catalogAt != "" {
		w.setup.Start = &tui.Source{At: catalogAt}
	}
	left, err := tui.Run(ctx, w.terminal, w.setup, w.doing())
	return e.leave(ctx, left, err)
}

// wizard is one for this machine, with what is known of the server.
func (e env) wizard(run *agent.Agent, t tui.Terminal, server client.Server, mac machine.MAC) wizard {
	w := wizard{env: e, agent: run, terminal: t}
	w.setup = tui.Setup{Version: build.Version, About: about(server, mac), Arch: arch(), Booted: run.Reboots}
	if !e.root {
		w.setup.Note = "without the rights of root disks can be looked at, not written"
	}
	if server != "" {
		w.setup.Sources = append(w.setup.Sources, tui.Source{Title: "The server's catalog", At: server.Catalog()})
	}
	root := cmp.Or(e.getenv("BTY_IMAGE_ROOT"), imageRoot)
	w.setup.Sources = append(w.setup.Sources, tui.Source{Title: "Images on this machine", At: root, Folder: true})
	w.setup.Sources = append(w.setup.Sources, catalogsIn(root)...)
	return w
}

// maxCatalogs bounds how many files of a folder are offered.
const maxCatalogs = 100

// catalogsIn are the catalogs that somebody has put beside image files: on a USB stick, for one. What is in them
// shows when one is chosen.
func catalogsIn(folder string) (found []tui.Source) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil // who chooses the images of the folder is told
	}
	for _, e := range entries {
		path := filepath.Join(folder, e.Name())
		if !strings.HasSuffix(strings.ToLower(e.Name()), ".toml") || strings.HasPrefix(e.Name(), ".") || len(found) == maxCatalogs {
			continue
		}
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			found = append(found, tui.Source{Title: "Catalog " + e.Name(), At: path})
		}
	}
	return found
}

// arch is that of this machine in the words of catalogs.
func arch() string {
	if runtime.GOARCH == "amd64" {
		return "x86_64"
	}
	return runtime.GOARCH
}

func about(server client.Server, mac machine.MAC) string {
	switch {
	case server == "":
		return ""
	case mac == machine.MAC{}:
		return "server " + string(server)
	}
	return fmt.Sprintf("%s  server %s", mac, server)
}

// doing is what the wizard lets happen.
func (w wizard) doing() tui.Doing {
	return tui.Doing{
		Images: func(ctx context.Context, s tui.Source) ([]tui.Image, error) {
			origins, err := w.origins()
			if err != nil {
				return nil, err
			}
			return tui.List(ctx, s, origins)
		},
		Disks: w.tuiDisks,
		Flash: w.write,
	}
}

// write is what was confirmed. The disk is named by its path and by all that was shown of it: one
// without a serial can be chosen, and one that took its place is refused.
func (w wizard) write(ctx context.Context, f tui.Flash, report func(flash.Progress)) tui.Ended {
	i, d := f.Image, f.Disk
	req := flash.Request{Source: i.At, Format: i.Format, Digest: i.Digest, Target: d.Path, Shown: d.Device,
		Verify: f.Options.Verify, Grow: f.Options.Grow}
	req.Origin.Waiting = f.Waiting
	if catalog.Scheme(i.At) != "" {
		req.Size = i.Size
	}
	pick := wire.Pick{Image: cmp.Or(i.Name, origin.Redact(i.At)), Serial: d.Serial, Disk: d.Path}
	if !i.Ref.IsZero() {
		pick.Ref = i.Ref.String()
	}
	done, told, err := w.agent.Chosen(ctx, req, pick, report)
	return tui.Ended{Result: done, Err: err, Told: told}
}

// leave is what becomes of the program after the wizard, which ended with err. A flash that failed
// or was cancelled says more than a wizard that was ended, and so does one that was done before.
func (e env) leave(ctx context.Context, left tui.Left, err error) error {
	if (err == context.Canceled || errors.Is(err, tui.ErrGone)) && left.Last != nil {
		left.Reboot, err = false, nil
	}
	var failed error
	switch {
	case err != nil && (left.Last == nil || left.Last.Err == nil):
		return err
	case left.Last == nil && !left.Reboot:
		return failf(codeUnconfirmed, "left without a flash; nothing was written")
	case left.Last != nil && left.Last.Err != nil:
		failed = left.Last.Err
	case left.Last != nil:
		fmt.Fprintf(e.stderr, "bty: %s is on %s: %s written, SHA-256 of the image %s\n", agent.Printable(origin.Redact(left.Image.At)),
			left.Disk.Path, agent.Bytes(left.Last.Result.Written), left.Last.Result.Digest)
	}
	if err != nil || !left.Reboot {
		return failed
	}
	if err := e.reboot(ctx); err != nil {
		return errors.Join(failed, fmt.Errorf("the machine does not reboot: %w; reboot it by hand", err))
	}
	return failed
}

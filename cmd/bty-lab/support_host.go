package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"

	"bty/internal/deploy"
	"bty/internal/host"
)

// supportUnits are ours.
var supportUnits = deploy.Units()

func unitStates(ctx context.Context, w io.Writer) error {
	args := []string{"status", "--no-pager", "--full", "--lines=0"}
	if deploy.OwnRun() != "" {
		args = append(args, "--user")
	}
	return output(ctx, w, "systemctl", append(args, supportUnits...)...)
}

func journalLines(ctx context.Context, w io.Writer) error {
	args := []string{"--no-pager", "--quiet", "--lines=2000", "--output=short-iso-precise"}
	of := "--unit="
	if deploy.OwnRun() != "" {
		of = "--user-unit="
	}
	for _, u := range supportUnits {
		args = append(args, of+u)
	}
	return output(ctx, w, "journalctl", args...)
}

// output writes what a program says. A status alone is no error: systemctl has one for units that do
// not run.
func output(ctx context.Context, w io.Writer, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = deploy.Environ("LC_ALL=C.UTF-8", "SYSTEMD_COLORS=0", "SYSTEMD_PAGER=")
	cmd.WaitDelay = time.Second
	counted := &counter{Writer: w}
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = counted, &said
	err := cmd.Run()
	text := strings.Join(strings.Fields(said.String()), " ")
	switch {
	case err != nil && ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil && counted.n == 0:
		return fmt.Errorf("%s: %w: %s", name, err, text)
	case counted.n == 0 && text == "":
		fmt.Fprintf(w, "%s has nothing to say.\n", name)
	case text != "":
		fmt.Fprintf(w, "\n%s also says: %s\n", name, text)
	}
	return nil
}

type counter struct {
	io.Writer
	n int
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.n += n
	return n, err
}

func copyFile(w io.Writer, path string) {
	const enough = 64 << 10
	file, err := os.Open(path)
	if err != nil {
		fmt.Fprintln(w, err)
		return
	}
	defer file.Close()
	fmt.Fprintf(w, "\n%s:\n", path)
	if _, err := io.CopyN(w, file, enough); err != nil && !errors.Is(err, io.EOF) {
		fmt.Fprintln(w, err)
	}
}

func links(_ context.Context, w io.Writer) error {
	all, err := net.Interfaces()
	if err != nil {
		return err
	}
	for _, link := range all {
		fmt.Fprintf(w, "%s: %s, MTU %d, %s\n", link.Name, link.HardwareAddr, link.MTU, link.Flags)
		addresses, err := link.Addrs()
		if err != nil {
			fmt.Fprintln(w, "   ", err)
		}
		for _, a := range addresses {
			fmt.Fprintln(w, "   ", a)
		}
	}
	copyFile(w, "/proc/net/route")
	return nil
}

// listFolders lists the files at the top of our folders: no name below is of interest.
func (a *appliance) listFolders(w io.Writer) error {
	const most = 1000
	var failed error
	for _, dir := range []string{a.config.Paths.StateDir, a.config.Paths.BootDir, a.config.Paths.BackupDir, a.config.Paths.RunDir} {
		fmt.Fprintf(w, "%s:\n", dir)
		entries, err := os.ReadDir(dir)
		failed = errors.Join(failed, err)
		for i, e := range entries {
			if i == most {
				fmt.Fprintf(w, "and %d more\n", len(entries)-most)
				break
			}
			if info, err := e.Info(); err == nil { // else it is gone
				fmt.Fprintf(w, "%s %12d %s %s\n", info.Mode(), info.Size(), info.ModTime().UTC().Format(time.RFC3339), e.Name())
			}
		}
		fmt.Fprintln(w)
	}
	return failed
}

func (a *appliance) diskSpace(w io.Writer) error {
	paths, images := a.config.Paths, a.config.Cache.Dir
	for _, d := range host.Disks(map[string]string{paths.StateDir: "the state", paths.BootDir: "boot files", paths.BackupDir: "backups", images: "images", ".": "this bundle"},
		paths.StateDir, paths.BootDir, paths.BackupDir, images, ".") {
		fmt.Fprintf(w, "%s (%s): %d of %d MB free %s\n", d.Folder, d.For, d.Free/1e6, d.Size/1e6, d.Err)
	}
	return nil
}

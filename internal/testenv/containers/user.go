package containers

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// User is an ordinary user of the host, with subordinate ids and a systemd of its own that runs
// whether it is signed in or not.
type User struct {
	Name, Home string
	host       *Host
}

// OpenDevices opens the devices for a network and a file system without root to everybody, as udev leaves them;
// here they are nodes of the container, and the machine's own stay as they are. A boot closes them.
func (h *Host) OpenDevices(ctx context.Context) error {
	_, err := h.Try(ctx, "sh", "-euc", "umount /dev/fuse /dev/net/tun; rm -f /dev/fuse /dev/net/tun; mknod -m 666 /dev/fuse c 10 229; mknod -m 666 /dev/net/tun c 10 200")
	return err
}

// AddUser makes a user, and opens the devices.
func (h *Host) AddUser(ctx context.Context, name string) (*User, error) {
	steps := [][]string{
		{"useradd", "--create-home", "--shell=/bin/bash", name},
		// From a unit: logind asks who wants it by the control group, and a command from outside has none.
		{"systemd-run", "--quiet", "--pipe", "--wait", "loginctl", "enable-linger", name},
	}
	for _, step := range steps {
		if _, err := h.Try(ctx, step[0], step[1:]...); err != nil {
			return nil, fmt.Errorf("an ordinary user: %w", err)
		}
	}
	if err := h.OpenDevices(ctx); err != nil {
		return nil, fmt.Errorf("an ordinary user: %w", err)
	}
	return &User{Name: name, Home: "/home/" + name, host: h}, nil
}

// Command is a command of the user in its session, with bash. What it leaves running stays: containers
// without a control group of their own are in that of the command.
func (u *User) Command(ctx context.Context, script string) *exec.Cmd {
	return u.host.Command(ctx, "systemd-run", "--quiet", "--user", "--machine="+u.Name+"@", "--pipe", "--wait",
		"--property=KillMode=process", "--working-directory="+u.Home, "bash", "-c", script)
}

// Try runs a script and returns what it printed, with an error that has its complaints.
func (u *User) Try(ctx context.Context, script string) (string, error) {
	cmd := u.Command(ctx, script)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("%s as %s: %w: %s", script, u.Name, err, strings.TrimSpace(errs.String()))
	}
	return strings.TrimRight(out.String(), "\n"), err
}

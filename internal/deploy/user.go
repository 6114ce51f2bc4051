package deploy

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"bty/internal/doctor"
	"bty/internal/systemd/manager"
)

// User is an ordinary user, whose own systemd runs the containers.
type User struct {
	UID  int    `json:"uid"`
	Home string `json:"home"`
}

// Places are where a deployment has its files. Root's are the host's.
type Places struct {
	Quadlets string // that Podman makes units of
	Units    string
	Config   string // of the daemons
	Run      string // of the sockets
	Timers   string // where systemd notes when timers elapsed
}

// Places of a site.
func (s Site) Places() Places {
	if s.User == nil {
		return Places{quadletDir, unitDir, "/etc/bty/", "/run/bty/", "/var/lib/systemd/timers/"}
	}
	home := s.User.Home
	return Places{home + "/.config/containers/systemd/", home + "/.config/systemd/user/", home + "/.config/bty/",
		UserRun(s.User.UID) + "/bty/", home + "/.local/share/systemd/timers/"}
}

// UserRun is the folder that a user has while anything of theirs runs.
func UserRun(uid int) string { return fmt.Sprintf("/run/user/%d", uid) }

// Storage is where Podman has its images and volumes.
func (s Site) Storage() string {
	if s.User == nil {
		return "/var/lib/containers"
	}
	return s.User.Home + "/.local/share/containers"
}

// OfUnit is how journalctl is asked for what a unit of the site said.
func (s Site) OfUnit() string { return ofUnit(s.User != nil) }

func ofUnit(user bool) string {
	if user {
		return "--user-unit="
	}
	return "--unit="
}

// Check refuses to work on what is somebody else's.
func (s Site) Check(doing string) error {
	if problems := checkUser(Observed{Root: os.Geteuid() == 0, User: me()}, s); len(problems) > 0 {
		return &Refused{doing, problems}
	}
	return nil
}

// Manager is the systemd that runs a site: the host's, or the user's own.
func (s Site) Manager() manager.Manager {
	if s.User == nil {
		return manager.Manager{}
	}
	return s.User.manager()
}

// manager is that of the user. The address is systemd's own choice: a shell from su or sudo does not name it.
func (u User) manager() manager.Manager {
	return manager.Manager{Address: "unix:path=" + UserRun(u.UID) + "/bus"}
}

// me is the ordinary user who asks; nil for root.
func me() *User {
	home, err := os.UserHomeDir()
	if os.Geteuid() == 0 || err != nil {
		return nil
	}
	return &User{os.Geteuid(), filepath.Clean(home)}
}

// OwnRun is the folder of the sockets of the ordinary user who asks; "" for root, and for a user who has none.
func OwnRun() string {
	user := me()
	if user == nil {
		return ""
	}
	run := filepath.Clean(Site{User: user}.Places().Run)
	if !isThere(filepath.Join(run, "control.sock")) {
		return ""
	}
	return run
}

// OwnPorts says of ports that the asking user's systemd listens on that they are the daemons': the user may
// not see who has them.
func OwnPorts(ctx context.Context, ports []doctor.Port) []doctor.Port {
	user := me()
	if user == nil {
		return ports
	}
	for i, p := range ports {
		if report, err := user.manager().Look(ctx, p.Unit); err == nil && report.Units[0].Active == "active" {
			ports[i].Hidden, ports[i].Holders = false, []doctor.Process{{Name: p.Daemon}}
		}
	}
	return ports
}

// Environ is the environment of another program. A shell from su or sudo does not name the folder in which
// the user's systemd and Podman have their sockets.
func Environ(more ...string) []string {
	env := append(os.Environ(), more...)
	if user := me(); user != nil && os.Getenv("XDG_RUNTIME_DIR") == "" && isThere(UserRun(user.UID)) {
		env = append(env, "XDG_RUNTIME_DIR="+UserRun(user.UID))
	}
	return env
}

// lingers reports whether a user's systemd goes on when the last session has ended.
func lingers(ctx context.Context, u User) bool {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	out, err := tool(ctx, "", "loginctl", "show-user", fmt.Sprint(u.UID), "--property=Linger", "--value")
	return err == nil && strings.TrimSpace(out) == "yes"
}

// checkUser: a deployment belongs to whom it was made for.
func checkUser(o Observed, s Site) []Problem {
	switch {
	case s.User == nil && !o.Root && s.Mode != Compose:
		next := "Run it with sudo, or as this user without TFTP: bty-lab deploy --mode quadlet, or --mode compose."
		what := fmt.Sprintf("The mode %s is for root: it installs units of the host and uses port 69.", s.Mode)
		if s.Mode == Quadlet {
			what, next = "The deployment is root's.", "Run it with sudo."
		}
		return []Problem{{"root", what, next}}
	case s.User != nil && (o.User == nil || *o.User != *s.User):
		return []Problem{{"user", fmt.Sprintf("The deployment is of an ordinary user, with the uid %d and the home %s.", s.User.UID, s.User.Home), "Run it as that user, without sudo."}}
	}
	return nil
}

// checkLinger: what ends with a session is no appliance.
func checkLinger(o Observed) []Problem {
	switch {
	case o.Systemd.Away != "":
		return []Problem{{"systemd", "The systemd of this user cannot be asked: " + o.Systemd.Away + ".",
			"It runs while the user is signed in, or always after: sudo loginctl enable-linger " + fmt.Sprint(o.User.UID) + ". It needs a bus of its own (apt-get install dbus-user-session). Without it: --mode compose."}}
	case !o.Systemd.Lingers:
		return []Problem{{"linger", "The systemd of this user ends with the user's last session, and the appliance would end with it.",
			"Have it go on, and start with the host: loginctl enable-linger (with sudo and the user's name where that is refused)."}}
	}
	return nil
}

// journal is the command that shows what a unit said.
func (s Site) journal(unit string) string {
	if s.User != nil {
		return "journalctl --user -u " + unit
	}
	return "journalctl -u " + unit
}

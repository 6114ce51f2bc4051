package settings

import (
	"fmt"
	"slices"

	"bty/internal/config"
)

// Row is one key of the configuration as a page shows it. A secret is never in it.
type Row struct {
	config.Key
	Text    string // what somebody set, "" if nobody did or it is a secret
	Absent  string // what counts while nothing is set
	From    string // where the value in force comes from
	IsSet   bool   // somebody set it
	InFile  bool   // and it can be taken back here
	Locked  string // why it is not changed here, "" if it is
	Stored  Name   // of the stored value that counts instead, "" if none does
	InForce string // that value
	Waits   string // the unit whose restart a change waits for, "" if none
}

// Group is the keys of one section.
type Group struct {
	config.Section
	Rows []Row
}

// overriding are the stored values that count more than a key.
var overriding = map[string]Name{"withcache.url": WithcacheURL, "nbdmux.url": NbdmuxURL, "events.keep_days": EventsKeepDays}

// Groups lists every key of the configuration by section.
func (s *Settings) Groups() []Group {
	v := s.inForce.Load()
	var groups []Group
	for _, section := range config.Sections() {
		g := Group{Section: section}
		for _, k := range config.Keys() {
			if k.Section == section.Name {
				g.Rows = append(g.Rows, s.row(k, v))
			}
		}
		groups = append(groups, g)
	}
	return groups
}

func (s *Settings) row(k config.Key, v *values) Row {
	origin, value := v.config.Origin(k.String()), k.Value(v.config)
	r := Row{Key: k, From: origin.String(), IsSet: !origin.IsDefault(), InFile: origin.File != "" && k.Fixed() == "", Locked: k.Fixed()}
	switch {
	case k.Secret && r.IsSet:
		r.Absent = "set"
	case k.Secret:
		r.Absent = "not set"
	case r.IsSet:
		r.Text = value
	default:
		r.Absent = value
	}
	if origin.Variable != "" || origin.Cred != "" {
		r.Locked = fmt.Sprintf("Set by the %s, which no file overrides: change it there and restart bty-web.", origin)
	}
	if r.Locked == "" {
		r.Locked = s.unseen(k)
		if r.Locked != "" && r.InFile && origin.File == s.WritableFile() {
			r.Locked += " What stands here now does not count."
		}
	}
	if name := overriding[k.String()]; name != "" && v.text[name].Stored {
		r.Stored, r.InForce = name, v.text[name].Text
	}
	if k.Restart() != "" && value != k.Value(s.Started) {
		r.Waits = k.Restart()
	}
	return r
}

// unseen says that a value which is written here would not reach the daemon that goes by it, and what to do
// instead; "" if it would.
func (s *Settings) unseen(k config.Key) string {
	daemon := k.Reader()
	if !slices.Contains(s.Apart, daemon) {
		return ""
	}
	verb := "restart"
	if k.Reload() != "" {
		verb = "reload"
	}
	return fmt.Sprintf("%s does not see the file that this page writes. Set it on the host, in /etc/bty/bty.toml or as %s in the environment of %s; then %s that.", daemon, k.Env(), daemon, verb)
}

// WritableFile is where a key that no file sets yet is written, "" if there is no such file.
func (s *Settings) WritableFile() string { return s.Loaded().Source().Writable() }

// PasswordFrom says where the password comes from.
func (s *Settings) PasswordFrom() config.Origin { return s.Loaded().Origin("admin.password") }

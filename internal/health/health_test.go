package health

import (
	"errors"
	"strings"
	"testing"

	"bty/internal/wire"
)

// well is an installation with nothing to find.
func well() Config {
	return Config{
		Doctor: func() wire.Diagnosis {
			return wire.Diagnosis{Findings: []wire.Finding{{ID: "host.live", Severity: wire.SeverityOK, Title: "Live environment", What: "It is there.", Page: "netboot"},
				{ID: "dhcp.well", Severity: wire.SeverityOK, Title: "DHCP", What: "BIOS is told."}}}
		},
		Images: func() (int, error) { return 3, nil }, Failures: func() (int, error) { return 0, nil },
	}
}

func found(list ...wire.Finding) func(*Config) {
	return func(c *Config) { c.Doctor = func() wire.Diagnosis { return wire.Diagnosis{Findings: list} } }
}

func TestNothingToFind(t *testing.T) {
	list := well().Check()
	if len(list) != 4 {
		t.Errorf("%d findings", len(list))
	}
	for _, f := range list {
		if f.Level != OK || f.Name == "" || f.Detail == "" {
			t.Errorf("%+v", f)
		}
	}
}

func TestFindings(t *testing.T) {
	live := wire.Finding{ID: "host.live", Severity: wire.SeverityError, Title: "Live environment", What: "bty-live-x86_64.initrd is missing.", Next: "Install one.", Page: "netboot"}
	program := wire.Finding{ID: "dhcp.wrong-program", Severity: wire.SeverityError, Title: "Wrong program", What: "10.0.0.1 tells UEFI to load undionly.kpxe."}
	silent := wire.Finding{ID: "machine.silent", Severity: wire.SeverityWarning, Title: "Never asked", What: "It has asked for nothing."}
	for name, test := range map[string]struct {
		break_ func(*Config)
		level  Level
		says   string
	}{
		"live missing":    {found(live), Bad, "bty-live-x86_64.initrd is missing. Install one."},
		"a warning":       {found(wire.Finding{ID: "host.clock", Severity: wire.SeverityWarning, What: "It is not synchronised."}), Warn, "not synchronised"},
		"DHCP":            {found(program), Bad, "undionly.kpxe. The Netboot page says what to do."},
		"more of DHCP":    {found(program, silent), Bad, "has 1 more"},
		"a machine":       {found(silent), Warn, "asked for nothing"},
		"nothing seen":    {found(wire.Finding{ID: "dhcp.nothing-seen", Severity: wire.SeverityNote, What: "No."}), OK, "no machine was seen"},
		"no image":        {func(c *Config) { c.Images = func() (int, error) { return 0, nil } }, Bad, "Add one"},
		"one image":       {func(c *Config) { c.Images = func() (int, error) { return 1, nil } }, OK, "1 image."},
		"broken catalog":  {func(c *Config) { c.Images = func() (int, error) { return 0, errors.New("secret") } }, Bad, "journal"},
		"failures":        {func(c *Config) { c.Failures = func() (int, error) { return 2, nil } }, Warn, "2 that nobody"},
		"failures broken": {func(c *Config) { c.Failures = func() (int, error) { return 0, errors.New("secret") } }, Bad, "journal"},
	} {
		c := well()
		test.break_(&c)
		there := false
		for _, f := range c.Check() {
			there = there || f.Level == test.level && strings.Contains(f.Detail, test.says)
			if strings.Contains(f.Detail, "secret") {
				t.Errorf("%s: the cause is in the open: %+v", name, f)
			}
		}
		if !there {
			t.Errorf("%s: %+v", name, c.Check())
		}
	}
}

// What is only good to know does not fill the dashboard.
func TestNotes(t *testing.T) {
	c := well()
	found(wire.Finding{ID: "host.previous", Severity: wire.SeverityNote, Title: "Previous system", What: "It is there."})(&c)
	for _, f := range c.Check() {
		if f.Name == "Previous system" {
			t.Errorf("%+v", f)
		}
	}
}

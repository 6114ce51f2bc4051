package health

import (
	"errors"
	"strings"
	"testing"

	"bty/internal/tftp/probe"
)

// well is an installation with nothing to find.
func well(t *testing.T) Config {
	return Config{
		Missing: func(string) string { return "" }, Program: func(string) bool { return true },
		Images: func() (int, error) { return 3, nil }, Failures: func() (int, error) { return 0, nil },
		TFTP:      func() (probe.Answer, bool) { return probe.Answer{Outcome: probe.Serves}, true },
		IsDefault: func() bool { return false }, StateDir: t.TempDir(),
	}
}

func TestNothingToFind(t *testing.T) {
	for _, f := range well(t).Check() {
		if f.Level != OK && f.Name != "Disk space" {
			t.Errorf("%+v", f)
		}
	}
}

func TestFindings(t *testing.T) {
	for name, test := range map[string]struct {
		break_ func(*Config)
		level  Level
		says   string
	}{
		"live missing":   {func(c *Config) { c.Missing = func(string) string { return "bty-live-x86_64.initrd" } }, Bad, "bty-live-x86_64.initrd is missing"},
		"no arm64":       {func(c *Config) { c.Missing = func(a string) string { return strings.TrimPrefix(a, "x86_64") } }, OK, "arm64 is not"},
		"no BIOS":        {func(c *Config) { c.Program = func(n string) bool { return n == "ipxe.efi" } }, Warn, "undionly.kpxe for BIOS is missing"},
		"no program":     {func(c *Config) { c.Program = func(string) bool { return false } }, Bad, "no machine can boot"},
		"no image":       {func(c *Config) { c.Images = func() (int, error) { return 0, nil } }, Bad, "Add one"},
		"one image":      {func(c *Config) { c.Images = func() (int, error) { return 1, nil } }, OK, "1 image."},
		"broken catalog": {func(c *Config) { c.Images = func() (int, error) { return 0, errors.New("secret") } }, Bad, "journal"},
		"failures":       {func(c *Config) { c.Failures = func() (int, error) { return 2, nil } }, Warn, "2 that nobody"},
		"TFTP silent": {func(c *Config) {
			c.TFTP = func() (probe.Answer, bool) {
				return probe.Answer{Outcome: probe.Silent, Host: "192.0.2.1", Port: 69}, true
			}
		}, Warn, "192.0.2.1"},
		"other TFTP": {func(c *Config) {
			c.TFTP = func() (probe.Answer, bool) { return probe.Answer{Outcome: probe.Refuses}, true }
		}, Warn, "Another server"},
		"password":  {func(c *Config) { c.IsDefault = func() bool { return true } }, Warn, "BTY_ADMIN_PASSWORD"},
		"no folder": {func(c *Config) { c.StateDir = "/nonexistent" }, Warn, "cannot be looked at"},
	} {
		c := well(t)
		test.break_(&c)
		found := false
		for _, f := range c.Check() {
			found = found || f.Level == test.level && strings.Contains(f.Detail, test.says)
			if strings.Contains(f.Detail, "secret") {
				t.Errorf("%s: the cause is in the open: %+v", name, f)
			}
		}
		if !found {
			t.Errorf("%s: %+v", name, c.Check())
		}
	}
}

func TestTFTPThatWasNotAsked(t *testing.T) {
	c := well(t)
	all := len(c.Check())
	c.TFTP = func() (probe.Answer, bool) { return probe.Answer{}, false }
	if n := len(c.Check()); n != all-1 {
		t.Errorf("%d findings, %d with an answer", n, all)
	}
}

func TestSpace(t *testing.T) {
	for free, want := range map[uint64]Level{0: Bad, 100 << 20: Bad, 1 << 30: Warn, 50 << 30: OK} {
		if f := spaceLeft(free, "/x"); f.Level != want {
			t.Errorf("%d: %+v", free, f)
		}
	}
}

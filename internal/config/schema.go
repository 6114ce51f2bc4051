package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Key describes one setting. The environment variable of section.name is BTY_SECTION_NAME.
type Key struct {
	Section, Name string
	Default       string
	Help          string
	Secret        bool     // never shown: not in a page, an error or a log
	Cred          string   // systemd credential that sets it, if any
	OneOf         []string // the allowed values of a string; empty allows any
	Later         bool     // accepted, because the previous system knows it, but without effect yet

	text     func(*Config) *string // exactly one of text, number and truth is set
	number   func(*Config) *int
	truth    func(*Config) *bool
	min, max int
	clamp    bool               // out of range means the default instead of an error
	check    func(string) error // what else a string must be; "" is never asked
}

// String is the key as the documentation spells it: "server.port".
func (k Key) String() string { return k.Section + "." + k.Name }

// Env is the name of the variable that overrides the key.
func (k Key) Env() string { return "BTY_" + strings.ToUpper(k.Section+"_"+k.Name) }

// Type is "str", "int" or "bool".
func (k Key) Type() string {
	switch {
	case k.number != nil:
		return "int"
	case k.truth != nil:
		return "bool"
	}
	return "str"
}

// Value returns the key's value in c as text; ask Secret before showing it.
func (k Key) Value(c *Config) string {
	switch {
	case k.number != nil:
		return strconv.Itoa(*k.number(c))
	case k.truth != nil:
		return strconv.FormatBool(*k.truth(c))
	}
	return *k.text(c)
}

const maxInt = int(^uint(0) >> 1)

func text(section, name, def, help string, p func(*Config) *string) Key {
	return Key{Section: section, Name: name, Default: def, Help: help, text: p}
}

func number(section, name string, def, low, high int, help string, p func(*Config) *int) Key {
	return Key{Section: section, Name: name, Default: strconv.Itoa(def), Help: help, number: p, min: low, max: high}
}

func truth(section, name string, def bool, help string, p func(*Config) *bool) Key {
	return Key{Section: section, Name: name, Default: strconv.FormatBool(def), Help: help, truth: p}
}

func secret(k Key, cred string) Key {
	k.Secret, k.Cred = true, cred
	return k
}

func oneOf(k Key, values ...string) Key {
	k.OneOf = values
	return k
}

func clamp(k Key) Key {
	k.clamp = true
	return k
}

func must(k Key, check func(Key, string) error) Key {
	k.check = func(v string) error { return check(k, v) }
	return k
}

func later(k Key) Key {
	k.Later, k.Help = true, k.Help+" (no effect in this release)"
	return k
}

// seedVars are the variables without a key in the file.
func seedVars(c *Config) map[string]*string {
	return map[string]*string{
		"BTY_BOOT_SEED_DIR":        &c.Seed.BootSeedDir,
		"BTY_BOOT_RELEASE_REPO":    &c.Seed.BootReleaseRepo,
		"BTY_DISPLAY_TZ":           &c.Seed.DisplayTZ,
		"BTY_RAMBOOT_OVERLAY_SIZE": &c.Seed.RambootOverlaySize,
	}
}

// set stores v, a string or an int64 as TOML has them, or text from a variable if asText.
func (k Key) set(c *Config, v any, asText bool) error {
	if k.truth != nil {
		return k.setTruth(c, v, asText)
	}
	if k.number == nil {
		s, ok := v.(string)
		if !ok {
			return fmt.Errorf("%s must be a string: put it in quotes", k)
		}
		return k.setText(c, s)
	}
	n, ok := v.(int64)
	if s, isText := v.(string); isText && asText {
		parsed, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
		if err != nil {
			return fmt.Errorf("%q is not a whole number; set %s to one, or unset the variable", s, k)
		}
		n, ok = parsed, true
	}
	if !ok {
		return fmt.Errorf("%s must be a whole number, without quotes", k)
	}
	return k.setNumber(c, n)
}

func (k Key) setText(c *Config, s string) error {
	if strings.ContainsRune(s, 0) {
		return fmt.Errorf("%s must not contain a NUL", k)
	}
	if len(k.OneOf) > 0 && !slices.Contains(k.OneOf, s) {
		return fmt.Errorf("%s is %q; it must be one of %q", k, s, k.OneOf)
	}
	if k.check != nil && s != "" {
		if err := k.check(s); err != nil {
			return err
		}
	}
	*k.text(c) = s
	return nil
}

func (k Key) setTruth(c *Config, v any, asText bool) error {
	b, ok := v.(bool)
	if s, isText := v.(string); isText && asText {
		parsed, err := strconv.ParseBool(strings.ToLower(strings.TrimSpace(s)))
		if err != nil {
			return fmt.Errorf("%q is neither true nor false; set %s to one of them, or unset the variable", s, k)
		}
		b, ok = parsed, true
	}
	if !ok {
		return fmt.Errorf("%s must be true or false, without quotes", k)
	}
	*k.truth(c) = b
	return nil
}

func (k Key) setNumber(c *Config, n int64) error {
	if n >= int64(k.min) && n <= int64(k.max) {
		*k.number(c) = int(n)
		return nil
	}
	if !k.clamp {
		return fmt.Errorf("%s is %d; it must be from %d to %d", k, n, k.min, k.max)
	}
	if n > int64(k.max) {
		*k.number(c) = k.max
		return nil
	}
	return k.setDefault(c)
}

func (k Key) setDefault(c *Config) error { return k.set(c, k.Default, true) }

package settings

import (
	"fmt"
	"strconv"
	"time"

	"bty/internal/config"
	"bty/internal/fault"
)

// Value is one setting in force.
type Value struct {
	Text   string
	From   string // "stored", "default", or where the configuration has it from
	Stored bool
}

// Backup is the schedule of backups.
type Backup struct {
	Enabled bool
	Cadence Cadence
	Keep    int       // backups; older ones go
	LastRun time.Time // of the schedule, zero if there was none
}

// values is everything in force, worked out once per change.
type values struct {
	config   *config.Config
	proxy    config.Proxy
	text     map[Name]Value
	zone     *time.Location
	backup   Backup
	keepDays int
	problems []string
}

// resolve puts the stored values over the configuration over the defaults. A value that cannot be
// used breaks nothing: it is reported, and the next layer counts.
func resolve(stored map[string]string, c *config.Config) *values {
	v := &values{config: c, text: map[Name]Value{}}
	v.pick(stored, NetbootRepo, variable("BTY_BOOT_RELEASE_REPO", c.Seed.BootReleaseRepo), Value{Text: defaultRepo})
	v.pick(stored, NetbootTag, Value{Text: defaultTag})
	v.pick(stored, CatalogURL, Value{Text: defaultCatalog})
	v.pick(stored, WithcacheURL, configured(c, "withcache.url", c.Withcache.URL))
	v.pick(stored, NbdmuxURL, configured(c, "nbdmux.url", c.Nbdmux.URL))
	v.pick(stored, RambootOverlay, variable("BTY_RAMBOOT_OVERLAY_SIZE", c.Seed.RambootOverlaySize), Value{Text: "10G"})
	zone := v.pick(stored, DisplayZone, variable("BTY_DISPLAY_TZ", c.Seed.DisplayTZ), Value{Text: "UTC"})
	enabled := v.pick(stored, BackupEnabled, Value{Text: "0"})
	cadence := v.pick(stored, BackupCadence, Value{Text: string(Manual)})
	keep := v.pick(stored, BackupRetention, Value{Text: strconv.Itoa(defaultRetention)})
	lastRun := v.pick(stored, BackupLastRun, Value{})
	days := v.pick(stored, EventsKeepDays, configured(c, "events.keep_days", strconv.Itoa(c.Events.KeepDays)))
	v.pick(stored, SessionEpoch, Value{})
	v.pick(stored, TakenOver, Value{})

	// What was picked has passed its check.
	v.zone, _ = loadZone(zone)
	v.proxy, _ = config.ParseProxy(c.Server.TrustedProxy)
	v.backup = Backup{Enabled: enabled == "1", Cadence: Cadence(cadence)}
	v.backup.Keep, _ = strconv.Atoi(keep)
	v.backup.LastRun, _ = time.Parse(time.RFC3339Nano, lastRun)
	v.keepDays, _ = strconv.Atoi(days)
	return v
}

func variable(name, text string) Value { return Value{Text: text, From: "variable " + name} }

func configured(c *config.Config, key, text string) Value {
	return Value{Text: text, From: c.Origin(key).String()}
}

// pick takes the first value that is set and can be used; the last layer always can.
func (v *values) pick(stored map[string]string, name Name, layers ...Value) string {
	if text, ok := stored[string(name)]; ok {
		layers = append([]Value{{Text: text, From: "stored", Stored: true}}, layers...)
	}
	for i, layer := range layers {
		if layer.From == "" {
			layer.From = "default"
		}
		err := error(nil)
		if check := checks[name]; check != nil && layer.Text != "" {
			err = check(layer.Text)
		}
		last := i == len(layers)-1
		if err != nil && !last {
			v.problems = append(v.problems, fmt.Sprintf("%s (%s) cannot be used: %s; %s counts instead", name, layer.From, fault.Public(err), next(layers[i+1])))
			continue
		}
		if layer.Text == "" && !last {
			continue
		}
		v.text[name] = layer
		return layer.Text
	}
	return ""
}

func next(layer Value) string {
	if layer.From == "" {
		return "the default"
	}
	return layer.From
}

package settings

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"bty/internal/config"
	"bty/internal/fault"
)

// Name is the name of a stored value; backups and the previous system know them.
type Name string

const (
	NetbootRepo     Name = "upstream.netboot_repo"
	NetbootTag      Name = "upstream.netboot_tag"
	CatalogURL      Name = "upstream.catalog_url"
	WithcacheURL    Name = "withcache.url"
	NbdmuxURL       Name = "nbdmux.url"
	RambootOverlay  Name = "ramboot.overlay_size"
	DisplayZone     Name = "display.timezone"
	BackupEnabled   Name = "backup.enabled"
	BackupCadence   Name = "backup.cadence"
	BackupRetention Name = "backup.retention_count"
	BackupLastRun   Name = "backup.last_run_at"
	EventsKeepDays  Name = "events.keep_days"
	SessionEpoch    Name = "auth.session_epoch"
	TakenOver       Name = "takeover.mark" // of the previous system's database that was taken over last
)

// What holds where nobody set anything.
const (
	defaultRepo    = "safl/bty"
	defaultTag     = "latest"
	defaultCatalog = "https://github.com/safl/nosi/releases/latest/download/catalog.toml"
)

// Cadence is how often backups are made.
type Cadence string

const (
	Manual Cadence = "manual"
	Daily  Cadence = "daily"
	Weekly Cadence = "weekly"
)

const (
	defaultRetention = 7
	maxRetention     = 9999
)

var (
	repoPattern    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,99}/[A-Za-z0-9._-]{1,100}$`)
	tagPattern     = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)
	overlayPattern = regexp.MustCompile(`^[1-9][0-9]{0,15}[KMGT]?$`)
)

// checks say whether a name's value can be used. They serve what is typed and what is stored alike.
var checks = map[Name]func(string) error{
	NetbootRepo: func(v string) error {
		if repoPattern.MatchString(v) {
			return nil
		}
		return refuse("the repository of live environments is %q; give OWNER/NAME. A mirror is set as [netboot] release_url", v)
	},
	NetbootTag: func(v string) error {
		if tagPattern.MatchString(v) {
			return nil
		}
		return refuse("the release tag is %q; give a tag like v0.65.4, or latest", v)
	},
	CatalogURL: func(v string) error {
		if isURL(v, "http", "https", "oras") {
			return nil
		}
		// It is not repeated: there may be a password in it, and the refusal stands in a URL.
		return refuse("the catalog URL must be an http://, https:// or oras:// URL without a user name")
	},
	WithcacheURL: func(v string) error { return asKey("withcache.url", v) },
	NbdmuxURL:    func(v string) error { return asKey("nbdmux.url", v) },
	RambootOverlay: func(v string) error {
		if overlayPattern.MatchString(v) {
			return nil
		}
		return refuse("the overlay size is %q; give a number with K, M, G or T, like 10G", v)
	},
	DisplayZone: func(v string) error { _, err := loadZone(v); return err },
	BackupEnabled: func(v string) error {
		if v == "0" || v == "1" {
			return nil
		}
		return refuse("backup.enabled is %q; it must be 0 or 1", v)
	},
	BackupCadence: func(v string) error {
		if slices.Contains([]Cadence{Manual, Daily, Weekly}, Cadence(v)) {
			return nil
		}
		return refuse("the backup cadence is %q; it must be manual, daily or weekly", v)
	},
	BackupRetention: func(v string) error { _, err := whole(v, 1, maxRetention, "the number of backups kept"); return err },
	BackupLastRun: func(v string) error {
		if _, err := time.Parse(time.RFC3339Nano, v); err != nil {
			return refuse("the time of the last scheduled backup is %q; it must be RFC 3339", v)
		}
		return nil
	},
	EventsKeepDays: func(v string) error { return asKey("events.keep_days", v) },
}

// Usable reports whether there is a stored setting of that name, and what is wrong with a value for it.
func Usable(name, value string) (known bool, err error) {
	check := checks[Name(name)]
	if check == nil {
		return false, nil
	}
	return true, check(value)
}

func refuse(format string, args ...any) error { return fault.New(fault.Rejected, format, args...) }

// asKey checks a value as the key of the configuration that it overrides.
func asKey(key, v string) error {
	if err := config.Check(key, v); err != nil {
		return refuse("%v", err)
	}
	return nil
}

func isURL(v string, schemes ...string) bool {
	u, err := url.Parse(v)
	return err == nil && u.Host != "" && u.User == nil && slices.Contains(schemes, u.Scheme) && !strings.ContainsAny(v, " \t\r\n")
}

func loadZone(v string) (*time.Location, error) {
	zone, err := time.LoadLocation(v)
	if err != nil || v == "" || v == "Local" {
		return nil, refuse("the time zone is %q; give a name of the IANA list, like Europe/Berlin or UTC", v)
	}
	return zone, nil
}

// whole reads a number as people write it: no sign, no leading zero.
func whole(v string, low, high int, what string) (int, error) {
	n, err := strconv.Atoi(v)
	if err != nil || n < low || n > high || strconv.Itoa(n) != v {
		return 0, refuse("%s is %q; it must be a whole number from %d to %d", what, v, low, high)
	}
	return n, nil
}

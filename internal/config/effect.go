package config

import (
	"cmp"
	"slices"
)

// Section is a group of keys.
type Section struct {
	Name, Title string
}

// Sections lists the groups in the order of Keys.
func Sections() []Section {
	return []Section{
		{"admin", "Administrator"},
		{"server", "Server"},
		{"paths", "Folders"},
		{"withcache", "Image cache"},
		{"cache", "Image cache of this host"},
		{"oras", "OCI registries"},
		{"nbdmux", "Network block devices"},
		{"netboot", "Network boot"},
		{"boot", "Boot policy"},
		{"flash", "Flashing"},
		{"tftp", "TFTP"},
		{"sniff", "Watching DHCP"},
		{"events", "Events"},
		{"log", "Log"},
		{"tuning", "Limits"},
	}
}

// live lists the keys that bty-web takes up without a restart.
var live = []string{
	"admin.password", "server.trusted_proxy", "server.session_secret",
	"withcache.url", "nbdmux.url", "netboot.tftp_probe_host", "netboot.address", "netboot.append", "events.keep_days", "log.level", "oras.tag_seconds", "flash.verify", "flash.grow",
	"sniff.register", "sniff.allow", "sniff.deny", "sniff.new_per_minute",
}

// reloads are the keys that another daemon takes up with a reload.
var reloads = map[string]string{"cache.allow": "bty-cache", "cache.allow_private": "bty-cache", "cache.strict_miss": "bty-cache"}

// Reload is the unit to reload before a change of the key takes effect, "" for none.
func (k Key) Reload() string { return reloads[k.String()] }

// Reader is the daemon that goes by the key.
func (k Key) Reader() string { return cmp.Or(k.Restart(), k.Reload(), "bty-web") }

// Restart is the unit to restart before a change of the key takes effect, "" for none.
func (k Key) Restart() string {
	switch {
	case slices.Contains(live, k.String()) || k.Reload() != "":
		return ""
	case k.Section == "tftp":
		return "bty-tftp"
	case k.Section == "cache":
		return "bty-cache"
	case k.String() == "sniff.interfaces":
		return "bty-sniff"
	}
	return "bty-web"
}

// fixed lists the keys that the Settings page does not change, and what to do instead.
var fixed = map[string]string{
	"admin.password":     "It is changed on the Account page, which asks for the one in force.",
	"paths.state_dir":    "Another folder is another database: move the folder, then set it in /etc/bty/bty.toml or in the unit.",
	"paths.cache_socket": "bty-cache listens there; set it for both in /etc/bty/bty.toml or in the units.",
	"paths.run_dir":      "The units of bty expect their sockets there; set it in /etc/bty/bty.toml or in the unit.",
}

// Fixed says why the Settings page does not change the key and what to do instead, "" if it does.
func (k Key) Fixed() string { return fixed[k.String()] }

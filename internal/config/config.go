// Package config is the one configuration of all daemons: a table of keys (schema.go), loaded once
// from defaults, TOML files, credentials and the environment, each layer over the one before, key
// by key. Every value remembers where it came from.
package config

import (
	"cmp"
	"fmt"
	"path/filepath"
)

// Config is the configuration in force. Paths are filled in: none of them is empty.
type Config struct {
	Admin struct {
		Password string
	}
	Server struct {
		Host          string
		Port          int
		TrustedProxy  string // "" trusts none
		SessionSecret string // "" means the file in the state folder
	}
	Paths struct {
		StateDir    string
		BootDir     string
		BackupDir   string
		CatalogFile string
		RunDir      string // of the control and report sockets
		CacheSocket string // "" is in RunDir
	}
	Withcache struct {
		URL string // "" means none
	}
	Cache struct {
		Host              string // "" means all addresses
		Port              int
		Dir               string
		MaxSize           string // see Size; "" means no limit
		MinFree           string // "" means a part of the file system
		StrictMiss        bool
		Allow             string // list of URL prefixes
		AllowShare        int    // percent
		AllowPrivate      string // list of networks, see Networks
		RevalidateMinutes int    // 0 means never
		MaxFills          int
		CAFile            string // path, "" for none
	}
	ORAS struct {
		CredentialsFile string // path, "" for none
		PlainHTTP       string // list of host:port
		Mirrors         string // list of registry=mirror
		TagSeconds      int    // between two looks at a tag; 0 means never
	}
	Nbdmux struct {
		URL string // "" means none
	}
	Netboot struct {
		TFTPProbeHost   string
		Address         string // IPv4, of this appliance; "" if nobody set it
		ArtifactVersion string
		ReleaseURL      string // with {repo} and {tag}
		SendLog         bool
		Append          string // kernel arguments for every live environment
	}
	Boot struct {
		MaxAttempts int
	}
	Flash struct {
		Verify bool
		Grow   bool
	}
	TFTP struct {
		Mode         string // TFTPMultiPort or TFTPSinglePort
		Host         string // "" means all addresses
		Port         int
		MaxTransfers int
		MaxPerClient int
	}
	Sniff struct {
		Interfaces   string // globs, see sniff.ParsePatterns
		Register     string // RegisterPXE, RegisterAll or RegisterOff
		Allow        string // MACs and their beginnings; "" allows all
		Deny         string
		NewPerMinute int
	}
	Events struct {
		Keep     int
		KeepDays int // 0 means for ever
	}
	Log struct {
		Format string // "", "text" or "json"
		Level  string // of bty-web it follows a reload
	}
	Tuning struct {
		BackupMaxParallel int
		MaxUploadBytes    int
	}
	// Seed holds what is set by environment variables only.
	Seed struct {
		BootSeedDir        string
		BootReleaseRepo    string
		DisplayTZ          string
		RambootOverlaySize string
	}

	origins map[string]Origin
	source  Source
}

// Values of tftp.mode.
const (
	TFTPMultiPort  = "multi-port"  // a port per transfer, RFC 1350: fast
	TFTPSinglePort = "single-port" // everything from port 69: slower, needs no network of its own
)

// Values of sniff.register.
const (
	RegisterPXE = "pxe" // who boots from the network
	RegisterAll = "all" // who asks for an address
	RegisterOff = "off"
)

// ReportSocket is the path of bty-web's report socket.
func (c *Config) ReportSocket() string { return filepath.Join(c.Paths.RunDir, "report.sock") }

// Database is the path of the state.
func (c *Config) Database() string { return filepath.Join(c.Paths.StateDir, "bty.db") }

// ControlSocket is the path of bty-web's control socket.
func (c *Config) ControlSocket() string { return filepath.Join(c.Paths.RunDir, "control.sock") }

// CacheSocket is the path of bty-cache's control socket.
func (c *Config) CacheSocket() string {
	return cmp.Or(c.Paths.CacheSocket, filepath.Join(c.Paths.RunDir, "cache.sock"))
}

// Origin says where a value came from: the default, a file, a credential or a variable.
type Origin struct {
	File     string // path of the TOML file
	Line     int    // of the key in File
	Variable string // name of the environment variable
	Cred     string // name of the systemd credential
}

func (o Origin) String() string {
	switch {
	case o.Variable != "":
		return "variable " + o.Variable
	case o.Cred != "":
		return "credential " + o.Cred
	case o.File != "" && o.Line > 0:
		return fmt.Sprintf("%s:%d", o.File, o.Line)
	case o.File != "":
		return o.File
	}
	return "default"
}

// IsDefault reports whether nobody set the value.
func (o Origin) IsDefault() bool { return o == Origin{} }

// Origin returns where the value of key ("server.port") came from.
func (c *Config) Origin(key string) Origin { return c.origins[key] }

// Source is where the configuration was read from.
func (c *Config) Source() Source { return c.source }

// Error is a configuration that cannot be used. Its message names the place, the key and the
// next step, and never a secret.
type Error struct {
	Where string // "/etc/bty/bty.toml:3:7", "variable BTY_SERVER_PORT"
	What  string
}

func (e *Error) Error() string { return "configuration: " + e.Where + ": " + e.What }

// ExitCode is 2: starting again will not help.
func (e *Error) ExitCode() int { return 2 }

// RunDir is the folder of the sockets as far as this user may know it: for who looks for a daemon.
func RunDir(src Source) string {
	src.Partial = true
	cfg, _, err := Load(src)
	if err != nil {
		return DefaultRunDir // the daemon, which reads the same, does not run
	}
	return cfg.Paths.RunDir
}

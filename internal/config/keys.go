package config

import "slices"

// Keys returns the schema, in the order in which documentation and pages show it.
func Keys() []Key {
	return slices.Concat(serverKeys(), imageKeys(), bootKeys(), recordKeys())
}

// serverKeys are those of bty-web itself.
func serverKeys() []Key {
	return []Key{
		secret(must(text("admin", "password", "bty-lab", "password of the pages and of the API, plain or as a bcrypt or argon2id hash",
			func(c *Config) *string { return &c.Admin.Password }), usablePassword), "bty.admin-password"),
		text("server", "host", "0.0.0.0", "address to listen on when systemd hands over no socket",
			func(c *Config) *string { return &c.Server.Host }),
		number("server", "port", 8080, 1, 65535, "TCP port of bty-web; iPXE scripts name it",
			func(c *Config) *int { return &c.Server.Port }),
		must(text("server", "trusted_proxy", "", "address of a reverse proxy whose X-Forwarded-* are believed",
			func(c *Config) *string { return &c.Server.TrustedProxy }), proxyAddress),
		secret(text("server", "session_secret", "", "key of the session cookies; empty: made once, kept in the state folder",
			func(c *Config) *string { return &c.Server.SessionSecret }), "bty.session-secret"),
		text("paths", "state_dir", DefaultStateDir, "folder of the database",
			func(c *Config) *string { return &c.Paths.StateDir }),
		text("paths", "boot_dir", "", "folder of boot artifacts; empty: boot in the state folder",
			func(c *Config) *string { return &c.Paths.BootDir }),
		text("paths", "backup_dir", "", "folder of backups; empty: backups in the state folder",
			func(c *Config) *string { return &c.Paths.BackupDir }),
		text("paths", "catalog_file", "", "catalog that each start takes over; empty: catalog.toml in the state folder",
			func(c *Config) *string { return &c.Paths.CatalogFile }),
		text("paths", "run_dir", DefaultRunDir, "folder of the control and report sockets",
			func(c *Config) *string { return &c.Paths.RunDir }),
		text("paths", "cache_socket", "", "control socket of bty-cache, which bty-web tells there what may be fetched; empty: cache.sock in run_dir",
			func(c *Config) *string { return &c.Paths.CacheSocket }),
	}
}

// imageKeys are those of where images come from.
func imageKeys() []Key {
	return []Key{
		must(text("withcache", "url", "", "cache that images are fetched through; empty: none",
			func(c *Config) *string { return &c.Withcache.URL }), webURL),
		text("cache", "host", "", "address that bty-cache listens on when systemd hands over no socket; empty: all",
			func(c *Config) *string { return &c.Cache.Host }),
		number("cache", "port", 3000, 1, 65535, "TCP port of bty-cache when systemd hands over no socket; bty-web leads machines to it",
			func(c *Config) *int { return &c.Cache.Port }),
		text("cache", "dir", DefaultCacheDir, "folder of the images that are held",
			func(c *Config) *string { return &c.Cache.Dir }),
		must(text("cache", "max_size", "", "what is held at most, like 500G or 2T; empty: as much as min_free leaves",
			func(c *Config) *string { return &c.Cache.MaxSize }), size),
		must(text("cache", "min_free", "", "what is left free of the file system, like 20G; empty: a tenth of it, but 2G at least",
			func(c *Config) *string { return &c.Cache.MinFree }), size),
		truth("cache", "strict_miss", false, "answer 404 until an image is there in full, and fetch it meanwhile, as withcache did",
			func(c *Config) *bool { return &c.Cache.StrictMiss }),
		must(text("cache", "allow", "", "how sources begin that are fetched beside those of the catalog, like https://images.example/linux/, with commas between; empty: none",
			func(c *Config) *string { return &c.Cache.Allow }), urlPrefixes),
		number("cache", "allow_share", 50, 1, 100, "percent of the room that images may take which are allowed and not in the catalog; they also go first when room is needed",
			func(c *Config) *int { return &c.Cache.AllowShare }),
		must(text("cache", "allow_private", "", "networks, like 10.0.0.0/8, with commas between, that an origin may redirect to although they are not public; empty: none",
			func(c *Config) *string { return &c.Cache.AllowPrivate }), networks),
		number("cache", "revalidate_minutes", 60, 0, 525600, "minutes until an origin is asked again whether an image without a digest is still the same; 0: never",
			func(c *Config) *int { return &c.Cache.RevalidateMinutes }),
		number("cache", "max_fills", 4, 1, 64, "images that are fetched at one time",
			func(c *Config) *int { return &c.Cache.MaxFills }),
		text("cache", "ca_file", "", "PEM file with authorities that bty-cache trusts besides the system's; empty: none",
			func(c *Config) *string { return &c.Cache.CAFile }),
		text("oras", "credentials_file", "", "docker's config.json with what registries want of who pulls; empty: the credential bty.oras-credentials, else none",
			func(c *Config) *string { return &c.ORAS.CredentialsFile }),
		text("oras", "plain_http", "", "registries, as host:port with commas between, that are asked over http; empty: none",
			func(c *Config) *string { return &c.ORAS.PlainHTTP }),
		must(text("oras", "mirrors", "", "mirrors that are asked before registries: registry=host[:port][/prefix] with commas between; empty: none",
			func(c *Config) *string { return &c.ORAS.Mirrors }), pairs),
		number("oras", "tag_seconds", 3600, 0, 31536000, "seconds between two looks at where the tag of an image leads; 0: never",
			func(c *Config) *int { return &c.ORAS.TagSeconds }),
	}
}

// bootKeys are those of what machines boot and how they are seen.
func bootKeys() []Key {
	return []Key{
		later(must(text("nbdmux", "url", "", "nbdmux server for ramboot; empty: none",
			func(c *Config) *string { return &c.Nbdmux.URL }), webURL)),
		text("netboot", "tftp_probe_host", "", "host whose TFTP service the pages check; empty: that of withcache.url, else this one",
			func(c *Config) *string { return &c.Netboot.TFTPProbeHost }),
		must(text("netboot", "address", "", "IPv4 address at which machines reach this appliance; empty: worked out from the host's addresses",
			func(c *Config) *string { return &c.Netboot.Address }), ipv4Address),
		text("netboot", "artifact_version", "0.65.4", "version of the Debian live artifacts, also meant by the tag latest",
			func(c *Config) *string { return &c.Netboot.ArtifactVersion }),
		must(text("netboot", "release_url", "https://github.com/{repo}/releases/download/{tag}",
			"folder of a release of boot artifacts: http, https or file; {repo} and {tag} are filled in",
			func(c *Config) *string { return &c.Netboot.ReleaseURL }), releaseFolder),
		truth("netboot", "send_log", false, "have the live environment send its log to this appliance, where the machine's page shows it",
			func(c *Config) *bool { return &c.Netboot.SendLog }),
		must(text("netboot", "append", "", "words added to the kernel's command line of every live environment, like bty.vlan=5 or console=ttyS1,115200; empty: none",
			func(c *Config) *string { return &c.Netboot.Append }), kernelWords),
		number("boot", "max_attempts", 5, 1, 1000, "starts of the live environment without a completion before a machine counts as stuck",
			func(c *Config) *int { return &c.Boot.MaxAttempts }),
		truth("flash", "verify", false, "read each disk back after it was written, before it is called done, unless the machine or the image says otherwise; it takes as long again as the disk takes to read",
			func(c *Config) *bool { return &c.Flash.Verify }),
		truth("flash", "grow", false, "let the last partition of each image end with the disk, unless the machine or the image says otherwise; the file system in it is left as it is, for the image to grow at its first boot",
			func(c *Config) *bool { return &c.Flash.Grow }),
		oneOf(text("tftp", "mode", TFTPMultiPort, "multi-port: a port per transfer; single-port: all from one port, for strict firewalls",
			func(c *Config) *string { return &c.TFTP.Mode }), TFTPMultiPort, TFTPSinglePort),
		text("tftp", "host", "", "address to listen on when systemd hands over no socket; empty: all",
			func(c *Config) *string { return &c.TFTP.Host }),
		number("tftp", "port", 69, 1, 65535, "UDP port when systemd hands over no socket",
			func(c *Config) *int { return &c.TFTP.Port }),
		number("tftp", "max_transfers", 1024, 1, 65535, "transfers at one time",
			func(c *Config) *int { return &c.TFTP.MaxTransfers }),
		number("tftp", "max_per_client", 16, 1, 65535, "transfers at one time to one address",
			func(c *Config) *int { return &c.TFTP.MaxPerClient }),
		must(text("sniff", "interfaces", "!lo, !veth*, !docker*, !podman*, !virbr*",
			"links that DHCP is watched on: globs with commas between; those with ! are left out, and where no other is named all the rest are taken",
			func(c *Config) *string { return &c.Sniff.Interfaces }), globs),
		oneOf(text("sniff", "register", RegisterPXE, "whose DHCP request makes a machine known: pxe, of who boots from the network; all; off",
			func(c *Config) *string { return &c.Sniff.Register }), RegisterPXE, RegisterAll, RegisterOff),
		must(text("sniff", "allow", "", "MACs, or how they begin (52:54:00), with commas between, that DHCP may make known; empty: all",
			func(c *Config) *string { return &c.Sniff.Allow }), macs),
		must(text("sniff", "deny", "", "MACs, or how they begin, that DHCP never makes known; it is stronger than allow",
			func(c *Config) *string { return &c.Sniff.Deny }), macs),
		number("sniff", "new_per_minute", 60, 1, 100000, "machines that DHCP makes known in a minute at most; the others at a later request",
			func(c *Config) *int { return &c.Sniff.NewPerMinute }),
	}
}

// recordKeys are those of what is kept and told.
func recordKeys() []Key {
	return []Key{
		number("events", "keep", 100000, 100, 100000000, "events kept; the oldest go first",
			func(c *Config) *int { return &c.Events.Keep }),
		number("events", "keep_days", 365, 0, 36500, "days that events are kept; 0: for ever, up to events.keep",
			func(c *Config) *int { return &c.Events.KeepDays }),
		oneOf(text("log", "format", "", "text or json; empty: the journal if there is one, else text",
			func(c *Config) *string { return &c.Log.Format }), "", "text", "json"),
		oneOf(text("log", "level", "info", "the least that is logged: debug, info, warn or error; bty-tftp takes it up when it restarts",
			func(c *Config) *string { return &c.Log.Level }), "debug", "info", "warn", "error"),
		clamp(number("tuning", "backup_max_parallel", 1, 1, 64, "backups made at one time",
			func(c *Config) *int { return &c.Tuning.BackupMaxParallel })),
		clamp(number("tuning", "max_upload_bytes", 214748364800, 1, maxInt, "largest upload to /boot",
			func(c *Config) *int { return &c.Tuning.MaxUploadBytes })),
	}
}

package main

import (
	"slices"
	"strings"

	"bty/internal/boot"
	"bty/internal/config"
	"bty/internal/oras"
)

// maxWords is how much of a kernel's command line they may take; it has room for 2048 bytes.
const maxWords = 600

// registryWords tell a live environment how this site's registries are asked, as kernel arguments.
// Credentials are none of its business. What is too long is left out: its machines reach such
// registries through the cache.
func registryWords(cfg *config.Config) string {
	var words []string
	for name, list := range map[string]string{"plain_http": cfg.ORAS.PlainHTTP, "mirrors": cfg.ORAS.Mirrors} {
		if hosts := oras.Hosts(list); len(hosts) > 0 {
			words = append(words, "bty.oras."+name+"="+strings.Join(hosts, ","))
		}
	}
	slices.Sort(words)
	if all := strings.Join(words, " "); len(all) <= maxWords {
		return all
	}
	return ""
}

// liveWords are all that this site's configuration has to say to a live environment.
func liveWords(cfg *config.Config) string {
	words := registryWords(cfg)
	if cfg.Netboot.SendLog {
		words = strings.TrimSpace(words + " bty.log=server")
	}
	return words
}

// withAppend adds what the operator wants on the command line now.
func withAppend(live func(string) (boot.LiveFiles, string), words func() string) func(string) (boot.LiveFiles, string) {
	return func(arch string) (boot.LiveFiles, string) {
		files, missing := live(arch)
		if missing == "" {
			files.Append = words()
		}
		return files, missing
	}
}

// withWords adds them to each live environment.
func withWords(live func(string) (boot.LiveFiles, string), words string) func(string) (boot.LiveFiles, string) {
	return func(arch string) (boot.LiveFiles, string) {
		files, missing := live(arch)
		if missing == "" {
			files.Words = words
		}
		return files, missing
	}
}

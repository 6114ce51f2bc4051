package main

import (
	"strings"

	"bty/internal/build"
	"bty/internal/oras"
	"bty/internal/origin"
)

// origins is how image hosts and registries are reached from here.
func (e env) origins() (origin.Options, error) {
	cas, err := origin.ReadCAs(e.setting("ca_file"))
	if err != nil {
		return origin.Options{}, failf(codeUsage, "BTY_CA_FILE: %w", err)
	}
	mirrors, err := oras.ParseMirrors(e.setting("oras.mirrors"))
	if err != nil {
		return origin.Options{}, failf(codeUsage, "BTY_ORAS_MIRRORS: %w", err)
	}
	return origin.Options{
		Client: origin.NewClient(origin.ClientOptions{CAs: cas}),
		Registry: &oras.Client{
			CredentialsFile: e.setting("oras.credentials_file"),
			PlainHTTP:       oras.Hosts(e.setting("oras.plain_http")),
			Mirrors:         mirrors,
			Agent:           "bty/" + build.Version,
		},
	}, nil
}

// setting is what the environment says, else the kernel command line: a kernel gives its init no
// variable with a dot in its name.
func (e env) setting(name string) string {
	if e.getenv != nil {
		if v := e.getenv("BTY_" + strings.ToUpper(strings.ReplaceAll(name, ".", "_"))); v != "" {
			return v
		}
	}
	for word := range strings.FieldsSeq(e.cmdline) {
		if value, ok := strings.CutPrefix(word, "bty."+name+"="); ok {
			return value
		}
	}
	return ""
}

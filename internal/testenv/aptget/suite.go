package aptget

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strings"
)

// archiveKeyring holds the keys of every current Debian release, older ones included: a Debian
// 12 machine can check Debian 13's signatures with it.
const archiveKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// Codename is the name of the running Debian release: "bookworm", "trixie".
func Codename(osRelease string) (string, error) {
	f, err := os.Open(osRelease)
	if err != nil {
		return "", fmt.Errorf("finding out which Debian this is: %w", err)
	}
	defer f.Close()
	values := map[string]string{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), "=")
		values[name] = strings.Trim(value, `"'`)
	}
	if values["ID"] != "debian" || values["VERSION_CODENAME"] == "" {
		return "", fmt.Errorf("%s says ID=%q VERSION_CODENAME=%q; this needs Debian 12 or 13",
			osRelease, values["ID"], values["VERSION_CODENAME"])
	}
	return values["VERSION_CODENAME"], lines.Err()
}

// OfSuite is the source of the main component of a suite at the mirror that the machine gets
// its own release from.
func OfSuite(configured []Source, codename, suite string) (Source, error) {
	for _, s := range configured {
		if isRelease(s, codename) {
			return Source{URI: s.URI, Suite: suite, Components: []string{"main"}, SignedBy: signedBy(s)}, nil
		}
	}
	return Source{}, fmt.Errorf("no source in /etc/apt has the component main of %s or %q", codename, "stable")
}

// Running is every configured source of the machine's own release, security updates included.
func Running(configured []Source, codename string) ([]Source, error) {
	var all []Source
	for _, s := range configured {
		base, _, _ := strings.Cut(s.Suite, "-")
		base, _, _ = strings.Cut(base, "/") // "bookworm/updates", as it was spelled once
		if base != codename || strings.Contains(s.Suite, "backports") || !slices.Contains(s.Components, "main") {
			continue
		}
		all = append(all, Source{URI: s.URI, Suite: s.Suite, Components: []string{"main"}, SignedBy: signedBy(s)})
	}
	if len(all) == 0 {
		one, err := OfSuite(configured, codename, codename)
		return []Source{one}, err
	}
	return all, nil
}

func isRelease(s Source, codename string) bool {
	return (s.Suite == codename || s.Suite == "stable") && slices.Contains(s.Components, "main")
}

func signedBy(s Source) string {
	if s.SignedBy != "" {
		return s.SignedBy
	}
	if _, err := os.Stat(archiveKeyring); err == nil {
		return archiveKeyring
	}
	return ""
}

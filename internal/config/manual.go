package config

import (
	"fmt"
	"strings"
)

// Manual is the page bty.toml(5), made from the schema.
func Manual() []byte {
	var b strings.Builder
	b.WriteString(manualHead)
	for _, s := range Sections() {
		fmt.Fprintf(&b, ".SH [%s]\n%s.\n", s.Name, roff(s.Title))
		for _, k := range Keys() {
			if k.Section == s.Name {
				b.WriteString(k.manual())
			}
		}
	}
	b.WriteString(manualFoot)
	return []byte(b.String())
}

// manual is the paragraph of one key.
func (k Key) manual() string {
	def := fmt.Sprintf("%q", k.Default)
	if k.text == nil {
		def = k.Default
	}
	lines := []string{
		".TP", fmt.Sprintf(`\fB%s\fR = %s`, roff(k.Name), roff(k.Allowed())),
		roff(k.Help) + ".",
		fmt.Sprintf(`Default: %s. Variable: \fB%s\fR.`, roff(def), roff(k.Env())),
	}
	if k.Cred != "" {
		lines = append(lines, fmt.Sprintf(`Credential: \fB%s\fR.`, roff(k.Cred)))
	}
	if unit := k.Restart(); unit != "" {
		lines = append(lines, fmt.Sprintf(`A change needs a restart of \fB%s\fR.`, roff(unit)))
	}
	if unit := k.Reload(); unit != "" {
		lines = append(lines, fmt.Sprintf(`A change needs a reload of \fB%s\fR.`, roff(unit)))
	}
	return strings.Join(lines, "\n") + "\n"
}

// roff escapes text: a hyphen is one, and no line starts a request.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}

const manualHead = `.\" Made from internal/config by the test of this page: UPDATE=1 go test ./docs
.TH BTY.TOML 5 "" bty "File formats"
.nh
.ad l
.SH NAME
bty.toml \- configuration of the bty daemons
.SH DESCRIPTION
All daemons read one configuration: defaults, then TOML files, then systemd credentials, then
environment variables, each over the one before, key by key.
An empty variable overrides nothing.
.PP
A file that is not TOML and a value that is not allowed end the start with exit status 2 and a line
that names the place and the next step.
Unknown sections and keys are ignored with a warning.
.PP
.B systemctl reload bty\-web
reads the files again; what cannot be read leaves the configuration in force.
The Settings page changes the strongest file that exists and that bty\-web may write, and keeps its
layout and comments.
.SH FILES
The strongest last.
.TP
.I /etc/bty/conf.d/*.toml
.TQ
.I /etc/bty/bty.toml
.TQ
.I $BTY_CONFIG_DIR/*.toml
.TQ
.I $BTY_CONFIG_FILE
.TQ
.I <state_dir>/bty.toml
.PP
.B \-\-config
.I PATH
(repeatable) reads those files or folders alone.
.PP
.I <state_dir>/catalog.toml
is no configuration but a list of images, which each start takes over.
.B grow = true
or
.B grow = false
in the table of an image says of this image what [flash] grow says of all, and
.B verify
the same of [flash] verify; what is set for a machine goes before both.
`

const manualFoot = `.SH EXAMPLE
.EX
[admin]
password = "$argon2id$v=19$m=19456,t=2,p=1$..."  # made by: bty\-web hash\-password

[withcache]
url = "http://cache.example:3000"
.EE
`

// Package quadlet has the files that make the appliance's daemons containers of Podman, as they are to
// be installed in /etc/containers/systemd.
package quadlet

import "embed"

// Files are the containers, the volumes, drop-ins that are not in force by themselves, and below user
// those for an ordinary user's own systemd.
//
//go:embed *.container *.volume dropins/*.conf user
var Files embed.FS

// Package quadlet has the files that make the appliance's daemons containers of Podman, as they are to
// be installed in /etc/containers/systemd.
package quadlet

import "embed"

// Files are the containers, the volumes, and drop-ins that are not in force by themselves.
//
//go:embed *.container *.volume dropins/*.conf
var Files embed.FS

// Package units has the appliance's systemd units and what belongs to them, as they are to be installed.
package units

import "embed"

// Files are the units, the drop-ins that are not in force by themselves, users, folders, polkit's rules,
// firewalld's services and the journal's catalog.
//
//go:embed *.service *.socket *.timer *.slice dropins sysusers.d tmpfiles.d polkit firewalld catalog
var Files embed.FS

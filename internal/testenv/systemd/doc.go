// Package systemd boots Debian with a real systemd as PID 1 and the appliance installed in it, beside
// a LAN from which tests ask it. The tests of units and of the daemons' behaviour under systemd are here.
package systemd

// Package containers boots Debian 13 with a real systemd and Podman 5 beside a LAN, for tests of what
// the appliance is as containers: images are loaded, Quadlets and socket units installed, and machines
// of the LAN ask it.
package containers

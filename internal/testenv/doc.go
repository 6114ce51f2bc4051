// Package testenv is the world around the appliance, for tests and the demo: a LAN in a network
// namespace of its own with somebody else's DHCP server on it, machines with real firmware that
// are switched on, cut and reset, and programs that run inside that LAN with inherited sockets.
//
// It needs root, iproute2, dnsmasq and QEMU (host/packages.txt). Nothing it makes outlives it:
// a LAN left behind by a killed test is swept by the next one.
package testenv

// Package tftp serves boot files over TFTP, read-only, on a given UDP socket. The protocol is
// pin/tftp's; this package bounds it, confines it and knows when to answer with iPXE's script
// instead of the program that was asked for (repeats.go).
//
// What pin/tftp v3.2.0 does not do by itself, each with its test here:
//   - It clamps blksize to the MTU of an interface that it looks up per request. For a datagram
//     that was queued before the daemon ran, or in a sandbox without netlink, that fails and the
//     answer is 512 in silence. We cap by a constant instead.
//   - That look-up is made even so, in single-port mode for every packet: netlink.go.
//   - Wrapped connections lose the address that the request came to. It gets the bare socket.
//   - It has no limits: slots.go.
//   - It loops for ever over a socket that died: alive.go.
//   - It answers broadcasts: broadcast.go.
//   - In single-port mode a large or late packet panics: recover in serveOnce and in read.
//
// What stays: in multi-port mode a request to an IPv6 link-local address is not answered (it binds
// the reply's socket without the zone) and is logged; every refusal has error code 1; option names
// and modes are matched in lower case, as all firmware sends them; windowsize is not granted.
package tftp

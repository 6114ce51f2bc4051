// Package systemd is the daemons' side of systemd's protocols: sockets handed over by a .socket
// unit, readiness and watchdog messages, and the journal's native protocol as a slog.Handler.
//
// Everything works, quietly reduced, without systemd: no sockets, no messages, text on stderr.
package systemd

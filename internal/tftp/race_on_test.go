//go:build race

package tftp

// raceEnabled: the race detector reports what TestLatePackets... provokes in the library.
const raceEnabled = true

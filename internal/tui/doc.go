// Package tui is the wizard: catalog, image, disk, confirmation, flash, reboot, by keyboard, on any
// terminal of at least 40 columns and 15 lines.
//
// Model is pure: it takes a key or the result of some work, and gives back what it shows and what is
// to be done next, as values. Run does these things: it reads keys, lists disks, fetches catalogs,
// flashes, and paints only the lines that changed, since a serial line takes a second for 11 KB.
package tui

// Package liveenv is the live environment: the static bty as the only process of a kernel and
// one initramfs, from the kernel's hand-over to the machine's reboot. The sub-package builder
// makes the two files that a machine boots.
package liveenv

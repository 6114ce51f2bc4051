package liveenv

import (
	"os"
	"strings"
)

// tuneKernel sets what must hold before anything can go wrong. Failures are not worth a line:
// the settings make bad days better and good days quieter.
func tuneKernel(s settings) {
	// Should this process die in a way that it cannot handle, the kernel panics; a panic must
	// end in a reboot, or somebody has to walk to the machine.
	if strings.TrimSpace(read("/proc/sys/kernel/panic")) == "0" {
		set("/proc/sys/kernel/panic", "30")
	}
	// Modules that no device announces are asked for through this program, which is us.
	set("/proc/sys/kernel/modprobe", "/sbin/modprobe")
	// The kernel drops a writer's lines after ten in five seconds otherwise.
	set("/proc/sys/kernel/printk_devkmsg", "on\n") // refused without the newline
	if !s.loglevel {
		// Warnings and worse. A serial port takes milliseconds per line, and the kernel waits
		// for it; everything stays in its log.
		set("/proc/sys/kernel/printk", "5")
	}
}

func read(path string) string {
	b, _ := os.ReadFile(path)
	return string(b)
}

func set(path, value string) { _ = os.WriteFile(path, []byte(value), 0o644) }

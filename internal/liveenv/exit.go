package liveenv

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	syncBound  = 30 * time.Second // a dead disk can hold up sync for ever
	flushBound = 3 * time.Second  // for a slow serial console
)

// fail shows why a machine is not being worked on, and what happens now. The number of reboots
// is bounded by the server, which counts how often it has served this live environment.
func (l *live) fail(err error) {
	l.log.Error("failed", "err", err)
	fmt.Fprint(l.consoles, banner(err, l.settings.hold))
	time.Sleep(l.settings.hold)
}

func banner(err error, hold time.Duration) string {
	bar := strings.Repeat("*", 72)
	lines := []string{"", bar, "*", "*  bty cannot go on:", "*"}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		for _, part := range wrap(printable(line), 66) {
			lines = append(lines, "*  "+part)
		}
	}
	lines = append(lines, "*", fmt.Sprintf("*  The machine reboots in %v. The appliance's page of this machine and", hold),
		"*  its journal (journalctl -u bty-web) show what it has seen.", "*", bar, "")
	return strings.Join(lines, "\n") + "\n"
}

// wrap breaks at blanks; a word that is longer than width stays whole.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// leave ends the machine's life as a live environment.
func (l *live) leave(next Next) {
	l.log.Info("exiting v" + l.version)
	synced := make(chan struct{})
	go func() {
		unix.Sync()
		close(synced)
	}()
	select {
	case <-synced:
	case <-time.After(syncBound):
		l.log.Error("the disks do not finish writing; rebooting anyway", "waited", syncBound)
	}
	l.endLog()
	ctx, cancel := context.WithTimeout(context.Background(), flushBound)
	defer cancel()
	l.consoles.close(ctx)
	how := unix.LINUX_REBOOT_CMD_RESTART
	if next == PowerOff {
		how = unix.LINUX_REBOOT_CMD_POWER_OFF
	}
	_ = unix.Reboot(how)
	// A kernel that cannot power off comes back here.
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
}

package systemd

import (
	"fmt"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// The messages of sd_notify(3). Each is sent at once; without a service manager
// (NOTIFY_SOCKET unset) they do nothing and return nil.

// Ready says that the daemon serves, or serves again after a reload.
func Ready() error { return notify(daemon.SdNotifyReady) }

// Stopping says that the daemon has begun to stop.
func Stopping() error { return notify(daemon.SdNotifyStopping) }

// Watchdog says that the daemon's own check has passed.
func Watchdog() error { return notify(daemon.SdNotifyWatchdog) }

// Status sets the line that `systemctl status` shows.
func Status(format string, args ...any) error { return notify("STATUS=" + line(format, args...)) }

// Reloading says that the daemon reads its configuration again; Ready or ReloadFailed ends it.
// Type=notify-reload waits for ever without the time stamp.
func Reloading() error {
	return notify(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
}

// ReloadFailed says that the old configuration stays in force, and why.
func ReloadFailed(err error) error {
	const einval = 22
	return notify(fmt.Sprintf("%s\nSTATUS=%s\nERRNO=%d", daemon.SdNotifyReady, line("reload failed: %v", err), einval))
}

// ExtendTimeout asks for more time to start or stop, during a long migration.
func ExtendTimeout(d time.Duration) error {
	return notify(fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", d.Microseconds()))
}

// WatchdogInterval returns how often the service manager wants to hear Watchdog, or 0 if it
// does not watch this process. Ping at half of it.
func WatchdogInterval() (time.Duration, error) { return daemon.SdWatchdogEnabled(false) }

func notify(state string) error {
	if _, err := daemon.SdNotify(false, state); err != nil {
		return fmt.Errorf("telling the service manager: %w", err)
	}
	return nil
}

// line keeps a message to one line: a newline would start another assignment.
func line(format string, args ...any) string {
	return strings.Join(strings.Fields(fmt.Sprintf(format, args...)), " ")
}

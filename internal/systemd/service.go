package systemd

import (
	"os"
	"strconv"
)

// IsService reports whether this very process was started by a service manager, as the main process
// of a unit: not by a shell under one, nor by a container's runtime.
func IsService(getenv func(string) string) bool {
	return getenv("SYSTEMD_EXEC_PID") == strconv.Itoa(os.Getpid())
}

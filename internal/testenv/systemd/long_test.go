//go:build long

package systemd

import "time"

func init() {
	restarts = 100
	killing = time.Minute
	crashing = 5 * time.Minute
	flooding = 10 * time.Second
}

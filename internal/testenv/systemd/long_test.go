//go:build long

package systemd

import "time"

func init() {
	restarts = 100
	killing = time.Minute
	crashing = 5 * time.Minute
	flooding = 10 * time.Second
	rpmBreaks = true
	killedAt = []string{"[1/5]", "[2/5]", "[3/5]", "[4/5]", "[5/5]"}
}

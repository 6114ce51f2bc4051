//go:build long

package systemd

func init() { restarts = 100 }

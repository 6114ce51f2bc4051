// Command oneline is the smallest init: it prints one line and reboots. The benchmark measures
// the live environment against it.
package main

import (
	"fmt"
	"syscall"
)

func main() {
	fmt.Println("oneline: here")
	_ = syscall.Reboot(syscall.LINUX_REBOOT_CMD_RESTART)
}

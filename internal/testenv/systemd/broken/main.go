// Command broken is a bty-web of a release that does not start.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "bty-web: this release is broken on purpose")
	os.Exit(1)
}

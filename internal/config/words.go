package config

import (
	"fmt"

	"bty/internal/machine"
)

// kernelWords demands words that a script carries to a kernel's command line as they are.
func kernelWords(k Key, v string) error {
	if err := machine.CheckKernelWords(v, machine.MaxSiteWords); err != nil {
		return fmt.Errorf("%s %w", k, err)
	}
	return nil
}

package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	passwords "bty/internal/password" // the tests have a password of their own
)

// hashPassword prints the hash of the password on standard input. It is never an argument: those
// are for everybody on the host to see.
func hashPassword(env environment) error {
	const limit = 4096
	raw, err := io.ReadAll(io.LimitReader(env.stdin, limit+1))
	if err != nil {
		return fmt.Errorf("read the password: %w", err)
	}
	typed := strings.TrimSuffix(strings.TrimSuffix(string(raw), "\n"), "\r")
	switch {
	case typed == "":
		return errors.New("no password on standard input; try: systemd-ask-password | bty-web hash-password")
	case len(raw) > limit:
		return fmt.Errorf("the password is longer than %d bytes", limit)
	}
	_, err = fmt.Fprintln(env.stdout, passwords.Hash(typed))
	return err
}

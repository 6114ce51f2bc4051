package auth

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Secret returns the key that signs cookies: the configured one, else what the file holds, else a
// new one that is written there, so that a restart signs nobody out.
func Secret(configured, path string) ([]byte, error) {
	if s := strings.TrimSpace(configured); s != "" {
		return []byte(s), nil
	}
	held, err := os.ReadFile(path)
	if s := strings.TrimSpace(string(held)); err == nil && s != "" {
		return []byte(s), nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("read the session secret: %w", err)
	}
	secret := []byte(rand.Text() + rand.Text())
	partial := filepath.Join(filepath.Dir(path), ".session-secret.new")
	if err := os.WriteFile(partial, append(secret, '\n'), 0o600); err != nil {
		return nil, fmt.Errorf("write the session secret: %w", err)
	}
	return secret, os.Rename(partial, path)
}

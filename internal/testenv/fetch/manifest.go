package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Manifest records where the files beside it come from.
type Manifest struct {
	Package string            `json:"package"`
	Version string            `json:"version"`
	Suite   string            `json:"suite,omitempty"`
	Licence string            `json:"licence"` // the file with the package's licence texts
	SHA256  map[string]string `json:"sha256"`
}

const manifestName = "MANIFEST.json"

// holds reports whether dir still has exactly what its manifest says.
func holds(dir string) (Manifest, bool) {
	var m Manifest
	raw, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err != nil || json.Unmarshal(raw, &m) != nil || len(m.SHA256) == 0 {
		return m, false
	}
	for name, want := range m.SHA256 {
		if got, err := digest(filepath.Join(dir, name)); err != nil || got != want {
			return m, false
		}
	}
	return m, true
}

// seal writes the manifest of the named files, as the last step.
func (m Manifest) seal(dir string, names []string) error {
	m.SHA256 = map[string]string{}
	for _, name := range names {
		sum, err := digest(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		m.SHA256[name] = sum
	}
	raw, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, manifestName), append(raw, '\n'), 0o644)
}

func digest(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("reading %s: %w", name, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// replace puts the finished folder where the old one was.
func replace(fresh, dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	return os.Rename(fresh, dir)
}

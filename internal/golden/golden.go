// Package golden compares what a test made with a file of what it should be. UPDATE=1 in the
// environment writes the files instead; the difference is then read in git.
package golden

import (
	"os"
	"path/filepath"
	"testing"
)

// Check fails the test unless got is what the file in testdata holds.
func Check(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE") == "1" {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; UPDATE=1 go test writes it", err)
	}
	if string(got) != string(want) {
		t.Errorf("%s differs (UPDATE=1 go test writes it; read the difference in git)\n--- got\n%s\n--- want\n%s", path, got, want)
	}
}

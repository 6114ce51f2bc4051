package docs

import (
	"bytes"
	"os"
	"os/exec"
	"testing"

	"bty/internal/config"
)

const manualPage = "man/bty.toml.5"

// TestManual compares bty.toml(5) with the schema that is loaded; UPDATE=1 writes it.
func TestManual(t *testing.T) {
	want := config.Manual()
	if os.Getenv("UPDATE") == "1" {
		if err := os.WriteFile(manualPage, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(manualPage)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s does not say what the schema says; UPDATE=1 go test ./docs writes it again", manualPage)
	}
}

// The page formats without a complaint.
func TestManualFormats(t *testing.T) {
	groff, err := exec.LookPath("groff")
	if err != nil {
		t.Fatal("groff is missing: apt-get install groff-base")
	}
	cmd := exec.Command(groff, "-man", "-Tutf8", "-ww", manualPage)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Errorf("%v\n%s", err, &stderr)
	}
	if !bytes.Contains(out, []byte("key of the session cookies")) {
		t.Errorf("the formatted page lacks what the schema says:\n%s", out)
	}
}

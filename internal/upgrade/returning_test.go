package upgrade

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bty/internal/deploy"
	"bty/internal/systemd/manager"
)

// What is left for a way back of a service that was taken out of the deployment since is nothing: neither its
// Quadlet nor the drop-in that names its image comes back, and its folder may be gone.
func TestReturnWithoutAService(t *testing.T) {
	dir := t.TempDir()
	web, cache := filepath.Join(dir, "bty-web.container"), filepath.Join(dir, "bty-cache.container")
	image := func(of string) string { return filepath.Join(of+".d", imageDropInName) }
	var old []deploy.File
	for _, path := range []string{web, image(web), cache, image(cache)} {
		old = append(old, deploy.File{Path: path, Content: "old", Mode: 0o644})
	}
	if err := os.MkdirAll(filepath.Dir(image(web)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(web, []byte("new"), 0o644); err != nil { // image(web) is missing alone: that comes back
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.MkdirAll(filepath.Join(folder, packagesName), 0o755); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(switching{Old: old})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, oldFiles), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (Record{Switched: true}).write(folder); err != nil {
		t.Fatal(err)
	}
	c := &Containers{Manager: manager.Manager{Address: "unix:path=" + filepath.Join(dir, "nobody")}}
	if err := c.Return(t.Context(), folder); err == nil || !strings.Contains(err.Error(), "systemd cannot be reached") {
		t.Errorf("it does not come to where systemd is told: %v", err)
	}
	for path, want := range map[string]bool{web: true, image(web): true, cache: false, image(cache): false} {
		if got, _ := os.ReadFile(path); (string(got) == "old") != want {
			t.Errorf("%s: %q", path, got)
		}
	}
}

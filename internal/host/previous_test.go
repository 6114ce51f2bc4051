package host

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"bty/internal/doctor"
)

// The units are those that the previous system writes: its images, and its state on the host.
func TestPreviousQuadlets(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "etc/containers/systemd")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"bty-web.container":   "[Container]\nImage=ghcr.io/safl/bty-web:0.65.4\nVolume=/opt/old/data/bty:/var/lib/bty:Z\nVolume=/opt/old/bty.toml:/etc/bty/bty.toml:Z\n",
		"withcache.container": "[Container]\nImage=ghcr.io/safl/withcache:latest\nVolume=/opt/old/data/withcache:/data:Z\n",
		"bty-tftp.container":  "[Container]\nImage=localhost/bty-tftp:latest\n", // ours
		"nbdmux.container":    "[Container]\nImage=docker.io/other/nbdmux\n",    // somebody's
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p := Previous(t.Context(), root, 1)
	want := &doctor.Previous{Port: 1, Quadlets: []string{dir + "/bty-web.container", dir + "/withcache.container"}, State: "/opt/old/data/bty", Containers: p.Containers}
	if !reflect.DeepEqual(p, want) {
		t.Errorf("%+v, want %+v", p, want)
	}
	if got := PreviousCatalog(t.Context(), root); got != "/opt/old/data/withcache" {
		t.Errorf("withcache's data: %q", got)
	}
	moved := filepath.Join(root, doctor.MovedUnits)
	if err := errors.Join(os.MkdirAll(moved, 0o755), os.Rename(dir+"/withcache.container", moved+"/withcache.container")); err != nil {
		t.Fatal(err)
	}
	if got := PreviousCatalog(t.Context(), root); got != "/opt/old/data/withcache" {
		t.Errorf("withcache's data, its unit moved away: %q", got)
	}
}

func TestPreviousAnswers(t *testing.T) {
	const script = "#!ipxe\nchain http://192.0.2.1:8080/pxe/${mac:hexhyp}\n"
	for name, tt := range map[string]struct {
		routes map[string]string
		want   string
	}{
		"the previous one": {map[string]string{"/version": `{"version":"0.65.4"}`, "/pxe-bootstrap.ipxe": script}, "0.65.4"},
		"this one":         {map[string]string{"/version": `{"version":"0.65.4"}`, "/pxe-bootstrap.ipxe": script, "/readyz": "{}"}, ""},
		"another program":  {map[string]string{"/version": `{"version":"1"}`}, ""},
		"a page":           {map[string]string{"/version": "<html>", "/pxe-bootstrap.ipxe": "<html>"}, ""},
		"nothing":          {nil, ""},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			text, ok := tt.routes[r.URL.Path]
			if !ok {
				w.WriteHeader(http.StatusNotFound)
			}
			_, _ = w.Write([]byte(text))
		}))
		if got := previousVersion(t.Context(), s.URL); got != tt.want {
			t.Errorf("%s: %q", name, got)
		}
		s.Close()
	}
	if got := previousVersion(t.Context(), "http://127.0.0.1:1"); got != "" {
		t.Error(got)
	}
}

// The text is what `podman ps --format json` prints, in short.
func TestPreviousContainers(t *testing.T) {
	const text = `[{"Id":"1","Image":"ghcr.io/safl/bty-web:0.65.4","Names":["old_bty-web_1"],"Labels":{"com.docker.compose.project.working_dir":"/home/op/bty-host"}},
		{"Image":"ghcr.io/safl/withcache:latest","Names":["withcache"],"Labels":{"PODMAN_SYSTEMD_UNIT":"withcache.service"}},
		{"Image":"localhost/bty-web:1","Names":["bty-web"],"Labels":null}, {"Image":"ghcr.io/safl/x","Names":[]}]`
	compose := doctor.PreviousContainer{Name: "old_bty-web_1", Image: "ghcr.io/safl/bty-web:0.65.4", Folder: "/home/op/bty-host"}
	unit := doctor.PreviousContainer{Name: "withcache", Image: "ghcr.io/safl/withcache:latest"}
	got := readContainers([]byte(text))
	if want := []container{{PreviousContainer: compose}, {PreviousContainer: unit, unit: "withcache.service"}}; !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	addMounts(got, []byte(`[{"Name":"withcache","Mounts":[{"Type":"volume","Source":"/v/_data","Destination":"/data"}]},{"Name":"other","Mounts":[{"Source":"/x","Destination":"/data"}]}]`))
	if len(got[0].mounts) != 0 || got[1].mounts["/data"] != "/v/_data" {
		t.Errorf("%+v", got)
	}
	if got := readContainers([]byte("no")); got != nil {
		t.Errorf("%+v", got)
	}
}

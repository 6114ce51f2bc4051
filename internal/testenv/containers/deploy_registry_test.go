package containers

import (
	"net/http"
	"strings"
	"testing"

	"bty/internal/testenv"
)

// Images come from a registry: deploy pulls them, they follow their tag, and purge takes them away again. A
// registry that has no such tag, wants a password or is not there is named, and nothing of the run is left.
func TestDeployFromRegistry(t *testing.T) {
	t.Parallel()
	h := boot(t)
	h.giveLab()
	h.registry()
	h.refusingRegistry()
	var plan struct{ Site struct{ Version string } }
	h.decode(h.run("bty-lab", "deploy", "--images", imagesInside, "--dry-run", "--json"), &plan)
	tag := plan.Site.Version
	push := func(name string) {
		here, there := "localhost/"+name+":"+tag, registryHost+"/lab/"+name+":"+tag
		h.run("podman", "load", "--quiet", "--input", imagesInside+"/"+name+".x86_64.tar")
		h.run("podman", "push", "--quiet", here, there)
		h.run("podman", "rmi", here)
	}
	push("bty-web")
	push("bty-tftp")
	before := h.listing()
	for what, c := range map[string]struct {
		prefix string
		want   []string
	}{
		"no such tag":       {registryHost + "/lab", []string{"pull: " + registryHost + "/lab/bty-cache:" + tag, "manifest unknown"}},
		"no such name":      {registryHost + "/other", []string{"pull: " + registryHost + "/other/bty-web:" + tag, "manifest unknown"}},
		"it refuses":        {refusing, []string{"pull: " + refusing + "/bty-web:" + tag, "denied", "podman login"}},
		"nobody is there":   {testenv.ServerIP + ":5009", []string{"connection refused"}},
		"no archive either": {"localhost/lab", []string{"no archive", "--image-prefix", "nothing was changed"}},
	} {
		want := c.want
		if !strings.HasPrefix(c.prefix, "localhost") {
			want = append(want, "nothing of this run is left")
		}
		h.fails(what, []string{"--mode", "quadlet", "--image-prefix", c.prefix}, want...)
		h.isPurged(before)
	}

	push("bty-cache")
	push("bty-sniff")
	out := h.run("bty-lab", "deploy", "--mode", "quadlet", "--image-prefix", registryHost+"/lab")
	h.rests()
	h.isDeployed(out)
	for _, name := range daemons {
		if got := h.run("cat", Quadlets+"/"+name+".container.d/10-image.conf"); !strings.Contains(got, "Image="+registryHost+"/lab/"+name+":"+tag+"\nPull=missing\nAutoUpdate=registry") {
			t.Errorf("%s: the drop-in says %q", name, got)
		}
	}
	if said := h.run("podman", "auto-update", "--dry-run", "--format={{.Unit}} {{.Policy}} {{.Updated}}"); strings.Count(said, "registry false") != len(daemons) {
		t.Errorf("podman auto-update looks after these: %s", said)
	}
	h.deploysNothing()
	h.run("bty-lab", "purge", "--yes")
	h.isPurged(before)
}

// refusing is a registry of the LAN that lets nobody in.
const refusing = testenv.ServerIP + ":5001"

func (h *host) refusingRegistry() {
	h.t.Helper()
	listener, err := h.LAN.Listen(h.ctx, refusing)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { listener.Close() })
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}`))
	}))
	h.write("/etc/containers/registries.conf.d/refusing.conf", "[[registry]]\nlocation = \""+refusing+"\"\ninsecure = true\n", 0o644)
}

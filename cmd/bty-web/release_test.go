package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

const artifactStem = "bty-netboot-pc-x86_64-v0.65.4"

// artifacts are the four files of a release, under the paths of a mirror.
func artifacts(tag string) map[string]string {
	files := map[string]string{}
	manifest := ""
	for _, suffix := range []string{".vmlinuz", ".initrd", ".squashfs"} {
		content := strings.Repeat(suffix, 10_000)
		files["/safl/bty/"+tag+"/"+artifactStem+suffix] = content
		manifest += fmt.Sprintf("%x  %s\n", sha256.Sum256([]byte(content)), artifactStem+suffix)
	}
	files["/safl/bty/"+tag+"/"+artifactStem+".sha256"] = manifest
	return files
}

// gate is a mirror whose initrd comes once it is opened.
func gate(t *testing.T, files map[string]string) (url string, open func()) {
	opened := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		content, ok := files[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		if strings.HasSuffix(r.URL.Path, ".initrd") {
			select {
			case <-opened:
			case <-r.Context().Done():
				return
			}
		}
		_, _ = io.WriteString(w, content)
	}))
	open = sync.OnceFunc(func() { close(opened) })
	t.Cleanup(func() { open(); server.Close() })
	return server.URL, open
}

func fromMirror(url string) map[string]string {
	return map[string]string{"BTY_NETBOOT_RELEASE_URL": url + "/{repo}/{tag}"}
}

func (a *appliance) fetches() []any {
	a.Helper()
	list, _ := a.do("GET", "/boot/releases", nil).is(a, 200).object(a)["fetches"].([]any)
	return list
}

func (a *appliance) fetchStatus(i int) string {
	a.Helper()
	if list := a.fetches(); len(list) > i {
		return list[i].(map[string]any)["status"].(string)
	}
	return ""
}

func TestReleaseFetch(t *testing.T) {
	url, open := gate(t, artifacts("v0.65.4"))
	a := start(t, fromMirror(url))
	a.anonymous("GET", "/boot/releases", nil).is(t, 401)
	a.anonymous("POST", "/boot/releases", map[string]any{"tag": "latest"}).is(t, 401)
	a.anonymous("DELETE", "/boot/releases/latest", nil).is(t, 401)
	none := a.do("GET", "/boot/releases", nil).is(t, 200)
	if want := fmt.Sprintf(`{"boot_root":%q,"max_parallel":1,"fetches":[]}`, filepath.Join(a.state, "boot")); none.body != want {
		t.Errorf("%s, want %s", none.body, want)
	}
	state := a.do("POST", "/boot/releases", map[string]any{}).is(t, 202).object(t)
	if got := keys(state); got != "artifact artifacts base_url bytes_done bytes_total error finished_at started_at status tag" {
		t.Error(got)
	}
	if state["tag"] != "latest" || state["base_url"] != url+"/safl/bty/v0.65.4" {
		t.Errorf("%v", state)
	}
	var listed []string
	for _, one := range state["artifacts"].([]any) {
		artifact := one.(map[string]any)
		listed = append(listed, artifact["name"].(string))
		if got := keys(artifact); got != "bytes_done bytes_total error finished_at name started_at status" {
			t.Error(got)
		}
	}
	if !slices.Equal(listed, []string{artifactStem + ".vmlinuz", artifactStem + ".initrd", artifactStem + ".squashfs", artifactStem + ".sha256"}) {
		t.Errorf("%v", listed)
	}
	a.eventually("the initrd is on its way", func() bool {
		return a.fetches()[0].(map[string]any)["artifact"] == artifactStem+".initrd"
	})
	if again := a.do("POST", "/boot/releases", map[string]any{"tag": "latest"}).is(t, 202).object(t); again["status"] != "running" {
		t.Errorf("%v", again)
	}
	if boots := a.boots(); slices.ContainsFunc(boots, func(n string) bool { return !strings.HasPrefix(n, ".bty-") }) {
		t.Errorf("half a release is visible: %v", boots)
	}
	open()
	a.eventually("it is installed", func() bool { return a.fetchStatus(0) == "completed" })
	a.anonymous("GET", "/boot/"+artifactStem+".squashfs", nil).is(t, 200, ".squashfs.squashfs")
	done := a.events("kind=netboot.artifacts.fetched")[0]
	details := done["details"].(map[string]any)
	if done["subject_kind"] != "netboot" || done["subject_id"] != "latest" || done["actor"] != "system" || done["source_ip"] != nil || details["tag"] != "latest" || details["base_url"] != url+"/safl/bty/v0.65.4" {
		t.Errorf("%v", done)
	}
	if asked := a.events("kind=netboot.artifacts.fetch.requested")[0]; asked["actor"] != "operator" || asked["source_ip"] != "127.0.0.1" {
		t.Errorf("%v", asked)
	}
	started := a.events("kind=netboot.artifacts.fetch.started")[0]
	if repo, there := started["details"].(map[string]any)["repo"]; !there || repo != nil {
		t.Errorf("%v", started)
	}
	// After a restart it is still known, and can be fetched again.
	a.restart()
	a.eventually("the history", func() bool { return a.fetchStatus(0) == "completed" })
	if err := os.Remove(filepath.Join(a.state, "boot", artifactStem+".initrd")); err != nil {
		t.Fatal(err)
	}
	a.do("POST", "/boot/releases", map[string]any{"tag": "latest"}).is(t, 202)
	a.eventually("it is back", func() bool { return a.anonymous("HEAD", "/boot/"+artifactStem+".initrd", nil).StatusCode == 200 })
}

func TestReleaseFetchRefusals(t *testing.T) {
	url, _ := gate(t, artifacts("v0.65.4"))
	a := start(t, fromMirror(url))
	for body, kind := range map[string]string{`{"tag":""}`: "string_too_short", `{"tag":"a b"}`: "string_pattern_mismatch", `{"tag":1}`: "string_type", `{"tag":null}`: "string_type", `{"x":1}`: "extra_forbidden"} {
		a.do("POST", "/boot/releases", jsonText(body)).is(t, 422, kind)
	}
	a.do("POST", "/boot/releases", jsonText(`{"tag":".."}`)).is(t, 422, `{"detail":"invalid release tag '..'`)
	a.do("DELETE", "/boot/releases/none", nil).is(t, 404, `{"detail":"no active release fetch for tag 'none'"}`)
	a.do("DELETE", "/boot/releases/a%20b", nil).is(t, 422, `{"detail":"invalid release tag 'a b'`)
	a.do("PUT", "/boot/releases", "x").is(t, 400, "keeps it for itself")

	// Another tag is asked for as it is named, and its files are not there.
	a.do("POST", "/boot/releases", map[string]any{"tag": "v9"}).is(t, 202)
	a.eventually("it fails", func() bool { return a.fetchStatus(0) == "failed" })
	state := a.fetches()[0].(map[string]any)
	if !strings.Contains(state["error"].(string), "404") || !strings.Contains(state["base_url"].(string), "/v9") {
		t.Errorf("%v", state)
	}
	a.do("DELETE", "/boot/releases/v9", nil).is(t, 200, `"status":"failed"`)
	if boots := a.boots(); len(boots) != 0 {
		t.Errorf("%v", boots)
	}
	if n := a.count("kind=netboot.artifacts.fetch.cancelled"); n != 0 {
		t.Errorf("%d cancelled, although it had ended", n)
	}
}

func TestReleaseFetchCancelled(t *testing.T) {
	url, _ := gate(t, artifacts("v0.65.4"))
	a := start(t, fromMirror(url))
	a.do("POST", "/boot/releases", map[string]any{"tag": "latest"}).is(t, 202)
	a.eventually("the initrd is on its way", func() bool {
		return a.fetches()[0].(map[string]any)["artifact"] == artifactStem+".initrd"
	})
	state := a.do("DELETE", "/boot/releases/latest", nil).is(t, 200, `"status":"cancelled"`).object(t)
	first := state["artifacts"].([]any)[0].(map[string]any)
	last := state["artifacts"].([]any)[3].(map[string]any)
	if first["status"] != "completed" || last["status"] != "cancelled" {
		t.Errorf("%v", state)
	}
	a.eventually("both events", func() bool { return a.count("kind=netboot.artifacts.fetch.cancelled") == 2 })
	if boots := a.boots(); len(boots) != 0 {
		t.Errorf("%v", boots)
	}
}

// A server that is stopped in the middle of a fetch leaves nothing behind and ends in time.
func TestStoppedWhileFetching(t *testing.T) {
	url, _ := gate(t, artifacts("v0.65.4"))
	a := start(t, fromMirror(url))
	a.do("POST", "/boot/releases", map[string]any{"tag": "latest"}).is(t, 202)
	a.eventually("the initrd is on its way", func() bool {
		return a.fetches()[0].(map[string]any)["artifact"] == artifactStem+".initrd"
	})
	a.restart()
	if boots := a.boots(); len(boots) != 0 {
		t.Errorf("%v", boots)
	}
	if a.count("kind=netboot.artifacts.fetch.cancelled") != 1 || strings.Contains(a.log.String(), "could not be recorded") {
		t.Errorf("its end is not in the events: %s", a.log)
	}
}

func TestSeed(t *testing.T) {
	seed := t.TempDir()
	for name, content := range map[string]string{"ipxe.efi": "shipped", "undionly.kpxe": "shipped", ".hidden": ""} {
		if err := os.WriteFile(filepath.Join(seed, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a := prepare(t, map[string]string{"BTY_BOOT_SEED_DIR": seed})
	if err := os.MkdirAll(filepath.Join(a.state, "boot"), 0o755); err != nil {
		t.Fatal(err)
	}
	a.file("ipxe.efi", []byte("mine"))
	a.begin()
	a.anonymous("GET", "/boot/ipxe.efi", nil).is(t, 200, "mine")
	a.anonymous("GET", "/boot/undionly.kpxe", nil).is(t, 200, "shipped")
	if got := a.boots(); !slices.Equal(got, []string{"ipxe.efi", "undionly.kpxe"}) {
		t.Errorf("%v", got)
	}
	if strings.Contains(a.log.String(), "no effect") {
		t.Error(a.log)
	}
	// A seed folder that is not there stops nobody.
	a.vars["BTY_BOOT_SEED_DIR"] = filepath.Join(seed, "none")
	a.restart()
	a.alive()
}

// filesForm is a body with files, and its media type.
func filesForm(t *testing.T, field string, files ...[2]string) (io.Reader, string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, file := range files {
		part, err := w.CreateFormFile(field, file[0])
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(part, file[1])
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b, w.FormDataContentType()
}

func TestInstallBoot(t *testing.T) {
	a := start(t, map[string]string{"BTY_TUNING_MAX_UPLOAD_BYTES": "1000"})
	install := func(files ...[2]string) reply {
		body, media := filesForm(t, "file", files...)
		return a.do("POST", "/api/v1/boot", body, "Content-Type", media)
	}
	kernel, initrd := "bty-live-x86_64.vmlinuz", "bty-live-x86_64.initrd"
	install([2]string{kernel, "one"}, [2]string{initrd, "one"}).is(t, 200, `"name":"bty-live-x86_64.vmlinuz"`, `"sha256":"7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"`)
	installed := a.events("kind=netboot.artifacts.installed")[0]
	if installed["subject_id"] != "bty-live-x86_64" || installed["actor"] != "operator" {
		t.Errorf("%v", installed)
	}
	// The second file cannot be taken: the first one stays as it was too.
	install([2]string{kernel, "two"}, [2]string{initrd, strings.Repeat("x", 1001)}).is(t, 413, "exceeded 1000 bytes")
	install([2]string{kernel, "two"}, [2]string{"releases", "two"}).is(t, 400, "keeps it for itself")
	install([2]string{kernel, "two"}, [2]string{kernel, "two"}).is(t, 400, "twice")
	install().is(t, 400, "no file")
	a.do("POST", "/api/v1/boot", "no form").is(t, 400, "multipart/form-data")
	a.anonymous("GET", "/boot/"+kernel, nil).is(t, 200, "one")
	status := a.do("GET", "/api/v1/netboot", nil).is(t, 200).object(t)
	live := status["live"].([]any)[0].(map[string]any)
	if live["arch"] != "x86_64" || live["maker"] != "bty" || live["missing"] != nil || len(live["files"].([]any)) != 2 {
		t.Errorf("%v", live)
	}
	a.eventually("the digest", func() bool {
		return strings.Contains(a.do("GET", "/api/v1/netboot", nil).body, "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed")
	})
	a.do("DELETE", "/api/v1/boot/"+initrd, nil).is(t, 204)
	a.do("DELETE", "/api/v1/boot/"+initrd, nil).is(t, 404, "no such file: "+initrd)
	a.do("DELETE", "/api/v1/boot/%2e%2e", nil).is(t, 400)
	a.do("GET", "/api/v1/netboot", nil).is(t, 200, `"missing":"`+initrd+`"`)
	if a.count("kind=netboot.artifact.deleted&subject_id="+initrd) != 1 {
		t.Error("nothing says that it was deleted")
	}
	if got := a.boots(); !slices.Equal(got, []string{kernel}) {
		t.Errorf("%v", got)
	}
}

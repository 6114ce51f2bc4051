package containers

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bty/internal/image"
	"bty/internal/testenv"
	"bty/internal/testenv/systemd"
)

// The images as they come from make image, started by hand as people do.
func TestImages(t *testing.T) {
	h := solo{boot(t), t, map[string]string{}}
	for _, name := range image.Names() {
		ref, err := h.Load(h.ctx, filepath.Join(buildFolder(t), "images", name+".x86_64.tar"))
		if err != nil || !strings.Contains(ref, "/"+name+":") {
			t.Fatalf("%s is loaded as %q (make image): %v", name, ref, err)
		}
		h.refs[name] = ref
	}
	t.Run("web", h.part(testWebByHand))
	t.Run("password", h.part(testPasswords))
	t.Run("read-only", h.part(testReadOnly))
	t.Run("other users", h.part(testOtherUsers))
	t.Run("mounted settings", h.part(testMountedSettings))
	t.Run("a CA of one's own", h.part(testOwnCA))
	t.Run("the others", h.part(testOtherDaemons))
	t.Run("another architecture", h.part(testOtherArch))
}

// solo is a host on which containers are started one by one, as people do.
type solo struct {
	*host
	t    *testing.T
	refs map[string]string // of images, by daemon
}

// part is a test on the same host.
func (h solo) part(test func(h solo)) func(t *testing.T) {
	return func(t *testing.T) { test(solo{&host{h.host.Host, t, t.Context()}, t, h.refs}) }
}

// start starts a container that is removed with the test.
func (h solo) start(daemon, name string, args ...string) {
	h.t.Helper()
	h.run("podman", append(append([]string{"run", "--detach", "--name=" + name}, args...), h.refs[daemon])...)
	h.t.Cleanup(func() {
		if h.t.Failed() {
			out, _ := h.Try(h.ctx, "podman", "logs", name)
			h.t.Logf("log of %s:\n%s", name, out)
		}
		if out, err := h.Command(context.WithoutCancel(h.ctx), "podman", "rm", "--force", "--time=10", "--volumes", name).CombinedOutput(); err != nil {
			h.t.Errorf("removing %s: %v\n%s", name, err, out)
		}
	})
}

// healthy waits until a container's own program says that it works, and returns the line.
func (h solo) healthy(name, daemon string) string {
	h.t.Helper()
	said, err := "", errors.New("never asked")
	for range 100 {
		if said, err = h.Try(h.ctx, "podman", "exec", name, "/usr/bin/"+daemon, "--health"); err == nil {
			return strings.TrimSpace(said)
		}
		time.Sleep(100 * time.Millisecond)
	}
	h.t.Fatalf("%s is not healthy: %v", name, err)
	return ""
}

// refused starts a container that must end by itself and returns what it said.
func (h solo) refused(daemon string, args ...string) string {
	h.t.Helper()
	cmd := h.Command(h.ctx, "timeout", append(append([]string{"30", "podman", "run", "--rm"}, args...), h.refs[daemon])...)
	out, err := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); err == nil || code == 124 {
		h.t.Errorf("%s %q runs (%v)", daemon, args, err)
	}
	return string(out)
}

func (h solo) get(path string) (int, string) {
	h.t.Helper()
	answer, err := h.client().Get(url(path))
	if err != nil {
		h.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// The walkthrough's line: a port, a volume, nothing else. What is in the volume outlives the container.
func testWebByHand(h solo) {
	args := []string{"--publish=8080:8080", "--volume=bty-data:/var/lib/bty", `--health-cmd=["/usr/bin/bty-web","--health"]`}
	h.start("bty-web", "web", args...)
	if line := h.healthy("web", "bty-web"); !strings.HasPrefix(line, "bty-web: healthy: ") {
		h.t.Errorf("--health says %q", line)
	}
	h.run("podman", "healthcheck", "run", "web")
	if code, body := h.get("/readyz"); code != 200 {
		h.t.Errorf("/readyz: %d, %s", code, body)
	}
	if code, body := h.get("/boot/undionly.kpxe"); code != 200 || len(body) < 50_000 {
		h.t.Errorf("the boot program of the image: %d, %d bytes", code, len(body))
	}
	folder := h.run("podman", "volume", "inspect", "--format={{.Mountpoint}}", "bty-data")
	h.run("sh", "-c", "printf own >"+folder+"/boot/undionly.kpxe")
	if _, body := h.get("/boot/undionly.kpxe"); body != "own" {
		h.t.Errorf("a file in boot/ does not go before the image's: %d bytes", len(body))
	}
	want := "750 1000:1000 .\n700 1000:1000 backups\n750 1000:1000 boot\n600 1000:1000 bty.db\n750 1000:1000 logs\n600 1000:1000 session-secret"
	if got := h.run("sh", "-c", "cd "+folder+" && LC_ALL=C stat --format='%a %u:%g %n' . *"); got != want {
		h.t.Errorf("the volume is\n%s\nwant\n%s", got, want)
	}
	if code, _ := h.get("/pxe/52-54-00-12-34-56"); code != 200 {
		h.t.Errorf("a machine is answered with %d", code)
	}
	h.run("podman", "stop", "web")
	if code := h.run("podman", "inspect", "--format={{.State.ExitCode}}", "web"); code != "0" {
		h.t.Errorf("stopped, it exits with %s", code)
	}
	h.run("podman", "rm", "web")
	h.start("bty-web", "web", args...)
	if line := h.healthy("web", "bty-web"); !strings.Contains(line, "1 machine") {
		h.t.Errorf("after a new container: %q", line)
	}
	if out, err := h.Try(h.ctx, "podman", "exec", "web", "/usr/bin/bty-web", "--config=/none", "--health"); err != nil {
		h.t.Errorf("%v: %s", err, out)
	}
}

// signIn returns a browser, as it were, that is signed in to the pages; nil if the password is wrong.
func (h solo) signIn(password string) *http.Client {
	h.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	c := h.client()
	c.Jar, c.CheckRedirect = jar, func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	answer, err := c.PostForm(url("/ui/login"), map[string][]string{"password": {password}})
	if err != nil {
		h.t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusSeeOther {
		return nil
	}
	return c
}

// The pages are never open: without a password the well-known one counts, and the log says so.
func testPasswords(h solo) {
	h.run("sh", "-c", "printf from-a-secret | podman secret create bty-admin-password -")
	for _, c := range []struct {
		args         []string
		right, wrong string
		warns        bool
	}{
		{nil, "bty-lab", "", true},
		{[]string{"--env=BTY_ADMIN_PASSWORD=from-a-variable"}, "from-a-variable", "bty-lab", false},
		{[]string{"--env=BTY_ADMIN_PASSWORD="}, "bty-lab", "", true},
		{[]string{"--secret=bty-admin-password,type=mount,target=bty.admin-password,uid=1000,mode=0400"}, "from-a-secret", "bty-lab", false},
	} {
		h.t.Run(fmt.Sprint(c.args), h.part(func(h solo) {
			h.start("bty-web", "web", append([]string{"--publish=8080:8080"}, c.args...)...)
			h.healthy("web", "bty-web")
			if h.signIn(c.right) == nil || h.signIn(c.wrong) != nil || h.signIn(c.right+"x") != nil {
				h.t.Errorf("not %q alone is right", c.right)
			}
			log := h.run("sh", "-c", "podman logs web 2>&1")
			if said := strings.Contains(log, "well-known default password"); said != c.warns {
				h.t.Errorf("it warns of the well-known password: %v", said)
			}
			if c.right != "bty-lab" && strings.Contains(log, c.right) {
				h.t.Error("the password is in the log")
			}
		}))
	}
}

// Nothing but the volume is written, and no right is needed.
func testReadOnly(h solo) {
	for _, tmpfs := range []string{"true", "false"} {
		h.start("bty-web", "web"+tmpfs, "--network=none", "--read-only", "--read-only-tmpfs="+tmpfs, "--cap-drop=all", "--security-opt=no-new-privileges")
		h.healthy("web"+tmpfs, "bty-web")
		pid := h.run("podman", "inspect", "--format={{.State.Pid}}", "web"+tmpfs)
		status := strings.Join(strings.Fields(h.run("sh", "-c", "grep -E '^(Uid|CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/"+pid+"/status")), " ")
		if want := "Uid: 1000 1000 1000 1000 CapEff: 0000000000000000 CapBnd: 0000000000000000 NoNewPrivs: 1 Seccomp: 2"; status != want {
			h.t.Errorf("it has %s, want %s", status, want)
		}
	}
}

// Who may not use the volume is told whose it is; who may, serves.
func testOtherUsers(h solo) {
	h.run("podman", "volume", "create", "other")
	h.start("bty-web", "first", "--network=none", "--volume=other:/var/lib/bty")
	h.healthy("first", "bty-web")
	h.run("podman", "stop", "first")
	want := "/var/lib/bty belongs to user 1000 and group 1000 (mode 0750), and this process is user 1234"
	if said := h.refused("bty-web", "--network=none", "--user=1234", "--volume=other:/var/lib/bty"); !strings.Contains(said, want) || !strings.Contains(said, ":U") {
		h.t.Errorf("as another user: %s", said)
	}
	h.run("mkdir", "-p", "/srv/bty")
	want = "/var/lib/bty belongs to user 0 and group 0 (mode 0755), and this process is user 1000"
	if said := h.refused("bty-web", "--network=none", "--volume=/srv/bty:/var/lib/bty"); !strings.Contains(said, want) {
		h.t.Errorf("on a folder of root's: %s", said)
	}
	if said := h.refused("bty-web", "--network=none", "--volume=other:/var/lib/bty:ro"); !strings.Contains(said, "read-only") {
		h.t.Errorf("on a volume that is mounted read-only: %s", said)
	}
	h.start("bty-web", "given", "--network=none", "--user=1234:1234", "--cap-drop=all", "--read-only", "--volume=other:/var/lib/bty:U")
	h.healthy("given", "bty-web")
}

// A bty.toml that is mounted as a file cannot be replaced by renaming; it is written in place.
func testMountedSettings(h solo) {
	h.run("sh", "-c", "printf '[server]\\n# mine\\nport = 8080\\n' >/srv/bty.toml && chown 1000:1000 /srv/bty.toml")
	h.start("bty-web", "web", "--publish=8080:8080", "--read-only", "--volume=/srv/bty.toml:/var/lib/bty/bty.toml", "--env=BTY_ADMIN_PASSWORD=pw")
	h.healthy("web", "bty-web")
	answer, err := h.signIn("pw").PostForm(url("/ui/settings/config/edit"), map[string][]string{"section": {"boot"}, "key": {"max_attempts"}, "value": {"9"}})
	if err != nil {
		h.t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusSeeOther || strings.Contains(answer.Header.Get("Location"), "error") {
		h.t.Errorf("saving: %s, %s", answer.Status, answer.Header.Get("Location"))
	}
	if got := h.run("cat", "/srv/bty.toml"); !strings.Contains(got, "# mine") || !strings.Contains(got, "max_attempts = 9") {
		h.t.Errorf("the mounted file is\n%s", got)
	}
}

// Whoever fetches by https trusts a CA of the operator's that is mounted beside the image's, and no
// stranger's.
func testOwnCA(h solo) {
	listener, err := h.LAN.Listen(h.ctx, testenv.ServerIP+":443")
	if err != nil {
		h.t.Fatal(err)
	}
	site := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/SHA256SUMS" {
			fmt.Fprintf(w, "%064d  a.img\n", 1)
		}
	}))
	site.Config.ErrorLog = log.New(io.Discard, "", 0) // who does not trust it hangs up
	site.Listener.Close()
	site.Listener = listener
	site.StartTLS() // for example.com, by a CA that is itself
	defer site.Close()
	h.write("/srv/site.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: site.Certificate().Raw})), 0o644)
	for _, trusts := range []bool{true, false} {
		args := []string{"--publish=8080:8080", "--add-host=example.com:" + testenv.ServerIP, "--env=BTY_ADMIN_PASSWORD=pw"}
		if trusts {
			args = append(args, "--volume=/srv/site.pem:/etc/ssl/certs/site.pem:ro")
		}
		h.t.Run(fmt.Sprint("mounted ", trusts), h.part(func(h solo) {
			h.start("bty-web", "web", args...)
			h.healthy("web", "bty-web")
			answer, err := h.signIn("pw").Post(url("/catalog/entries"), "application/json",
				strings.NewReader(`{"image_url": "https://example.com/a.img", "sha_url": "https://example.com/SHA256SUMS"}`))
			if err != nil {
				h.t.Fatal(err)
			}
			defer answer.Body.Close()
			body, err := io.ReadAll(answer.Body)
			if ok := answer.StatusCode < 300; err != nil || ok != trusts || !trusts && !strings.Contains(string(body), "certificate") {
				h.t.Errorf("%s, %v: %s", answer.Status, err, body)
			}
		}))
	}
}

// The others serve without systemd too, and say what they lack.
func testOtherDaemons(h solo) {
	h.start("bty-cache", "cache", "--publish=3000:3000", "--read-only", "--cap-drop=all", "--volume=bty-cache:/var/cache/bty")
	h.healthy("cache", "bty-cache")
	if said := h.run("curl", "--silent", "--fail", "http://127.0.0.1:3000/readyz"); said == "" {
		h.t.Error("the cache says nothing")
	}
	if said := h.refused("bty-tftp", "--read-only", "--cap-drop=all"); !strings.Contains(said, "--sysctl=net.ipv4.ip_unprivileged_port_start=69") {
		h.t.Errorf("TFTP without a right to its port: %s", said)
	}
	h.start("bty-tftp", "tftp", "--publish=69:69/udp", "--env=BTY_NETBOOT_ADDRESS=192.0.2.7", "--sysctl=net.ipv4.ip_unprivileged_port_start=69", "--read-only", "--cap-drop=all")
	h.healthy("tftp", "bty-tftp")
	if got := h.run("sh", "-c", "curl --silent --fail --max-time 20 tftp://"+systemd.IP+"/undionly.kpxe | wc -c"); len(got) < 5 {
		h.t.Errorf("TFTP gave %s bytes", got)
	}
	if script := h.run("curl", "--silent", "--fail", "--max-time", "20", "tftp://"+systemd.IP+"/autoexec.ipxe"); !strings.Contains(script, "http://192.0.2.7:8080/") {
		h.t.Errorf("behind a published port the script is\n%s", script)
	}
	if said := h.refused("bty-sniff", "--cap-drop=all"); !strings.Contains(said, "--cap-add=NET_RAW") {
		h.t.Errorf("the sniffer without its right: %s", said)
	}
	h.start("bty-sniff", "sniff", "--network=host", "--read-only", "--cap-drop=all", "--cap-add=NET_RAW")
	h.healthy("sniff", "bty-sniff")
	h.start("bty-cache", "barred", "--network=none", "--user=1234", "--volume=bty-cache:/var/cache/bty")
	if out, err := h.Try(h.ctx, "podman", "exec", "barred", "/usr/bin/bty-cache", "--health"); err == nil || !strings.Contains(err.Error()+out, "belongs to user 1000") {
		h.t.Errorf("a cache that may not write: %v, %s", err, out)
	}
}

// An image for another architecture is taken, and refused when it is started: Podman says why.
func testOtherArch(h solo) {
	dir := h.t.TempDir()
	tiny := exec.CommandContext(h.ctx, "go", "build", "-trimpath", "-buildvcs=false", "-o", filepath.Join(dir, "bty-sniff"), "./internal/image/testdata/tiny")
	tiny.Dir, tiny.Env = repo, append(os.Environ(), "CGO_ENABLED=0", "GOARCH=arm64")
	if out, err := tiny.CombinedOutput(); err != nil {
		h.t.Fatalf("%v\n%s", err, out)
	}
	i, err := image.Source{Version: "arm", Date: time.Unix(1700000000, 0)}.Build("bty-sniff", dir, image.ARM64)
	if err == nil {
		err = i.Archive(filepath.Join(dir, "a.tar"), "localhost/bty-sniff:arm", time.Unix(1700000000, 0))
	}
	if err != nil {
		h.t.Fatal(err)
	}
	name, err := h.Load(h.ctx, filepath.Join(dir, "a.tar"))
	if err != nil {
		h.t.Fatal(err)
	}
	if arch := h.run("podman", "image", "inspect", "--format={{.Architecture}}", name); arch != "arm64" {
		h.t.Errorf("Podman takes it for %s", arch)
	}
	out, err := h.Command(h.ctx, "podman", "run", "--rm", "--network=none", name).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "xec format error") {
		h.t.Errorf("an image for arm64 runs: %v, %s", err, out)
	}
}

package containers

import (
	"bufio"
	"encoding/json"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"bty/internal/testenv/systemd"
)

// What bty-lab deploy does on a host that has Podman and the images: the appliance answers, deploy
// again changes nothing, a run that is killed at any step is done to the end by the next, and purge
// leaves nothing.
func TestDeploy(t *testing.T) {
	h := boot(t)
	h.giveLab()
	h.run("podman", "info")
	before := h.listing()
	begun := time.Now()
	out := h.run("bty-lab", "deploy", "--images", imagesInside)
	h.rests()
	if answer, err := h.client().Get(url("/healthz")); err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("after the deployment: %v %v\n%s", answer, err, out)
	}
	took := time.Since(begun)
	t.Logf("from nothing to the first answer: %v", took.Round(time.Millisecond))
	if took > 30*time.Second {
		t.Errorf("from nothing to the first answer: %v, want 30 s at most", took)
	}
	h.isDeployed(out)
	h.deploysNothing()
	h.write(h.run("podman", "volume", "inspect", "--format={{.Mountpoint}}", "bty-data")+"/bty.toml", "[boot]\nmax_attempts = 7\n", 0o644)
	if out := h.run("bty-lab", "show-config", "--set"); !strings.Contains(out, "bty.toml:2") || !strings.Contains(out, "10-deploy.toml:3") {
		t.Errorf("show-config does not have the volume's file and deploy's:\n%s", out)
	}
	h.run("bty-lab", "purge", "--yes")
	h.isPurged(before)
	h.initialises(before)
}

// initialises: init writes what deploy would install, and nothing else; purge takes that away.
func (h *host) initialises(before map[string]bool) {
	h.t.Helper()
	h.run("bty-lab", "init", "--mode", "quadlet", "--images", imagesInside, "/opt/site")
	if got := h.run("cat", "/opt/site/files/etc/containers/systemd/bty-tftp.container.d/10-image.conf"); !strings.Contains(got, "Image=localhost/bty-tftp:") {
		h.t.Errorf("init writes %s", got)
	}
	if units := h.run("systemctl", "list-units", "--all", "--no-legend", "--plain", "bty*"); units != "" {
		h.t.Errorf("init has started %s", units)
	}
	h.run("bty-lab", "purge", "--yes", "/opt/site")
	h.isPurged(before)
}

// An image that does not run, or ends at its start, and a Podman that is too old: each is named with the
// next step, and once it is mended the next run ends well.
func TestDeployBadImages(t *testing.T) {
	t.Parallel()
	h := boot(t)
	h.giveLab()
	h.write("/usr/local/bin/podman", "#!/bin/sh\necho 4.3.1\n", 0o755)
	h.fails("an old Podman", []string{"--mode", "quadlet"}, "Podman 4.3.1 is too old", "nothing was changed")
	h.run("rm", "/usr/local/bin/podman")
	h.run("cp", "/usr/bin/crun", "/usr/bin/runc")
	h.write("/etc/containers/containers.conf.d/runtime.conf", "[engine]\nruntime = \"runc\"\n", 0o644)
	h.fails("another runtime", []string{"--images", imagesInside}, "Podman starts containers with runc", "apt-get install crun", "nothing was changed")
	h.run("rm", "/usr/bin/runc", "/etc/containers/containers.conf.d/runtime.conf")

	var plan struct{ Site struct{ Version string } }
	h.decode(h.run("bty-lab", "deploy", "--images", imagesInside, "--dry-run", "--json"), &plan)
	tag := plan.Site.Version
	err := h.Make(h.ctx, Image{Name: "localhost/bty-web:" + tag, Program: filepath.Join(buildFolder(t), "bin", "bty-cache"), // which answers --version, and wants other sockets
		Folders: []string{"/var", "/var/lib", "/var/lib/bty", "/var/lib/bty/boot"}})
	if err != nil {
		t.Fatal(err)
	}
	h.fails("an image that ends at its start", []string{"--images", imagesInside}, "check: bty-web answers on port 8080", "bty-web ended ", "the journal of bty-web.service ends:", "bty-web.socket", "again goes on from here")
	h.run("podman", "rmi", "--force", "localhost/bty-web:"+tag)
	h.run("bty-lab", "deploy", "--images", imagesInside)
	h.await(url("/readyz"))
	h.write(imagesInside+"/bty-sniff.x86_64.tar", "no image", 0o644)
	h.run("bty-lab", "deploy", "--images", imagesInside) // which needs none
	h.run("cp", "-r", imagesInside, "/usr/local/bin/images")
	h.run("bty-lab", "status")
	h.run("bty-lab", "purge", "--yes")

	h.fails("a damaged archive", []string{"--images", imagesInside}, imagesInside+"/bty-sniff.x86_64.tar: it cannot be read", "make image")
}

// fails: the deployment is not done, and says what it must.
func (h *host) fails(what string, args []string, want ...string) {
	h.t.Helper()
	_, err := h.Try(h.ctx, "bty-lab", append([]string{"deploy"}, args...)...)
	if err == nil {
		h.t.Fatalf("%s: it is deployed", what)
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			h.t.Errorf("%s: it does not say %q: %v", what, w, err)
		}
	}
}

// imagesInside is where the host of a test has what make image wrote.
const imagesInside = "/srv/images"

// giveLab copies bty-lab and the images into the host.
func (h *host) giveLab() {
	h.t.Helper()
	h.give(filepath.Join(buildFolder(h.t), "bin", "bty-lab"), "/usr/local/bin/bty-lab", 0o755)
	for _, name := range []string{"bty-web", "bty-tftp", "bty-cache", "bty-sniff"} {
		h.give(filepath.Join(buildFolder(h.t), "images", name+".x86_64.tar"), imagesInside+"/"+name+".x86_64.tar", 0o644)
	}
}

func (h *host) give(from, to string, mode fs.FileMode) {
	h.t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		h.t.Fatalf("%v; run: make build image", err)
	}
	h.write(to, string(content), mode)
}

// isDeployed holds after a first deployment.
func (h *host) isDeployed(out string) {
	h.t.Helper()
	for _, want := range []string{"http://" + systemd.IP + ":8080/", "option 66 (next server)  " + systemd.IP, "What bty-lab doctor finds:"} {
		if !strings.Contains(out, want) {
			h.t.Errorf("deploy does not say %q:\n%s", want, out)
		}
	}
	shown := regexp.MustCompile(`(?m)^    ([a-z2-7]{6}(?:-[a-z2-7]+)+)$`).FindStringSubmatch(out)
	if shown == nil {
		h.t.Fatalf("deploy shows no password:\n%s", out)
	}
	h.signIn(shown[1])
	for place, text := range map[string]string{
		"podman inspect": h.run("podman", "inspect", "bty-web"), "the units": h.run("systemctl", "cat", "bty*"),
		"the journal": h.run("journalctl", "--quiet", "--output=export"), "the secret": h.run("podman", "secret", "inspect", "--showsecret", "bty-admin-password"),
	} {
		if strings.Contains(text, shown[1]) {
			h.t.Errorf("the password is in %s", place)
		}
	}
	for _, unit := range []string{"bty-web.socket", "bty-tftp.socket", "bty-cache.socket", "bty-control.socket", "bty-report.socket", "bty-sniff.service"} {
		if state := h.property(unit, "ActiveState"); state != "active" {
			h.t.Errorf("%s is %s", unit, state)
		}
	}
	h.run("curl", "--fail", "--silent", "http://localhost:3000/healthz")
	if size := h.tftp("ipxe.efi"); size < 500_000 {
		h.t.Errorf("ipxe.efi has %d bytes", size)
	}
}

// rests holds after a first deployment as after a boot: systemd listens, and nothing runs before its first
// packet but the sniffer.
func (h *host) rests() {
	h.t.Helper()
	for _, name := range []string{"bty-web", "bty-tftp", "bty-cache"} {
		if state := h.property(name+".socket", "SubState"); state != "listening" {
			h.t.Errorf("after the deployment %s.socket is %s", name, state)
		}
		if state := h.property(name+".service", "ActiveState"); state != "inactive" {
			h.t.Errorf("after the deployment, and before its first packet, %s.service is %s", name, state)
		}
	}
	if running := h.run("podman", "ps", "--format={{.Names}}"); running != "bty-sniff" {
		h.t.Errorf("after the deployment these run: %q", running)
	}
}

// deploysNothing: what is deployed is left as it is, to the last file and process.
func (h *host) deploysNothing() {
	h.t.Helper()
	_, _ = h.Try(h.ctx, "bty-lab", "doctor") // as deploy does at its end: it wakes what has not been asked yet
	const look = "find /etc /opt -type f -exec stat -c '%n %y' {} + | sort | grep bty; systemctl show --property=InvocationID bty-web.service bty-web.socket bty-tftp.socket bty-cache.socket"
	was := h.run("sh", "-c", look)
	if out := h.run("bty-lab", "deploy"); !strings.Contains(out, "Nothing was changed: version ") {
		h.t.Errorf("deploy again says:\n%s", out)
	}
	if now := h.run("sh", "-c", look); now != was {
		h.t.Errorf("deploy again has changed something:\n%s\nbefore:\n%s", now, was)
	}
	h.run("bty-lab", "status")
}

// listing is every file of the host that lasts, and what Podman has.
func (h *host) listing() map[string]bool {
	h.t.Helper()
	found := map[string]bool{}
	for line := range strings.Lines(h.run("find", "/etc", "/var", "/run", "/usr", "/opt", "-xdev", "-not", "-path", "/var/lib/containers/*", "-not", "-path", "/run/containers/*",
		"-not", "-path", "/run/user/*", "-not", "-path", "/run/systemd/*", "-not", "-path", "/run/lock/*", "-not", "-path", "/var/log/*", "-not", "-path", "/run/log/*")) {
		found[strings.TrimSpace(line)] = true
	}
	for what, list := range map[string]string{"volume": h.run("podman", "volume", "ls", "--quiet"), "container": h.run("podman", "ps", "--all", "--quiet"),
		"secret": h.run("podman", "secret", "ls", "--quiet"), "image": h.run("podman", "images", "--quiet")} {
		for name := range strings.FieldsSeq(list) {
			found[what+" "+name] = true
		}
	}
	return found
}

// others is what changes by itself, a folder that Podman makes with the first network of a project, and the
// users and groups, which stay.
var others = regexp.MustCompile(`^/(etc/containers/networks|etc/(passwd|group|shadow|gshadow|subuid|subgid)-?|etc/\.pwd\.lock|var/(tmp|cache/ldconfig)|run/(crun|podman|netns|libpod|dbus|udev|mount|tmpfiles|credentials|network)|var/lib/systemd|var/lib/cni|run/\.)`)

func (h *host) isPurged(before map[string]bool) {
	h.t.Helper()
	now := h.listing()
	for _, path := range slices.Sorted(maps.Keys(now)) {
		if !before[path] && !others.MatchString(path) {
			h.t.Errorf("the purge leaves %s", path)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(before)) {
		if !now[path] && !others.MatchString(path) {
			h.t.Errorf("the purge took %s away", path)
		}
	}
	if units := h.run("systemctl", "list-units", "--all", "--no-legend", "--plain", "bty*"); units != "" {
		h.t.Errorf("the purge leaves units: %s", units)
	}
}

// A deployment that is killed at any step goes on from there, and so does a purge. Here that is the first
// step of each kind; TestDeployKilledEverywhere has all of them.
func TestDeployKilled(t *testing.T) {
	t.Parallel()
	h := boot(t)
	h.giveLab()
	h.run("podman", "info")
	before := h.listing()
	deploy := []string{"deploy", "--images", imagesInside}
	h.killedAtFirstOfEachKind(deploy...)
	var got struct{ Password string }
	h.decode(h.run("bty-lab", append(deploy, "--json")...), &got)
	if got.Password != "" {
		h.signIn(got.Password)
	}
	h.deploysNothing()
	h.killedAt("delete: the volume bty-data with all that is in it", "purge", "--yes")
	if _, err := h.Try(h.ctx, "bty-lab", "status"); err == nil {
		t.Error("a purge that was cut off leaves what status calls deployed")
	}
	h.run("bty-lab", "purge", "--yes")
	h.isPurged(before)
}

// killedAtFirstOfEachKind kills a deployment again and again, where it loads the first image, opens the first
// socket and so on.
func (h *host) killedAtFirstOfEachKind(deploy ...string) {
	h.t.Helper()
	var plan struct {
		Steps []struct{ Step, Detail string }
	}
	h.decode(h.run("bty-lab", append(deploy, "--dry-run", "--json")...), &plan)
	killed := map[string]bool{}
	for _, s := range plan.Steps {
		if killed[s.Step] {
			continue
		}
		killed[s.Step] = true
		if step := s.Step + ": " + s.Detail; !h.killedAt(step, deploy...) {
			h.t.Logf("%s was done before, by a run whose kill came late", step)
			h.run("bty-lab", "purge", "--yes")
			h.killedAt(step, deploy...)
		}
	}
}

func (h *host) decode(text string, v any) {
	h.t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		h.t.Fatalf("%v: %s", err, text)
	}
}

// killedAt runs a command of bty-lab, and kills it when it begins a step. It reports whether it came to
// that step.
func (h *host) killedAt(step string, args ...string) (found bool) {
	h.t.Helper()
	cmd := h.Command(h.ctx, "bty-lab", args...)
	said, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		h.t.Fatal(err)
	}
	for lines := bufio.NewScanner(said); !found && lines.Scan(); {
		if found = strings.HasSuffix(lines.Text(), "] "+step); found {
			_, _ = h.Try(h.ctx, "sh", "-c", "kill -KILL $(pidof bty-lab)") // inside, where alone its name is ours; it may have ended
		}
	}
	_ = cmd.Wait() // killed
	return found
}

// With podman-compose: the same commands, as root and as an ordinary user, who is told what is missing.
func TestDeployCompose(t *testing.T) {
	t.Parallel()
	h, alice := withUser(t)
	h.run("rm", "-r", alice.Home+"/bty")
	h.giveLab()
	h.run("podman", "info")
	before := h.listing()
	out := h.run("bty-lab", "deploy", "--mode", "compose", "--images", imagesInside)
	h.await(url("/readyz"))
	if size := h.tftp("ipxe.efi"); size < 500_000 {
		t.Errorf("ipxe.efi has %d bytes", size)
	}
	h.signIn(shownPassword(t, out))
	if out := h.run("bty-lab", "deploy"); !strings.Contains(out, "Nothing was changed") {
		t.Errorf("deploy again says:\n%s", out)
	}
	if out := strings.Fields(h.run("bty-lab", "status")); !strings.Contains(strings.Join(out, " "), "bty-web runs") {
		t.Errorf("status says: %s", out)
	}
	h.run("bty-lab", "purge", "--yes")
	h.isPurged(before)

	out, err := alice.Try(h.ctx, "bty-lab deploy --images "+imagesInside+" 2>&1")
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"As an ordinary user this leaves out", "TFTP (bty-tftp)", "DHCP (bty-sniff)", "sudo bty-lab deploy"} {
		if !strings.Contains(out, want) {
			t.Errorf("an ordinary user is not told %q:\n%s", want, out)
		}
	}
	h.await(url("/readyz"))
	h.signIn(shownPassword(t, out))
	if out, err := alice.Try(h.ctx, "bty-lab deploy"); err != nil || !strings.Contains(out, "Nothing was changed") {
		t.Errorf("deploy again: %v\n%s", err, out)
	}
	if _, err := alice.Try(h.ctx, "bty-lab deploy --mode host ./other"); err == nil || !strings.Contains(err.Error(), "The mode host is for root") {
		t.Errorf("the package's services as an ordinary user: %v", err)
	}
	if out, err := alice.Try(h.ctx, "bty-lab purge --yes && { test -e bty && ls -AR bty; podman volume ls --quiet; podman ps --all --quiet; }"); err != nil || !strings.HasSuffix(strings.TrimSpace(out), "as is usual: files elsewhere may be theirs.") {
		t.Errorf("after the purge there is left: %v\n%s", err, out)
	}
}

// shownPassword is the one that deploy shows.
func shownPassword(t *testing.T, out string) string {
	t.Helper()
	shown := regexp.MustCompile(`(?m)^    ([a-z2-7]{6}(?:-[a-z2-7]+)+)$`).FindStringSubmatch(out)
	if shown == nil {
		t.Fatalf("deploy shows no password:\n%s", out)
	}
	return shown[1]
}

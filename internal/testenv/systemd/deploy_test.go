package systemd

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"bty/internal/testenv/roots"
)

// What bty-lab deploy does on a host that has the package: the appliance answers, deploy again changes
// nothing, purge leaves nothing.
func TestDeploy(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		before := h.files()
		t.Run("refused", func(t *testing.T) { h.refusesToBegin() })
		begun := time.Now()
		out := h.run("bty-lab", "deploy")
		h.listens()
		if answer, err := h.client(false).Get(url("/healthz")); err != nil || answer.StatusCode != http.StatusOK {
			t.Fatalf("after the deployment: %v %v", answer, err)
		}
		took := time.Since(begun)
		t.Logf("Debian %s: from nothing to the first answer: %v", h.Suite, took.Round(time.Millisecond))
		if took > 30*time.Second {
			t.Errorf("from nothing to the first answer: %v, want 30 s at most", took)
		}
		h.isDeployed(out)
		h.deploysNothing()
		t.Run("bad input", func(t *testing.T) { h.refuses() })
		t.Run("broken configuration", func(t *testing.T) { h.refusesConfiguration() })
		t.Run("drift", func(t *testing.T) { h.mends() })
		h.run("bty-lab", "purge", "--yes")
		h.isPurged(before)
	})
}

// refusesToBegin: what stands in the way of a first deployment is named with the way out, all of it at
// once, and nothing is changed.
func (h *host) refusesToBegin() {
	refused := func(what string, args []string, want ...string) {
		h.t.Helper()
		_, err := h.try(args[0], args[1:]...)
		if err == nil {
			h.t.Fatalf("%s: it is deployed", what)
		}
		for _, w := range append(want, "nothing was changed") {
			if !strings.Contains(err.Error(), w) {
				h.t.Errorf("%s: it does not say %q: %v", what, w, err)
			}
		}
	}
	deploy := []string{"bty-lab", "deploy"}
	refused("no root", []string{"env", "HOME=/nonexistent", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "bty-lab", "deploy", "--mode", "host"}, "The mode host is for root", "sudo")

	h.run("systemd-run", "--quiet", "--unit=taker", "socat", "-u", "UDP4-RECV:69", "OPEN:/dev/null")
	h.await(10*time.Second, "taker.service", "ActiveState", "active")
	h.run("sh", "-c", "mount -t tmpfs -o ro tmpfs /opt")
	h.write("/etc/containers/systemd/withcache.container", "[Container]\nImage=ghcr.io/safl/withcache:latest\n", 0o644)
	refused("several things", deploy, "UDP port 69, which is bty-tftp's, is held by socat (pid ", "taker.service", "systemctl disable --now taker.service", "--without bty-tftp",
		"/opt/bty (the record) is on a file system that can only be read", "The previous system is on this host")
	if state := h.property("taker.service", "ActiveState"); state != "active" {
		h.t.Errorf("the program that has the port is %s", state)
	}
	h.run("sh", "-c", "systemctl stop taker.service; umount /opt; rm -r /etc/containers; mount -t tmpfs -o size=1M tmpfs /opt; dd if=/dev/zero of=/opt/full bs=1M status=none; true")
	refused("a full disk", deploy, "/opt/bty (the record) has 0 MB free", "df -h")
	h.run("umount", "/opt")
}

// isDeployed holds after a first deployment.
func (h *host) isDeployed(out string) {
	h.t.Helper()
	for _, want := range []string{"http://" + IP + ":8080/", "option 66 (next server)  " + IP, "dhcp-boot=ipxe.efi,," + IP, "What bty-lab doctor finds:"} {
		if !strings.Contains(out, want) {
			h.t.Errorf("deploy does not say %q:\n%s", want, out)
		}
	}
	password := regexp.MustCompile(`(?m)^    ([a-z2-7]{6}(?:-[a-z2-7]+)+)$`).FindStringSubmatch(out)
	if password == nil {
		h.t.Fatalf("deploy shows no password:\n%s", out)
	}
	h.opens(password[1], true)
	h.opens("bty-lab", false)
	h.nowhere(password[1])
	if found, err := h.try("grep", "-rl", password[1], "/etc", "/var", "/opt", "/run"); err == nil {
		h.t.Errorf("the password is in %s", found)
	}
	for _, unit := range []string{"bty-web.socket", "bty-tftp.socket", "bty-cache.socket", "bty-control.socket", "bty-report.socket"} {
		if state := h.property(unit, "ActiveState"); state != "active" {
			h.t.Errorf("%s is %s", unit, state)
		}
	}
	h.run("curl", "--fail", "--silent", "http://localhost:3000/healthz")
	if got := h.run("bty-lab", "show-config", "--set"); !strings.Contains(got, "netboot.address") || !strings.Contains(got, IP) || !strings.Contains(got, "/etc/bty/conf.d/10-deploy.toml:") {
		h.t.Errorf("show-config says %s", got)
	}
}

// deploysNothing: what is deployed is left as it is, to the last file and process.
func (h *host) deploysNothing() {
	h.t.Helper()
	_, _ = h.try("bty-lab", "doctor") // as deploy does at its end: it wakes what has not been asked yet
	const look = "find /etc /opt -type f -exec stat -c '%n %y' {} + | sort | grep bty; systemctl show --property=InvocationID bty-web.service bty-web.socket bty-tftp.socket bty-cache.socket"
	was := h.run("sh", "-c", look)
	out := h.run("bty-lab", "deploy")
	if !strings.Contains(out, "Nothing was changed: version ") || strings.Contains(out, "Password of the pages") {
		h.t.Errorf("deploy again says:\n%s", out)
	}
	if now := h.run("sh", "-c", look); now != was {
		h.t.Errorf("deploy again has changed something:\n%s\nbefore:\n%s", now, was)
	}
	h.run("bty-lab", "status")
}

// refuses: what cannot be done is said at once, with the way out, and what runs is left alone.
func (h *host) refuses() {
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"--host-addr", "203.0.113.5"}, []string{"203.0.113.5 is no address of this host", IP + " (" + NIC + ")", IP6 + " (" + NIC + ")", "--force"}},
		{[]string{"--host-addr", "127.0.0.1"}, []string{"No machine reaches this host at 127.0.0.1"}},
		{[]string{"--mode", "quadlet"}, []string{"holds a deployment in the mode host", "Podman is not installed"}},
		{[]string{"--mode", "quadlet", "/srv/other"}, []string{"Podman is not installed", "apt-get install podman"}},
		{[]string{"--without", "bty-web"}, []string{"cannot be left out"}},
	} {
		_, err := h.try("bty-lab", append([]string{"deploy"}, c.args...)...)
		if err == nil {
			h.t.Errorf("deploy %q is done", c.args)
			continue
		}
		for _, want := range append(c.want, "nothing was changed") {
			if !strings.Contains(err.Error(), want) {
				h.t.Errorf("deploy %q does not say %q: %v", c.args, want, err)
			}
		}
	}
	h.deploysNothing()
}

func (h *host) refusesConfiguration() {
	h.run("mv", "/etc/bty/bty.toml", "/etc/bty/bty.toml.shipped")
	h.write("/etc/bty/bty.toml", "[server]\nport = \"many\"\n", 0o644)
	_, err := h.try("bty-lab", "deploy", "--host-addr", IP)
	if err == nil || !strings.Contains(err.Error(), "/etc/bty/bty.toml:2") || !strings.Contains(err.Error(), "server.port must be a whole number") {
		h.t.Errorf("a broken configuration: %v", err)
	}
	h.run("curl", "--fail", "--silent", "http://localhost:8080/healthz")
	h.run("mv", "/etc/bty/bty.toml.shipped", "/etc/bty/bty.toml")
}

// mends: what somebody has taken away is put back, and what somebody has edited is left.
func (h *host) mends() {
	h.run("systemctl", "disable", "--now", "bty-tftp.socket")
	h.run("rm", "/etc/bty/conf.d/10-deploy.toml")
	if _, err := h.try("bty-lab", "status"); err == nil {
		h.t.Error("status finds nothing missing")
	}
	plan := h.run("bty-lab", "deploy", "--dry-run")
	for _, want := range []string{"write settings: /etc/bty/conf.d/10-deploy.toml", "enable: bty-tftp.socket", "start: bty-tftp.socket", "restart: bty-web.service"} {
		if !strings.Contains(plan, want) {
			h.t.Errorf("the plan does not say %q:\n%s", want, plan)
		}
	}
	h.run("bty-lab", "deploy")
	h.deploysNothing()

	h.write("/etc/bty/conf.d/10-deploy.toml", "# mine\n", 0o644)
	h.run("bty-lab", "deploy")
	if got := h.run("cat", "/etc/bty/conf.d/10-deploy.toml"); got != "# mine" {
		h.t.Errorf("an edited file became %q", got)
	}
	h.run("bty-lab", "deploy", "--force")
	if got := h.run("cat", "/etc/bty/conf.d/10-deploy.toml"); !strings.Contains(got, IP) {
		h.t.Errorf("with --force an edited file is %q", got)
	}
}

// isPurged holds when nothing is left but what belongs to the host itself.
func (h *host) isPurged(before map[string]bool) {
	h.t.Helper()
	for _, unit := range slices.Concat(services, sockets, caches) {
		if state := h.property(unit, "ActiveState"); state != "inactive" {
			h.t.Errorf("after the purge %s is %s", unit, state)
		}
	}
	mine := regexp.MustCompile(`^/(var/lib/systemd/credential\.secret|run/systemd/|var/log/journal|run/log|tmp|var/tmp)`)
	now := h.files()
	for _, path := range slices.Sorted(maps.Keys(now)) {
		if !before[path] && !mine.MatchString(path) {
			h.t.Errorf("the purge leaves %s", path)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(before)) {
		if !now[path] && !mine.MatchString(path) {
			h.t.Errorf("the purge took %s away", path)
		}
	}
}

// A deployment, and a purge, that are killed at any step are done to the end by the next run.
func TestDeployKilled(t *testing.T) {
	t.Parallel()
	h := boot(t, roots.Trixie)
	before := h.files()
	for n := 1; ; n++ {
		step := h.killed(n, "deploy")
		if step == "" {
			break
		}
		h.finished(h.run("bty-lab", "deploy", "--json"), strings.HasPrefix(step, "done"))
		h.run("bty-lab", "purge", "--yes")
	}
	h.deploysNothing() // the last one had no such step, and came to its end
	for n := 1; h.killed(n, "purge", "--yes") != ""; n++ {
	}
	h.run("bty-lab", "purge", "--yes")
	h.isPurged(before)
}

// A deployment starts with the host: sockets, and no daemon before its first packet.
func TestDeployStartsWithTheHost(t *testing.T) {
	t.Parallel()
	h := boot(t, roots.Bookworm)
	answered := h.asks("/pxe/52:54:00:00:00:71")
	h.run("bty-lab", "deploy")
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
	if state := h.property("bty-web.service", "ActiveState"); state != "active" {
		t.Errorf("a machine has asked while it was deployed, and bty-web is %s", state)
	}
	if err := h.Reboot(h.ctx); err != nil {
		t.Fatal(err)
	}
	h.listens()
	h.checkServes()
	h.deploysNothing()
}

// asks is a machine that asks until it is answered.
func (h *host) asks(path string) (answered chan error) {
	answered = make(chan error, 1)
	client := h.client(false)
	go func() {
		var last error
		for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			answer, err := client.Get(url(path))
			if last = err; err != nil {
				continue
			}
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				break
			}
			last = errors.New(answer.Status)
		}
		answered <- last
	}()
	return answered
}

// listens holds when systemd listens and nobody has asked for anything yet.
func (h *host) listens() {
	h.t.Helper()
	for _, unit := range []string{"bty-web.socket", "bty-tftp.socket", "bty-cache.socket"} {
		if state := h.property(unit, "SubState"); state != "listening" {
			h.t.Errorf("%s is %s", unit, state)
		}
	}
	for _, unit := range []string{"bty-web.service", "bty-tftp.service", "bty-cache.service"} {
		if state := h.property(unit, "ActiveState"); state != "inactive" {
			h.t.Errorf("%s is %s before its first packet", unit, state)
		}
	}
}

// killed runs a command of bty-lab, kills it when it begins step n, and returns that step, "" if there
// is none.
func (h *host) killed(n int, args ...string) (step string) {
	h.t.Helper()
	cmd := h.Command(h.ctx, "bty-lab", args...)
	said, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		h.t.Fatal(err)
	}
	for lines := bufio.NewScanner(said); step == "" && lines.Scan(); {
		at := 0
		if _, err := fmt.Sscanf(lines.Text(), "[%d/", &at); err == nil && at == n {
			h.try("sh", "-c", "kill -KILL $(pidof bty-lab)") // inside, where alone its name is ours; it may have ended
			h.t.Logf("%s killed at %s", args[0], lines.Text())
			_, step, _ = strings.Cut(lines.Text(), "] ")
		}
	}
	_ = cmd.Wait() // killed
	return step
}

// finished: the password that the last run shows is the right one, although others were made before.
// One that was killed while it noted its end may have come to it.
func (h *host) finished(out string, mayBeDone bool) {
	h.t.Helper()
	var got struct {
		Changed  bool
		Password string
	}
	err := json.Unmarshal([]byte(out), &got)
	switch {
	case err == nil && !got.Changed && mayBeDone:
	case err != nil || !got.Changed || got.Password == "":
		h.t.Fatalf("%v: %s", err, out)
	default:
		h.opens(got.Password, true)
	}
	h.deploysNothing()
}

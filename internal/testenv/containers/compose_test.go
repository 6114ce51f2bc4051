package containers

import (
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bty/compose"
	"bty/internal/testenv"
	"bty/internal/testenv/systemd"
)

// stack is where the compose file lies.
const stack = "/opt/bty"

// The compose file runs under podman-compose as root: the daemons have no rights and write nothing but
// their volumes, the password comes from its file, bty-web finds the cache, and TFTP answers the LAN
// from the port that it was asked at.
func TestCompose(t *testing.T) {
	t.Parallel()
	h := boot(t)
	h.load("bty-web", "bty-cache", "bty-tftp")
	h.writeAll(compose.Files, stack)
	h.secret(stack, "correct horse")
	h.compose("--profile", "tftp", "up", "-d")
	h.await(url("/readyz"))
	for _, name := range []string{"bty-web", "bty-cache", "bty-tftp"} {
		is := h.run("podman", "inspect", "--format={{.EffectiveCaps}} {{.HostConfig.ReadonlyRootfs}} {{.Config.User}} {{.HostConfig.SecurityOpt}}", name)
		if is != "[] true 1000:1000 [no-new-privileges]" {
			t.Errorf("%s: %s", name, is)
		}
		h.run("podman", "exec", name, "/usr/bin/"+name, "--health")
	}
	if said := h.run("podman", "inspect", "bty-web"); strings.Contains(said, "correct horse") {
		t.Error("podman inspect shows the password")
	}
	h.signIn("correct horse")
	h.awaitSaid("bty-web", "the image cache of this host is there")
	if size := h.tftp("ipxe.efi"); size < 500_000 {
		t.Errorf("ipxe.efi has %d bytes", size)
	}
	h.awaitSaid("bty-tftp", "remote="+testenv.ServerIP) // by its address TFTP knows a machine
	// What a boot folder has goes before what the image has, and it is bty-web's.
	h.run("podman", "cp", "/etc/hostname", "bty-web:/var/lib/bty/boot/hello.txt")
	if size := h.tftp("hello.txt"); size == 0 {
		t.Error("TFTP does not serve the boot folder")
	}

	h.compose("--profile", "tftp", "down")
	h.compose("up", "-d")
	h.await(url("/readyz"))
	if h.run("podman", "ps", "--format={{.Names}}", "--filter=name=tftp") != "" {
		t.Error("TFTP runs without its profile")
	}
	h.compose("down", "--volumes")
	if left := h.run("podman", "volume", "ls", "--quiet") + h.run("podman", "ps", "--all", "--quiet"); left != "" {
		t.Errorf("there is left: %s", left)
	}
}

// Without a password file bty-web is not started, and the file is named. podman-compose ends with 0.
func TestComposeWithoutPassword(t *testing.T) {
	t.Parallel()
	h := boot(t)
	h.load("bty-web")
	h.writeAll(compose.Files, stack)
	out, err := h.Command(h.ctx, "podman-compose", "--file="+stack+"/compose.yml", "up", "-d", "bty-web").CombinedOutput()
	if !strings.Contains(string(out), stack+"/secrets/admin-password: no such file") {
		t.Errorf("it does not name the file: %v\n%s", err, out)
	}
	if up := h.run("podman", "ps", "--quiet"); up != "" {
		t.Error("bty-web runs without its password")
	}
}

// load loads what make image made.
func (h *host) load(names ...string) {
	h.t.Helper()
	for _, name := range names {
		loaded, err := h.Load(h.ctx, filepath.Join(buildFolder(h.t), "images", name+".x86_64.tar"))
		if err != nil {
			h.t.Fatalf("%v; run: make image", err)
		}
		h.run("podman", "tag", loaded, "localhost/"+name+":latest")
	}
}

// writeAll writes files of the repository into a folder.
func (h *host) writeAll(files fs.FS, folder string) {
	h.t.Helper()
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, name)
		if err == nil {
			h.write(filepath.Join(folder, name), string(content), 0o644)
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// secret writes the password as the compose file wants it.
func (h *host) secret(folder, password string) {
	h.t.Helper()
	h.run("mkdir", "-p", "-m", "700", folder+"/secrets")
	h.write(folder+"/secrets/admin-password", password, 0o444)
}

func (h *host) compose(args ...string) {
	h.t.Helper()
	h.run("podman-compose", append([]string{"--file=" + stack + "/compose.yml"}, args...)...)
}

// await waits until somebody answers with 200.
func (h *host) await(address string) {
	h.t.Helper()
	var last error
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		answer, err := h.client().Get(address)
		if last = err; err != nil {
			continue
		}
		answer.Body.Close()
		if answer.StatusCode == http.StatusOK {
			return
		}
	}
	h.t.Fatalf("%s: no good answer in 30 s: %v\n%s", address, last, h.run("podman", "ps", "--all"))
}

func (h *host) awaitSaid(container, text string) {
	h.t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		cmd := h.Command(h.ctx, "podman", "logs", container)
		if out, err := cmd.CombinedOutput(); err == nil && strings.Contains(string(out), text) {
			return
		}
	}
	h.t.Fatalf("%s does not say %q", container, text)
}

// signIn sends a password from the LAN.
func (h *host) signIn(password string) {
	h.t.Helper()
	client := h.client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	answer, err := client.PostForm(url("/ui/login"), map[string][]string{"password": {password}})
	if err != nil {
		h.t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusSeeOther || !strings.Contains(answer.Header.Get("Location"), "dashboard") {
		h.t.Errorf("signing in: %s, to %q", answer.Status, answer.Header.Get("Location"))
	}
}

// tftp fetches a file from the LAN and returns its size.
func (h *host) tftp(name string) int64 {
	h.t.Helper()
	to := filepath.Join(h.t.TempDir(), "file")
	client, err := h.LAN.Start(testenv.Program{Path: "tftp", Args: []string{"-m", "binary", systemd.IP, "-c", "get", name, to}})
	if err != nil {
		h.t.Fatal(err)
	}
	if err := client.Wait(h.ctx); err != nil {
		h.t.Fatal(err)
	}
	info, err := os.Stat(to)
	if err != nil {
		h.t.Fatalf("%s by TFTP: %s", name, client.Log.Tail(5))
	}
	return info.Size()
}

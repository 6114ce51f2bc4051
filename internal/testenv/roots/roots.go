// Package roots makes root file systems of Debian with systemd in them, for tests that boot one. They
// are made once and kept in the build folder; nothing may write to them (see testenv/systemd).
package roots

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"bty/internal/testenv/aptget"
	"bty/internal/testenv/flock"
)

// The roots: systemd 252, the oldest that bty supports, and 257; and the latter as a host for
// containers, with Podman 5.
const (
	Bookworm = "bookworm"
	Trixie   = "trixie"
	Podman   = "podman"
)

// base is what debootstrap installs itself.
var base = []string{"systemd", "systemd-sysv", "dbus", "libnss-systemd", "ca-certificates"}

// more comes after it, with /proc there: the scripts of some of these need it.
var more = []string{
	"polkitd",  // who may start and stop the TFTP daemon
	"iproute2", // ss
	"procps",   // ps
	"curl",
	"tftp-hpa",
	"socat",
}

// podman is what a host for containers has besides: what Podman only recommends is named here.
var podman = []string{
	"podman",
	"crun", "conmon", // they start a container and stay beside it
	"netavark", "aardvark-dns", "nftables", // a network of its own for each, and its names
	"fuse-overlayfs",                                      // images on a file system whose kernel does not lay one over the other
	"uidmap", "passt", "slirp4netns", "dbus-user-session", // containers of an ordinary user
	"podman-compose",
}

// recipe is what a root is made of.
type recipe struct {
	name, suite string
	more        []string
}

func recipeOf(name string) recipe {
	if name == Podman {
		return recipe{name, Trixie, slices.Concat(more, podman)}
	}
	return recipe{name, name, more}
}

// Path is one of the roots below build, made if it is not there.
func Path(ctx context.Context, build, name string) (string, error) {
	r := recipeOf(name)
	dir, err := filepath.Abs(filepath.Join(build, "roots"))
	if err != nil {
		return "", err
	}
	root := filepath.Join(dir, name+"-"+key(base, r.more))
	if _, err := os.Stat(root); err == nil {
		return root, nil
	}
	if os.Geteuid() != 0 {
		return "", fmt.Errorf("making the root %s of Debian needs root; run this as root (sudo make ...)", name)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	lock, err := flock.Lock(ctx, filepath.Join(dir, name+".lock"))
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if _, err := os.Stat(root); err == nil {
		return root, nil // another run has made it meanwhile
	}
	if err := r.fresh(ctx, root); err != nil {
		return "", fmt.Errorf("making the root %s of Debian: %w", name, err)
	}
	return root, nil
}

// key changes with the packages.
func key(lists ...[]string) string {
	sum := sha256.Sum256(fmt.Append(nil, lists))
	return hex.EncodeToString(sum[:4])
}

// fresh makes the root under another name first, and removes older ones and unfinished ones.
func (r recipe) fresh(ctx context.Context, root string) error {
	old, err := filepath.Glob(filepath.Join(filepath.Dir(root), r.name+"-*"))
	if err != nil {
		return err
	}
	for _, dir := range old {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	unfinished := root + ".unfinished"
	if err := debootstrap(ctx, r.suite, unfinished); err != nil {
		return err
	}
	if err := install(ctx, unfinished, r.more); err != nil {
		return err
	}
	return os.Rename(unfinished, root)
}

// debootstrap gets the suite from the mirror that this machine is configured for.
func debootstrap(ctx context.Context, suite, dir string) error {
	codename, err := aptget.Codename("/etc/os-release")
	if err != nil {
		return err
	}
	configured, err := aptget.Configured("/etc/apt")
	if err != nil {
		return err
	}
	source, err := aptget.OfSuite(configured, codename, suite)
	if err != nil {
		return err
	}
	args := []string{"debootstrap", "--variant=minbase", "--include=" + strings.Join(base, ",")}
	if source.SignedBy != "" {
		args = append(args, "--keyring="+source.SignedBy)
	}
	return run(ctx, append(args, suite, dir, source.URI)...)
}

// install adds the other packages from inside, and starts nothing.
func install(ctx context.Context, dir string, packages []string) error {
	policy := filepath.Join(dir, "usr/sbin/policy-rc.d")
	if err := os.WriteFile(policy, []byte("#!/bin/sh\nexit 101\n"), 0o755); err != nil {
		return err
	}
	err := run(ctx, append([]string{"sh", "-ec", `root=$0
mount -t proc proc "$root/proc"
DEBIAN_FRONTEND=noninteractive chroot "$root" apt-get -q install -y --no-install-recommends "$@"
chroot "$root" apt-get clean
rm -rf "$root"/var/lib/apt/lists/*`, dir}, packages...)...)
	if err != nil {
		return err
	}
	return os.Remove(policy)
}

// run runs a command in a mount namespace of its own: what it mounts ends with it, however it ends.
func run(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "unshare", append([]string{"--mount", "--propagation=private", "--"}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	if proxy := aptProxy(ctx); proxy != "" && os.Getenv("http_proxy") == "" {
		cmd.Env = append(cmd.Env, "http_proxy="+proxy)
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		const enough = 3000
		return fmt.Errorf("%s: %w\n%s", args[0], err, out.Bytes()[max(0, out.Len()-enough):])
	}
	return nil
}

// aptProxy is the proxy that apt uses here, "" for none. debootstrap does not ask apt.
func aptProxy(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "apt-config", "shell", "p", "Acquire::http::Proxy").Output()
	if err != nil {
		return ""
	}
	_, quoted, _ := strings.Cut(strings.TrimSpace(string(out)), "=")
	if proxy := strings.Trim(quoted, "'"); proxy != "DIRECT" {
		return proxy
	}
	return ""
}

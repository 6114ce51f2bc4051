package systemd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"bty/internal/testenv"
	"bty/internal/testenv/roots"
)

// Addresses of the host on the LAN, whose own are testenv.ServerIP and LAN6.
const (
	IP   = "10.77.0.9"
	IP6  = "fd77::9"
	LAN6 = "fd77::1"
	NIC  = "lan0"
)

// Config says what to boot.
type Config struct {
	Suite string // roots.Bookworm, roots.Trixie or roots.Podman
	Build string // the build folder, with bin and roots
	Repo  string // where packaging is
	Files string // what is laid over the root: our package's content, or "" for a host without us

	Containers bool // the host may run containers itself, see testenv/containers
}

// Host is a running Debian. Close ends it and leaves nothing.
type Host struct {
	Suite   string
	LAN     *testenv.LAN // the other end of the host's only cable
	Console *testenv.Log

	containers bool

	dir    string
	nspawn *testenv.Process
	leader int // the container's PID 1 as it is seen from outside
}

// Boot starts a container with a copy of the suite's root and the files laid over it, and returns when
// systemd says that it has booted. The host is on the LAN from its first moment.
func Boot(ctx context.Context, lan *testenv.LAN, cfg Config) (*Host, error) {
	root, err := roots.Path(ctx, cfg.Build, cfg.Suite)
	if err != nil {
		return nil, err
	}
	h := &Host{Suite: cfg.Suite, LAN: lan, Console: testenv.NewLog("console"), containers: cfg.Containers, dir: filepath.Join(lan.Dir, "host")}
	for _, sub := range []string{"none", "rw/upper", "rw/work", "rw/containers", "root"} {
		if err := os.MkdirAll(filepath.Join(h.dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	over := filepath.Join(h.dir, "none")
	if cfg.Files != "" {
		if over, err = filepath.Abs(cfg.Files); err != nil {
			return nil, err
		}
	}
	if err := h.start(ctx, over+":"+root); err != nil {
		return nil, errors.Join(fmt.Errorf("booting Debian %s: %w\n%s", cfg.Suite, err, h.Console.Tail(40)), h.Close())
	}
	return h, nil
}

// Everything is mounted in a mount namespace that ends with the container. The host's part of the
// overlay is in memory where the temporary folder is an overlay itself. nspawn does not reboot what it
// runs as a unit, but says with 133 that somebody should.
const script = `overlay() { mount -t overlay overlay -o "lowerdir=$LOWER,upperdir=$DIR/rw/upper,workdir=$DIR/rw/work" "$DIR/root"; }
overlay 2>/dev/null || {
	mount -t tmpfs -o mode=755 tmpfs "$DIR/rw"
	mkdir "$DIR/rw/upper" "$DIR/rw/work" "$DIR/rw/containers"
	overlay
}
while
	sh -euc 'for group in $CGROUPS; do echo $$ >"$group/cgroup.procs"; done; exec systemd-nspawn "$@"' sh "$@" && status=0 || status=$?
	[ $status -eq 133 ]
do :; done
exit $status`

// start runs the container in a network namespace that has one end of a cable to the LAN.
func (h *Host) start(ctx context.Context, layers string) error {
	groups, err := h.LAN.Cgroups()
	if err != nil {
		return err
	}
	netns, err := h.LAN.Beside(ctx, NIC, []string{IP + "/24", IP6 + "/64"})
	if err != nil {
		return err
	}
	if err := h.LAN.Addresses(ctx, "replace "+LAN6+"/64 dev lan nodad"); err != nil {
		return err
	}
	h.nspawn, err = h.LAN.Start(testenv.Program{
		Name: "systemd-nspawn", Path: "unshare", Output: h.Console,
		Args: append([]string{"--mount", "--propagation=private", "--", "sh", "-euc", script, "sh"}, h.nspawnArgs(netns)...),
		Env: append(h.rightsByEnv(), "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1", "CGROUPS="+strings.Join(groups, " "),
			"DIR="+h.dir, "LOWER="+layers),
	})
	if err != nil {
		return err
	}
	return h.awaitBoot(ctx)
}

// Reboot restarts the host as an administrator would, and returns when it has booted again. What it
// has on its disk and its place on the LAN stay.
func (h *Host) Reboot(ctx context.Context) error {
	before := h.leader
	if _, err := h.Try(ctx, "systemctl", "--no-block", "reboot"); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for first(h.nspawn.PID(), 2) == before {
		select {
		case <-ctx.Done():
			return fmt.Errorf("systemd does not end for a reboot: %w", ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
	h.leader = 0
	return h.awaitBoot(ctx)
}

// nspawnArgs are systemd-nspawn's: nothing of this machine's systemd is needed, and the container may
// do what a host may do with its own network and control groups.
func (h *Host) nspawnArgs(netns string) []string {
	return append(h.rights(),
		"--quiet", "--boot", "--settings=no", "--register=no", "--keep-unit", "--console=pipe",
		"--directory="+filepath.Join(h.dir, "root"), "--machine="+h.LAN.Name,
		"--network-namespace-path="+filepath.Join("/run/netns", netns),
		"--link-journal=no", "--resolv-conf=off", "--timezone=off",
	)
}

// rights are what the host may do beyond a container of nspawn. Podman lays file systems over each
// other, which the kernel does not let it do on one that is laid over another already: it has a folder
// of this machine.
func (h *Host) rights() []string {
	if !h.containers {
		return []string{"--capability=CAP_NET_ADMIN,CAP_BPF,CAP_PERFMON", "--system-call-filter=bpf"}
	}
	return []string{
		"--capability=all", "--drop-capability=CAP_SYS_MODULE", "--system-call-filter=@keyring bpf perf_event_open", "--bind=/dev/fuse", "--bind=/dev/net/tun",
		"--bind=" + filepath.Join(h.dir, "rw/containers") + ":/var/lib/containers",
	}
}

// rightsByEnv are the same as far as nspawn has no option for them: Podman sets what the kernel does
// with the network of each container.
func (h *Host) rightsByEnv() []string {
	if !h.containers {
		return nil
	}
	return []string{"SYSTEMD_NSPAWN_API_VFS_WRITABLE=network"}
}

// awaitBoot waits for systemd's own word. What has failed by then is the business of a test.
func (h *Host) awaitBoot(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	state := "no PID 1"
	for {
		if h.leader == 0 {
			h.leader = first(h.nspawn.PID(), 2)
		}
		if h.leader != 0 {
			out, err := h.Try(ctx, "systemctl", "is-system-running")
			if state = strings.TrimSpace(out); state == "running" || state == "degraded" {
				return nil
			} else if err != nil && state == "" {
				state = err.Error()
			}
		}
		select {
		case <-h.nspawn.Done():
			return fmt.Errorf("systemd-nspawn ended: %w", h.nspawn.Wait(ctx))
		case <-ctx.Done():
			return fmt.Errorf("systemd has not booted: %s: %w", state, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// first is the descendant of a process that is PID 1 in the container, 0 as long as there is none.
func first(of, depth int) int {
	children, err := os.ReadFile(fmt.Sprintf("/proc/%[1]d/task/%[1]d/children", of))
	if err != nil {
		return 0
	}
	for child := range strings.FieldsSeq(string(children)) {
		pid, err := strconv.Atoi(child)
		switch {
		case err != nil:
		case isFirst(pid):
			return pid
		case depth > 1:
			if found := first(pid, depth-1); found != 0 {
				return found
			}
		}
	}
	return 0
}

// isFirst holds when the process has begun to be systemd: before that, nothing can be asked.
func isFirst(pid int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return false
	}
	lines := strings.Split(string(status), "\n")
	inner := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "NSpid:") && strings.HasSuffix(l, "\t1") })
	return inner >= 0 && slices.Contains(lines, "Name:\tsystemd")
}

// Close pulls the plug: PID 1's end is everybody's, and nspawn then removes what it has made.
func (h *Host) Close() error {
	if h.nspawn == nil {
		return nil
	}
	if h.leader != 0 {
		_ = unix.Kill(h.leader, unix.SIGKILL) // it may have powered off by itself
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if _ = h.nspawn.Wait(ctx); ctx.Err() == nil { // nspawn reports the kill as its own failure
		return nil
	}
	h.nspawn.Kill()
	return errors.New("systemd-nspawn did not end with its container")
}

// inside is a path of the container as it is seen from outside.
func (h *Host) inside(path string) string {
	return filepath.Join("/proc", strconv.Itoa(h.leader), "root", path)
}

// Write makes a file in the container, and the folders above it.
func (h *Host) Write(path, content string, mode fs.FileMode) error {
	name := h.inside(path)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(name, []byte(content), mode); err != nil {
		return err
	}
	return os.Chmod(name, mode)
}

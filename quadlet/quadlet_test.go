package quadlet

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
)

// line is one assignment in a unit file.
type line struct{ section, key, value string }

// parse reads what systemd and Podman read; neither file here continues a line on the next.
func parse(t *testing.T, name string) (lines []line) {
	t.Helper()
	text, err := fs.ReadFile(Files, name)
	if err != nil {
		t.Fatal(err)
	}
	section := ""
	for l := range strings.Lines(string(text)) {
		switch l = strings.TrimSpace(l); {
		case l == "" || l[0] == '#':
		case l[0] == '[':
			section = strings.Trim(l, "[]")
		default:
			key, value, ok := strings.Cut(l, "=")
			if !ok || strings.HasSuffix(value, `\`) {
				t.Errorf("%s: %q is no assignment of one line", name, l)
			}
			lines = append(lines, line{section, key, value})
		}
	}
	return lines
}

func names(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := fs.Glob(Files, pattern)
	if err != nil || len(found) == 0 {
		t.Fatalf("%s: nothing there (%v)", pattern, err)
	}
	return found
}

// values are those of a key, in their order.
func values(lines []line, key string) (all []string) {
	for _, l := range lines {
		if l.key == key {
			all = append(all, l.value)
		}
	}
	return all
}

// What every container has, whatever else it is.
func TestEveryContainer(t *testing.T) {
	for _, name := range names(t, "*.container") {
		lines, daemon := parse(t, name), strings.TrimSuffix(name, ".container")
		for key, want := range map[string]string{
			"ContainerName": daemon, "Image": "localhost/" + daemon + ":latest", "Pull": "never", "Notify": "true", "LogDriver": "passthrough",
			"DropCapability": "all", "NoNewPrivileges": "true", "ReadOnly": "true", "ReadOnlyTmpfs": "false",
			"HealthCmd": "CMD /usr/bin/" + daemon + " --health", "StartLimitIntervalSec": "0", "Restart": "on-failure", "Slice": "bty.slice", "WatchdogSec": "30s",
		} {
			if got := values(lines, key); !slices.Equal(got, []string{want}) {
				t.Errorf("%s: %s is %q, want %q", name, key, got, want)
			}
		}
		// A secret in a variable is in `podman inspect`, and in the environment of every child.
		for _, l := range lines {
			if l.key == "Environment" && strings.Contains(strings.ToLower(l.value), "password") || l.key == "Secret" && !strings.Contains(l.value, "type=mount") {
				t.Errorf("%s: a secret belongs in a file: %s=%s", name, l.key, l.value)
			}
		}
		if len(values(lines, "PublishPort")) > 0 {
			t.Errorf("%s: systemd listens; a published port hides who asks", name)
		}
	}
}

// Who has which network and which right.
func TestNetworksAndRights(t *testing.T) {
	for name, want := range map[string]struct{ network, right []string }{
		"bty-web": {network: []string{"host"}}, "bty-tftp": {network: []string{"none"}}, "bty-cache": {},
		"bty-sniff": {network: []string{"host"}, right: []string{"NET_RAW"}},
	} {
		lines := parse(t, name+".container")
		if got := values(lines, "Network"); !slices.Equal(got, want.network) {
			t.Errorf("%s: network %q, want %q", name, got, want.network)
		}
		if got := values(lines, "AddCapability"); !slices.Equal(got, want.right) {
			t.Errorf("%s: capabilities %q, want %q", name, got, want.right)
		}
	}
}

// StopTimeout= is when Podman kills; systemd must not be faster.
func TestPodmanHasTimeToStop(t *testing.T) {
	for _, name := range names(t, "*.container") {
		lines := parse(t, name)
		podman, systemd := values(lines, "StopTimeout"), values(lines, "TimeoutStopSec")
		if len(podman) != 1 || len(systemd) != 1 || len(podman[0]) != len(systemd[0])-1 || podman[0] >= systemd[0] {
			t.Errorf("%s: StopTimeout=%q, TimeoutStopSec=%q", name, podman, systemd)
		}
	}
}

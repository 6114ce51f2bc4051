package quadlet

import (
	"strings"
	"testing"
)

// version is one of Podman.
type version struct{ major, minor int }

func (v version) after(o version) bool {
	return v.major > o.major || v.major == o.major && v.minor > o.minor
}

// floor is the oldest Podman that these files are for: with it came drop-ins.
var floor = version{5, 0}

// since says which Podman introduced a key of the sections that are Podman's. One that its generator does
// not know makes it leave the whole unit out, so newer ones stand here to be refused by name.
var since = map[string]version{
	"Container AddCapability": {4, 4}, "Container ContainerName": {4, 4}, "Container DropCapability": {4, 4}, "Container Environment": {4, 4},
	"Container Image": {4, 4}, "Container Network": {4, 4}, "Container NoNewPrivileges": {4, 4}, "Container Notify": {4, 4}, "Container UserNS": {4, 4},
	"Container PodmanArgs": {4, 4}, "Container ReadOnly": {4, 4}, "Container SecurityLabelDisable": {4, 4}, "Container Volume": {4, 4},
	"Container HealthCmd": {4, 5}, "Container HealthInterval": {4, 5}, "Container HealthTimeout": {4, 5}, "Container LogDriver": {4, 5},
	"Container Mount": {4, 5}, "Container Secret": {4, 5}, "Container Tmpfs": {4, 5},
	"Container AutoUpdate": {4, 6}, "Container Pull": {4, 6}, "Container Sysctl": {4, 6},
	"Container PidsLimit": {4, 7}, "Container ShmSize": {4, 7}, "Container Ulimit": {4, 7}, "Volume VolumeName": {4, 7}, "Volume User": {4, 4}, "Volume Group": {4, 4},
	"Container GIDMap": {4, 8}, "Container ReadOnlyTmpfs": {4, 8}, "Container UIDMap": {4, 8},
	"Container Pod": {5, 0}, "Container StopTimeout": {5, 0},

	"Container GroupAdd": {5, 1},
	"Container LogOpt":   {5, 2}, "Container StopSignal": {5, 2},
	"Container AddHost": {5, 3}, "Container ServiceName": {5, 3}, "Quadlet DefaultDependencies": {5, 3}, "Volume ServiceName": {5, 3},
	"Container Memory": {5, 5}, "Container ReloadCmd": {5, 5}, "Container ReloadSignal": {5, 5}, "Container Retry": {5, 5}, "Container RetryDelay": {5, 5},
}

// tooNew says what is wrong with a key, "" if nothing is.
func tooNew(l line) string {
	switch l.section {
	case "Unit", "Service", "Install", "Socket":
		return "" // systemd's own: verify reads them
	}
	came, known := since[l.section+" "+l.key]
	if !known {
		return "nobody has written down which Podman knows it: see since"
	}
	if came.after(floor) {
		return "it is newer than the oldest Podman that these files are for"
	}
	return ""
}

// noWait is in a section of its own, which a Podman that does not know it hands on to systemd, which passes
// over it. Such a Podman has nothing that could be waited for, either.
var noWait = line{"Quadlet", "DefaultDependencies", "false"}

func TestNoKeyIsNewerThanTheFloor(t *testing.T) {
	for _, pattern := range []string{"*.container", "*.volume", "dropins/*.conf", "user/*/*.conf"} {
		for _, name := range names(t, pattern) {
			for _, l := range parse(t, name) {
				if l == noWait && strings.HasPrefix(name, "user/") {
					continue
				}
				if wrong := tooNew(l); wrong != "" {
					t.Errorf("%s: [%s] %s: %s", name, l.section, l.key, wrong)
				}
			}
		}
	}
}

// The test above can fail.
func TestNewKeysAreRefused(t *testing.T) {
	for _, l := range []line{{"Container", "GroupAdd", "bty"}, {"Container", "ReloadCmd", "x"}, {"Quadlet", "DefaultDependencies", "false"}, {"Container", "Imgae", "x"}} {
		if tooNew(l) == "" {
			t.Errorf("[%s] %s passes", l.section, l.key)
		}
	}
	for _, l := range []line{{"Container", "StopTimeout", "1"}, {"Service", "LimitNOFILE", "1"}} {
		if wrong := tooNew(l); wrong != "" {
			t.Errorf("[%s] %s: %s", l.section, l.key, wrong)
		}
	}
}

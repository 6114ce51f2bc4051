package systemd

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Packages for arm64 are made here, without a compiler or a strip of that architecture, and have
// programs of it inside. They are not run.
func TestArm64Packages(t *testing.T) {
	build, err := filepath.Abs(buildDir(t))
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	make := exec.CommandContext(t.Context(), "make", "-C", repo, "deb", "rpm", "ARCH=arm64", "BUILD="+build, "PACKAGES="+out,
		"VERSION=v"+version, "PACKAGE_VERSION="+version, "COMPRESSION=fast")
	make.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1700000000", "MAKEFLAGS=")
	if said, err := make.CombinedOutput(); err != nil {
		t.Fatalf("make deb rpm ARCH=arm64: %v\n%s", err, said)
	}
	deb, rpm := filepath.Join(out, "bty_"+version+"-1_arm64.deb"), filepath.Join(out, "bty-"+version+"-1.aarch64.rpm")
	if got := say(t, "dpkg-deb", "--field", deb, "Architecture"); got != "arm64" {
		t.Errorf("the Debian package is for %s", got)
	}
	if got := say(t, "rpm", "-qp", "--queryformat", "%{ARCH}", rpm); got != "aarch64" {
		t.Errorf("the rpm package is for %s", got)
	}
	for kind, unpack := range map[string]string{"deb": `dpkg-deb -x "$0" "$1"`, "rpm": `mkdir "$1"; cd "$1"; rpm2cpio "$0" | cpio --quiet -id`} {
		dir := filepath.Join(out, kind)
		say(t, "sh", "-ec", unpack, map[string]string{"deb": deb, "rpm": rpm}[kind], dir)
		programs, err := filepath.Glob(dir + "/usr/bin/bty*")
		if err != nil || len(programs) < 4 {
			t.Fatal(kind, programs, err)
		}
		for _, p := range append(programs, dir+"/usr/libexec/bty/bty-sniff-open") {
			if !strings.Contains(say(t, "go", "version", "-m", p), "GOARCH=arm64") {
				t.Errorf("%s in the %s package is not for arm64", filepath.Base(p), kind)
			}
		}
	}
}

func say(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

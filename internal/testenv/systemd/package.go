package systemd

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Package makes the Debian package of the programs in the build folder, under a version of the
// caller's, in a folder that exists. Nothing is compiled.
func Package(ctx context.Context, cfg Config, version, out string) (string, error) {
	return pack(ctx, cfg, "deb", version, out, "bty_"+version+"-1_amd64.deb")
}

// RPM makes the rpm package likewise.
func RPM(ctx context.Context, cfg Config, version, out string) (string, error) {
	return pack(ctx, cfg, "rpm", version, out, "bty-"+version+"-1.x86_64.rpm")
}

func pack(ctx context.Context, cfg Config, kind, version, out, name string) (string, error) {
	bin, err := filepath.Abs(filepath.Join(cfg.Build, "bin"))
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(cfg.Repo, "packaging/package.sh"), kind, "go", bin, "x86_64", version, out)
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1700000000", "COMPRESSION=fast")
	if said, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("making the %s package: %w; run: make build\n%s", kind, err, said)
	}
	return filepath.Join(out, name), nil
}

// Unpack lays the files of a Debian package out in a folder, as dpkg would below /.
func Unpack(ctx context.Context, deb, folder string) error {
	if said, err := exec.CommandContext(ctx, "dpkg-deb", "-x", deb, folder).CombinedOutput(); err != nil {
		return fmt.Errorf("unpacking %s: %w\n%s", deb, err, said)
	}
	return nil
}

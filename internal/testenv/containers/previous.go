package containers

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// The previous system is here with its names, images, ports and volumes; what its containers run is a
// stand-in. Previous is the folder that it was deployed to.
const Previous = "/opt/bty-host"

// previousImages are its images, and what the stand-in is told to listen on.
var previousImages = []struct{ image, ports string }{
	{"ghcr.io/safl/withcache:latest", "3000"}, {"ghcr.io/safl/nbdmux:latest", "4040 10809"}, {"ghcr.io/safl/bty-web:0.65.4", "8080"}, {"ghcr.io/safl/bty-tftp:0.65.4", ""},
}

// previousUnits are its Quadlets, key by key.
var previousUnits = map[string]string{
	"withcache": `After=network-online.target
[Container]
Image=ghcr.io/safl/withcache:latest
PublishPort=3000:3000
Volume=` + Previous + `/data/withcache:/data:Z
DNS=1.1.1.1
Environment=WITHCACHE_ADMIN_PASSWORD=bty-lab
Exec=3000
`,
	"nbdmux": `After=network-online.target withcache.service
[Container]
Image=ghcr.io/safl/nbdmux:latest
PublishPort=4040:4040
PublishPort=10809:10809
Volume=` + Previous + `/data/nbdmux:/data:Z
Volume=` + Previous + `/data/nbdmux/images:/images:Z
DNS=1.1.1.1
Environment=NBDMUX_ADMIN_PASSWORD=bty-lab
Environment=NBDMUX_WITHCACHE_URL=http://host.containers.internal:3000
Exec=4040 10809
`,
	"bty-web": `After=network-online.target withcache.service
[Container]
Image=ghcr.io/safl/bty-web:0.65.4
PublishPort=8080:8080
Volume=` + Previous + `/data/bty:/var/lib/bty:Z
Volume=` + Previous + `/bty.toml:/etc/bty/bty.toml:Z
DNS=1.1.1.1
Environment=BTY_CONFIG_FILE=/etc/bty/bty.toml
Exec=8080
`,
	"bty-tftp": `After=network-online.target
[Container]
Image=ghcr.io/safl/bty-tftp:0.65.4
Network=host
`,
}

// previousCompose is its compose file, which a user without root runs.
const previousCompose = `services:
  withcache:
    image: ghcr.io/safl/withcache:latest
    command: ["3000"]
    restart: unless-stopped
    ports: ["3000:3000"]
    volumes: ["${BTY_HOST_DATA_DIR:-./data}/withcache:/data"]
  nbdmux:
    image: ghcr.io/safl/nbdmux:latest
    command: ["4040", "10809"]
    restart: unless-stopped
    ports: ["4040:4040", "10809:10809"]
    volumes: ["${BTY_HOST_DATA_DIR:-./data}/nbdmux:/data", "${BTY_HOST_DATA_DIR:-./data}/nbdmux/images:/images"]
  bty-web:
    image: ghcr.io/safl/bty-web:0.65.4
    command: ["8080"]
    restart: unless-stopped
    ports: ["8080:8080"]
    environment: {BTY_CONFIG_FILE: /etc/bty/bty.toml}
    volumes: ["${BTY_HOST_DATA_DIR:-./data}/bty:/var/lib/bty", "./bty.toml:/etc/bty/bty.toml"]
    depends_on: [withcache, nbdmux]
  tftp:
    image: ghcr.io/safl/bty-tftp:0.65.4
    profiles: [tftp]
    network_mode: host
    restart: unless-stopped
`

// GivePrevious makes the images of the previous system, and its folder with the data of those files.
func (h *Host) GivePrevious(ctx context.Context, program string, files map[string]string) error {
	for _, i := range previousImages {
		if err := h.Make(ctx, Image{Name: i.image, Program: program, Folders: []string{"/var", "/var/lib", "/var/lib/bty", "/data", "/images", "/etc", "/etc/bty"}}); err != nil {
			return err
		}
	}
	for _, folder := range []string{"bty", "withcache", "nbdmux/images"} {
		if _, err := h.Try(ctx, "mkdir", "-p", "-m", "0777", filepath.Join(Previous, "data", folder)); err != nil {
			return err
		}
	}
	all := map[string]string{"compose.yml": previousCompose, "envvars": "#HOST_ADDR=10.0.0.5\n", "bty.toml": previousConfig}
	for path, text := range files {
		all[path] = text
	}
	for path, text := range all {
		if err := h.Write(filepath.Join(Previous, path), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// previousConfig is what its deployment wrote.
const previousConfig = `[admin]
password = "bty-lab"
[server]
host = "0.0.0.0"
port = 8080
session_secret = "c2VjcmV0IG9mIHRoZSBwcmV2aW91cyBzeXN0ZW0"
[paths]
state_dir = "/var/lib/bty"
[withcache]
url = "http://192.0.2.2:3000"
[nbdmux]
url = "http://192.0.2.2:4040"
[netboot]
tftp_probe_host = "192.0.2.2"
[release]
`

// StartPrevious installs its units, as its deployment does for root, and starts them.
func (h *Host) StartPrevious(ctx context.Context) error {
	for name, unit := range previousUnits {
		text := "[Unit]\nDescription=" + name + "\nWants=network-online.target\n" + strings.TrimSuffix(unit, "\n") +
			"\nAutoUpdate=registry\n[Service]\nRestart=always\n[Install]\nWantedBy=multi-user.target default.target\n"
		if err := h.Write(filepath.Join(Quadlets, name+".container"), text, 0o644); err != nil {
			return err
		}
	}
	if _, err := h.Try(ctx, "systemctl", "daemon-reload"); err != nil {
		return err
	}
	_, err := h.Try(ctx, "systemctl", "start", "withcache", "nbdmux", "bty-web", "bty-tftp")
	return err
}

// BuildPrevious builds the stand-in of the previous system's daemons into a folder.
func BuildPrevious(ctx context.Context, dir string) (string, error) {
	program := filepath.Join(dir, "stack")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-o", program, "bty/internal/testenv/oldstate/stack")
	build.Env = append(build.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return program, nil
}

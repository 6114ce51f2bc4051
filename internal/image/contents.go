package image

import (
	"fmt"
	"path/filepath"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"

	"bty/internal/sbom"
)

// Source is what images are made of.
type Source struct {
	Version  string // of the release, as its programs say it
	Revision string // of the sources, "" if unknown
	URL      string // of the sources, "" if none is to be named
	Date     time.Time
	IPXE     string // folder of the boot programs
	Trust    string // version of TrustModule
	Licence  []byte // ours
	Licences []byte // of what is linked in
	Vendored []byte // list of the files of others in the pages
}

// Build makes the image of one daemon from the folder of programs of that architecture.
func (s Source) Build(name, programs string, arch Arch) (*Image, error) {
	for _, d := range daemons() {
		if d.name == name {
			return s.build(d, programs, arch)
		}
	}
	return nil, fmt.Errorf("no image of %q; there are %q", name, Names())
}

func (s Source) build(d daemon, programs string, arch Arch) (*Image, error) {
	path := filepath.Join(programs, d.name)
	program, err := readProgram(path, arch)
	if err != nil {
		return nil, err
	}
	bill := sbom.New(cdx.ComponentTypeContainer, d.name, s.Version, s.Date)
	if err := bill.AddProgram(path); err != nil {
		return nil, err
	}
	bill.Add(trustPart(s.Trust))
	layers := []Layer{{"certificates, users and folders", append(base(), d.folders...)}}
	if d.boots {
		boot, err := readPrograms(s.IPXE)
		if err != nil {
			return nil, err
		}
		bill.Add(boot.part)
		layers = append(layers, Layer{"iPXE boot programs", boot.files})
	}
	if d.pages {
		parts, err := sbom.Vendored(s.Vendored, "internal/web/ui")
		if err != nil {
			return nil, err
		}
		bill.Add(parts...)
	}
	document, err := bill.JSON()
	if err != nil {
		return nil, err
	}
	layers = append(layers, Layer{d.name, s.own(d, program, document)})
	image, err := build(d.name, arch, s.Date, s.config(d), layers)
	if err != nil {
		return nil, err
	}
	image.Bill = document
	return image, nil
}

// base is the same in every image.
func base() []File {
	return []File{
		{Path: "/etc/passwd", Mode: 0o644, Content: []byte("root:x:0:0:root:/:/sbin/nologin\nbty:x:1000:1000:bty:/:/sbin/nologin\n")},
		{Path: "/etc/group", Mode: 0o644, Content: []byte("root:x:0:\nbty:x:1000:\n")},
		{Path: "/etc/ssl/certs/ca-certificates.crt", Mode: 0o644, Content: trust()},
		{Path: "/etc/bty/", Mode: 0o755},
		// The sockets of a daemon that systemd gave none; an engine that mounts over /run copies this.
		{Path: "/run/bty/", Mode: 0o750, Own: true},
		{Path: "/tmp/", Mode: 0o1777},
	}
}

// own is what no other image has.
func (s Source) own(d daemon, program, bill []byte) []File {
	doc := "/usr/share/doc/" + d.name
	return []File{
		{Path: "/usr/bin/" + d.name, Mode: 0o755, Content: program},
		{Path: doc + "/LICENSE", Mode: 0o644, Content: s.Licence},
		{Path: doc + "/licences-of-others.txt", Mode: 0o644, Content: s.Licences},
		{Path: "/usr/share/sbom/" + d.name + ".cdx.json", Mode: 0o644, Content: bill},
	}
}

// config is what the runtime has to know.
func (s Source) config(d daemon) v1.ImageConfig {
	c := v1.ImageConfig{
		User: fmt.Sprintf("%d:%d", UID, GID), Entrypoint: []string{"/usr/bin/" + d.name}, WorkingDir: "/", StopSignal: "SIGTERM",
		// Where engines mount secrets: one named bty.admin-password is the password, without a variable.
		Env:    append([]string{"PATH=/usr/bin", "CREDENTIALS_DIRECTORY=/run/secrets"}, d.env...),
		Labels: s.labels(d),
	}
	if d.volume != "" {
		c.Volumes = map[string]struct{}{d.volume: {}}
	}
	if len(d.ports) > 0 {
		c.ExposedPorts = map[string]struct{}{}
		for _, p := range d.ports {
			c.ExposedPorts[p] = struct{}{}
		}
	}
	return c
}

func (s Source) labels(d daemon) map[string]string {
	licences := "Apache-2.0"
	if d.boots {
		licences += " AND GPL-2.0-or-later" // iPXE
	}
	labels := map[string]string{
		v1.AnnotationTitle: d.title, v1.AnnotationDescription: d.summary, v1.AnnotationVersion: s.Version,
		v1.AnnotationLicenses: licences, v1.AnnotationCreated: s.Date.Format(time.RFC3339), v1.AnnotationVendor: "bty",
	}
	if s.Revision != "" {
		labels[v1.AnnotationRevision] = s.Revision
	}
	if s.URL != "" {
		labels[v1.AnnotationSource] = s.URL
	}
	return labels
}

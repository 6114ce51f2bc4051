package boots

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"bty/internal/testenv"
	"bty/internal/testenv/appliance"
	"bty/internal/testenv/diskimg"
	"bty/internal/testenv/imagehost"
)

// site is a LAN with everything on it: somebody's DHCP server, the appliance, and a server that
// images are published on.
type site struct {
	t    *testing.T
	lan  *testenv.LAN
	dhcp *testenv.Log
	app  *appliance.Appliance
	op   *appliance.Client
	host *imagehost.Host
	dir  string // of the image host
}

// openSite makes a site. settings are BTY_SECTION_NAME=value for the appliance.
func openSite(ctx context.Context, t *testing.T, settings ...string) *site {
	t.Helper()
	s := &site{t: t, lan: openLAN(ctx, t)}
	dnsmasq, err := s.lan.DHCP(ctx, testenv.StockBootFiles, "")
	if err != nil {
		t.Fatal(err)
	}
	s.dhcp = dnsmasq.Log
	s.app, err = appliance.Start(ctx, s.lan, appliance.Config{Build: filepath.Dir(built(t, "bin")), Env: settings})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.app.Close(); err != nil {
			t.Errorf("the appliance did not end well: %v", err)
		}
	})
	for _, log := range []*testenv.Log{s.app.Web, s.app.TFTP, s.dhcp} {
		reportOnFailure(t, log)
	}
	if s.op, err = s.app.Operator(ctx); err != nil {
		t.Fatal(err)
	}
	s.dir = filepath.Join(s.lan.Dir, "images")
	if err := os.Mkdir(s.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s.host = imagehost.New(s.lan, testenv.ServerIP+":8090", s.dir)
	if err := s.host.Up(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.host.Down)
	return s
}

// image makes an image and packs it, ready to be published. The first result is the raw one.
func (s *site) image(ctx context.Context, spec diskimg.Spec) (raw, packed diskimg.Image) {
	s.t.Helper()
	raw, err := diskimg.Build(ctx, filepath.Join(s.dir, "image.img"), spec)
	if err != nil {
		s.t.Fatal(err)
	}
	packed, err = diskimg.Pack(ctx, raw, ".zst")
	if err != nil {
		s.t.Fatal(err)
	}
	return raw, packed
}

// publish puts an image on the image host and into the catalog, and returns its reference.
func (s *site) publish(ctx context.Context, image diskimg.Image, digest string) string {
	s.t.Helper()
	url, digestURL, err := s.host.PublishAs(image, digest)
	if err != nil {
		s.t.Fatal(err)
	}
	ref, err := s.op.AddImage(ctx, url, digestURL)
	if err != nil {
		s.t.Fatal(err)
	}
	return ref
}

func (s *site) bind(ctx context.Context, mac string, b appliance.Binding) {
	s.t.Helper()
	if err := s.op.Bind(ctx, mac, b); err != nil {
		s.t.Fatal(err)
	}
}

// oldDisk is a disk that boots to oldLine: what was on the machine before.
func (s *site) oldDisk(ctx context.Context, serial string, size int64) testenv.Disk {
	s.t.Helper()
	d := newDisk(s.t, s.lan, serial, size)
	old := newImage(ctx, s.t, s.lan, serial+".old", diskimg.Spec{Line: oldLine, Size: diskimg.MinSize, Seed: 99})
	content, err := os.Open(old.File)
	if err != nil {
		s.t.Fatal(err)
	}
	defer content.Close()
	if err := d.Fill(content); err != nil {
		s.t.Fatal(err)
	}
	return d
}

// Lines that disks say when they boot.
const (
	oldLine = "the old disk is running"
	newLine = "the flashed disk is running"
)

func (s *site) wait(ctx context.Context, mac string, timeout time.Duration, wanted func(appliance.Machine) bool) appliance.Machine {
	s.t.Helper()
	m, err := s.op.WaitMachine(ctx, mac, timeout, wanted)
	if err != nil {
		s.t.Fatal(err)
	}
	return m
}

// events are the summaries of a machine's events of one kind, oldest first.
func (s *site) events(ctx context.Context, mac, kind string) []string {
	s.t.Helper()
	all, err := s.op.Events(ctx, mac)
	if err != nil {
		s.t.Fatal(err)
	}
	var found []string
	for _, e := range all {
		if e.Kind == kind {
			found = append(found, e.Summary)
		}
	}
	return found
}

// plans are the modes of the plans that the machine got, oldest first.
func (s *site) plans(ctx context.Context, mac string) string {
	var modes []string
	for _, summary := range s.events(ctx, mac, "netboot.pxe.plan") {
		modes = append(modes, summary[strings.LastIndexByte(summary, ' ')+1:])
	}
	return strings.Join(modes, " ")
}

// checkDisk compares the disk with the raw image, byte for byte.
func (s *site) checkDisk(d testenv.Disk, raw diskimg.Image) {
	s.t.Helper()
	if got := s.digestOf(d, raw.Size); got != raw.SHA256 {
		s.t.Errorf("the disk's first %d bytes have digest %s; the image's is %s", raw.Size, got, raw.SHA256)
	}
}

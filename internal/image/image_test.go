package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/content/oci"
	"oras.land/oras-go/v2/registry"
)

var date = time.Unix(1700000000, 0).UTC()

var scratch string

func TestMain(m *testing.M) {
	var err error
	if scratch, err = os.MkdirTemp("", "image"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(scratch)
	os.Exit(code)
}

// programs is a folder with a small program by every daemon's name, for each architecture.
var programs = sync.OnceValues(func() (map[Arch]string, error) {
	folders := map[Arch]string{}
	for _, arch := range []Arch{X86, ARM64} {
		dir := filepath.Join(scratch, string(arch))
		folders[arch] = dir
		for _, name := range Names() {
			cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", filepath.Join(dir, name), "./testdata/tiny")
			cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH="+arch.Go())
			if out, err := cmd.CombinedOutput(); err != nil {
				return nil, fmt.Errorf("go build: %w\n%s", err, out)
			}
		}
	}
	return folders, nil
})

func of(t *testing.T, arch Arch) string {
	t.Helper()
	folders, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	return folders[arch]
}

// boot makes a folder as `make ipxe` does, in which one program is there under two names.
func boot(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	sums := map[string]string{}
	for name, text := range map[string]string{"ipxe.efi": "program", "ipxe-amd64.efi": "program", "undionly.kpxe": "other", "copyright": "whose"} {
		write(t, filepath.Join(dir, name), text)
		sum := sha256.Sum256([]byte(text))
		sums[name] = hex.EncodeToString(sum[:])
	}
	manifest, err := json.Marshal(map[string]any{"package": "ipxe", "version": "1.2+dfsg-1", "suite": "trixie", "licence": "copyright", "sha256": sums})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "MANIFEST.json"), string(manifest))
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func source(t *testing.T) Source {
	return Source{
		Version: "1.2.3", Revision: "0123456", URL: "https://example.org/bty", Date: date, IPXE: boot(t), Trust: "v0.1.0",
		Licence: []byte("ours"), Licences: []byte("of others"), Vendored: []byte("# list\nbootstrap 5.3.9 internal/web/ui/static/vendor LICENSE\n"),
	}
}

// opened is an archive as a library reads it that has not written it.
type opened struct {
	store    *oci.ReadOnlyStore
	root     v1.Descriptor
	manifest v1.Manifest
	about    v1.Image
}

func open(t *testing.T, path, ref string) opened {
	t.Helper()
	store, err := oci.NewFromTar(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	root, err := store.Resolve(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	o := opened{store: store, root: root}
	if root.MediaType == v1.MediaTypeImageManifest {
		o.json(t, root, &o.manifest)
		o.json(t, o.manifest.Config, &o.about)
	}
	return o
}

func (o opened) json(t *testing.T, d v1.Descriptor, v any) {
	t.Helper()
	raw, err := content.FetchAll(t.Context(), o.store, d) // proves size and digest
	if err == nil {
		err = json.Unmarshal(raw, v)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// files lists mode, owner and path of what the layers hold, and the contents by path.
func (o opened) files(t *testing.T) (listing []string, contents map[string]string) {
	t.Helper()
	contents = map[string]string{}
	for i, layer := range o.manifest.Layers {
		raw, err := content.FetchAll(t.Context(), o.store, layer)
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.New()
		r := tar.NewReader(io.TeeReader(z, sum))
		for {
			h, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			line := fmt.Sprintf("%d %s %d:%d /%s", i, h.FileInfo().Mode(), h.Uid, h.Gid, h.Name)
			if h.Linkname != "" {
				line += " -> " + h.Linkname
			}
			if !h.ModTime.Equal(date) || h.Uname != "" {
				t.Errorf("%s: of %v, %q", line, h.ModTime, h.Uname)
			}
			listing, contents["/"+h.Name] = append(listing, line), string(text)
		}
		if _, err := io.Copy(sum, z); err != nil {
			t.Fatal(err)
		}
		if got := "sha256:" + hex.EncodeToString(sum.Sum(nil)); got != o.about.RootFS.DiffIDs[i].String() {
			t.Errorf("layer %d is %s, its image says %s", i, got, o.about.RootFS.DiffIDs[i])
		}
	}
	return listing, contents
}

// What is in each image, and how it is started, is what testdata lists; UPDATE=1 writes the lists.
func TestContents(t *testing.T) {
	for _, name := range Names() {
		i, err := source(t).Build(name, of(t, X86), X86)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "image.tar")
		if err := i.Archive(path, "localhost/"+name+":1.2.3", date); err != nil {
			t.Fatal(err)
		}
		o := open(t, path, "localhost/"+name+":1.2.3")
		listing, contents := o.files(t)
		config, err := json.MarshalIndent(o.about.Config, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		compare(t, "testdata/"+name+".txt", strings.Join(listing, "\n")+"\n\n"+string(config)+"\n")
		if o.about.Architecture != "amd64" || o.about.OS != "linux" || len(o.about.RootFS.DiffIDs) != len(o.manifest.Layers) {
			t.Errorf("%s: %+v", name, o.about)
		}
		if d := cmp.Diff(o.about.Config.Labels, o.manifest.Annotations); d != "" {
			t.Errorf("%s: labels and annotations differ:\n%s", name, d)
		}
		checkContents(t, name, contents, of(t, X86))
	}
}

func checkContents(t *testing.T, name string, contents map[string]string, folder string) {
	t.Helper()
	program, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil || contents["/usr/bin/"+name] != string(program) {
		t.Errorf("%s: another program (%v)", name, err)
	}
	certificates := 0
	for rest := []byte(contents["/etc/ssl/certs/ca-certificates.crt"]); len(rest) > 0; certificates++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			t.Fatalf("%s: no certificate in %d bytes", name, len(rest))
		}
		if c, err := x509.ParseCertificate(block.Bytes); err != nil || !c.IsCA {
			t.Errorf("%s: certificate %d is no CA's (%v)", name, certificates, err)
		}
	}
	if certificates < 100 {
		t.Errorf("%s trusts %d certificates", name, certificates)
	}
	if _, ok := contents["/usr/lib/ipxe/undionly.kpxe"]; ok && !strings.Contains(contents["/usr/lib/ipxe/GPL-2"], "GNU GENERAL PUBLIC LICENSE") {
		t.Errorf("%s has iPXE without its licence", name)
	}
}

func compare(t *testing.T, golden, got string) {
	t.Helper()
	if os.Getenv("UPDATE") == "1" {
		write(t, golden, got)
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); d != "" {
		t.Errorf("%s (UPDATE=1 writes it again):\n%s", golden, d)
	}
}

// Two builds, from folders of different age and place, are the same bytes.
func TestTwoBuildsAreTheSameBytes(t *testing.T) {
	make := func() (archive, index []byte) {
		s, dir := source(t), t.TempDir()
		copied := filepath.Join(dir, "programs")
		if err := os.CopyFS(copied, os.DirFS(of(t, ARM64))); err != nil {
			t.Fatal(err)
		}
		i, err := s.Build("bty-web", copied, ARM64)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(i.Archive(dir+"/a.tar", "r/bty-web:1", date), Index(dir+"/i.tar", "r/bty-web:1", date, []*Image{i})); err != nil {
			t.Fatal(err)
		}
		return read(t, dir+"/a.tar"), read(t, dir+"/i.tar")
	}
	archive, index := make()
	archive2, index2 := make()
	if !bytes.Equal(archive, archive2) || !bytes.Equal(index, index2) {
		t.Error("two builds differ")
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Images of one name for two architectures are one index, and each has its bill of materials as a
// referrer, as registries list them.
func TestIndex(t *testing.T) {
	s, path := source(t), filepath.Join(t.TempDir(), "index.tar")
	var images []*Image
	for _, arch := range []Arch{X86, ARM64} {
		i, err := s.Build("bty-tftp", of(t, arch), arch)
		if err != nil {
			t.Fatal(err)
		}
		images = append(images, i)
	}
	if err := Index(path, "registry.example/lab/bty-tftp:1.2.3", date, images); err != nil {
		t.Fatal(err)
	}
	o := open(t, path, "registry.example/lab/bty-tftp:1.2.3")
	var index v1.Index
	o.json(t, o.root, &index)
	shared := map[string]int{}
	for n, want := range []string{"amd64", "arm64"} {
		d := index.Manifests[n]
		if d.Platform.Architecture != want {
			t.Errorf("image %d is for %s", n, d.Platform.Architecture)
		}
		var manifest v1.Manifest
		o.json(t, d, &manifest)
		for _, l := range manifest.Layers {
			shared[l.Digest.String()]++
		}
		d.Platform = nil
		referrers, err := registry.Referrers(context.Background(), o.store, d, billType)
		if err != nil || len(referrers) != 1 {
			t.Fatalf("%s: %d bills attached, %v", want, len(referrers), err)
		}
		var artifact v1.Manifest
		o.json(t, referrers[0], &artifact)
		var bill struct{ BOMFormat string }
		if o.json(t, artifact.Layers[0], &bill); bill.BOMFormat != "CycloneDX" {
			t.Errorf("%s: attached is %+v", want, bill)
		}
	}
	if len(index.Manifests) != 2 || len(shared) != 4 {
		t.Errorf("%d images with %d different layers, want 2 with 4: all but the program is the same", len(index.Manifests), len(shared))
	}
}

// What would make an image that does not start is refused, by name and with what to do.
func TestWrongInputs(t *testing.T) {
	good := source(t)
	damaged := boot(t)
	write(t, damaged+"/undionly.kpxe", "damaged")
	nameless := boot(t)
	write(t, nameless+"/MANIFEST.json", "{}")
	script := t.TempDir()
	write(t, script+"/bty-sniff", "#!/bin/sh\n")
	with := func(ipxe string) Source { s := good; s.IPXE = ipxe; return s }
	for name, tt := range map[string]struct {
		source      Source
		image, from string
		arch        Arch
		says        string
	}{
		"another architecture": {good, "bty-web", of(t, X86), ARM64, "is for amd64, not for arm64; make build ARCH=arm64"},
		"no programs":          {good, "bty-web", t.TempDir(), X86, "no such file or directory; make build ARCH=x86_64"},
		"a script":             {good, "bty-sniff", script, X86, "bty-sniff is no program of ours"},
		"no boot programs":     {with(t.TempDir()), "bty-tftp", of(t, X86), X86, "make ipxe"},
		"damaged":              {with(damaged), "bty-tftp", of(t, X86), X86, "undionly.kpxe is not the file that was fetched"},
		"of unknown origin":    {with(nameless), "bty-web", of(t, X86), X86, "does not say where they come from"},
		"an unknown daemon":    {good, "bty-dhcp", of(t, X86), X86, `no image of "bty-dhcp"`},
	} {
		if _, err := tt.source.Build(tt.image, tt.from, tt.arch); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want it to say %q", name, err, tt.says)
		}
	}
	if _, err := ParseArch("riscv64"); err == nil || !strings.Contains(err.Error(), "x86_64 and arm64") {
		t.Error(err)
	}
}

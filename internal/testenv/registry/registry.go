// Package registry is an OCI registry for tests: Debian's docker-registry, filled by a real client.
package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
)

// The one account of a registry that lets nobody else in.
const (
	User     = "bty"
	Password = "registry-secret"
	account  = User + ":$2b$04$WYxBVib2qrf1pjN.83Jd0O0DNX/NE6JfSPjkjZ4n2Ed9ci6yRfRTO\n"
)

// Registry is a running registry.
type Registry struct {
	testing.TB
	Host    string // 127.0.0.1:port
	private bool
	access  string // who may do what, as its configuration has it
}

// Start runs a registry for the test; a private one lets only User in.
func Start(t testing.TB, private bool) *Registry {
	t.Helper()
	r := &Registry{TB: t, Host: freeAddress(t), private: private}
	if private {
		accounts := filepath.Join(t.TempDir(), "htpasswd")
		r.write(accounts, account)
		r.access = fmt.Sprintf("auth: {htpasswd: {realm: test, path: %s}}\n", accounts)
	}
	r.start()
	return r
}

func (r *Registry) start() {
	t := r.TB
	t.Helper()
	program, err := exec.LookPath("docker-registry")
	if err != nil {
		t.Fatal("docker-registry is missing: apt-get install docker-registry")
	}
	cmd := exec.Command(program, "serve", r.configure(t.TempDir()))
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Env = append(os.Environ(), "OTEL_TRACES_EXPORTER=none")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if resp, err := http.Get("http://" + r.Host + "/v2/"); err == nil {
			resp.Body.Close()
			return
		}
		select {
		case <-ended:
			t.Fatalf("docker-registry ended:\n%s", said.String())
		default:
		}
		if time.Now().After(deadline) {
			t.Fatal("docker-registry does not answer within 20 s")
		}
	}
}

func (r *Registry) configure(dir string) string {
	config := fmt.Sprintf("version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: %q}\n%s", filepath.Join(dir, "data"), r.Host, r.access)
	path := filepath.Join(dir, "config.yml")
	r.write(path, config)
	return path
}

func (r *Registry) write(path, text string) {
	r.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		r.Fatal(err)
	}
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Layer is one blob of an artifact.
type Layer struct {
	Type, Title string
	Content     string
}

// Push publishes an artifact of layers and returns the digest of its manifest. An artifact
// without a tag can be reached by that digest alone.
func (r *Registry) Push(repository, tag string, layers ...Layer) string {
	r.Helper()
	ctx, repo := context.Background(), r.repository(repository)
	var blobs []ocispec.Descriptor
	for _, layer := range layers {
		blob := content.NewDescriptorFromBytes(layer.Type, []byte(layer.Content))
		if layer.Title != "" {
			blob.Annotations = map[string]string{ocispec.AnnotationTitle: layer.Title}
		}
		if err := repo.Push(ctx, blob, bytes.NewReader([]byte(layer.Content))); err != nil {
			r.Fatal(err)
		}
		blobs = append(blobs, blob)
	}
	manifest, err := oras.PackManifest(ctx, repo, oras.PackManifestVersion1_1, "application/vnd.test.disk-image.v1",
		oras.PackManifestOptions{Layers: blobs, ManifestAnnotations: map[string]string{ocispec.AnnotationCreated: "2026-01-01T00:00:00Z"}})
	if err != nil {
		r.Fatal(err)
	}
	if tag != "" {
		if err := repo.Tag(ctx, manifest, tag); err != nil {
			r.Fatal(err)
		}
	}
	return manifest.Digest.String()
}

// PushIndex publishes an index of manifests that are in the repository already.
func (r *Registry) PushIndex(repository, tag string, manifests ...string) {
	r.Helper()
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex}
	repo := r.repository(repository)
	for _, one := range manifests {
		described, err := repo.Resolve(context.Background(), one)
		if err != nil {
			r.Fatal(err)
		}
		described.Platform = &ocispec.Platform{OS: "linux", Architecture: "arm64"}
		index.Manifests = append(index.Manifests, described)
	}
	raw, err := json.Marshal(index)
	if err != nil {
		r.Fatal(err)
	}
	described := content.NewDescriptorFromBytes(index.MediaType, raw)
	if err := repo.Manifests().PushReference(context.Background(), described, bytes.NewReader(raw), tag); err != nil {
		r.Fatal(err)
	}
}

func (r *Registry) repository(name string) *remote.Repository {
	r.Helper()
	repo, err := remote.NewRepository(r.Host + "/" + name)
	if err != nil {
		r.Fatal(err)
	}
	repo.PlainHTTP = true
	if r.private {
		repo.Client = &auth.Client{Credential: auth.StaticCredential(r.Host, auth.Credential{Username: User, Password: Password})}
	}
	return repo
}

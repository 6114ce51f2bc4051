package oras

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"bty/internal/testenv/registry"
)

const layerType = "application/vnd.test.disk-image.layer.v1+gzip"

func sum(content string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(content))) }

func TestResolve(t *testing.T) {
	r := registry.Start(t, false)
	c := &Client{PlainHTTP: []string{r.Host}}
	full := r.Push("lab/debian", "latest",
		registry.Layer{Type: layerType, Title: "debian-x86_64.img.gz", Content: "the image itself"},
		registry.Layer{Type: "text/plain", Title: "debian-x86_64.img.gz.sha256", Content: strings.Repeat("a longer sidecar ", 10)},
		registry.Layer{Type: "application/vnd.cyclonedx+json", Title: "bill", Content: strings.Repeat("an even longer list ", 20)},
		registry.Layer{Type: "application/zip", Title: "report.zip", Content: "small"})
	untitled := r.Push("lab/untitled", "Tag_1.2", registry.Layer{Type: layerType, Content: "bytes"})
	want := Image{Manifest: full, Digest: sum("the image itself"), Size: 16, Title: "debian-x86_64.img.gz", MediaType: layerType,
		URL: "http://" + r.Host + "/v2/lab/debian/blobs/" + sum("the image itself")}
	blob := want
	blob.Manifest, blob.Title, blob.MediaType = "", "", "application/octet-stream"
	tests := []struct {
		src  string
		want Image
	}{
		{"oras://" + r.Host + "/lab/debian:latest", want},
		{"ORAS://" + r.Host + "/lab/debian:latest", want},
		{"oras://" + r.Host + "/lab/debian@" + full, want},
		{"oras://" + r.Host + "/lab/debian@" + want.Digest, blob}, // existing catalogs pin the blob
		{"oras://" + r.Host + "/lab/untitled:Tag_1.2", Image{Manifest: untitled, Digest: sum("bytes"), Size: 5, MediaType: layerType,
			URL: "http://" + r.Host + "/v2/lab/untitled/blobs/" + sum("bytes")}},
	}
	for _, test := range tests {
		got, err := c.Resolve(t.Context(), test.src)
		if err != nil || got != test.want {
			t.Errorf("%s:\n%+v, %v, want\n%+v", test.src, got, err, test.want)
		}
	}
	moved := r.Push("lab/debian", "latest", registry.Layer{Type: layerType, Title: "debian-x86_64.img.gz", Content: "rebuilt"})
	if got, err := c.Resolve(t.Context(), "oras://"+r.Host+"/lab/debian:latest"); err != nil || got.Manifest != moved || got.Digest != sum("rebuilt") {
		t.Errorf("after the tag moved: %+v, %v", got, err)
	}
	if got, err := c.Resolve(t.Context(), "oras://"+r.Host+"/lab/debian@"+full); err != nil || got != want {
		t.Errorf("what is pinned does not move: %+v, %v", got, err)
	}
}

func TestNotResolved(t *testing.T) {
	r := registry.Start(t, false)
	c := &Client{PlainHTTP: []string{r.Host}}
	one := r.Push("lab/a", "amd64", registry.Layer{Type: layerType, Content: "x"})
	r.PushIndex("lab/a", "index", one)
	r.Push("lab/chart", "v1", registry.Layer{Type: "application/vnd.cncf.helm.chart.content.v1.tar+gzip", Content: "x"})
	tests := []struct{ src, says string }{
		{"oras://" + r.Host + "/lab/a:index", "image index"},
		{"oras://" + r.Host + "/lab/a:index", one + " (linux/arm64)"},
		{"oras://" + r.Host + "/lab/chart:v1", "none of its 1 layers is a disk image"},
		{"oras://" + r.Host + "/lab/a:none", "is not in the registry"},
		{"oras://" + r.Host + "/lab/none:amd64", "is not in the registry"},
		{"oras://" + r.Host + "/lab/a@" + sum("nothing"), "is not in the registry"},
		{"oras://" + r.Host + "/lab/a", "no tag or digest"},
		{"oras://" + r.Host + "/lab/a:amd64@" + one, "a tag and a digest"},
		{"oras://" + r.Host + "/lab/a:b:c", "malformed"},
		{"oras://" + r.Host + "/../a:b", "malformed"},
		{"oras://" + r.Host, "malformed"},
		{"https://" + r.Host + "/lab/a:amd64", "no OCI reference"},
		{"oras://user:secret@" + r.Host + "/lab/a:amd64", "the file of credentials"},
	}
	for _, test := range tests {
		_, err := c.Resolve(t.Context(), test.src)
		if err == nil || !strings.Contains(err.Error(), test.says) || len(err.Error()) > 2000 || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q", test.src, err, test.says)
		}
	}
	_, err := new(Client).Resolve(t.Context(), "oras://"+r.Host+"/lab/a:amd64") // over https, which it does not speak
	if err == nil || !strings.Contains(err.Error(), "https://"+r.Host) {
		t.Errorf("a registry that is not listed was asked over http: %v", err)
	}
}

func TestCredentials(t *testing.T) {
	r := registry.Start(t, true)
	r.Push("lab/a", "v1", registry.Layer{Type: layerType, Title: "a.img.gz", Content: "x"})
	src := "oras://" + r.Host + "/lab/a:v1"
	file := filepath.Join(t.TempDir(), "config.json")
	write := func(host, password string) {
		auth := base64.StdEncoding.EncodeToString([]byte(registry.User + ":" + password))
		raw, _ := json.Marshal(map[string]any{"auths": map[string]any{host: map[string]any{"auth": auth}}})
		if err := os.WriteFile(file, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := &Client{PlainHTTP: []string{r.Host}, CredentialsFile: file}
	refused := func(c *Client, says string) {
		t.Helper()
		_, err := c.Resolve(t.Context(), src)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v, want %q", err, says)
		}
	}
	refused(&Client{PlainHTTP: []string{r.Host}}, "credentials_file")
	refused(c, file) // there is no such file
	write(r.Host, "wrong-secret")
	refused(c, "credentials_file")
	write("other.example:5000", registry.Password)
	refused(c, "credentials_file")
	write(r.Host, registry.Password) // counts at once
	if got, err := c.Resolve(t.Context(), src); err != nil || got.Digest != sum("x") {
		t.Errorf("%+v %v", got, err)
	}
	if err := os.WriteFile(file, []byte(`{"auths": {"`+r.Host+`": {"auth": "secret !"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(c, "not in the format")
	if err := os.WriteFile(file, []byte(`secret`), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(c, "not in the format")
}

func TestFetch(t *testing.T) {
	r := registry.Start(t, false)
	c := &Client{PlainHTTP: []string{r.Host}}
	r.Push("lab/catalog", "v1", registry.Layer{Type: "application/toml", Title: "catalog.toml", Content: "version = 1\n"})
	if got, err := c.Fetch(t.Context(), "oras://"+r.Host+"/lab/catalog:v1", 100); err != nil || string(got) != "version = 1\n" {
		t.Errorf("%q %v", got, err)
	}
	if _, err := c.Fetch(t.Context(), "oras://"+r.Host+"/lab/catalog:v1", 5); err == nil || !strings.Contains(err.Error(), "more than the 5") {
		t.Error(err)
	}
	if _, err := c.Fetch(t.Context(), "oras://"+r.Host+"/lab/none:v1", 5); err == nil {
		t.Error("there is none")
	}
}

// fake is a registry in bad health, which a real one cannot be made to be.
func fake(t *testing.T, answer http.HandlerFunc) (*Client, string, *atomic.Int32) {
	t.Helper()
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	return &Client{PlainHTTP: []string{host}}, "oras://" + host + "/lab/a:v1", &asked
}

func TestRetries(t *testing.T) {
	tests := []struct {
		status int
		asked  int32
	}{{429, 3}, {500, 3}, {502, 3}, {503, 3}, {504, 3}, {400, 1}, {403, 1}, {404, 1}, {418, 1}}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.status), func(t *testing.T) {
			t.Parallel()
			c, src, asked := fake(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(test.status) })
			if _, err := c.Resolve(t.Context(), src); err == nil || asked.Load() != test.asked {
				t.Errorf("asked %d times: %v", asked.Load(), err)
			}
		})
	}
	t.Run("cut connection", func(t *testing.T) {
		t.Parallel()
		c, src, asked := fake(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
		if _, err := c.Resolve(t.Context(), src); err == nil || asked.Load() < 3 {
			t.Errorf("asked %d times: %v", asked.Load(), err)
		}
	})
	t.Run("caller is gone", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		c, src, asked := fake(t, func(_ http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() })
		if _, err := c.Resolve(ctx, src); err == nil || asked.Load() != 1 {
			t.Errorf("asked %d times: %v", asked.Load(), err)
		}
	})
}

func TestHostileManifests(t *testing.T) {
	huge := strings.Repeat("x", maxMetadata+1)
	layer := func(digest string, size int) string {
		return fmt.Sprintf(`{"layers":[{"mediaType":"x","digest":%q,"size":%d}]}`, digest, size)
	}
	tests := []struct{ name, body, says string }{
		{"too large", huge, "manifest has"},
		{"no JSON", "<html>", "not JSON"},
		{"no layer", "{}", "no layer"},
		{"layers are text", `{"layers":"x"}`, "not JSON"},
		{"bad digest", layer("sha256:../../x", 1), "want sha256"},
		{"other digest", layer("sha512:"+strings.Repeat("ab", 64), 1), "want sha256"},
		{"no digest", layer("", 1), "want sha256"},
		{"negative size", layer(sum("x"), -1), "-1 bytes"},
		{"index without a type", `{"manifests":[{"digest":"` + strings.Repeat("y", 5000) + `"}]}`, "image index"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, src, _ := fake(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", ocispec.MediaTypeImageManifest)
				w.Header().Set("Content-Length", fmt.Sprint(len(test.body)))
				fmt.Fprint(w, test.body)
			})
			_, err := c.Resolve(t.Context(), src)
			if err == nil || !strings.Contains(err.Error(), test.says) || len(err.Error()) > 2000 {
				t.Errorf("%.3000v", err)
			}
		})
	}
}

func TestChoose(t *testing.T) {
	layer := func(mediaType, name string, size int64) ocispec.Descriptor {
		return ocispec.Descriptor{MediaType: mediaType, Size: size, Annotations: map[string]string{ocispec.AnnotationTitle: name}}
	}
	tests := []struct {
		name   string
		layers []ocispec.Descriptor
		want   string
	}{
		{"largest", []ocispec.Descriptor{layer("a", "small", 1), layer("a", "large", 3), layer("a", "middle", 2)}, "large"},
		{"first of equals", []ocispec.Descriptor{layer("a", "one", 1), layer("a", "two", 1)}, "one"},
		{"sidecar is larger", []ocispec.Descriptor{layer("a", "x.img", 1), layer("a", "x.img.SHA256", 9), layer("a", "x.json", 9), layer("a", "x.sbom", 9)}, "x.img"},
		{"sidecars alone", []ocispec.Descriptor{layer("a", "x.sig", 1), layer("a", "x.json", 2)}, "x.json"},
		{"signature is larger", []ocispec.Descriptor{layer("a", "x", 1), layer("application/vnd.dev.cosign.simplesigning.v1+json", "y", 9)}, "x"},
		{"sidecar before a chart", []ocispec.Descriptor{layer("a", "x.sig", 1), layer("application/vnd.cncf.helm.chart.provenance.v1.prov", "y", 9)}, "x.sig"},
	}
	for _, test := range tests {
		if got, err := choose(test.layers); err != nil || title(got) != test.want {
			t.Errorf("%s: %q, %v", test.name, title(got), err)
		}
	}
	for _, mediaType := range []string{"application/vnd.cncf.helm.chart.content.v1.tar+gzip", "application/vnd.dev.cosign.simplesigning.v1+json", "application/vnd.dev.sigstore.bundle.v0.3+json",
		"application/vnd.in-toto+json", "application/vnd.dsse.envelope.v1+json", "application/spdx+json", "text/spdx", "application/vnd.cyclonedx+xml", "application/vnd.oci.empty.v1+json"} {
		if got, err := choose([]ocispec.Descriptor{layer(mediaType, "x.img.gz", 1)}); err == nil {
			t.Errorf("%s is taken for an image: %v", mediaType, got)
		}
	}
}

func TestHosts(t *testing.T) {
	if got := Hosts(" a:5000,B:1\n c "); fmt.Sprint(got) != "[a:5000 b:1 c]" {
		t.Error(got)
	}
}

func FuzzPick(f *testing.F) {
	f.Add("", []byte(`{"layers":[{"mediaType":"x","digest":"`+sum("x")+`","size":1}]}`))
	f.Add(ocispec.MediaTypeImageIndex, []byte(`{"manifests":[{"digest":"x"}]}`))
	f.Add("", []byte(`{"layers":[{"size":-1},null]}`))
	f.Fuzz(func(t *testing.T, mediaType string, raw []byte) {
		layer, err := pick(mediaType, raw)
		if err == nil && (layer.Digest.Validate() != nil || layer.Size < 0) {
			t.Errorf("%+v", layer)
		}
		if err != nil && len(err.Error()) > 5000 {
			t.Errorf("the message has %d bytes", len(err.Error()))
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"oras://h/a/b:t", "oras://h:5000/a@" + sum("x"), "oras://", "ORAS://h/a:t", "oras://h/a:t@x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		ref, err := parse(src)
		if err == nil && (ref.Reference == "" || ref.Repository == "" || strings.ContainsAny(ref.Registry, "/@ \n")) {
			t.Errorf("%q became %+v", src, ref)
		}
	})
}

// curl speaks the protocol of pushing as its specification has it, and makes a manifest of the kind
// that older tools make.
func TestPushedByCurl(t *testing.T) {
	r := registry.Start(t, false)
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	curl := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("curl", append([]string{"-fsS"}, args...)...).Output()
		if err != nil {
			t.Fatalf("curl %v: %v", args, err)
		}
		return strings.TrimSpace(string(out))
	}
	base := "http://" + r.Host + "/v2/lab/curl"
	push := func(content string) string {
		t.Helper()
		place := curl("-X", "POST", "-o", "/dev/null", "-w", "%header{location}", base+"/blobs/uploads/")
		join := "?"
		if strings.Contains(place, "?") {
			join = "&"
		}
		curl("-X", "PUT", "-H", "Content-Type: application/octet-stream", "--data-binary", "@"+file("blob", content), place+join+"digest="+sum(content))
		return sum(content)
	}
	manifest := fmt.Sprintf(`{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json",
 "config":{"mediaType":"application/vnd.docker.container.image.v1+json","size":2,"digest":%q},
 "layers":[{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","size":11,"digest":%q}]}`, push("{}"), push("disk image."))
	curl("-X", "PUT", "-H", "Content-Type: application/vnd.docker.distribution.manifest.v2+json", "--data-binary", "@"+file("manifest", manifest), base+"/manifests/old")
	got, err := (&Client{PlainHTTP: []string{r.Host}}).Resolve(t.Context(), "oras://"+r.Host+"/lab/curl:old")
	if err != nil || got.Manifest != sum(manifest) || got.Digest != sum("disk image.") || got.Size != 11 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestParseMirrors(t *testing.T) {
	got, err := ParseMirrors(" GHCR.io=m:5000/ghcr, ghcr.io=n\n a:1=b ")
	if err != nil || fmt.Sprint(got) != "map[a:1:[b] ghcr.io:[m:5000/ghcr n]]" {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"ghcr.io", "=m", "ghcr.io=", "ghcr.io/x=m", "ghcr.io=http://m", "ghcr.io=m/../x", "ghcr.io=m/", "a=b=c", strings.Repeat("a=b,", maxMirrors+1)} {
		if got, err := ParseMirrors(bad); err == nil {
			t.Errorf("%q: %v", bad, got)
		}
	}
}

func FuzzMirrors(f *testing.F) {
	for _, s := range []string{"", "ghcr.io=m:5000/ghcr,ghcr.io=n", "a=b=c", "=", "a=b/../c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		mirrors, err := ParseMirrors(s)
		for host, bases := range mirrors {
			for _, base := range bases {
				if err == nil && (strings.ContainsAny(host+base, "@? \n=") || strings.Contains(base, "/.") || host == "" || base == "") {
					t.Errorf("%q became %q at %q", s, host, base)
				}
			}
		}
	})
}

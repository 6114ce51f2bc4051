package pyclient

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"bty/internal/testenv/registry"
)

const layerType = "application/vnd.test.disk-image.layer.v1+gzip"

// A plan may name an image of a registry: the client asks the registry itself, as anybody, twice,
// and takes the digest that the registry names.
func TestFromARegistry(t *testing.T) {
	t.Parallel()
	real := registry.Start(t, false)
	front := real.Front()
	raw := noise(6 * mib)
	published := packed(t, raw, "img.gz")
	real.Push("lab/disk", "v1", registry.Layer{Type: layerType, Title: "disk.img.gz", Content: string(published)},
		registry.Layer{Type: "application/spdx+json", Title: "sbom", Content: strings.Repeat("x", 7*mib)})
	w := newWorld(t, "SSL_CERT_FILE="+front.CAs)
	flash := func(src string) Outcome {
		t.Helper()
		entry := w.Do("POST", "/catalog/entries", map[string]any{"image_url": src}).Is(201).Object()
		w.bind("bty-flash-always", entry["bty_image_ref"])
		if !w.powerOn() {
			t.Fatal("the live environment is not started")
		}
		c := w.client()
		c.CAs = front.CAs
		return c.Run(t.Context())
	}
	before := len(front.Asked())
	if got := flash("oras://" + front.Host + "/lab/disk:v1"); got.Result != 0 || !got.Rebooted {
		t.Fatalf("%+v", got)
	}
	w.wantDisk(raw)
	asked := front.Asked()[before:]
	manifests := slices.DeleteFunc(slices.Clone(asked), func(l string) bool { return l != "GET /v2/lab/disk/manifests/v1" })
	if len(manifests) < 2 || slices.Contains(front.Asked(), "the object store was sent a token") {
		t.Errorf("the registry was asked %q", asked)
	}

	// What is pinned by a manifest's digest comes as the blob's, which is all that the client knows.
	other := noise(5 * mib)
	again := packed(t, other, "img.gz")
	manifest := real.Push("lab/disk", "v1", registry.Layer{Type: layerType, Title: "disk.img.gz", Content: string(again)})
	if got := flash("oras://" + front.Host + "/lab/disk@" + manifest); got.Result != 0 || !got.Rebooted {
		t.Fatalf("%+v", got)
	}
	w.wantDisk(other)
}

// What the client makes of a registry that does not let it in, or has something else.
func TestRegistryThatHasNone(t *testing.T) {
	t.Parallel()
	real := registry.Start(t, false)
	front := real.Front()
	real.Push("lab/chart", "v1", registry.Layer{Type: "application/vnd.cncf.helm.chart.content.v1.tar+gzip", Content: "x"})
	real.PushIndex("lab/chart", "index", real.Push("lab/chart", "arm64", registry.Layer{Type: layerType, Content: "y"}))
	c := &Client{CAs: front.CAs}
	for reference, says := range map[string]string{
		"lab/chart:v1":    "no layer is an image",
		"lab/chart:index": "HTTP Error 404", // it asks for no index, so a registry has none
		"lab/chart:none":  "HTTP Error 404",
		"lab:v1":          "malformed",
	} {
		if _, err := c.resolve(t.Context(), "oras://"+front.Host+"/"+reference); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", reference, err, says)
		}
	}
	if _, err := c.resolve(t.Context(), fmt.Sprintf("oras://%s/lab/chart:v1", real.Host)); err == nil {
		t.Error("a registry was asked over http")
	}
}

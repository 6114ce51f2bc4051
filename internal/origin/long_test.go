//go:build long

package origin

import (
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"

	"bty/internal/catalog"
	"bty/internal/testenv/registry"
)

// A blob of 1 GiB from a real registry, by way of an object store: the connection is cut every few
// MiB, each time in another way, and the token and the signed URL have expired each time as well.
func TestLongBlob(t *testing.T) {
	if os.Getenv("BTY_TEST_LONG") == "" {
		t.Skip("takes long; run make test-long")
	}
	r := registry.Start(t, false)
	data := strings.Repeat(string(noise(1<<20, 1)), 1024)
	r.Push("lab/disk", "v1", registry.Layer{Type: diskImage, Title: "disk.img", Content: data})
	rng := rand.New(rand.NewPCG(1, 2))
	objects := &scripted{data: []byte(data)}
	for range 200 {
		objects.acts = append(objects.acts, act{give: 1 + rng.IntN(8<<20), end: []string{"close", "reset"}[rng.IntN(2)]})
		if rng.IntN(4) == 0 {
			objects.acts = append(objects.acts, []act{{hangUp: true}, {status: 503}, {status: 403}, {status: 401}}[rng.IntN(4)])
		}
	}
	s := startStore(t, r.Host, objects)
	s.expire = func() { s.tokens++; s.signatures++ }
	reader, err := Open(t.Context(), "oras://"+s.host+"/lab/disk:v1", asked(s.host))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	sum := sha256.New()
	n, err := io.Copy(sum, reader)
	if err != nil {
		t.Fatalf("after %d bytes: %v", n, err)
	}
	runtime.ReadMemStats(&after)
	if catalog.Digest(sum.Sum(nil)) != reader.Digest() || n != reader.Size() {
		t.Errorf("%d of %d bytes, and not those of the digest", n, reader.Size())
	}
	if grown := int64(after.HeapInuse) - int64(before.HeapInuse); grown > 64<<20 {
		t.Errorf("the heap has grown by %d MiB", grown>>20)
	}
	if reader.Retries() < 150 || s.leaked {
		t.Errorf("%d retries; the object store was sent a token: %t", reader.Retries(), s.leaked)
	}
	t.Logf("%d bytes over %d connections", n, reader.Retries()+1)
}

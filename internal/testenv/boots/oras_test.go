package boots

import (
	"context"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"bty/internal/testenv"
	"bty/internal/testenv/appliance"
	"bty/internal/testenv/diskimg"
	"bty/internal/testenv/registry"
)

// registryAt is where the LAN's registry is; it speaks plain http.
const registryAt = testenv.ServerIP + ":5000"

// A machine fetches its image from a registry of the LAN that has no certificate. That it may, the
// appliance tells it on the kernel's command line, and nobody else.
func TestFlashFromAPlainRegistry(t *testing.T) {
	ctx := parallel(t)
	s := openSite(ctx, t, "BTY_ORAS_PLAIN_HTTP="+registryAt)
	raw, packed := s.image(ctx, diskimg.Spec{Line: newLine, Size: 64 << 20})
	asked := s.openRegistry(ctx, packed)
	ref, err := s.op.AddImage(ctx, "oras://"+registryAt+"/lab/disk:v1", "")
	if err != nil {
		t.Fatal(err)
	}
	s.bind(ctx, mac, appliance.Binding{Mode: "bty-flash-once", Image: ref, Serial: serial})
	words := s.wordsFor(ctx)
	if !strings.Contains(words, "bty.oras.plain_http="+registryAt) {
		t.Fatalf("the script's words are %q", words)
	}
	disk := s.oldDisk(ctx, serial, 96<<20)
	m := s.startLiveOn(ctx, "e1000e", words, disk)
	expect(ctx, t, m.Console, waitFlash, `^bty: image .* \(oras://`+regexp.QuoteMeta(registryAt)+`/lab/disk`)
	expect(ctx, t, m.Console, waitFlash, `^bty: flash complete`)
	s.off(ctx, m)
	s.checkDisk(disk, raw)
	s.checkEvents(ctx, "machine.flashed", 1)
	if paths, blob := asked(), "/v2/lab/disk/blobs/sha256:"+packed.SHA256; !slices.Contains(paths, blob) {
		t.Errorf("the machine asked the registry for %q; want %s", paths, blob)
	}
}

// openRegistry puts a registry with an image into the LAN. What it returns lists the paths that were
// asked for by other addresses than the appliance's.
func (s *site) openRegistry(ctx context.Context, image diskimg.Image) (asked func() []string) {
	s.t.Helper()
	content, err := os.ReadFile(image.File)
	if err != nil {
		s.t.Fatal(err)
	}
	r := registry.Start(s.t, false)
	r.Push("lab/disk", "v1", registry.Layer{Type: "application/vnd.test.disk", Title: "disk.img.zst", Content: string(content)})
	listener, err := s.lan.Listen(ctx, registryAt)
	if err != nil {
		s.t.Fatal(err)
	}
	paths := make(chan string, 100)
	behind := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: r.Host})
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.RemoteAddr, testenv.ServerIP+":") {
			paths <- r.URL.Path
		}
		behind.ServeHTTP(w, r)
	})}
	go server.Serve(listener)
	s.t.Cleanup(func() { server.Close() })
	return func() (all []string) {
		for len(paths) > 0 {
			all = append(all, <-paths)
		}
		return all
	}
}

// wordsFor are the words that stand behind those of every machine in the script that it would get.
func (s *site) wordsFor(ctx context.Context) string {
	s.t.Helper()
	client := &http.Client{Transport: &http.Transport{DialContext: s.lan.DialContext, DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, appliance.URL+"/pxe/"+mac+"?arch=x86_64", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	answer, err := client.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	script, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	_, words, found := strings.Cut(string(script), " bty.mac="+mac)
	words, _, ends := strings.Cut(words, " ||")
	if !found || !ends {
		s.t.Fatalf("no live environment is started by\n%s", script)
	}
	return words
}

package systemd

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// lab is an origin on the LAN and a cache that is enabled.
type lab struct {
	*host
	image []byte
	src   string
	sums  string // of /SHA256SUMS
	asked atomic.Int32
	locks atomic.Bool // it lets only "me" in
}

const (
	originPassword = "origin-secret-9127"
	cacheSocket    = "/run/bty/cache.sock"
)

func (h *host) lab(size int) *lab {
	h.t.Helper()
	l := &lab{host: h, image: make([]byte, size)}
	_, _ = rand.NewChaCha8([32]byte{1}).Read(l.image)
	listener, err := h.LAN.Listen(h.ctx, "10.77.0.1:0")
	if err != nil {
		h.t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: l}}
	server.Start()
	h.t.Cleanup(server.Close)
	l.src = server.URL + "/disk.img"
	h.run("systemctl", "enable", "--now", "bty-cache.socket")
	return l
}

func (l *lab) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/SHA256SUMS" {
		_, _ = io.WriteString(w, l.sums)
		return
	}
	l.asked.Add(1)
	if user, password, _ := r.BasicAuth(); l.locks.Load() && (user != "me" || password != originPassword) {
		http.Error(w, "sign in", http.StatusUnauthorized)
		return
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(l.image))
}

// publish does what bty-web does, as its user.
func (l *lab) publish(src string) {
	l.t.Helper()
	out, err := l.try("setpriv", "--reuid=bty", "--regid=bty", "--clear-groups", "--", "curl", "--silent", "--show-error", "--write-out", "%{http_code}",
		"--unix-socket", cacheSocket, "--request", "PUT", "--data", fmt.Sprintf(`{"sources":[{"src":%q}]}`, src), "http://cache/sources")
	if err != nil || out != "204" {
		l.t.Fatalf("%s, %v", out, err)
	}
}

func (l *lab) url(src string) string {
	return fmt.Sprintf("http://%s:3000/b/%s/disk.img", IP, base64.RawURLEncoding.EncodeToString([]byte(src)))
}

// get asks for a part of the image over a connection of its own; length 0 is all of it.
func (l *lab) get(client *http.Client, offset, length int) error {
	request, err := http.NewRequestWithContext(l.ctx, http.MethodGet, l.url(l.src), nil)
	if err != nil {
		return err
	}
	want, status := l.image, http.StatusOK
	if length > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", offset, offset+length-1))
		want, status = l.image[offset:offset+length], http.StatusPartialContent
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	got, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != status || !bytes.Equal(got, want) {
		return fmt.Errorf("%s with %d bytes: %w", answer.Status, len(got), err)
	}
	return nil
}

// The cache is up when somebody asks, not before; it gives what the catalog has and nothing else; it
// ends at once when it is idle, and leaves its sockets.
func TestCache(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		l := h.lab(4 << 20)
		if got := h.property("bty-cache.service", "ActiveState"); got != "inactive" {
			t.Errorf("before anybody asked the cache is %s", got)
		}
		if got := h.run("stat", "--format=%a %U %G", cacheSocket); got != "660 root bty" {
			t.Errorf("%s is %s", cacheSocket, got)
		}
		begun := time.Now()
		answer, err := h.client(false).Get(l.url(l.src))
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		figure(t, "the first request", time.Since(begun), 300*time.Millisecond)
		if answer.StatusCode != http.StatusForbidden || l.asked.Load() != 0 {
			t.Errorf("what nobody published is answered with %s", answer.Status)
		}
		l.publish(l.src)
		if err := l.get(h.client(false), 0, 0); err != nil || l.asked.Load() != 1 {
			t.Errorf("%v; the origin was asked %d times", err, l.asked.Load())
		}
		if got := h.run("stat", "--format=%a %U %G", "/var/cache/bty"); got != "750 bty-cache bty" {
			t.Errorf("/var/cache/bty is %s", got)
		}
		diagnosis, _ := h.try("bty-lab", "doctor") // which ends with 1: there is no live environment
		for _, want := range []string{"Image cache: It holds 1 images", "TCP port 3000: TCP port 3000 is held by"} {
			if !strings.Contains(diagnosis, want) {
				t.Errorf("bty-lab doctor does not say %q:\n%s", want, diagnosis)
			}
		}
		select {
		case <-time.After(3 * time.Second): // idle
		case <-h.ctx.Done():
		}
		rss := h.rss(h.property("bty-cache.service", "MainPID"))
		t.Logf("idle: %.1f MiB (figure 16)", float64(rss)/1024)
		if rss > 160*1024 {
			t.Error("an idle cache takes more than 160 MiB")
		}
		begun = time.Now()
		h.run("systemctl", "stop", "bty-cache.service")
		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("it took %v to stop", took)
		}
		if result := h.property("bty-cache.service", "Result"); result != "success" {
			t.Errorf("it ended as %s", result)
		}
		if err := l.get(h.client(false), 100, 1000); err != nil || l.asked.Load() != 1 {
			t.Errorf("started by a request again: %v; the origin was asked %d times", err, l.asked.Load())
		}
		h.run("journalctl", "--sync")
		if lines := h.run("journalctl", "--no-pager", "--quiet", "--output=cat", "BTY_SRC="+l.src); !strings.Contains(lines, "image given") {
			t.Errorf("the journal of the source has:\n%s", lines)
		}
		h.run("systemctl", "stop", "bty-cache.socket", "bty-cache.service")
		h.run("systemctl", "clean", "--what=cache", "bty-cache.service")
		if left, err := h.try("ls", "-A", "/var/cache/bty"); err == nil && left != "" {
			t.Errorf("left in the cache folder: %s", left)
		}
	})
}

// Twenty restarts while machines download, each part over a connection of its own: none is refused
// and none breaks off. A download that takes longer than a restart may is taken up by range.
func TestCacheRestarts(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		l := h.lab(64 << 20) // more than the kernel has room for between a server and a slow reader
		l.publish(l.src)
		if err := l.get(h.client(false), 0, 0); err != nil {
			t.Fatal(err)
		}
		var slow sync.WaitGroup
		ctx, cancel := context.WithTimeout(h.ctx, 3*time.Minute)
		defer cancel()
		cuts := 0
		slow.Go(func() {
			got, n, err := l.slowly(ctx, 20*time.Second)
			if cuts = n; err != nil || !bytes.Equal(got, l.image) {
				t.Errorf("the slow download: %d bytes, %v", len(got), err)
			}
		})
		client := h.client(false)
		c := h.load(10, nil, func(_ context.Context, c *clients) error {
			return l.get(client, int(c.numbers.Add(1)%15)<<20, 1<<20)
		})
		for range 20 {
			c.awaitProgress(10)
			h.run("systemctl", "restart", "bty-cache.service")
		}
		c.awaitProgress(10)
		c.check()
		slow.Wait()
		if cuts == 0 {
			t.Error("no restart cut the slow download; the test shows nothing of taking it up")
		}
		t.Logf("the slow download was cut %d times; the origin was asked %d times", cuts, l.asked.Load())
		h.open([]string{"bty-cache.socket", "bty-cache-control.socket"})
	})
}

// slowly reads the image so that it takes about that long, and goes on by range where it is cut.
func (l *lab) slowly(ctx context.Context, long time.Duration) (got []byte, cuts int, err error) {
	client := l.client(false)
	client.Timeout = 0
	const steps = 100
	for ctx.Err() == nil && len(got) < len(l.image) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, l.url(l.src), nil)
		if err != nil {
			return got, cuts, err
		}
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", len(got)))
		answer, err := client.Do(request)
		if err != nil {
			return got, cuts, err // a refused connection
		}
		for err == nil && len(got) < len(l.image) {
			var piece bytes.Buffer
			_, err = io.CopyN(&piece, answer.Body, int64(min(len(l.image)/steps, len(l.image)-len(got))))
			got = append(got, piece.Bytes()...)
			time.Sleep(long / steps)
		}
		answer.Body.Close()
		if err != nil {
			cuts++
		}
	}
	return got, cuts, ctx.Err()
}

// What an origin wants of who fetches comes as a credential, is used, and is nowhere else to be seen.
func TestCacheCredential(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		l := h.lab(1 << 20)
		l.locks.Store(true)
		l.publish(l.src)
		if err := l.get(h.client(false), 0, 0); err == nil || !strings.Contains(err.Error(), "502") {
			t.Errorf("without a credential: %v", err)
		}
		account := base64.StdEncoding.EncodeToString([]byte("me:" + originPassword))
		host := strings.TrimSuffix(strings.TrimPrefix(l.src, "http://"), "/disk.img")
		h.write("/etc/credstore/bty.oras-credentials", fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, host, account), 0o600)
		h.run("systemctl", "restart", "bty-cache.service")
		if err := l.get(h.client(false), 0, 0); err != nil {
			t.Errorf("with the credential: %v", err)
		}
		pid := h.property("bty-cache.service", "MainPID")
		h.run("journalctl", "--sync")
		for name, text := range map[string]string{
			"the environment": h.run("cat", "/proc/"+pid+"/environ"), "the unit": h.run("systemctl", "show", "bty-cache.service"),
			"the journal":      h.run("journalctl", "--no-pager", "--quiet", "--output=export"),
			"the cache folder": h.run("sh", "-c", "grep -rl -e "+originPassword+" -e "+account+" /var/cache/bty || true"),
			"the status":       h.run("curl", "--silent", "--unix-socket", cacheSocket, "http://cache/status"),
		} {
			if strings.Contains(text, originPassword) || strings.Contains(text, account) || strings.HasPrefix(text, "/var/cache") {
				t.Errorf("the password is in %s", name)
			}
		}
	})
}

// `systemctl reload` takes up what is allowed, and fails with the reason when it cannot.
func TestCacheReload(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		l := h.lab(1 << 20)
		if err := l.get(h.client(false), 0, 0); err == nil || !strings.Contains(err.Error(), "403") {
			t.Fatalf("nobody allowed it: %v", err)
		}
		pid := h.property("bty-cache.service", "MainPID")
		h.write("/etc/bty/bty.toml", "[cache]\nallow = '"+strings.TrimSuffix(l.src, "disk.img")+"'\n", 0o640)
		h.run("chgrp", "bty", "/etc/bty/bty.toml")
		h.run("systemctl", "reload", "bty-cache.service")
		if err := l.get(h.client(false), 0, 0); err != nil {
			t.Errorf("after the reload: %v", err)
		}
		h.write("/etc/bty/bty.toml", "[cache]\nallow = 'nonsense'\n", 0o640)
		if _, err := h.try("systemctl", "reload", "bty-cache.service"); err == nil {
			t.Error("the reload of a wrong configuration succeeds")
		}
		if err := l.get(h.client(false), 0, 0); err != nil {
			t.Errorf("after a reload that failed: %v", err)
		}
		if status := h.property("bty-cache.service", "StatusText"); !strings.Contains(status, "reload failed: configuration: /etc/bty/bty.toml:2") {
			t.Errorf("the status is %q", status)
		}
		if now := h.property("bty-cache.service", "MainPID"); now != pid {
			t.Errorf("it is process %s, before the reloads %s", now, pid)
		}
		// What the Settings page writes is seen from the next start on.
		h.write("/etc/bty/bty.toml", "", 0o640)
		h.write("/var/lib/bty/bty.toml", "[cache]\nstrict_miss = true\n", 0o640)
		h.run("chown", "bty:bty", "/var/lib/bty/bty.toml")
		h.run("systemctl", "restart", "bty-cache.service")
		l.publish(l.src + "?other")
		if answer, err := h.client(false).Get(l.url(l.src + "?other")); err != nil || answer.StatusCode != http.StatusNotFound {
			t.Errorf("strict_miss of the state folder is not in force: %v, %v", answer, err)
		}
	})
}

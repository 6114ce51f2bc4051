package systemd

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	neturl "net/url"
	"strings"
	"testing"
	"time"
)

// An image of the catalog reaches a machine through the cache of this host, with nothing set: bty-web
// tells the cache, has it fetch what is bound, and leads the machine to it, by the address that the
// machine reached bty-web at. Once the image is out of the catalog the cache does not give it.
func TestCacheServesTheCatalog(t *testing.T) {
	each(t, func(t *testing.T, h *host) {
		l := h.lab(4 << 20)
		digest := fmt.Sprintf("%x", sha256.Sum256(l.image))
		l.sums = digest + "  disk.img\n"
		h.enable()
		var entry struct {
			Ref string `json:"bty_image_ref"`
		}
		h.order(http.MethodPost, "/catalog/entries", map[string]any{"image_url": l.src, "sha_url": strings.TrimSuffix(l.src, "disk.img") + "SHA256SUMS"}, &entry)
		const mac = "52:54:00:00:00:01"
		h.order(http.MethodPut, "/machines/"+mac, map[string]any{"boot_mode": "bty-flash-always", "bty_image_ref": entry.Ref, "target_disk_serial": "S1"}, nil)
		var plan struct {
			Image string `json:"image"`
		}
		for deadline := time.Now().Add(20 * time.Second); !strings.Contains(plan.Image, ":3000/b/"); time.Sleep(200 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("the plan leads to %q", plan.Image)
			}
			answer, err := h.client(false).Get(url("/pxe/" + mac + "/plan"))
			if err != nil {
				t.Fatal(err)
			}
			err = json.NewDecoder(answer.Body).Decode(&plan)
			answer.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
		}
		if want := l.url(l.src); !strings.HasPrefix(plan.Image, want[:strings.LastIndex(want, "/")]) || !strings.HasSuffix(plan.Image, "?sha256="+digest) {
			t.Errorf("the plan leads to %s", plan.Image)
		}
		asked := l.asked.Load()
		if got, status := h.read200(plan.Image); status != http.StatusOK || !bytes.Equal(got, l.image) {
			t.Errorf("%d with %d bytes", status, len(got))
		}
		t.Logf("the origin was asked %d times, %d before the machine came", l.asked.Load(), asked)
		h.order(http.MethodPut, "/machines/"+mac, map[string]any{"boot_mode": "ipxe-exit"}, nil)
		h.order(http.MethodDelete, "/catalog/entries?src="+neturl.QueryEscape(l.src), nil, nil)
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(200 * time.Millisecond) {
			if _, status := h.read200(plan.Image); status == http.StatusForbidden {
				return
			}
			if time.Now().After(deadline) {
				t.Fatal("what the catalog has no more is still given")
			}
		}
	})
}

func (h *host) read200(at string) (body []byte, status int) {
	h.t.Helper()
	answer, err := h.client(false).Get(at)
	if err != nil {
		h.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err = io.ReadAll(answer.Body)
	if err != nil {
		h.t.Error(err)
	}
	return body, answer.StatusCode
}

// order sends JSON to the control socket, and reads the answer into out unless that is nil.
func (h *host) order(method, path string, in, out any) {
	h.t.Helper()
	text, err := json.Marshal(in)
	if err != nil {
		h.t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(h.ctx, method, "http://bty"+path, bytes.NewReader(text))
	if err != nil {
		h.t.Fatal(err)
	}
	if in != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	answer, err := h.control().Do(request)
	if err != nil {
		h.t.Fatal(err)
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode < 300 && out != nil {
		err = json.Unmarshal(said, out)
	}
	if err != nil || answer.StatusCode >= 300 {
		h.t.Fatalf("%s %s: %s, %v: %s", method, path, answer.Status, err, said)
	}
}

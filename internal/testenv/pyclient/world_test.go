package pyclient

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	mrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bty/internal/disk/looptest"
	"bty/internal/testenv/contract"
)

const mib = 1 << 20

var (
	program      *contract.Program // bty-web
	cacheProgram string            // path of bty-cache
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "bty-pyclient-")
	if err == nil {
		program, err = contract.Build(dir)
	}
	if cacheProgram = filepath.Join(dir, "bty-cache"); err == nil {
		err = buildCache(cacheProgram)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// world is a bty-web, a web server with images, and a machine with one disk.
type world struct {
	contract.Caller
	images *images
	mac    string
	serial string
	path   string // of the disk
	file   string // behind it
}

func newWorld(t *testing.T, settings ...string) *world {
	t.Helper()
	instance, err := program.Start(t.TempDir(), settings...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := instance.Stop(); err != nil {
			t.Error(err)
		}
		if strings.Contains(instance.Said(), "panic") || t.Failed() {
			t.Errorf("bty-web said:\n%s", instance.Said())
		}
	})
	w := &world{Caller: contract.Caller{TB: t, Server: instance.Server}, images: newImages(t), serial: "S-" + rand.Text()[:8]}
	w.mac = w.FreshMAC()
	w.path, w.file = looptest.New(t, 8*mib, looptest.Options{})
	return w
}

// client is the old client on the machine.
func (w *world) client() *Client {
	return &Client{Server: w.URL + "/", MAC: strings.ReplaceAll(strings.ToUpper(w.mac), ":", "-"), Lsblk: As(map[string]string{w.path: w.serial})}
}

// publish makes an image known with its digest, and binds it to the machine.
func (w *world) publish(mode, name string, content []byte, digest string) {
	w.Helper()
	src := w.images.put("/"+name, content)
	sums := w.images.put("/"+name+".sha256", []byte(digest+"  "+name+"\n"))
	entry := w.Do("POST", "/catalog/entries", map[string]any{"image_url": src, "sha_url": sums}).Is(201).Object()
	w.bind(mode, entry["bty_image_ref"])
}

func (w *world) bind(mode string, ref any) {
	w.Helper()
	w.Put(w.mac, fmt.Sprintf(`{"boot_mode":%q,"bty_image_ref":%q,"target_disk_serial":%q}`, mode, ref, w.serial))
}

// powerOn is what iPXE asks before the live environment runs; it reports whether that was started.
func (w *world) powerOn() bool {
	w.Helper()
	w.Live("vmlinuz")
	if !contract.Starts(w.Script(w.mac)) {
		return false
	}
	w.Boot(w.mac)
	return true
}

func (w *world) wantDisk(raw []byte) {
	w.Helper()
	got, err := os.ReadFile(w.file)
	if err != nil {
		w.Fatal(err)
	}
	if !bytes.Equal(got[:len(raw)], raw) {
		w.Error("the disk does not hold the image")
	}
}

// count is how many events of a kind the machine has.
func (w *world) count(kind string) int { return len(w.Of(w.mac, kind)) }

// images is somebody's web server.
type images struct {
	*httptest.Server
	mu    sync.Mutex
	files map[string][]byte
	asked []string // method, path, and the Range if there was one
	pace  time.Duration
	late  map[string]time.Duration // before the head of an answer, by path
}

func newImages(t *testing.T) *images {
	s := &images{files: map[string][]byte{}}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(s.Close)
	t.Cleanup(s.CloseClientConnections)
	return s
}

func (s *images) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	line := r.Method + " " + r.URL.Path
	if v := r.Header.Get("Range"); v != "" {
		line += " " + v
	}
	s.asked = append(s.asked, line)
	content, ok := s.files[r.URL.Path]
	pace, late := s.pace, s.late[r.URL.Path]
	s.mu.Unlock()
	select {
	case <-time.After(late):
	case <-r.Context().Done():
		return
	}
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("ETag", fmt.Sprintf(`"%x"`, sha256.Sum256(content)))
	http.ServeContent(&paced{w, pace}, r, "", time.Time{}, bytes.NewReader(content))
}

// paced gives a machine's worth of time to a transfer.
type paced struct {
	http.ResponseWriter
	pause time.Duration
}

func (p *paced) Write(b []byte) (int, error) {
	time.Sleep(p.pause)
	return p.ResponseWriter.Write(b)
}

func (s *images) put(path string, content []byte) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[path] = content
	return s.URL + path
}

// delay has a file's answers begin late.
func (s *images) delay(path string, by time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.late = map[string]time.Duration{path: by}
}

// forget begins the log anew.
func (s *images) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = nil
}

// log is what was asked for below a path.
func (s *images) log(path string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.asked), func(line string) bool { return !strings.Contains(line+" ", " "+path+" ") })
}

// noise is an image that no tool makes much smaller, with a hole.
func noise(n int) []byte {
	b := make([]byte, n)
	mrand.NewChaCha8([32]byte{7}).Read(b)
	clear(b[n/2 : n/2+n/4])
	return b
}

func hexSum(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }

// packed is an image in a format, made by the tools that image builders use.
func packed(t *testing.T, raw []byte, format string) []byte {
	t.Helper()
	dir := t.TempDir()
	from, to := filepath.Join(dir, "raw"), filepath.Join(dir, "packed")
	if err := os.WriteFile(from, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	argv := map[string][]string{
		"img": {"cp", from, to}, "img.gz": {"sh", "-c", "gzip -c " + from + " > " + to}, "img.zst": {"zstd", "-q", "-o", to, from},
		"img.xz": {"sh", "-c", "xz -0 -c " + from + " > " + to}, "img.bz2": {"sh", "-c", "bzip2 -c " + from + " > " + to},
		"qcow2": {"qemu-img", "convert", "-O", "qcow2", from, to},
	}[format]
	if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", argv, err, out)
	}
	content, err := os.ReadFile(to)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

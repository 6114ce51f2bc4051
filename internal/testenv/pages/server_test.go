package pages

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"bty/internal/testenv"
	"bty/internal/testenv/browser"
)

const password = "correct horse battery"

// TestMain builds bty-web and bty-cache once and starts the one browser of all tests.
func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if flag.Parse(); testing.Short() {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "bty-pages-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program, cacheProgram = filepath.Join(dir, "bty-web"), filepath.Join(dir, "bty-cache")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-X bty/internal/build.Version=v1.0.0", "-o", dir, "bty/cmd/bty-web", "bty/cmd/bty-cache")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v: %s", err, out)
		return 1
	}
	if chromium, err = browser.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := chromium.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

var (
	program, cacheProgram string // as they were built
	chromium              *browser.Browser
)

// server is bty-web as an operator has it.
type server struct {
	testing.TB
	address string // with the scheme
	state   string // its folder
	log     *testenv.Log
	http    *http.Client // of the operator, signed in
	command []string     // its environment
	process *exec.Cmd
}

// start starts one with a state of its own, and settings on top of what makes it private.
func start(t testing.TB, settings ...string) *server {
	t.Helper()
	if testing.Short() {
		t.Skip("the pages need a browser")
	}
	root := t.TempDir()
	s := &server{TB: t, address: "http://127.0.0.1:" + strconv.Itoa(freePort(t)), state: filepath.Join(root, "state"), log: testenv.NewLog("bty-web")}
	u, _ := url.Parse(s.address)
	none := filepath.Join(root, "none.toml")
	if err := os.WriteFile(none, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.command = append([]string{"PATH=" + os.Getenv("PATH"), "BTY_SERVER_HOST=127.0.0.1", "BTY_SERVER_PORT=" + u.Port(), "BTY_ADMIN_PASSWORD=" + password,
		"BTY_PATHS_STATE_DIR=" + s.state, "BTY_PATHS_RUN_DIR=" + filepath.Join(root, "run"), "BTY_CONFIG_FILE=" + none, "BTY_LOG_FORMAT=text"}, settings...)
	s.begin()
	t.Cleanup(s.end)
	s.signIn()
	return s
}

// begin starts the process and returns once it answers.
func (s *server) begin() {
	s.Helper()
	s.process = exec.Command(program)
	s.process.Env, s.process.Stdout, s.process.Stderr = s.command, s.log, s.log
	s.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.process.Start(); err != nil {
		s.Fatal(err)
	}
	s.await()
}

// end stops the process, if it runs.
func (s *server) end() {
	s.Helper()
	if s.process == nil {
		return
	}
	_ = s.process.Process.Signal(syscall.SIGTERM)
	if err := s.process.Wait(); err != nil {
		s.Errorf("bty-web: %v\n%s", err, s.log.Tail(20))
	}
	s.process = nil
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func (s *server) await() {
	s.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		answer, err := http.Get(s.address + "/readyz")
		if err == nil {
			answer.Body.Close()
			return
		}
		if time.Now().After(deadline) {
			s.Fatalf("bty-web does not answer: %v\n%s", err, s.log.Tail(20))
		}
	}
}

func (s *server) signIn() {
	s.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.Fatal(err)
	}
	s.http = &http.Client{Jar: jar, Timeout: 30 * time.Second}
	s.do("POST", "/ui/login", url.Values{"password": {password}})
}

// do sends a request of the operator's or, to the boot routes, of a machine. A body that is no form
// goes as JSON.
func (s *server) do(method, path string, body any) string {
	s.Helper()
	var reader io.Reader
	media := "application/json"
	switch body := body.(type) {
	case nil:
	case url.Values:
		reader, media = strings.NewReader(body.Encode()), "application/x-www-form-urlencoded"
	default:
		raw, err := json.Marshal(body)
		if err != nil {
			s.Fatal(err)
		}
		reader = bytes.NewReader(raw)
	}
	request, err := http.NewRequestWithContext(context.Background(), method, s.address+path, reader)
	if err != nil {
		s.Fatal(err)
	}
	request.Header.Set("Content-Type", media)
	answer, err := s.http.Do(request)
	if err != nil {
		s.Fatalf("%s %s: %v\n%s", method, path, err, s.log.Tail(20))
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode >= 400 {
		s.Fatalf("%s %s: %s %v %s", method, path, answer.Status, err, raw)
	}
	return string(raw)
}

// tab opens a tab on the server, signed in.
func (s *server) tab() *browser.Tab {
	s.Helper()
	t := s.stranger()
	u, _ := url.Parse(s.address)
	for _, c := range s.http.Jar.Cookies(u) {
		t.Cookie(c.Name, c.Value)
	}
	return t
}

// stranger opens a tab on the server, not signed in.
func (s *server) stranger() *browser.Tab {
	s.Helper()
	return chromium.Tab(s, browser.URL(s.address))
}

// object is an answer's JSON.
func (s *server) object(method, path string, body any) map[string]any {
	s.Helper()
	var o map[string]any
	if err := json.Unmarshal([]byte(s.do(method, path, body)), &o); err != nil {
		s.Fatal(err)
	}
	return o
}

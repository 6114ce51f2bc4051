package testenv

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func openLAN(t *testing.T) *LAN {
	t.Helper()
	l, err := OpenLAN(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if namespaces(t)[l.Name] {
			t.Errorf("namespace %s outlived its LAN", l.Name)
		}
		if _, err := os.Stat(l.Dir); err == nil {
			t.Errorf("folder %s outlived its LAN", l.Dir)
		}
	})
	return l
}

func namespaces(t *testing.T) map[string]bool {
	t.Helper()
	out, err := exec.Command("ip", "netns", "list").Output()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		names[strings.Fields(line)[0]] = true
	}
	return names
}

// A server in the LAN is reached from inside, and by nobody else.
func TestSocketsStayInside(t *testing.T) {
	l := openLAN(t)
	listener, err := l.Listen(t.Context(), ServerIP+":8080")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "inside") })}
	go server.Serve(listener)
	defer server.Close()

	inside := http.Client{Transport: &http.Transport{DialContext: l.DialContext}, Timeout: 10 * time.Second}
	answer, err := inside.Get("http://" + ServerIP + ":8080/")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, _ := io.ReadAll(answer.Body); string(body) != "inside" {
		t.Errorf("got %q", body)
	}
	outside := http.Client{Transport: &http.Transport{}, Timeout: time.Second}
	if answer, err := outside.Get("http://" + ServerIP + ":8080/"); err == nil {
		// Somebody else may have that address on the networks of this machine.
		defer answer.Body.Close()
		if body, _ := io.ReadAll(answer.Body); string(body) == "inside" {
			t.Error("the LAN's server answered from outside")
		}
	}
}

// A program gets its sockets as from a socket unit: numbered from 3, named, for its own pid.
func TestInheritedSockets(t *testing.T) {
	l := openLAN(t)
	listener, err := l.Listen(t.Context(), ServerIP+":0")
	if err != nil {
		t.Fatal(err)
	}
	file, err := listener.File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	p, err := l.Start(Program{Path: "/bin/sh", Args: []string{"-c", `
		[ "$LISTEN_PID" = $$ ] && echo own pid
		echo $LISTEN_FDS $LISTEN_FDNAMES
		[ -S /proc/$$/fd/3 ] && echo socket
		ip -brief address show lan`}, Sockets: []Socket{{"http", file}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"^own pid$", "^1 http$", "^socket$", ServerIP} {
		if _, err := p.Log.Expect(t.Context(), 5*time.Second, want); err != nil {
			t.Error(err)
		}
	}
	if err := p.Wait(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestStopAndKill(t *testing.T) {
	l := openLAN(t)
	for name, end := range map[string]func(*Process){
		"stop": func(p *Process) { _ = p.Stop() }, // sleep ends with the signal, which is an error to wait(2)
		"kill": (*Process).Kill,
	} {
		p, err := l.Start(Program{Path: "sleep", Args: []string{"1000"}})
		if err != nil {
			t.Fatal(err)
		}
		end(p)
		select {
		case <-p.Done():
		default:
			t.Errorf("%s: the program still runs", name)
		}
	}
}

// What a killed run leaves behind is removed by the next run; what a live one has is not.
func TestSweep(t *testing.T) {
	alive := openLAN(t)
	if os.Getenv("BTY_TESTENV_VICTIM") != "" {
		if _, err := alive.Start(Program{Path: "sleep", Args: []string{"1000"}}); err != nil {
			t.Fatal(err)
		}
		os.Stdout.WriteString("LAN " + alive.Name + "\n")
		select {} // until killed
	}
	log := NewLog("victim")
	victim := exec.Command(os.Args[0], "-test.run", "^TestSweep$")
	victim.Env = append(os.Environ(), "BTY_TESTENV_VICTIM=yes")
	victim.Stdout = log
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	match, err := log.Expect(t.Context(), 20*time.Second, `LAN (\S+)`)
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = victim.Wait() // killed, as wanted
	if !namespaces(t)[match[1]] {
		t.Fatal("the killed run left no namespace; nothing to sweep")
	}
	openLAN(t)
	if namespaces(t)[match[1]] {
		t.Errorf("namespace %s of a dead process is still there", match[1])
	}
	if _, err := os.Stat(filepath.Join(os.TempDir(), match[1])); err == nil {
		t.Errorf("folder of %s is still there", match[1])
	}
	if !namespaces(t)[alive.Name] {
		t.Error("the LAN of a live process was swept")
	}
}

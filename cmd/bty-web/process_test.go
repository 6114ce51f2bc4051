package main

import (
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The test binary plays bty-web as a process of its own when BTY_TEST_AS_BTY_WEB is set.
func TestMain(m *testing.M) {
	if os.Getenv("BTY_TEST_AS_BTY_WEB") != "" {
		os.Args = os.Args[:1]
		main()
	}
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue { // they wait for disks and clocks, not for processors
		_ = f.Value.Set("8")
	}
	folder := inMemory()
	code := allTold(m.Run())
	os.RemoveAll(built) // by cacheProgram, if any test asked for it
	if folder != "" {
		os.RemoveAll(folder)
	}
	os.Exit(code)
}

// inMemory has the tests keep their state in a file system in memory, where there is a large one: each commit
// waits for the disk else, which is most of their time, and what a kill leaves is the same. It returns
// the folder, "" for none. Benchmarks are about the disk.
func inMemory() string {
	const memory, least = "/dev/shm", 2 << 30
	var fs unix.Statfs_t
	if flag.Lookup("test.bench").Value.String() != "" || os.Getenv("TMPDIR") != "" || unix.Statfs(memory, &fs) != nil ||
		fs.Type != unix.TMPFS_MAGIC || int64(fs.Bavail)*fs.Bsize < least {
		return ""
	}
	folder, err := os.MkdirTemp(memory, "bty-web-test-")
	if err != nil {
		return ""
	}
	_ = os.Setenv("TMPDIR", folder) // the name is good
	return folder
}

// beginProcess starts the appliance as a real process and returns once it answers.
func (a *appliance) beginProcess() *exec.Cmd {
	a.Helper()
	self, err := os.Executable()
	if err != nil {
		a.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = []string{"BTY_TEST_AS_BTY_WEB=1"}
	for k, v := range a.vars {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	cmd.Stderr = a.log
	if err := cmd.Start(); err != nil {
		a.Fatal(err)
	}
	a.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	a.eventually("bty-web answers", func() bool {
		resp, err := a.http.Get(a.url + "/readyz")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil
	})
	return cmd
}

// What bty-web has answered is on the disk: contacts, reports and uploads survive kill -9.
func TestKilled(t *testing.T) {
	t.Parallel()
	a := prepare(t, nil)
	rounds := 3
	if os.Getenv("BTY_TEST_LONG") == "1" {
		rounds = 100
	}
	answered := map[string]bool{}
	for round := range rounds {
		cmd := a.beginProcess()
		var mu sync.Mutex
		var work sync.WaitGroup
		for worker := range 8 {
			work.Go(func() {
				for i := range 100_000 {
					mac := fmt.Sprintf("52:54:%02x:%02x:%02x:%02x", round, worker, i>>8, i&255)
					r, err := a.try("GET", "/pxe/"+mac, nil, nil, "")
					if err != nil || r.StatusCode != 200 {
						return
					}
					mu.Lock()
					answered[mac] = true
					if len(answered) == 300*(round+1) {
						_ = cmd.Process.Signal(syscall.SIGKILL)
					}
					mu.Unlock()
				}
			})
		}
		work.Wait()
		_ = cmd.Wait()
		a.http.CloseIdleConnections()
	}
	a.beginProcess()
	known := map[string]bool{}
	for _, m := range a.do("GET", "/machines", nil).list(t) {
		known[m.(map[string]any)["mac"].(string)] = true
	}
	for mac := range answered {
		if !known[mac] {
			t.Fatalf("%s had its answer and is not known", mac)
		}
	}
	t.Logf("%d machines answered, %d known", len(answered), len(known))
}

func TestTermination(t *testing.T) {
	a := prepare(t, nil)
	cmd := a.beginProcess()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, a.log)
	}
}

// refuses runs bty-web where it cannot start, and returns its error.
func (a *appliance) refuses() string {
	a.Helper()
	if err := os.WriteFile(filepath.Join(filepath.Dir(a.state), "none.toml"), nil, 0o600); err != nil {
		a.Fatal(err)
	}
	err := run(a.Context(), a.environment())
	if err == nil {
		a.Fatal("it ran")
	}
	return err.Error()
}

func says(t *testing.T, text string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("does not say %q: %s", w, text)
		}
	}
}

func TestStartsThatFail(t *testing.T) {
	t.Parallel()
	running := start(t, nil)
	t.Run("port in use", func(t *testing.T) {
		a := prepare(t, map[string]string{"BTY_SERVER_PORT": running.vars["BTY_SERVER_PORT"]})
		says(t, a.refuses(), running.vars["BTY_SERVER_PORT"], "in use", "[server] port")
	})
	t.Run("database held", func(t *testing.T) {
		a := prepare(t, map[string]string{"BTY_PATHS_STATE_DIR": running.state})
		says(t, a.refuses(), filepath.Join(running.state, "bty.db"), "held by", fmt.Sprint(os.Getpid()), "state_dir")
	})
	t.Run("state folder is a file", func(t *testing.T) {
		a := prepare(t, nil)
		if err := os.WriteFile(a.state, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		says(t, a.refuses(), a.state, "state_dir")
	})
	t.Run("database is damaged", func(t *testing.T) {
		a := prepare(t, nil)
		path := filepath.Join(a.state, "bty.db")
		if err := os.MkdirAll(a.state, 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.Repeat("garbage", 10_000)), 0o600); err != nil {
			t.Fatal(err)
		}
		says(t, a.refuses(), path, "restore a backup")
	})
	t.Run("broken TOML", func(t *testing.T) {
		a := prepare(t, nil)
		broken := filepath.Join(t.TempDir(), "broken.toml")
		if err := os.WriteFile(broken, []byte("[server\nport = 1"), 0o600); err != nil {
			t.Fatal(err)
		}
		env := a.environment()
		env.args = []string{"-config", broken}
		err := run(t.Context(), env)
		if err == nil {
			t.Fatal("it ran")
		}
		says(t, err.Error(), broken)
	})
	t.Run("unknown flag", func(t *testing.T) {
		a := prepare(t, nil)
		for _, args := range [][]string{{"-nonsense"}, {"argument"}} {
			env := a.environment()
			env.args = args
			err := run(t.Context(), env)
			if coded, ok := err.(interface{ ExitCode() int }); !ok || coded.ExitCode() != 2 {
				t.Errorf("%v: %v", args, err)
			}
		}
	})
	running.alive()
}

// A full disk: what cannot be stored is not acknowledged, what is known is still served, and with
// space again all goes on.
func TestFullStateDisk(t *testing.T) {
	a := prepare(t, nil)
	if err := os.MkdirAll(a.state, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", a.state, "tmpfs", 0, "size=4m"); err != nil {
		t.Fatalf("mount a small tmpfs: %v; run the tests as root", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(a.state, syscall.MNT_DETACH) })
	a.begin()
	a.live()
	put(a, mac1, `{"boot_mode":"bty-tui"}`)
	ballast, err := os.Create(filepath.Join(a.state, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	defer ballast.Close()
	_, _ = io.CopyN(ballast, zeros{}, 8<<20) // until it is full
	refused := 0
	for n := 0; refused == 0 && n < 20_000; n++ {
		r := a.anonymous("GET", "/pxe/"+mac1, nil)
		if r.StatusCode == http.StatusInsufficientStorage {
			r.is(t, 507, "full", "Free space")
			refused++
		}
	}
	if refused == 0 {
		t.Fatal("the disk never was full")
	}
	before := len(a.do("GET", "/machines", nil).is(t, 200).list(t))
	a.do("PUT", "/machines/"+mac2, jsonText(`{}`)).is(t, 507)
	a.do("GET", "/machines/"+mac2, nil).is(t, 404) // and it was not
	a.cookie = ""
	a.do("GET", "/ui/machines", nil).is(t, 200, mac1) // one can still get in and look
	a.anonymous("GET", "/boot/bty-live-x86_64.vmlinuz", nil).is(t, 200, "kernel")
	a.alive()
	if err := os.Remove(ballast.Name()); err != nil {
		t.Fatal(err)
	}
	_ = ballast.Close()
	a.do("PUT", "/machines/"+mac2, jsonText(`{}`)).is(t, 200)
	a.anonymous("GET", "/pxe/"+mac1, nil).is(t, 200)
	if after := len(a.do("GET", "/machines", nil).list(t)); after != before+1 {
		t.Errorf("%d machines became %d", before, after)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// local sends a request to one of the unix sockets.
func (a *appliance) local(socket, method, path string, body any) reply {
	a.Helper()
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, Dial: func(string, string) (net.Conn, error) {
		return net.Dial("unix", filepath.Join(a.run, socket))
	}}}
	reader, media := encode(body)
	req, err := http.NewRequest(method, "http://bty"+path, reader)
	if err != nil {
		a.Fatal(err)
	}
	if media != "" {
		req.Header.Set("Content-Type", media)
	}
	resp, err := client.Do(req)
	if err != nil {
		a.Fatal(err)
	}
	defer resp.Body.Close()
	raw, _ := io.ReadAll(resp.Body)
	return reply{resp, string(raw), nil}
}

// Who can open the control socket is the administrator.
func TestControlSocket(t *testing.T) {
	a := start(t, nil)
	for _, path := range []string{"/machines", "/events", "/catalog/entries", "/healthz", "/metrics", "/images"} {
		a.local("control.sock", "GET", path, nil).is(t, 200)
	}
	a.local("control.sock", "PUT", "/machines/"+mac1, jsonText(`{"boot_mode":"bty-flash-once"}`)).is(t, 200)
	a.local("control.sock", "POST", "/api/v1/machines/"+mac1+"/arm", nil).is(t, 200)
	a.local("control.sock", "PUT", "/boot/a.bin", "content").is(t, 200)
	a.local("control.sock", "GET", "/ui/machines", nil).is(t, 404)
	if e := a.events("kind=machine.created")[0]; e["source_ip"] != nil || e["actor"] != "operator" {
		t.Errorf("%v", e)
	}
	for _, socket := range []string{"control.sock", "report.sock"} {
		if info, err := os.Stat(filepath.Join(a.run, socket)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", socket, info, err)
		}
	}
}

func TestReportSocket(t *testing.T) {
	a := start(t, nil)
	a.anonymous("GET", "/pxe/"+mac1, nil) // seen at 127.0.0.1
	const done = `{"client":"127.0.0.1","file":"ipxe.efi","served":"ipxe-amd64.efi","bytes":1000,"duration_ns":5000000}`
	a.local("report.sock", "POST", "/transfers", jsonText(done)).is(t, 204)
	a.local("report.sock", "POST", "/transfers", jsonText(`{"client":"::ffff:192.0.2.9","file":"x","error":"timed out"}`)).is(t, 204)
	events := a.events("kind=netboot.tftp.transfer")
	if len(events) != 2 || events[1]["subject_id"] != mac1 || events[1]["actor"] != "system" || events[0]["subject_kind"] != "netboot" || events[0]["source_ip"] != "192.0.2.9" ||
		!strings.Contains(events[0]["summary"].(string), "timed out") {
		t.Errorf("%v", events)
	}
	a.local("report.sock", "GET", "/clients/127.0.0.1", nil).is(t, 200, `{"ipxe":false}`)
	a.local("report.sock", "GET", "/clients/nonsense", nil).is(t, 400)
	for _, body := range []string{`{}`, `{"client":"x","file":5}`, `{"client":"127.0.0.1","file":"x","bytes":-1}`, `{"client":"127.0.0.1","file":"x","y":1}`, `[`, `5`} {
		a.local("report.sock", "POST", "/transfers", jsonText(body)).is(t, 422)
	}
	a.anonymous("POST", "/sightings", jsonText(`{}`)).is(t, 404)
	a.local("report.sock", "POST", "/transfers", jsonText(`{"client":"nonsense","file":"x"}`)).is(t, 400, "nonsense")
	a.local("report.sock", "POST", "/transfers", jsonText(`{"client":"127.0.0.1","file":"`+strings.Repeat("x", 20<<10)+`"}`)).is(t, 413)
	for _, path := range []string{"/machines", "/pxe/" + mac1, "/events", "/boot/x"} { // it can do nothing else
		a.local("report.sock", "GET", path, nil).is(t, 404)
	}
	a.anonymous("POST", "/transfers", jsonText(done)).is(t, 404)
	a.alive()
}

// What the sniffer reports is remembered: who is at an address, and whether it is iPXE.
func TestSightings(t *testing.T) {
	a := start(t, nil)
	a.anonymous("GET", "/pxe/"+mac1, nil) // seen at 127.0.0.1
	seen := func(body string) reply { return a.local("report.sock", "POST", "/sightings", jsonText(body)) }
	const firmware = `{"mac":"` + mac1 + `","message":"REQUEST","class":"PXEClient:Arch:00007:UNDI:003016","arch":"x86_64 UEFI","arch_code":7,"address":"192.0.2.7","link":"eth0","vlan":5,"count":2}`
	seen(`{"sightings":[`+firmware+`,{"mac":"52:54:00:00:00:77","class":"PXEClient"}]}`).is(t, 204)
	a.local("report.sock", "GET", "/clients/192.0.2.7", nil).is(t, 200, `{"ipxe":false}`)
	seen(`{"sightings":[{"at":"2020-01-01T00:00:00Z","mac":"`+mac1+`","user_class":"iPXE"}]}`).is(t, 204) // too late to be news
	a.local("report.sock", "GET", "/clients/192.0.2.7", nil).is(t, 200, `{"ipxe":false}`)
	seen(`{"sightings":[{"mac":"`+mac1+`","class":"PXEClient","user_class":"iPXE"}],"answers":[{"mac":"`+mac1+`","message":"ACK","address":"192.0.2.8","server":"192.0.2.1"}]}`).is(t, 204)
	a.local("report.sock", "GET", "/clients/192.0.2.8", nil).is(t, 200, `{"ipxe":true}`)
	a.local("report.sock", "POST", "/transfers", jsonText(`{"client":"192.0.2.8","file":"ipxe.efi","bytes":1}`)).is(t, 204)
	if events := a.events("kind=netboot.tftp.transfer"); len(events) != 1 || events[0]["subject_id"] != mac1 {
		t.Errorf("%v", events)
	}
	events := a.events("kind=machine.sighted")
	if len(events) != 3 || !strings.Contains(fmt.Sprint(events), mac1+": its firmware asked for an address as PXEClient:Arch:00007:UNDI:003016, x86_64 UEFI, on eth0, VLAN 5") {
		t.Errorf("%v", events)
	}
	if found := a.events("kind=machine.discovered&subject_id=52:54:00:00:00:77"); len(found) != 1 || !strings.Contains(fmt.Sprint(found), "by its DHCP request") {
		t.Errorf("%v", found)
	}
	seen(`{"sightings":[{"mac":"nonsense"}]}`).is(t, 400, "nonsense")
	seen(`{"answers":[{"mac":"`+mac1+`","server":"nonsense"}]}`).is(t, 400, "nonsense")
	seen(`{"sightings":[{"class":"PXEClient"}]}`).is(t, 422, "mac")
	seen(`{"mac":"`+mac1+`"}`).is(t, 422, "mac")
	seen(`{"sightings":[`+strings.Repeat(`{"mac":"`+mac1+`"},`, 1000)+`{"mac":"`+mac1+`"}]}`).is(t, 422, "1001")
	a.alive()
}

// Clients that stall or talk nonsense take nothing from the others.
func TestHostileConnections(t *testing.T) {
	a := start(t, nil)
	for _, text := range []string{"", "\x00\x01\x02", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET /pxe/x HTTP/1.1\r\n\r\n", "POST /pxe/" + mac1 + "/status HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
		"POST /pxe/" + mac1 + "/status HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nzz\r\n", "GET /" + strings.Repeat("x", 100<<10) + " HTTP/1.1\r\nHost: h\r\n\r\n",
		"PUT /boot/x HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999\r\n\r\n", "GET /healthz HTTP/1.0\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
		"GET http://other/healthz HTTP/1.1\r\nHost: h\r\n\r\n", "CONNECT h:1 HTTP/1.1\r\nHost: h\r\n\r\n"} {
		conn, err := net.Dial("tcp", a.host)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, text); err != nil && len(text) < 1000 {
			t.Error(err)
		}
	}
	var work sync.WaitGroup
	for range 50 {
		work.Go(func() {
			if r, err := a.try("GET", "/pxe/"+mac1, nil, nil, ""); err != nil || r.StatusCode != 200 {
				t.Errorf("%v", err)
			}
		})
	}
	work.Wait()
	if strings.Contains(a.log.String(), "panic") {
		t.Error(a.log.String())
	}
	// HTTP/1.0 has no Host: the scripts name the address that was asked.
	conn, err := net.Dial("tcp", a.host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET /pxe-bootstrap.ipxe HTTP/1.0\r\n\r\n")
	raw, _ := io.ReadAll(conn)
	says(t, string(raw), "chain --replace --autofree http://"+a.host+"/pxe/")
	a.alive()
}

// Large bodies wait for each other, so that a crowd of them does not take all the memory; small
// ones do not wait for them.
func TestLargeBodies(t *testing.T) {
	a := start(t, nil)
	a.anonymous("GET", "/pxe/"+mac1, nil)
	for range 6 { // more than may be held at one time, and they stall
		conn, err := net.Dial("tcp", a.host)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST /pxe/%s/inventory HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 10000000\r\n\r\n{", mac1)
	}
	for range 20 {
		a.anonymous("POST", "/pxe/"+mac1+"/inventory", jsonText(`{"disks":[]}`)).is(t, 204)
	}
	a.alive()
}

// A crowd of large inventories is served, all of them.
func TestLargeInventories(t *testing.T) {
	t.Parallel()
	a := start(t, nil)
	body := `{"lshw":{"x":"` + strings.Repeat("y", 3<<20) + `"}}`
	var work sync.WaitGroup
	for i := range 12 {
		work.Go(func() {
			mac := fmt.Sprintf("52:54:00:00:03:%02x", i)
			if r, err := a.try("GET", "/pxe/"+mac, nil, nil, ""); err != nil || r.StatusCode != 200 {
				t.Errorf("%v", err)
			}
			if r, err := a.try("POST", "/pxe/"+mac+"/inventory", jsonText(body), nil, ""); err != nil || r.StatusCode != 204 {
				t.Errorf("%v %v", err, r.body)
			}
		})
	}
	work.Wait()
}

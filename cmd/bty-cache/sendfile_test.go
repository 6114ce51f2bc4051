package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"bty/internal/wire"
)

// What is complete goes from the file to the connection inside the kernel: whole, a part of it, and an
// answer to each of many requests on one connection.
func TestSendfile(t *testing.T) {
	p := newPublisher(t, newImage(9<<20))
	c := start(t, nil)
	src := p.URL + "/disk.img"
	c.publish(wire.CacheSource{Src: src, SHA256: p.image.digest, SizeBytes: int64(len(p.image.bytes))})
	if _, _, code := curl(t, c.url(src)); code != 0 {
		t.Fatalf("curl ended with %d", code)
	}
	c.held(p.image.digest)
	sent := c.traced()
	curl(t, c.url(src))
	curl(t, "-r", "1000-2000999", c.url(src))
	curl(t, "-r", "5-4000004", c.url(src), c.url(src))
	const behindHeaders = 512 // of each answer, which net/http sends with its headers
	const want = 9<<20 + 2_000_000 + 2*4_000_000 - 4*behindHeaders
	c.eventually(fmt.Sprintf("%d bytes are sent by the kernel", want), func() bool { return sent.Load() == want })
}

// traced counts what the daemon has sent with sendfile from now on.
func (c *cache) traced() *atomic.Int64 {
	c.Helper()
	trace := exec.Command("strace", "-f", "-qq", "-e", "trace=sendfile", "-p", strconv.Itoa(c.cmd.Process.Pid))
	out, err := trace.StderrPipe()
	if err != nil {
		c.Fatal(err)
	}
	if err := trace.Start(); err != nil {
		c.Fatalf("%v; apt-get install strace", err)
	}
	c.Cleanup(func() { _ = trace.Process.Kill(); _ = trace.Wait() })
	c.eventually("strace looks at it", func() bool { return tracer(c, c.cmd.Process.Pid) == trace.Process.Pid })
	sent := new(atomic.Int64)
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if m := sendfileGave.FindStringSubmatch(lines.Text()); m != nil {
				n, _ := strconv.ParseInt(m[1], 10, 64) // the pattern has settled it
				sent.Add(n)
			}
		}
	}()
	return sent
}

var sendfileGave = regexp.MustCompile(`sendfile.*= (\d+)$`)

// tracer is the process that traces another one, 0 if none does.
func tracer(t testing.TB, pid int) int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "TracerPid:")
	by, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return by
}

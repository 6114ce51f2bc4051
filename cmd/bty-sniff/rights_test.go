package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"bty/internal/testenv"
	"bty/internal/testenv/packet"
)

// What opens its own socket has no capability in any thread by the time it is ready, though it was root.
func TestRightsAreGivenUp(t *testing.T) {
	s := newSite(t)
	p := s.start("bty-sniff", "every capability given up")
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", p.PID()))
	if err != nil || len(tasks) == 0 {
		t.Fatalf("%v, %v", tasks, err)
	}
	for _, task := range tasks {
		text, err := os.ReadFile(task)
		if err != nil {
			continue // the thread has ended
		}
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "Cap") && !strings.HasSuffix(strings.TrimSpace(line), "\t0000000000000000") {
				t.Errorf("%s: %s", task, line)
			}
		}
	}
}

// The order is what matters: opened with the right, then the right is gone, and only then it receives.
func TestRightsAreGivenUpBeforeTheFirstPacket(t *testing.T) {
	s := newSite(t)
	trace := testenv.NewLog("strace")
	_, err := s.lan.Start(testenv.Program{Path: "strace", Args: []string{"-f", "-e", "trace=socket,capset,bind,recvmmsg", program("bty-sniff")}, Env: s.env, Output: trace})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := trace.Expect(t.Context(), 20*time.Second, "every capability given up"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.cable.Lease(packet.UEFI, net.HardwareAddr{0x52, 0x54, 0, 0, 3, 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := trace.Expect(t.Context(), 20*time.Second, `recvmmsg\(`); err != nil {
		t.Fatal(err)
	}
	all, from := trace.Tail(2000), 0
	for _, call := range []string{`socket\(AF_PACKET, .*= [0-9]`, `capset\(.*permitted=0, inheritable=0.*= 0`, `bind\([0-9]+, \{sa_family=AF_PACKET.*= 0`, `recvmmsg\(`} {
		at := regexp.MustCompile(call).FindStringIndex(all[from:])
		if at == nil {
			t.Fatalf("no %s, or not behind the one before it:\n%s", call, all)
		}
		from += at[1]
	}
	if late := regexp.MustCompile(`capset\(`).FindStringIndex(all[from:]); late != nil {
		t.Errorf("it still gives up rights after the first packet:\n%s", all)
	}
}

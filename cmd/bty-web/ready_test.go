package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// kept is a connection that stays, as a load balancer's.
type kept struct {
	*appliance
	conn   net.Conn
	reader *bufio.Reader
}

func (a *appliance) keep() kept {
	a.Helper()
	conn, err := net.Dial("tcp", a.host)
	if err != nil {
		a.Fatal(err)
	}
	a.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return kept{a, conn, bufio.NewReader(conn)}
}

func (k kept) answer() (status int, body string, closes bool) {
	k.Helper()
	resp, err := http.ReadResponse(k.reader, nil)
	if err != nil {
		k.Fatalf("the kept connection: %v\n%s", err, k.log)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		k.Fatal(err)
	}
	return resp.StatusCode, string(raw), resp.Close
}

// slowUpload begins a request that is slow.
func (a *appliance) slowUpload() kept {
	a.Helper()
	a.signIn()
	k := a.keep()
	fmt.Fprintf(k.conn, "PUT /boot/slow.bin HTTP/1.1\r\nHost: h\r\nCookie: bty-token=%s\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n", a.cookie)
	if line, err := k.reader.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
		a.Fatalf("%q, %v", line, err)
	}
	if _, err := k.reader.ReadString('\n'); err != nil {
		a.Fatal(err)
	}
	return k
}

// refusal is the first answer on the kept connection that is not 200.
func (k kept) refusal() string {
	k.Helper()
	for {
		fmt.Fprint(k.conn, "GET /readyz HTTP/1.1\r\nHost: h\r\n\r\n")
		status, body, closes := k.answer()
		if status == http.StatusServiceUnavailable && closes {
			return body
		}
		if status != http.StatusOK || closes {
			k.Fatalf("%d, closes %v: %s", status, closes, body)
		}
		time.Sleep(time.Millisecond)
	}
}

// While a slow request keeps a bty-web that was told to stop, or that is restoring, /readyz says so
// to whoever has a connection; the slow request is answered all the same.
func TestNotReady(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(a *appliance, pid int) error
		want string
	}{
		"stopping": {func(_ *appliance, pid int) error { return syscall.Kill(pid, syscall.SIGTERM) },
			`{"status":"not ready","reason":"bty-web is stopping"}`},
		"restoring": {func(a *appliance, _ int) error {
			a.do("POST", "/api/v1/backups/"+a.backUp()+"/restore", nil).is(a, 202)
			return nil
		}, `{"status":"not ready","reason":"a restore is under way; bty-web comes back by itself"}`},
	} {
		t.Run(name, func(t *testing.T) {
			a := prepare(t, nil)
			cmd := a.beginProcess()
			slow, balancer := a.slowUpload(), a.keep()
			if err := c.end(a, cmd.Process.Pid); err != nil {
				t.Fatal(err)
			}
			if got := balancer.refusal(); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			fmt.Fprint(slow.conn, "slow")
			if status, body, _ := slow.answer(); status != http.StatusOK {
				t.Errorf("the slow request: %d %s", status, body)
			}
		})
	}
}

// A state that does not answer is asked once, however many want to know, and no longer than it takes
// to be sure.
func TestReadyLooksOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks atomic.Int64
		broken := errors.New("the database does not get through")
		r := &readiness{restoring: func() bool { return false }, check: func(ctx context.Context) error {
			looks.Add(1)
			<-ctx.Done()
			return broken
		}}
		var all sync.WaitGroup
		begun := time.Now()
		for range 100 {
			all.Go(func() {
				if err := r.Ready(t.Context()); !errors.Is(err, broken) {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if looks.Load() != 1 || time.Since(begun) != readyTime {
			t.Errorf("%d looks in %s", looks.Load(), time.Since(begun))
		}
		hurried, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := r.Ready(hurried); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		time.Sleep(readyTime) // the look goes on for whoever else asks
	})
}

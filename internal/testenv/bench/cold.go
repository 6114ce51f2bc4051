package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// coldRounds is odd, so that there is a median.
const coldRounds = 15

// cold measures a daemon that is not running: from the first packet on the socket that a service
// manager holds for it, to the first answer. The state folder is one that was used before.
func cold(ctx context.Context, build string, _ time.Duration) error {
	dir, err := os.MkdirTemp("", "bty-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	boot := filepath.Join(dir, "state", "boot")
	if err := os.MkdirAll(boot, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(boot, "small"), []byte("small"), 0o644); err != nil {
		return err
	}
	fmt.Printf("\n## first packet on an inherited socket to first answer, daemon not running, %d rounds\n\n| daemon | median | slowest |\n|---|---|---|\n", coldRounds)
	for _, d := range []struct {
		name  string
		start func(context.Context, coldDaemon) (time.Duration, error)
	}{{"bty-web", coldWeb}, {"bty-tftp", coldTFTP}} {
		var took []time.Duration
		for range coldRounds {
			t, err := d.start(ctx, coldDaemon{filepath.Join(build, "bin", d.name), dir})
			if err != nil {
				return fmt.Errorf("%s: %w", d.name, err)
			}
			took = append(took, t)
		}
		slices.Sort(took)
		fmt.Printf("| %s | %.0f ms | %.0f ms |\n", d.name, millis(took[coldRounds/2]), millis(took[coldRounds-1]))
	}
	return nil
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

type coldDaemon struct{ program, dir string }

// run starts the daemon with the socket, as systemd does once there is something to read.
func (d coldDaemon) run(ctx context.Context, name string, socket *os.File) (stop func(), err error) {
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", `LISTEN_PID=$$ exec "$0"`, d.program)
	cmd.ExtraFiles = []*os.File{socket}
	cmd.Env = append(os.Environ(), "LISTEN_FDS=1", "LISTEN_FDNAMES="+name, "BTY_ADMIN_PASSWORD=bench",
		"BTY_PATHS_STATE_DIR="+filepath.Join(d.dir, "state"), "BTY_PATHS_RUN_DIR="+filepath.Join(d.dir, "run"))
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }, nil // it was killed
}

func coldWeb(ctx context.Context, d coldDaemon) (time.Duration, error) {
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return 0, err
	}
	defer l.Close()
	socket, err := l.File()
	if err != nil {
		return 0, err
	}
	defer socket.Close()
	begin := time.Now()
	conn, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"); err != nil {
		return 0, err
	}
	return d.until(ctx, "http", socket, conn, begin, "HTTP/1.1 200")
}

func coldTFTP(ctx context.Context, d coldDaemon) (time.Duration, error) {
	server, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return 0, err
	}
	defer server.Close()
	socket, err := server.File()
	if err != nil {
		return 0, err
	}
	defer socket.Close()
	client, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return 0, err
	}
	defer client.Close()
	begin := time.Now()
	if _, err := client.WriteTo([]byte("\x00\x01small\x00octet\x00"), server.LocalAddr()); err != nil {
		return 0, err
	}
	return d.until(ctx, "tftp", socket, client, begin, "\x00\x03\x00\x01small") // RFC 1350: DATA, block 1
}

// until runs the daemon and waits for the start of its answer.
func (d coldDaemon) until(ctx context.Context, name string, socket *os.File, conn net.Conn, begin time.Time, want string) (time.Duration, error) {
	stop, err := d.run(ctx, name, socket)
	if err != nil {
		return 0, err
	}
	defer stop()
	answer := make([]byte, 512)
	if err := conn.SetReadDeadline(begin.Add(10 * time.Second)); err != nil {
		return 0, err
	}
	n, err := conn.Read(answer)
	took := time.Since(begin)
	if got := string(answer[:n]); err == nil && (len(got) < len(want) || got[:len(want)] != want) {
		err = fmt.Errorf("answered %q", got)
	}
	return took, err
}

package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

const fileSize = 300 << 20

// files measures a boot file of 300 MiB at 16 connections against nginx with sendfile, in turns.
func files(ctx context.Context, build string, _ time.Duration) error {
	s, err := start(ctx, build)
	if err != nil {
		return err
	}
	defer s.stop()
	boot := filepath.Join(s.dir, "state", "boot")
	if err := os.WriteFile(filepath.Join(boot, "big.img"), make([]byte, fileSize), 0o644); err != nil {
		return err
	}
	nginx, stop, err := startNginx(ctx, s.dir, boot)
	if err != nil {
		return err
	}
	defer stop()
	fmt.Printf("\n## /boot/{name}: 300 MiB at 16 connections, MB/s\n\n| round | bty-web | nginx, sendfile | ratio |\n|---|---|---|---|\n")
	for round := range 6 {
		ours, err := fetchAll(s.address, "/boot/big.img", 16)
		if err != nil {
			return err
		}
		theirs, err := fetchAll(nginx, "/big.img", 16)
		if err != nil {
			return err
		}
		if round > 0 { // the first one warms the page cache
			fmt.Printf("| %d | %.0f | %.0f | %.2f |\n", round, ours, theirs, ours/theirs)
		}
	}
	return nil
}

func fetchAll(address, path string, n int) (float64, error) {
	var wg sync.WaitGroup
	errs := make([]error, n)
	begin := time.Now()
	for i := range n {
		wg.Go(func() {
			c, err := dial(address)
			if err != nil {
				errs[i] = err
				return
			}
			defer c.Close()
			if _, length, err := c.ask(get(path)); err != nil || length != fileSize {
				errs[i] = fmt.Errorf("%s: %d bytes: %w", path, length, err)
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return 0, err
		}
	}
	return float64(n) * fileSize / 1e6 / time.Since(begin).Seconds(), nil
}

const nginxConf = `
daemon off;
pid %[1]s/nginx.pid;
error_log %[1]s/nginx.log;
worker_processes auto;
events { worker_connections 1024; }
http {
  access_log off; sendfile on; tcp_nopush on;
  client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;
  server { listen %[2]s; root %[3]s; }
}
`

func startNginx(ctx context.Context, dir, root string) (address string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	address = l.Addr().String()
	l.Close()
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, nginxConf, dir, address, root), 0o644); err != nil {
		return "", nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // its workers run as another user
		return "", nil, err
	}
	for _, folder := range []string{filepath.Dir(root), root} {
		if err := os.Chmod(folder, 0o755); err != nil {
			return "", nil, err
		}
	}
	cmd := exec.CommandContext(ctx, "nginx", "-c", conf, "-p", dir)
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("start nginx: %w; apt-get install nginx-light", err)
	}
	stop = func() { _ = cmd.Process.Signal(os.Interrupt); _ = cmd.Wait() }
	for range 100 {
		if c, err := net.Dial("tcp", address); err == nil {
			return address, stop, c.Close()
		}
		time.Sleep(20 * time.Millisecond)
	}
	stop()
	return "", nil, fmt.Errorf("nginx did not start; see %s/nginx.log", dir)
}

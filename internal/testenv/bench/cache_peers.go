package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// startCache starts bty-cache over an empty folder.
func startCache(build string) starter {
	return func(ctx context.Context, dir string, o *slowOrigin) (*peer, error) {
		address, err := freeAddress()
		if err != nil {
			return nil, err
		}
		_, port, _ := net.SplitHostPort(address)
		cmd := exec.CommandContext(ctx, filepath.Join(build, "bin", "bty-cache"))
		cmd.Env = append(os.Environ(), "BTY_CACHE_HOST=127.0.0.1", "BTY_CACHE_PORT="+port, "BTY_CACHE_DIR="+filepath.Join(dir, "cache"),
			"BTY_PATHS_RUN_DIR="+filepath.Join(dir, "run"), "BTY_PATHS_STATE_DIR="+filepath.Join(dir, "state"),
			"BTY_CACHE_ALLOW=http://"+o.address+"/", "BTY_CACHE_ALLOW_PRIVATE=127.0.0.0/8", "BTY_CACHE_MIN_FREE=1G")
		return startPeer(cmd, dir, &peer{name: "bty-cache", address: address, path: blobPath})
	}
}

const varnishConf = `vcl 4.1;
backend default { .host = "127.0.0.1"; .port = "%s"; .first_byte_timeout = 60s; }
sub vcl_backend_response { set beresp.ttl = 1h; }
`

// startVarnish starts Varnish with the image in its memory.
func startVarnish(ctx context.Context, dir string, o *slowOrigin) (*peer, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(o.address)
	conf := filepath.Join(dir, "bench.vcl")
	if err := writeConf(conf, fmt.Sprintf(varnishConf, port)); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "varnishd", "-F", "-j", "none", "-a", address, "-f", conf, "-n", filepath.Join(dir, "n"), "-s", "malloc,2200m", "-T", "none")
	return startPeer(cmd, dir, &peer{name: "Varnish, memory", address: address, path: pathAlone})
}

const nginxCacheConf = `
daemon off; master_process off; user root;
pid %[1]s/nginx.pid;
error_log %[1]s/nginx.log;
events { worker_connections 1024; }
http {
  access_log off; sendfile on; tcp_nopush on;
  client_body_temp_path %[1]s; proxy_temp_path %[1]s/temp; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;
  proxy_cache_path %[1]s/cache keys_zone=z:1m max_size=8g use_temp_path=off;
  server {
    listen %[2]s;
    location / {
      proxy_pass http://%[3]s; proxy_cache z; proxy_cache_valid 200 1h;
      proxy_cache_lock on; proxy_cache_lock_age 5m; proxy_cache_lock_timeout 5m;
    }
  }
}
`

// startNginxCache starts nginx with a cache on the disk; who asks for what is being fetched waits.
func startNginxCache(ctx context.Context, dir string, o *slowOrigin) (*peer, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	conf := filepath.Join(dir, "nginx.conf")
	if err := writeConf(conf, fmt.Sprintf(nginxCacheConf, dir, address, o.address)); err != nil {
		return nil, err
	}
	return startPeer(exec.CommandContext(ctx, "nginx", "-c", conf, "-p", dir), dir, &peer{name: "nginx, proxy_cache_lock", address: address, path: pathAlone})
}

func pathAlone(origin string) string {
	_, rest, _ := strings.Cut(origin, "://")
	return rest[strings.IndexByte(rest, '/'):]
}

func writeConf(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func startPeer(cmd *exec.Cmd, dir string, p *peer) (*peer, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w; make setup-bench installs what is missing", p.name, err)
	}
	p.pid = cmd.Process.Pid
	p.stop = func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		os.RemoveAll(dir)
	}
	for range 300 {
		if c, err := net.Dial("tcp", p.address); err == nil {
			p.pid = workerOf(p.pid)
			return p, c.Close()
		}
		time.Sleep(20 * time.Millisecond)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	return nil, fmt.Errorf("%s did not start; its log is in %s", p.name, dir)
}

// workerOf is the process that does the work: a child, where there is one.
func workerOf(pid int) int {
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if first, _, ok := strings.Cut(string(children), " "); ok {
		if child, err := strconv.Atoi(first); err == nil {
			return child
		}
	}
	return pid
}

package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// Control talks to bty-web over its control socket: whoever may open its file is the administrator.
// Calls take as long as their context allows; an answer that does not begin within StallTimeout
// of a request that was sent is a StallError.
type Control struct {
	path   string
	agent  string
	daemon string // whose socket it is
	http   *http.Client
}

// StallTimeout is how long the server may take to begin its answer on the control socket.
const StallTimeout = 10 * time.Minute

// NewControl returns a client of the socket at path. version names the calling program
// ("bty-lab/1.2").
func NewControl(path, agent string) *Control { return newControl(path, agent, "bty-web") }

func newControl(path, agent, daemon string) *Control {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "unix", path)
		if err != nil {
			return nil, &SocketError{path, daemon, err}
		}
		return conn, nil
	}
	return &Control{path: path, agent: agent, daemon: daemon, http: &http.Client{Transport: &http.Transport{
		DialContext: dial, ResponseHeaderTimeout: StallTimeout, MaxIdleConnsPerHost: 2, DisableCompression: true,
	}}}
}

// Close drops idle connections.
func (c *Control) Close() { c.http.CloseIdleConnections() }

// SocketError is a control socket that cannot be used.
type SocketError struct {
	Path   string
	Daemon string // whose it is
	Cause  error
}

func (e *SocketError) Error() string {
	switch {
	case e.Daemon == cacheDaemon:
		return e.ofCache()
	case errors.Is(e.Cause, fs.ErrNotExist):
		return fmt.Sprintf("there is no control socket %s: bty-web does not run here. Start it (%s), or name its folder ([paths] run_dir, BTY_PATHS_RUN_DIR)", e.Path, e.start("enable --now"))
	case errors.Is(e.Cause, fs.ErrPermission):
		return fmt.Sprintf("this user may not open the control socket %s. Be root, or join the group bty-admin (usermod -aG bty-admin USER) and sign in again", e.Path)
	case errors.Is(e.Cause, syscall.ECONNREFUSED):
		return fmt.Sprintf("nobody listens on the control socket %s: bty-web has ended. Start it (%s); %s says why it ended", e.Path, e.start("start"), e.log())
	}
	return fmt.Sprintf("control socket %s: %v", e.Path, e.Cause)
}

// isComposed holds for the socket of a compose project, which is in a volume.
func (e *SocketError) isComposed() bool { return strings.Contains(e.Path, "/volumes/bty-control/") }

// start is the command that has the server listen.
func (e *SocketError) start(verb string) string {
	if e.isComposed() {
		return "bty-lab deploy, or podman start bty-web"
	}
	return "systemctl " + verb + " bty-web.socket"
}

func (e *SocketError) log() string {
	if e.isComposed() {
		return "podman logs bty-web"
	}
	return "journalctl -u bty-web"
}

func (e *SocketError) Unwrap() error { return e.Cause }

// IsAbsent reports whether err says that no server listens: its files are free to be worked on.
func IsAbsent(err error) bool {
	e, ok := errors.AsType[*SocketError](err)
	return ok && (errors.Is(e.Cause, fs.ErrNotExist) || errors.Is(e.Cause, syscall.ECONNREFUSED))
}

// Call sends in as JSON (nil: no body) and decodes the answer into out (nil: not wanted).
func (c *Control) Call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	media := ""
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode the request: %w", err)
		}
		body, media = bytes.NewReader(raw), "application/json"
	}
	return c.Send(ctx, method, path, media, body, -1, out)
}

// Send sends body as it is, size bytes long (-1: not known), and decodes the answer into out.
func (c *Control) Send(ctx context.Context, method, path, media string, body io.Reader, size int64, out any) error {
	resp, err := c.open(ctx, method, path, media, body, size)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return &BadAnswerError{URL: path, Want: "what this version of " + c.daemon + " is known to say", Cause: err}
	}
	return nil
}

// Fetch writes the body of the answer to w and returns its header.
func (c *Control) Fetch(ctx context.Context, path string, w io.Writer) (http.Header, error) {
	resp, err := c.open(ctx, http.MethodGet, path, "", nil, 0)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(w, resp.Body); err != nil {
		return nil, fmt.Errorf("the answer to %s broke off: %w", path, err)
	}
	return resp.Header, nil
}

// open returns an answer of 2xx with its body still to be read.
func (c *Control) open(ctx context.Context, method, path, media string, body io.Reader, size int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://bty-web"+path, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", c.agent)
	req.Header.Set("Accept", "application/json")
	if media != "" {
		req.Header.Set("Content-Type", media)
	}
	if body != nil && size >= 0 {
		req.ContentLength = size
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.failed(ctx, path, err)
	}
	if resp.StatusCode >= 200 && resp.StatusCode <= 299 {
		return resp, nil
	}
	defer resp.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // the code says enough
	return nil, newStatusError(req, resp.StatusCode, said)
}

func (c *Control) failed(ctx context.Context, path string, err error) error {
	if socket, ok := errors.AsType[*SocketError](err); ok {
		return socket
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return &UnreachableError{URL: c.path + path, Cause: err}
}

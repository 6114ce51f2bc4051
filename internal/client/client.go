// Package client is the typed HTTP client of bty-web's /pxe routes, as a machine in the live
// environment uses them: it reports its disks, asks for its plan, and says how it went.
//
// Every call is one attempt with a deadline of its own. Whether to try again is the caller's
// decision; Retryable says whether it can help.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"bty/internal/machine"
	"bty/internal/wire"
)

// Deadlines of one attempt. The plan's is that of the clients in the field: the server may wait
// some seconds for a cache before it answers.
const (
	PlanTimeout      = 15 * time.Second
	InventoryTimeout = 10 * time.Second
	StatusTimeout    = 10 * time.Second
	ProgressTimeout  = 3 * time.Second
	LogTimeout       = 5 * time.Second
)

// maxAnswer bounds what is read of an answer; a plan has some hundred bytes.
const maxAnswer = 1 << 20

// Client talks to one server about one machine.
type Client struct {
	base  string
	mac   machine.MAC
	agent string
	http  *http.Client
}

// New returns a client of the server that ParseServer understood. version names this program in
// the User-Agent.
func New(server Server, mac machine.MAC, version string) *Client {
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout: 5 * time.Second,
		MaxIdleConnsPerHost: 2,
		IdleConnTimeout:     30 * time.Second,
	}
	return &Client{
		base:  string(server),
		mac:   mac,
		agent: "bty/" + version,
		http:  &http.Client{Transport: transport},
	}
}

// Server is the base URL of the server this client talks to.
func (c *Client) Server() Server { return Server(c.base) }

// MAC is the machine this client talks about.
func (c *Client) MAC() machine.MAC { return c.mac }

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Plan asks what this machine is to do now.
func (c *Client) Plan(ctx context.Context) (wire.Plan, error) {
	var plan wire.Plan
	body, err := c.do(ctx, http.MethodGet, "plan", nil, "", PlanTimeout)
	if err != nil {
		return plan, err
	}
	if err := json.Unmarshal(body, &plan); err != nil {
		return wire.Plan{}, &BadAnswerError{URL: c.url("plan"), Cause: err}
	}
	return plan, nil
}

// Inventory reports the machine's disks and hardware, cut to the server's limits.
func (c *Client) Inventory(ctx context.Context, inv wire.Inventory) error {
	return c.post(ctx, "inventory", Fit(inv), "", InventoryTimeout)
}

// Status reports how a run ended. attempt is the same for every retry of one report, so that a
// server that heard it already can tell (header Idempotency-Key; older servers ignore it).
func (c *Client) Status(ctx context.Context, s wire.Status, attempt string) error {
	s.Reason = FitReason(s.Reason)
	return c.post(ctx, "status", s, attempt, StatusTimeout)
}

// Progress reports where a run is.
func (c *Client) Progress(ctx context.Context, p wire.Progress) error {
	p.Detail = cut(p.Detail, wire.MaxDetail)
	return c.post(ctx, "progress", p, "", ProgressTimeout)
}

// Picked reports what somebody chose at the machine's console.
func (c *Client) Picked(ctx context.Context, p wire.Pick) error {
	return c.post(ctx, "progress", wire.Picked{Stage: wire.StagePicked, Pick: fitPick(p)}, "", ProgressTimeout)
}

// Log sends the next piece of what the live environment logs, of at most wire.MaxLog bytes.
func (c *Client) Log(ctx context.Context, piece []byte) error {
	_, err := c.send(ctx, call{method: http.MethodPost, route: "log", body: piece, kind: "text/plain; charset=utf-8", limit: LogTimeout})
	return err
}

func (c *Client) post(ctx context.Context, route string, body any, attempt string, limit time.Duration) error {
	data, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode %s: %w", route, err)
	}
	_, err = c.do(ctx, http.MethodPost, route, data, attempt, limit)
	return err
}

func (c *Client) url(route string) string {
	return c.base + "/pxe/" + c.mac.String() + "/" + route
}

func (c *Client) do(ctx context.Context, method, route string, data []byte, attempt string, limit time.Duration) ([]byte, error) {
	// Any other type is refused with 422 (wire contract, conventions).
	return c.send(ctx, call{method: method, route: route, body: data, kind: "application/json", attempt: attempt, limit: limit})
}

// call is one request.
type call struct {
	method, route string
	body          []byte
	kind          string // of the body
	attempt       string // names the report that this is a try of, "" for one that is sent once
	limit         time.Duration
}

func (c *Client) send(ctx context.Context, one call) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, one.limit, &StallError{URL: c.url(one.route), Limit: one.limit})
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, one.method, c.url(one.route), bytes.NewReader(one.body))
	if err != nil {
		return nil, err
	}
	c.header(req, one)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.failed(ctx, one.route, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		return nil, newStatusError(req, resp.StatusCode, body)
	case err != nil:
		return nil, c.failed(ctx, one.route, err)
	case len(body) > maxAnswer:
		return nil, &BadAnswerError{URL: c.url(one.route), Cause: errors.New("longer than 1 MiB")}
	}
	return body, nil
}

func (c *Client) header(req *http.Request, one call) {
	req.Header.Set("User-Agent", c.agent)
	req.Header.Set("Accept", "application/json")
	if req.Method == http.MethodPost {
		req.Header.Set("Content-Type", one.kind)
	}
	if one.attempt != "" {
		req.Header.Set("Idempotency-Key", one.attempt)
	}
}

// failed names the deadline of ours where that is what ended the request.
func (c *Client) failed(ctx context.Context, route string, err error) error {
	if stall, ok := errors.AsType[*StallError](context.Cause(ctx)); ok {
		return stall
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &UnreachableError{URL: c.url(route), Cause: err}
}

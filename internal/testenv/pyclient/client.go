// Package pyclient is a stand-in for the Python client that machines in the field run: request by
// request, process by process and wait by wait what is known of it, its mistakes included. It was
// written from a description of that client, and it shares no code with the server or with bty.
// The image goes through real curl, tee, sha256sum, gzip and dd.
package pyclient

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Client is one run on one machine.
type Client struct {
	Server string // as --server has it
	MAC    string // as --mac has it, passed on verbatim
	CAs    string // PEM file that curl and the client trust; "" for the system's

	Lsblk func(context.Context) ([]byte, error) // default: the real one
	LSHW  json.RawMessage                       // nil: lshw failed

	// Hurry divides the time limits of requests, for tests of them; 0 leaves them as they are.
	Hurry int

	// The person at the console. A failure of the unattended flash waits for Enter before it is
	// reported; Choose picks in the wizard, nil is to quit.
	Enter  func()
	Choose func(entries []Entry) (src, serial string)

	lines []string
}

// Outcome is how a run ended. The process exits 0 in any case.
type Outcome struct {
	Result   int    // of an unattended flash: 0, or the step that failed, 1 to 5
	Why      string // it failed
	Banner   string // of the wizard, if it was shown with one
	Wizard   bool
	Catalog  string // that the wizard read
	Entries  []Entry
	Rebooted bool
}

// plan is what the client uses of an answer.
type plan struct {
	Mode    string `json:"mode"`
	Image   string `json:"image"`
	Serial  string `json:"target_disk_serial"`
	Format  string `json:"format"`
	Name    string `json:"name"`
	SHA     string `json:"disk_image_sha"`
	Catalog any    `json:"catalog"`
}

// Lines are the markers on the console so far.
func (c *Client) Lines() []string { return c.lines }

func (c *Client) mark(text string) { c.lines = append(c.lines, "bty: "+text) }

// base is the server's URL: a bare host gets http:// and no port, which is port 80.
func (c *Client) base() string {
	s := strings.TrimRight(strings.TrimSpace(c.Server), "/")
	if !strings.Contains(s, "://") {
		s = "http://" + s
	}
	return s
}

// Run asks for the plan and does what it says. The inventory goes out beside that. The real client
// does not wait for it; this one does at its end, so that a test sees all requests.
func (c *Client) Run(ctx context.Context) Outcome {
	c.mark("entered v0.65.4")
	defer c.mark("exiting v0.65.4")
	sent := make(chan struct{})
	go func() { defer close(sent); _ = c.inventory(ctx) }()
	defer func() { <-sent }()
	p, err := c.plan(ctx)
	if err != nil {
		return c.wizard(ctx, c.base()+"/catalog.toml", fmt.Sprintf("plan fetch failed: %v", err))
	}
	switch p.Mode {
	case "flash":
		if p.Image == "" || p.Serial == "" {
			return c.wizard(ctx, c.base()+"/catalog.toml", "the plan names no image or no disk")
		}
		return c.unattended(ctx, p)
	case "inventory":
		if err := c.inventory(ctx); err != nil {
			return Outcome{Why: err.Error(), Rebooted: true}
		}
		return Outcome{Rebooted: true}
	case "exit":
		return Outcome{}
	case "interactive":
		catalog, ok := p.Catalog.(string)
		if !ok || catalog == "" {
			catalog = c.base() + "/catalog.toml"
		}
		return c.wizard(ctx, catalog, "")
	}
	return c.wizard(ctx, c.base()+"/catalog.toml", fmt.Sprintf("unknown mode %q", p.Mode))
}

// plan is asked for once.
func (c *Client) plan(ctx context.Context) (plan, error) {
	var p plan
	raw, err := c.urlopen(ctx, http.MethodGet, c.base()+"/pxe/"+c.MAC+"/plan", nil, 15*time.Second, 1<<20, "Accept", "application/json")
	if err == nil {
		err = json.Unmarshal(raw, &p)
	}
	return p, err
}

// unattended is the flash of a plan, and the report of it.
func (c *Client) unattended(ctx context.Context, p plan) Outcome {
	c.mark("auto-flash starting")
	step, err := c.auto(ctx, p)
	if err != nil {
		if c.Enter != nil {
			c.Enter()
		}
		c.report(ctx, "failed", err.Error())
		o := c.wizard(ctx, c.base()+"/catalog.toml", err.Error())
		o.Result, o.Why = step, err.Error()
		return o
	}
	c.report(ctx, "done", "") // by the screen of the flash
	c.report(ctx, "done", "") // and by the run that showed it
	c.mark("flash complete; rebooting")
	return Outcome{Rebooted: true}
}

// auto returns the number of the step that failed.
func (c *Client) auto(ctx context.Context, p plan) (int, error) {
	disks, err := c.disks(ctx)
	if err != nil {
		return 1, err
	}
	disk, ok := match(disks, p.Serial)
	if !ok {
		return 2, fmt.Errorf("no disk with serial %s", p.Serial)
	}
	image, err := c.probe(ctx, p.Image, p.Format, p.SHA)
	if err != nil {
		return 3, err
	}
	if problems := c.validate(ctx, image, disk.Path); len(problems) > 0 {
		return 4, fmt.Errorf("%s", strings.Join(problems, "; "))
	}
	if err := c.flash(ctx, image, disk.Path); err != nil {
		return 5, err
	}
	return 0, nil
}

// report tells how a flash ended. That it cannot be told changes nothing.
func (c *Client) report(ctx context.Context, status, reason string) {
	body := map[string]string{"status": status}
	if reason = strings.TrimSpace(reason); reason != "" {
		body["reason"] = reason[:min(len(reason), 500)]
	}
	raw, _ := json.Marshal(body)
	_, _ = c.urlopen(ctx, http.MethodPost, c.base()+"/pxe/"+c.MAC+"/status", raw, 10*time.Second, 1<<20)
}

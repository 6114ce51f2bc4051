package appliance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"bty/internal/machine"
	"bty/internal/testenv"
	"bty/internal/wire"
)

// Client is an operator's program on the LAN. It is not internal/client: a test that talks to
// the server with the server's own client would not see what both have wrong.
type Client struct {
	http *http.Client
	base string
}

// Client returns a client that has not signed in.
func (a *Appliance) Client() *Client { return newClient(a.lan, URL) }

func newClient(lan *testenv.LAN, base string) *Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		panic(err) // without options there is nothing that can be wrong
	}
	return &Client{&http.Client{
		Jar: jar, Timeout: 20 * time.Second,
		Transport:     &http.Transport{DialContext: lan.DialContext, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, base}
}

// Operator returns a client that has signed in with the well-known password.
func (a *Appliance) Operator(ctx context.Context) (*Client, error) {
	return SignIn(ctx, a.lan, URL, "bty-lab")
}

// SignIn returns a client that has signed in to an appliance somewhere on the LAN.
func SignIn(ctx context.Context, lan *testenv.LAN, base, password string) (*Client, error) {
	c := newClient(lan, base)
	form := url.Values{"password": {password}}.Encode()
	answer, err := c.send(ctx, http.MethodPost, "/ui/login", "application/x-www-form-urlencoded", strings.NewReader(form))
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusSeeOther {
		return nil, fmt.Errorf("signing in: %s; want 303", answer.Status)
	}
	return c, nil
}

// Machine is what a test reads of GET /machines/{mac}.
type Machine struct {
	BootMode   string         `json:"boot_mode"`
	State      string         `json:"state"`
	Cycle      wire.Cycle     `json:"cycle"`
	Progress   *wire.Progress `json:"progress"`
	KnownDisks []machine.Disk `json:"known_disks"`
	Flashed    *time.Time     `json:"last_flashed_at"`
}

// Event is what a test reads of GET /events.
type Event struct {
	ID        uint64          `json:"id"`
	At        time.Time       `json:"ts"`
	Kind      string          `json:"kind"`
	SubjectID string          `json:"subject_id"`
	Summary   string          `json:"summary"`
	Details   json.RawMessage `json:"details"`
}

// Binding is what an operator sets for a machine.
type Binding struct {
	Mode   string `json:"boot_mode"`
	Image  string `json:"bty_image_ref,omitempty"`
	Serial string `json:"target_disk_serial,omitempty"`
}

// AddImage adds an image to the catalog and returns its reference.
func (c *Client) AddImage(ctx context.Context, imageURL, digestURL string) (string, error) {
	request := map[string]string{"image_url": imageURL}
	if digestURL != "" {
		request["sha_url"] = digestURL
	}
	var added struct {
		ImageRef string `json:"bty_image_ref"`
	}
	err := c.call(ctx, http.MethodPost, "/catalog/entries", request, &added)
	return added.ImageRef, err
}

// Upload stores a boot file.
func (c *Client) Upload(ctx context.Context, name, file string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	answer, err := c.send(ctx, http.MethodPut, "/boot/"+name, "application/octet-stream", bytes.NewReader(content))
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("storing %s: %s", name, answer.Status)
	}
	return nil
}

// Bind saves what the machine is for.
func (c *Client) Bind(ctx context.Context, mac string, b Binding) error {
	return c.call(ctx, http.MethodPut, "/machines/"+mac, b, nil)
}

// Arm is the button "Flash again".
func (c *Client) Arm(ctx context.Context, mac string) error {
	return c.call(ctx, http.MethodPost, "/api/v1/machines/"+mac+"/arm", nil, nil)
}

// Machine reads one machine.
func (c *Client) Machine(ctx context.Context, mac string) (Machine, error) {
	var m Machine
	return m, c.get(ctx, "/machines/"+mac, &m)
}

// WaitMachine asks for the machine until it is as wanted.
func (c *Client) WaitMachine(ctx context.Context, mac string, timeout time.Duration, wanted func(Machine) bool) (Machine, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for {
		m, err := c.Machine(ctx, mac)
		if err == nil && wanted(m) {
			return m, nil
		}
		select {
		case <-ctx.Done():
			return m, fmt.Errorf("machine %s is not as wanted after %v but %+v: %w", mac, timeout, m, errors.Join(err, ctx.Err()))
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// Events are those of one machine, oldest first.
func (c *Client) Events(ctx context.Context, mac string) ([]Event, error) {
	var list struct {
		Events []Event `json:"events"`
	}
	err := c.get(ctx, "/events?limit=500&subject_id="+url.QueryEscape(mac), &list)
	slices.Reverse(list.Events)
	return list.Events, err
}

// Log is what the machine's live environment has logged.
func (c *Client) Log(ctx context.Context, mac string) (string, error) {
	path := "/api/v1/machines/" + mac + "/log"
	answer, err := c.send(ctx, http.MethodGet, path, "application/json", http.NoBody)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 8<<20))
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s: %s", path, answer.Status, text)
	}
	return string(text), err
}

// Page is what a browser is given.
func (c *Client) Page(ctx context.Context, path string) (string, error) {
	answer, err := c.send(ctx, http.MethodGet, path, "text/html", http.NoBody)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 8<<20))
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s: %s: %.300s", path, answer.Status, text)
	}
	return string(text), err
}

func (c *Client) get(ctx context.Context, path string, into any) error {
	return c.call(ctx, http.MethodGet, path, nil, into)
}

func (c *Client) call(ctx context.Context, method, path string, request, into any) error {
	var body io.Reader = http.NoBody
	if request != nil {
		raw, err := json.Marshal(request)
		if err != nil {
			return err
		}
		body = bytes.NewReader(raw)
	}
	answer, err := c.send(ctx, method, path, "application/json", body)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(answer.Body, 8<<20))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if answer.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, raw)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(raw, into)
}

func (c *Client) send(ctx context.Context, method, path, kind string, body io.Reader) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", kind)
	return c.http.Do(request)
}

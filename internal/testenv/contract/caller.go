package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// Server is the server under test, as a program on the LAN sees it.
type Server struct {
	URL, Password string
	Origin        *Origin // of the images
	cookie        string  // of the operator
	live          string  // the name of the live environment's files, without what follows the dot
	uploads       map[string]bool
}

// Host is what the server is called in a Host header.
func (s *Server) Host() string { return strings.TrimPrefix(s.URL, "http://") }

var client = &http.Client{
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Transport:     &http.Transport{MaxIdleConnsPerHost: 32, DisableCompression: true},
	Timeout:       60 * time.Second,
}

// Caller sends the requests of one case.
type Caller struct {
	testing.TB
	*Server
}

// Text is a body that is sent as it stands.
type Text struct{ Media, Body string }

// JSON is a body in JSON that is sent as it stands.
func JSON(body string) Text { return Text{"application/json", body} }

// FormOf is the body of an HTML form.
func FormOf(pairs ...string) Text {
	values := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	return Text{"application/x-www-form-urlencoded", values.Encode()}
}

// Anonymous sends a request without the cookie. A body that is no Text goes as JSON.
func (c Caller) Anonymous(method, path string, body any, header ...string) Answer {
	c.Helper()
	return c.send(method, path, body, header, "")
}

// Do sends a request as the operator.
func (c Caller) Do(method, path string, body any, header ...string) Answer {
	c.Helper()
	return c.send(method, path, body, header, c.operator())
}

// SignIn gives the password and returns the cookie.
func (c Caller) SignIn() string {
	c.Helper()
	answer := c.Anonymous("POST", "/ui/login", FormOf("password", c.Password))
	for _, cookie := range answer.Cookies() {
		if cookie.Name == "bty-token" && answer.StatusCode == http.StatusSeeOther {
			return cookie.Value
		}
	}
	c.Fatalf("cannot sign in: %s: %.500s", answer.Status, answer.Body)
	return ""
}

func (c Caller) send(method, path string, body any, header []string, cookie string) Answer {
	c.Helper()
	answer, err := c.try(method, path, body, header, cookie)
	if err != nil {
		c.Fatalf("%s %s: %v", method, path, err)
	}
	return answer
}

func (c Caller) try(method, path string, body any, header []string, cookie string) (Answer, error) {
	reader, media := encode(body)
	request, err := http.NewRequest(method, c.URL+path, reader)
	if err != nil {
		return Answer{}, err
	}
	if media != "" {
		request.Header.Set("Content-Type", media)
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	if host := request.Header.Get("Host"); host != "" {
		request.Host = host
	}
	if cookie != "" {
		request.AddCookie(&http.Cookie{Name: "bty-token", Value: cookie})
	}
	response, err := client.Do(request)
	if err != nil {
		return Answer{}, err
	}
	defer response.Body.Close()
	if name, isBoot := strings.CutPrefix(path, "/boot/"); isBoot && method == "PUT" && response.StatusCode == http.StatusOK {
		c.note(name)
	}
	raw, err := io.ReadAll(response.Body)
	return Answer{response, string(raw), c, fmt.Sprintf("%s %s", method, path)}, err
}

// note remembers a boot file that was uploaded.
func (s *Server) note(name string) {
	if s.uploads == nil {
		s.uploads = map[string]bool{}
	}
	s.uploads[name] = true
}

// Tidy deletes the boot files that cases uploaded, on a server that can delete some.
func (c Caller) Tidy() {
	for name := range c.uploads {
		_, _ = c.try("DELETE", "/api/v1/boot/"+name, nil, nil, c.operator())
	}
}

func encode(body any) (io.Reader, string) {
	switch body := body.(type) {
	case nil:
		return nil, ""
	case Text:
		return strings.NewReader(body.Body), body.Media
	case io.Reader:
		return body, ""
	}
	raw, err := json.Marshal(body)
	if err != nil {
		panic(err) // a body that a case wrote
	}
	return bytes.NewReader(raw), "application/json"
}

// Answer is what came back.
type Answer struct {
	*http.Response
	Body string
	c    Caller
	what string
}

// Is checks the status and what the body says.
func (a Answer) Is(status int, says ...string) Answer {
	a.c.Helper()
	if a.StatusCode != status {
		a.c.Errorf("%s: status %d, want %d: %.500s", a.what, a.StatusCode, status, a.Body)
	}
	for _, text := range says {
		if !strings.Contains(a.Body, text) {
			a.c.Errorf("%s: does not say %q: %.800s", a.what, text, a.Body)
		}
	}
	return a
}

// Leads checks that the answer is a 303 to a place; a place that ends in * is a beginning.
func (a Answer) Leads(place string) Answer {
	a.c.Helper()
	a.Is(http.StatusSeeOther)
	got := a.Header.Get("Location")
	if begin, open := strings.CutSuffix(place, "*"); got != place && !(open && strings.HasPrefix(got, begin)) {
		a.c.Errorf("%s: leads to %q, want %q", a.what, got, place)
	}
	return a
}

// Value is the body as JSON.
func (a Answer) Value() any {
	a.c.Helper()
	if media := a.Header.Get("Content-Type"); media != "application/json" {
		a.c.Errorf("%s: Content-Type %q, want application/json", a.what, media)
	}
	var v any
	if err := json.Unmarshal([]byte(a.Body), &v); err != nil {
		a.c.Fatalf("%s: %v: %.500s", a.what, err, a.Body)
	}
	return v
}

// Object is the body as a JSON object.
func (a Answer) Object() map[string]any {
	a.c.Helper()
	o, ok := a.Value().(map[string]any)
	if !ok {
		a.c.Fatalf("%s: no object: %.500s", a.what, a.Body)
	}
	return o
}

// List is the body as a JSON array.
func (a Answer) List() []any {
	a.c.Helper()
	l, ok := a.Value().([]any)
	if !ok {
		a.c.Fatalf("%s: no list: %.500s", a.what, a.Body)
	}
	return l
}

// Detail checks the error shape of a handler: one string.
func (a Answer) Detail(status int, says string) Answer {
	a.c.Helper()
	a.Is(status)
	if text, ok := a.Object()["detail"].(string); !ok || !strings.Contains(text, says) {
		a.c.Errorf("%s: detail is no string with %q: %.500s", a.what, says, a.Body)
	}
	return a
}

// Problem checks the error shape of validation: its first problem's type and place.
func (a Answer) Problem(kind, place string) Answer {
	a.c.Helper()
	a.Is(http.StatusUnprocessableEntity)
	problems, _ := a.Object()["detail"].([]any)
	if len(problems) == 0 {
		a.c.Errorf("%s: detail is no list: %.500s", a.what, a.Body)
		return a
	}
	p, _ := problems[0].(map[string]any)
	for _, key := range []string{"type", "loc", "msg", "input"} {
		if _, ok := p[key]; !ok {
			a.c.Errorf("%s: a problem has no %q: %.500s", a.what, key, a.Body)
		}
	}
	loc, _ := p["loc"].([]any)
	steps := make([]string, len(loc))
	for i, step := range loc {
		steps[i] = fmt.Sprint(step)
	}
	if got := strings.Join(steps, " "); p["type"] != kind || place != "*" && got != place {
		a.c.Errorf("%s: problem %v at %q, want %s at %q", a.what, p["type"], got, kind, place)
	}
	return a
}

// Keys checks that the object has these keys, and says which others it has.
func (c Caller) Keys(what string, v any, want string) {
	c.Helper()
	o, _ := v.(map[string]any)
	for _, key := range strings.Fields(want) {
		if _, ok := o[key]; !ok {
			c.Errorf("%s has no key %q, only %v", what, key, slices.Sorted(maps.Keys(o)))
		}
	}
}

// Eventually waits for something that the server does in the background.
func (c Caller) Eventually(what string, ok func() bool) {
	c.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			c.Fatalf("not after 20 s: %s", what)
		}
	}
}

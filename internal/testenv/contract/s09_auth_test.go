package contract

import (
	"strings"
	"testing"
)

func TestSection09_SignIn(t *testing.T) {
	c := on(t)
	c.Anonymous("GET", "/ui/login", nil).Is(200, `name="password"`, "Log in", "BTY_ADMIN_PASSWORD")
	answer := c.Anonymous("POST", "/ui/login", FormOf("password", c.Password)).Leads("/ui/dashboard")
	set := answer.Header.Get("Set-Cookie")
	for _, want := range []string{"bty-token=", "path=/", "max-age=604800", "httponly", "samesite=strict"} {
		if !strings.Contains(strings.ToLower(set), want) {
			t.Errorf("Set-Cookie %q lacks %s", set, want)
		}
	}
	if strings.Contains(strings.ToLower(set), "secure") || strings.Contains(strings.ToLower(set), "domain") {
		t.Errorf("Set-Cookie %q", set)
	}
	c.Anonymous("POST", "/ui/login", multipartField("password", c.Password)).Leads("/ui/dashboard")
	for name, body := range map[string]any{"absent": FormOf("x", "y"), "empty": FormOf("password", ""), "JSON": JSON(`{"password":"x"}`)} {
		t.Run(name, func(t *testing.T) {
			if answer := on(t).Anonymous("POST", "/ui/login", body).Is(422); answer.Header.Get("Set-Cookie") != "" {
				t.Error("a cookie for nothing")
			}
		})
	}
}

func multipartField(name, value string) Text {
	const mark = "----contract"
	return Text{"multipart/form-data; boundary=" + mark, "--" + mark + "\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n--" + mark + "--\r\n"}
}

func TestSection09_Sessions(t *testing.T) {
	c := on(t)
	cookie := c.SignIn()
	for _, path := range []string{"/machines", "/events"} { // one cookie for programs and pages
		if answer := c.send("GET", path, nil, nil, cookie).Is(200); answer.Header.Get("Vary") != "Cookie" || answer.Header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %v", path, answer.Header)
		}
	}
	c.send("GET", "/ui/machines", nil, nil, cookie).Is(200)
	changed := []byte(cookie)
	changed[len(changed)/2] ^= 1
	for _, bad := range []string{string(changed), cookie[:len(cookie)-4], "null", ""} {
		c.send("GET", "/machines", nil, nil, bad).Is(401)
	}
	out := c.send("POST", "/ui/logout", nil, nil, cookie).Leads("/ui/login")
	if set := out.Header.Get("Set-Cookie"); !strings.Contains(set, "bty-token=null") || !strings.Contains(set, "01 Jan 1970") {
		t.Errorf("Set-Cookie %q", set)
	}
	if again := c.Anonymous("POST", "/ui/logout", nil).Leads("/ui/login"); again.Header.Get("Set-Cookie") != "" {
		t.Error("who was not signed in is signed out")
	}
	if e := c.Events("kind", "auth.logout", "limit", "1"); len(e) != 1 || e[0]["subject_kind"] != "auth" || e[0]["subject_id"] != "operator" {
		t.Errorf("%v", e)
	}
}

// Pages and their assets come from here alone.
func TestSection09_PagesAreLocal(t *testing.T) {
	c := on(t)
	for _, path := range []string{"/ui/login", "/ui/machines"} {
		answer := c.Do("GET", path, nil)
		if path == "/ui/login" {
			answer = c.Anonymous("GET", path, nil)
		}
		answer.Is(200)
		for _, mark := range []string{`src="http`, `src="//`, `<link rel="stylesheet" href="http`} {
			if strings.Contains(answer.Body, mark) {
				t.Errorf("%s has %s", path, mark)
			}
		}
	}
}

package contract

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

func TestSection00_JSON(t *testing.T) {
	c := on(t)
	version := c.Anonymous("GET", "/version", nil).Is(200)
	if version.Header.Get("Content-Type") != "application/json" {
		t.Errorf("Content-Type %q has more than the type", version.Header.Get("Content-Type"))
	}
	mac := c.FreshMAC()
	c.Put(mac, `{"target_disk_serial":"Gerät <&>"}`)
	answer := c.Do("GET", "/machines/"+mac, nil).Is(200, `"Gerät <&>"`) // UTF-8 and marks as they are
	if strings.Contains(answer.Body, `": `) || strings.Contains(answer.Body, `, "`) || strings.HasSuffix(answer.Body, "\n") {
		t.Errorf("not compact: %s", answer.Body)
	}
}

func TestSection00_ContentTypeOfABody(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	for media, good := range map[string]bool{
		"application/json": true, "application/json; charset=utf-8": true, "APPLICATION/JSON": true, "application/merge-patch+json": true,
		"text/plain": false, "application/x-www-form-urlencoded": false, "application/octet-stream": false, "text/json": false, "": false,
	} {
		answer := c.Do("PUT", "/machines/"+mac, Text{media, "{}"})
		if good {
			answer.Is(200)
		} else {
			answer.Problem("model_attributes_type", "body")
		}
	}
}

func TestSection00_OrderOfEvaluation(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	c.Anonymous("PUT", "/machines/"+mac, JSON(`{`)).Problem("json_invalid", "*") // syntax before sign-in
	c.Anonymous("PUT", "/machines/"+mac, JSON(`{"nonsense":1}`)).Detail(401, "login required")
	c.Do("PUT", "/machines/nonsense", JSON(`{"nonsense":1}`)).Problem("extra_forbidden", "body nonsense")
	c.Do("PUT", "/machines/nonsense", JSON(`{}`)).Detail(400, "invalid MAC: 'nonsense'")
	c.Do("GET", "/machines/nonsense", nil).Detail(400, "invalid MAC")
	c.Do("GET", "/machines/"+mac, nil).Detail(404, "no machine record for "+mac)
	c.Anonymous("POST", "/pxe/nonsense/status", JSON(`{}`)).Problem("missing", "body status")
	c.Anonymous("POST", "/pxe/nonsense/status", JSON(`{"status":"done"}`)).Detail(400, "invalid MAC")
}

func TestSection00_PathsAndMethods(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	for path, to := range map[string]string{"/healthz/": "/healthz", "/machines/?x=1": "/machines?x=1", "/pxe/" + mac + "/": "/pxe/" + mac} {
		answer := c.Anonymous("GET", path, nil, "Host", "bty.example:81").Is(307)
		if got := answer.Header.Get("Location"); got != "http://bty.example:81"+to {
			t.Errorf("%s leads to %q", path, got)
		}
	}
	c.Anonymous("GET", "/nothing", nil).Detail(404, "Not Found")
	for _, one := range []struct{ method, path, allow string }{
		{"DELETE", "/healthz", "GET"}, {"PATCH", "/machines/" + mac, "PUT"}, {"POST", "/machines/" + mac, "DELETE"},
		{"GET", "/pxe/" + mac + "/status", "POST"}, {"DELETE", "/boot/x", "GET"},
	} {
		answer := c.Anonymous(one.method, one.path, nil).Detail(405, "Method Not Allowed")
		if !strings.Contains(answer.Header.Get("Allow"), one.allow) {
			t.Errorf("%s %s: Allow %q", one.method, one.path, answer.Header.Get("Allow"))
		}
	}
	for _, path := range []string{"/", "/healthz", "/version", "/pxe-bootstrap.ipxe", "/pxe/" + mac, "/machines", "/events", "/images", "/catalog.toml", "/ui/login"} {
		if answer := c.Anonymous("HEAD", path, nil).Is(405); answer.Header.Get("Date") == "" {
			t.Errorf("HEAD %s: no Date, which live environments set their clock by", path)
		}
	}
	if found := c.Events("subject_id", mac); len(found) != 0 {
		t.Error("a HEAD on /pxe made a machine")
	}
}

var (
	machineTime = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z$`)
	eventTime   = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?\+00:00$`)
)

func TestSection00_Timestamps(t *testing.T) {
	c := on(t)
	mac := c.FreshMAC()
	c.Script(mac)
	for _, key := range []string{"created_at", "updated_at", "discovered_at", "last_seen_at"} {
		if at := fmt.Sprint(c.Machine(mac)[key]); !machineTime.MatchString(at) {
			t.Errorf("%s is %s", key, at)
		}
	}
	if ts := fmt.Sprint(c.Events("subject_id", mac)[0]["ts"]); !eventTime.MatchString(ts) {
		t.Errorf("ts is %s", ts)
	}
	if at := fmt.Sprint(c.Image("t.img")["added_at"]); !eventTime.MatchString(at) {
		t.Errorf("added_at is %s", at)
	}
}

func TestSection00_Host(t *testing.T) {
	c := on(t)
	c.Anonymous("GET", "/pxe-bootstrap.ipxe", nil, "Host", "10.9.8.7:8081").Is(200, "http://10.9.8.7:8081/pxe/${mac:hexhyp}")
	c.Anonymous("GET", "/pxe-bootstrap.ipxe", nil, "Host", "bty.lan").Is(200, "http://bty.lan/pxe/")
	conn, err := net.Dial("tcp", c.Host())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET /pxe-bootstrap.ipxe HTTP/1.0\r\n\r\n") // without a Host: the socket's address
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	script, _ := io.ReadAll(answer.Body)
	if want := "http://" + conn.RemoteAddr().String() + "/pxe/"; !strings.Contains(string(script), want) {
		t.Errorf("does not say %s:\n%s", want, script)
	}
}

func TestSection00_OpenAPI(t *testing.T) {
	if version, _ := on(t).Anonymous("GET", "/openapi.json", nil).Is(200).Object()["openapi"].(string); !strings.HasPrefix(version, "3.") {
		t.Errorf("version %q", version)
	}
}

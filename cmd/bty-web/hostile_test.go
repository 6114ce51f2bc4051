package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bty/internal/web"
	"bty/internal/web/openapi"
)

// TestHostileRequests sends every route what nobody should send: whatever comes, the answer is one
// that the document names, in the error shape, and never ours to be sorry for. The run is the same
// every time.
func TestHostileRequests(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	const rounds = 40
	for i, o := range web.Operations() {
		h.comeBack(t, i)
		random := rand.New(rand.NewPCG(3, uint64(i)))
		for range rounds {
			h.attack(t, o, random)
		}
	}
	h.settled(t)
}

// FuzzRoutes goes on from there: go test -fuzz FuzzRoutes ./cmd/bty-web.
func FuzzRoutes(f *testing.F) {
	h := newHostile(f)
	operations := web.Operations()
	for i := range operations {
		f.Add(uint16(i), uint64(1), "x", "a=b", []byte(`{"a":[1]}`))
	}
	for _, s := range nasty {
		f.Add(uint16(len(s)), uint64(2), s, s, []byte(s))
	}
	f.Fuzz(func(t *testing.T, which uint16, seed uint64, segment, query string, body []byte) {
		if outward(segment + query + string(body)) {
			return
		}
		o := operations[int(which)%len(operations)]
		r := h.request(o, rand.New(rand.NewPCG(seed, 0)))
		if seed%2 == 0 {
			r.path, r.query, r.body = fill(o, func(string) string { return url.PathEscape(segment) }), query, body
		}
		h.send(t, o, r)
	})
}

// outward reports whether a text may make the server ask a host that is not this one.
func outward(s string) bool {
	return strings.Contains(s, "//") || strings.Contains(strings.ToLower(s), "%2f%2f")
}

// nasty are texts that something somewhere takes badly.
var nasty = []string{
	"", " ", "0", "-1", "99999999999999999999999999", "1e999", "NaN", "null", "true", "..", ".", "../../../../etc/passwd", "/etc/passwd", "/dev/zero", "/proc/self/mem", `\..\x`,
	"\x00", "a\x00b", "\xff\xfe", "\xed\xa0\x80", "é\u0301\u202e", "\r\nSet-Cookie: x=y", "<script>alert(1)</script>", `"'><b>`, "{{.}}", "${mac}", "%s%n%d", "%", "%zz", "%00", "%2e%2e%2f",
	"http://127.0.0.1:1/x.img", "oras://127.0.0.1:1/a/b:t", "file:///etc/passwd", "file://", "http://[::1", "http://127.0.0.1:1/\x7f", "javascript:x", "//127.0.0.1:1/x",
	"52:54:00:00:00:01", "52-54-00-00-00-01", "525400000001", "5254.0000.0001", "52:54:00:00:00:0g", strings.Repeat("ab", 32), strings.Repeat("0", 64), strings.Repeat("A", 64),
	strings.Repeat("x", 300), strings.Repeat("é", 5000), strings.Repeat("a,", 2000), "2026-11-25T21:00:00Z", "2026-11-25T21-00-00Z", "daily", "bty-flash-always", "latest", "Europe/Berlin", "*", "a=b&c=d",
}

type hostile struct {
	*appliance
	schemas map[string]any // of the JSON bodies, by pattern
}

func newHostile(t testing.TB) *hostile {
	a := start(t, map[string]string{"BTY_NETBOOT_RELEASE_URL": origin(t, nil) + "/{repo}/{tag}", "BTY_TUNING_MAX_UPLOAD_BYTES": "100000", "BTY_SERVER_TRUSTED_PROXY": "127.0.0.1"})
	a.live()
	a.anonymous("GET", "/pxe/"+mac1, nil).is(t, 200)
	a.do("PUT", "/machines/"+mac1, jsonText(`{"labels":["x"]}`)).is(t, 200)
	a.http.Timeout = 20 * time.Second
	a.do("POST", "/ui/settings/upstream", url.Values{"catalog_url": {origin(t, nil) + "/catalog.toml"}}).is(t, 303) // it would ask a host out there
	h := &hostile{appliance: a, schemas: map[string]any{}}
	for _, o := range web.Operations() {
		if o.Request.Media == "application/json" {
			raw, err := json.Marshal(o.Request.Schema)
			if err != nil {
				t.Fatal(err)
			}
			var v any
			if err := json.Unmarshal(raw, &v); err != nil {
				t.Fatal(err)
			}
			h.schemas[o.Pattern] = v
		}
	}
	return h
}

// comeBack signs in again, from an address of its own: the last route may have signed everybody out,
// and has used up the attempts of its address.
func (h *hostile) comeBack(t testing.TB, nth int) {
	t.Helper()
	if h.appliance.send("GET", "/ui/session", nil, nil, h.cookie).StatusCode == http.StatusNoContent {
		return
	}
	h.cookie = ""
	from := fmt.Sprintf("198.51.100.%d", nth%200)
	for _, c := range h.anonymous("POST", "/ui/login", form(password), "X-Forwarded-For", from).is(t, http.StatusSeeOther).Cookies() {
		h.cookie = c.Value
	}
}

// hostileRequest is one request before it is sent.
type hostileRequest struct {
	method, path, query string
	header              http.Header
	body                []byte
	anonymous, unsized  bool
}

func (h *hostile) attack(t testing.TB, o openapi.Operation, random *rand.Rand) {
	h.send(t, o, h.request(o, random))
}

func pick[T any](random *rand.Rand, from []T) T { return from[random.IntN(len(from))] }

// request makes up a request: each part is good or nasty by itself, so that the nasty one is reached.
func (h *hostile) request(o openapi.Operation, random *rand.Rand) hostileRequest {
	method, _, _ := strings.Cut(o.Pattern, " ")
	r := hostileRequest{method: method, header: http.Header{}}
	good := func(n int) bool { return random.IntN(n) > 0 }
	if !good(12) {
		r.method = pick(random, []string{"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"})
	}
	r.path = fill(o, func(name string) string {
		if good(3) {
			return goodSegments[name]
		}
		return url.PathEscape(pick(random, nasty))
	})
	r.query = hostileQuery(o, random)
	r.header = hostileHeader(random)
	r.body = h.hostileBody(o, random)
	if o.Request.Media != "" && good(6) {
		r.header.Set("Content-Type", o.Request.Media)
	}
	if strings.HasPrefix(r.header.Get("Content-Type"), "multipart/form-data") && good(5) {
		r.header.Set("Content-Type", "multipart/form-data; boundary=x")
	}
	r.anonymous, r.unsized = !good(8), !good(4)
	return r
}

var goodSegments = map[string]string{"mac": mac1, "id": "1", "name": "bty-live-x86_64.vmlinuz", "tag": "v1", "ref": strings.Repeat("ab", 32), "path": "bty.css"}

// fill puts something in the place of each parameter of the path.
func fill(o openapi.Operation, segment func(name string) string) string {
	_, path, _ := strings.Cut(o.Pattern, " ")
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(path, "{")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		name, after, _ := strings.Cut(rest, "}")
		if name != "$" {
			b.WriteString(segment(strings.TrimSuffix(name, "...")))
		}
		path = after
	}
}

func hostileQuery(o openapi.Operation, random *rand.Rand) string {
	var parts []string
	for _, p := range o.Query {
		for range random.IntN(3) {
			parts = append(parts, p.Name+"="+url.QueryEscape(pick(random, nasty)))
		}
	}
	if random.IntN(4) == 0 {
		parts = append(parts, pick(random, []string{"%zz", "&&&", "a;b=c", "=", "x=%00", "error=" + url.QueryEscape("<script>"), "saved=x", "limit=" + strings.Repeat("9", 400), "page=-1", "q=" + strings.Repeat("%C3%A9", 500)}))
	}
	return strings.Join(parts, "&")
}

func hostileHeader(random *rand.Rand) http.Header {
	header := http.Header{}
	for name, values := range map[string][]string{
		"Content-Type":      {"", "text/plain", "application/json; charset=utf-16", "application/json;;", "multipart/form-data", "multipart/form-data; boundary=", "application/x-www-form-urlencoded", "multipart/mixed; boundary=x", "/"},
		"Accept":            {"text/html", "*/*", "application/json", "", "text/html;q=x"},
		"Range":             {"bytes=0-", "bytes=9-1", "bytes=" + strings.Repeat("0-0,", 400) + "0-0", "bytes=-99999999999999999999", "lines=1-2", "bytes=0-0,5-5", "="},
		"If-Range":          {`"x"`, "Mon, 01 Jan 1990 00:00:00 GMT", "x"},
		"If-Match":          {"*", `"x"`},
		"If-None-Match":     {"*", `W/"x"`},
		"X-Forwarded-For":   {"1.2.3.4", "::1, x", strings.Repeat("1.1.1.1,", 500), "\x01"},
		"Last-Event-ID":     {"-1", "x", "99999999999999999999", "0"},
		"Hx-Request":        {"true"},
		"Cookie":            {"bty-token=x", "bty-token=" + strings.Repeat("A", 3000), ";;;=", "bty-token="},
		"Authorization":     {"Bearer x", "Bearer ", "Basic eDp4", "Bearer " + strings.Repeat("A", 3000)},
		"User-Agent":        {"iPXE/1.21.1", "UefiHttpBoot/1.0", ""},
		"Content-Encoding":  {"gzip"},
		"Expect":            {"100-continue"},
		"Transfer-Encoding": {"identity"},
	} {
		if random.IntN(9) == 0 {
			header.Set(name, strings.ReplaceAll(pick(random, values), "\x01", ""))
		}
	}
	return header
}

// hostileBody is nasty as a whole, or good but for some of its fields.
func (h *hostile) hostileBody(o openapi.Operation, random *rand.Rand) []byte {
	schema := h.schemas[o.Pattern]
	switch n := random.IntN(6); {
	case schema != nil && n < 4:
		raw, _ := json.Marshal(invent(schema, random, 0))
		return bytes.ReplaceAll(raw, []byte(`\\u`), []byte(`\u`))
	case strings.HasPrefix(o.Request.Media, "multipart/") && n < 4:
		return hostileMultipart(o, random)
	case o.Request.Media == "application/x-www-form-urlencoded" && n < 4:
		return []byte(hostileForm(o, random))
	}
	return []byte(pick(random, wholeBodies))
}

var wholeBodies = []string{
	"", "null", "[]", "{}", "{", `{"a":1,"a":2}`, `{"":{}}`, "\xff\xfe{\x00}\x00", "\xef\xbb\xbf{}", `{"x":1e999}`, `{"x":-0.0e-400}`, `"\ud800"`, `{"\ud800":"\udfff"}`, "{}{}", "{}x", "[" + strings.Repeat("[", 200_000),
	strings.Repeat(`{"a":`, 50_000) + "1" + strings.Repeat("}", 50_000), `{"disks":[` + strings.Repeat(`{"path":"x"},`, 5000) + `{}]}`, "a=b&c", "%zz=%", strings.Repeat("a=b&", 3000), strings.Repeat("x", 300_000),
	"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.toml\"\r\n\r\nversion = 1\n", "--x--\r\n", "--x\r\n\r\n--x--", strings.Repeat("--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n", 2000) + "--x--\r\n",
	"--x\r\n" + strings.Repeat("A: b\r\n", 20_000) + "\r\n--x--\r\n", "version = 1\n[[images]]\nname = 5\n", "password=x",
}

// invent makes a value of a schema, in which now and then something is not as it should be.
func invent(schema any, random *rand.Rand, depth int) any {
	s, _ := schema.(map[string]any)
	if random.IntN(8) == 0 || depth > 5 {
		return pick(random, []any{nil, true, -1.0, 1e300, 0.5, []any{}, map[string]any{}, []any{[]any{[]any{}}}, pick(random, nasty), map[string]any{"x": nil}})
	}
	if values, ok := s["enum"].([]any); ok {
		return pick(random, values)
	}
	kind := s["type"]
	if kinds, ok := kind.([]any); ok {
		kind = pick(random, kinds)
	}
	switch kind {
	case "object":
		o := map[string]any{}
		properties, _ := s["properties"].(map[string]any)
		for name, field := range properties {
			if random.IntN(3) > 0 {
				o[name] = invent(field, random, depth+1)
			}
		}
		if random.IntN(10) == 0 {
			o[pick(random, nasty)] = pick(random, nasty)
		}
		return o
	case "array":
		list := make([]any, pick(random, []int{0, 1, 2, 17, 65}))
		for i := range list {
			list[i] = invent(s["items"], random, depth+1)
		}
		return list
	case "boolean":
		return random.IntN(2) == 0
	case "number", "integer":
		return pick(random, []float64{0, 1, -1, 0.5, 1 << 53, 1 << 62, 1 << 63, 1e308})
	case "null":
		return nil
	}
	return pick(random, nasty)
}

func fieldsOf(o openapi.Operation) []string {
	properties, _ := o.Request.Schema["properties"].(map[string]any)
	var names []string
	for name := range properties {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func hostileForm(o openapi.Operation, random *rand.Rand) string {
	values := url.Values{}
	for _, name := range fieldsOf(o) {
		for range random.IntN(3) {
			values.Add(name, pick(random, nasty))
		}
	}
	return values.Encode()
}

func hostileMultipart(o openapi.Operation, random *rand.Rand) []byte {
	var b bytes.Buffer
	for _, name := range fieldsOf(o) {
		for range random.IntN(3) {
			file := strings.NewReplacer("\r", "", "\n", "", `"`, "").Replace(pick(random, nasty))
			fmt.Fprintf(&b, "--x\r\nContent-Disposition: form-data; name=%q; filename=\"%s\"\r\n\r\n%s\r\n", name, file, pick(random, append(wholeBodies, nasty...)))
		}
	}
	if random.IntN(4) > 0 {
		b.WriteString("--x--\r\n")
	}
	return b.Bytes()
}

// send sends the request and holds the answer against what every answer must be.
func (h *hostile) send(t testing.TB, o openapi.Operation, r hostileRequest) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	target := h.url + r.path
	if r.query != "" {
		target += "?" + r.query
	}
	var body io.Reader = bytes.NewReader(r.body)
	if r.unsized {
		body = struct{ io.Reader }{body}
	}
	if r.method == "TRACE" || r.method == "GET" && len(r.body) == 0 {
		body = nil
	}
	request, err := http.NewRequestWithContext(ctx, r.method, target, body)
	if err != nil {
		return // the client does not let it out
	}
	request.Header = r.header
	if !r.anonymous {
		request.AddCookie(&http.Cookie{Name: "bty-token", Value: h.cookie})
	}
	answer, err := h.http.Do(request)
	if err != nil {
		if isClientSide(err) {
			return
		}
		t.Errorf("%s with %s %.200s: %v", o.Pattern, r.method, target, err)
		return
	}
	defer answer.Body.Close()
	if strings.HasPrefix(answer.Header.Get("Content-Type"), "text/event-stream") {
		return // it has begun, which is all
	}
	raw, err := io.ReadAll(io.LimitReader(answer.Body, 4<<20))
	if err != nil {
		if !isClientSide(err) { // net/http closes a connection on which too much of a body was left
			t.Errorf("%s with %s %.200s: %v", o.Pattern, r.method, target, err)
		}
		return
	}
	if problem := judge(answer, string(raw)); problem != "" {
		t.Errorf("%s with %s %.200s, %d bytes %.100q, %v: %s: %s\n%.300s\n%s", o.Pattern, r.method, target, len(r.body), r.body, r.header, answer.Status, problem, raw, lastFailure(h.log.String()))
	}
}

// lastFailure is the last line of the journal that says why a request failed.
func lastFailure(journal string) string {
	if i := strings.LastIndex(journal, "request failed"); i >= 0 {
		line, _, _ := strings.Cut(journal[i:], "\n")
		return line
	}
	return ""
}

// isClientSide tells the errors that net/http's client makes of a request that it does not send, or
// of a server that answers and closes before the whole body is there.
func isClientSide(err error) bool {
	for _, text := range []string{"invalid header", "invalid method", "net/http: invalid", "connection reset by peer", "broken pipe", "server closed", "unsupported transfer encoding", "EOF"} {
		if strings.Contains(err.Error(), text) {
			return true
		}
	}
	return false
}

// judge says what is wrong with an answer, "" if nothing is.
func judge(answer *http.Response, body string) string {
	if answer.StatusCode == http.StatusBadRequest && body == "400 Bad Request" ||
		answer.StatusCode == http.StatusRequestHeaderFieldsTooLarge && body == "431 Request Header Fields Too Large" {
		return "" // net/http's own, of a request that no handler sees
	}
	if answer.StatusCode >= 500 && answer.StatusCode != http.StatusServiceUnavailable && answer.StatusCode != http.StatusInsufficientStorage {
		return "a fault of the server"
	}
	if err := theContract().check(answer, body); err != nil {
		return err.Error()
	}
	if answer.StatusCode < 400 || answer.Request.Method == http.MethodHead || answer.StatusCode == http.StatusRequestedRangeNotSatisfiable || answer.StatusCode == http.StatusPreconditionFailed {
		return ""
	}
	switch media, _, _ := strings.Cut(answer.Header.Get("Content-Type"), ";"); media {
	case "application/json":
		var shape struct{ Detail any }
		if err := json.Unmarshal([]byte(body), &shape); err != nil || shape.Detail == nil {
			return "not the error shape"
		}
	case "text/html":
		if !strings.Contains(answer.Request.URL.Path, "/ui") && !strings.Contains(answer.Request.Header.Get("Accept"), "text/html") {
			return "a page for a program"
		}
	default:
		return "neither JSON nor a page"
	}
	return ""
}

// settled proves that nothing came of it all: no panic, no failure in the journal, and the server
// still answers.
func (h *hostile) settled(t testing.TB) {
	t.Helper()
	for _, word := range []string{"panic", "goroutine ", "request failed"} {
		if i := strings.Index(h.log.String(), word); i >= 0 {
			t.Errorf("the journal says %q: %.2000s", word, h.log.String()[max(0, i-200):])
		}
	}
	h.alive()
}

// TestCutBodies ends requests in mid-body: they are answered or dropped, and nothing is kept.
func TestCutBodies(t *testing.T) {
	h := newHostile(t)
	before := boots(t, h)
	for _, o := range web.Operations() {
		if o.Request.Media == "" {
			continue
		}
		method, _, _ := strings.Cut(o.Pattern, " ")
		path := fill(o, func(name string) string { return goodSegments[name] })
		if strings.HasPrefix(path, "/boot/") {
			path = "/boot/cut.bin"
		}
		for _, length := range []string{"Content-Length: 5000", "Transfer-Encoding: chunked"} {
			conn, err := net.Dial("tcp", h.host)
			if err != nil {
				t.Fatal(err)
			}
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
			start := map[bool]string{true: "13b\r\n{\"disks\":[", false: `{"disks":[`}[length[0] == 'T']
			media := strings.Replace(o.Request.Media, "multipart/form-data", "multipart/form-data; boundary=x", 1)
			fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: x\r\nCookie: bty-token=%s\r\nContent-Type: %s\r\n%s\r\n\r\n%s", method, path, h.cookie, media, length, start)
			_ = conn.(*net.TCPConn).CloseWrite()
			answer, err := io.ReadAll(conn)
			conn.Close()
			if status := string(answer[:min(len(answer), 12)]); err != nil || len(answer) > 0 && !strings.HasPrefix(status, "HTTP/1.1 4") && !strings.HasPrefix(status, "HTTP/1.1 3") {
				t.Errorf("%s, %s: %v %.300s", o.Pattern, length, err, answer)
			}
		}
	}
	if after := boots(t, h); !slices.Equal(before, after) {
		t.Errorf("left behind: %v, before %v", after, before)
	}
	h.settled(t)
}

// TestSlowBodies leaves requests half sent and open on every route that takes a body: nobody else
// waits for them, and nothing of them is kept.
func TestSlowBodies(t *testing.T) {
	h := newHostile(t)
	var open []net.Conn
	for _, o := range web.Operations() {
		if o.Request.Media == "" {
			continue
		}
		method, _, _ := strings.Cut(o.Pattern, " ")
		path := fill(o, func(name string) string { return goodSegments[name] })
		if strings.HasPrefix(path, "/boot/") {
			path = "/boot/slow.bin"
		}
		for range 8 {
			conn, err := net.Dial("tcp", h.host)
			if err != nil {
				t.Fatal(err)
			}
			open = append(open, conn)
			media := strings.Replace(o.Request.Media, "multipart/form-data", "multipart/form-data; boundary=x", 1)
			fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: x\r\nCookie: bty-token=%s\r\nContent-Type: %s\r\nContent-Length: 50000\r\n\r\n{", method, path, h.cookie, media)
		}
	}
	began := time.Now()
	h.anonymous("GET", "/pxe/"+mac1, nil).is(t, 200)
	h.anonymous("POST", "/pxe/"+mac1+"/inventory", jsonText(`{"disks":[]}`)).is(t, 204)
	h.do("PUT", "/machines/"+mac1, jsonText(`{}`)).is(t, 200)
	h.do("PUT", "/boot/other.bin", "content").is(t, 200)
	h.do("GET", "/ui/machines", nil).is(t, 200)
	h.settled(t)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("others waited %s for %d requests that do not end", took, len(open))
	}
	for _, conn := range open {
		conn.Close()
	}
	h.eventually("nothing of them is kept", func() bool {
		return !slices.ContainsFunc(h.boots(), func(name string) bool { return strings.Contains(name, "slow") || strings.Contains(name, "partial") })
	})
	h.settled(t)
}

// boots are all files below the boot folder, hidden ones too.
func boots(t testing.TB, h *hostile) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(filepath.Join(h.state, "boot"), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestTooLargeUploads sends every route that takes files more than the limit: nothing of it stays.
func TestTooLargeUploads(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	before := files(t, h.state)
	large := strings.Repeat("x", 200_000) // the limit is half
	refused := 0
	for _, o := range web.Operations() {
		var body, media string
		switch {
		case o.Request.Media == "application/octet-stream":
			body, media = large, o.Request.Media
		case strings.HasPrefix(o.Request.Media, "multipart/"):
			body = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"large.toml\"\r\n\r\n" + strings.Repeat(large, 12) + "\r\n--x--\r\n"
			media = "multipart/form-data; boundary=x"
		default:
			continue
		}
		method, _, _ := strings.Cut(o.Pattern, " ")
		path := fill(o, func(name string) string { return map[string]string{"name": "large.bin"}[name] })
		for _, reader := range []io.Reader{strings.NewReader(body), struct{ io.Reader }{strings.NewReader(body)}} {
			r, err := h.try(method, path, reader, []string{"Content-Type", media}, h.cookie)
			toPage := err == nil && r.StatusCode == 303 && strings.Contains(r.Header.Get("Location"), "error=")
			if err == nil && r.StatusCode != http.StatusRequestEntityTooLarge && !toPage {
				t.Errorf("%s: %s: %.300s", o.Pattern, r.Status, r.body)
			}
			refused++
		}
	}
	if refused < 4 {
		t.Errorf("only %d uploads were tried", refused)
	}
	h.eventually("nothing is left behind", func() bool { return slices.Equal(files(t, h.state), before) })
	h.settled(t)
}

// files are all files of the state folder.
func files(t testing.TB, dir string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestHostileLocalSockets does the same to the sockets of this host: who may open them is trusted,
// and still may be wrong.
func TestHostileLocalSockets(t *testing.T) {
	h := newHostile(t)
	for _, route := range []struct{ socket, method, path string }{
		{"report.sock", "POST", "/transfers"}, {"report.sock", "POST", "/sightings"}, {"report.sock", "GET", "/clients/"}, {"report.sock", "GET", "/nothing"},
		{"control.sock", "POST", "/reload"}, {"control.sock", "GET", "/rows"}, {"control.sock", "PUT", "/machines/"}, {"control.sock", "POST", "/api/v1/boot"}, {"control.sock", "GET", "/api/v1/"},
		{"control.sock", "POST", "/catalog/entries"}, {"control.sock", "GET", "/ui/machines"},
	} {
		client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(h.run, route.socket))
		}}}
		for i, body := range append(wholeBodies, nasty...) {
			path := route.path
			if strings.HasSuffix(path, "/") {
				path += url.PathEscape(nasty[i%len(nasty)])
			}
			media := []string{"application/json", "multipart/form-data; boundary=x", "text/plain"}[i%3]
			request, err := http.NewRequest(route.method, "http://local"+path, strings.NewReader(body))
			if err != nil {
				continue // the client does not let it out
			}
			request.Header.Set("Content-Type", media)
			answer, err := client.Do(request)
			if err != nil {
				if !isClientSide(err) {
					t.Errorf("%s %s: %v", route.method, path, err)
				}
				continue
			}
			raw, err := io.ReadAll(answer.Body)
			answer.Body.Close()
			isFault := answer.StatusCode >= 500 && answer.StatusCode != http.StatusServiceUnavailable
			if err != nil || isFault || answer.StatusCode >= 400 && !strings.Contains(string(raw), `"detail":`) {
				t.Errorf("%s %s with %.60q as %s: %v %s: %.200s\n%s", route.method, path, body, media, err, answer.Status, raw, lastFailure(h.log.String()))
			}
		}
		client.CloseIdleConnections()
	}
	h.settled(t)
}

package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"bty/internal/web"
	"bty/internal/web/openapi"
)

// The official schema of OpenAPI 3.1 documents (spec.openapis.org/oas/3.1/schema/2022-10-07).
//
//go:embed testdata/openapi-3.1.schema.json
var openapiSchema []byte

// TestOpenAPI compares the document with the routes and with the rules of OpenAPI 3.1.
func TestOpenAPI(t *testing.T) {
	a := start(t, nil)
	r := a.anonymous("GET", "/openapi.json", nil).is(t, 200)
	rules := compile(t, "https://spec.openapis.org/oas/3.1/schema/2022-10-07", decode(t, string(openapiSchema)))
	if err := rules.Validate(decode(t, r.body)); err != nil {
		t.Errorf("no OpenAPI 3.1 document: %v", err)
	}
	described := map[string]bool{}
	for _, o := range web.Operations() {
		if described[o.Pattern] {
			t.Errorf("%s is described twice", o.Pattern)
		}
		described[o.Pattern] = true
		if (o.Access == openapi.Open) != (open[o.Pattern] != "") {
			t.Errorf("%s: the document and the list of open routes differ", o.Pattern)
		}
	}
	for _, pattern := range web.Patterns(web.Config{}) {
		if !described[pattern] {
			t.Errorf("%s is registered and not described: add an openapi.Operation with this Pattern to Operations() of its surface (describe.go)", pattern)
		}
		delete(described, pattern)
	}
	for pattern := range described {
		t.Errorf("%s is described and not registered", pattern)
	}
	ids := map[string]bool{}
	for path, methods := range r.object(t)["paths"].(map[string]any) {
		for method, v := range methods.(map[string]any) {
			o := v.(map[string]any)
			if id := o["operationId"].(string); ids[id] {
				t.Errorf("%s %s: the ID %s is taken", method, path, id)
			} else {
				ids[id] = true
			}
			if o["summary"] == "" || len(o["tags"].([]any)[0].(string)) == 0 {
				t.Errorf("%s %s has no summary or tag", method, path)
			}
		}
	}
}

// TestOpenAPISchemas compiles every schema of the document, which checks each against the rules of
// JSON Schema 2020-12 and follows every reference.
func TestOpenAPISchemas(t *testing.T) {
	t.Parallel()
	c := theContract()
	n := 0
	for path, methods := range c.doc["paths"].(map[string]any) {
		for method, v := range methods.(map[string]any) {
			o := v.(map[string]any)
			at := "/paths/" + escape(path) + "/" + method
			if request, ok := o["requestBody"].(map[string]any); ok {
				for media := range request["content"].(map[string]any) {
					n++
					if _, err := c.schema(at + "/requestBody/content/" + escape(media) + "/schema"); err != nil {
						t.Errorf("%s %s: %v", method, path, err)
					}
				}
			}
			for status, v := range o["responses"].(map[string]any) {
				content, _ := v.(map[string]any)["content"].(map[string]any)
				for media := range content {
					n++
					if _, err := c.schema(at + "/responses/" + status + "/content/" + escape(media) + "/schema"); err != nil {
						t.Errorf("%s %s %s: %v", method, path, status, err)
					}
				}
			}
		}
	}
	if n < 50 {
		t.Errorf("only %d schemas", n)
	}
}

func decode(t testing.TB, text string) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func compile(t testing.TB, url string, doc any) *jsonschema.Schema {
	t.Helper()
	c := jsonschema.NewCompiler()
	if err := c.AddResource(url, doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile(url)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// contract is the document as what every answer of every test is held against.
type contract struct {
	doc      map[string]any
	mux      *http.ServeMux
	compiler *jsonschema.Compiler
	mu       sync.Mutex
	compiled map[string]*jsonschema.Schema
}

var theContract = sync.OnceValue(func() *contract {
	raw, err := json.Marshal(openapi.New("test", web.Operations()))
	if err != nil {
		panic(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		panic(err)
	}
	c := &contract{doc: v.(map[string]any), mux: http.NewServeMux(), compiler: jsonschema.NewCompiler(), compiled: map[string]*jsonschema.Schema{}}
	for _, o := range web.Operations() {
		c.mux.Handle(o.Pattern, http.NotFoundHandler())
	}
	closeObjects(c.doc["components"])
	closeObjects(c.doc["paths"])
	if err := c.compiler.AddResource("mem:///openapi.json", c.doc); err != nil {
		panic(err)
	}
	return c
})

// closeObjects makes a field that is not described an error: the document must tell all.
func closeObjects(v any) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			closeObjects(item)
		}
	case map[string]any:
		if _, open := v["additionalProperties"]; !open && v["type"] == "object" && v["properties"] != nil {
			v["additionalProperties"] = false
		}
		for name, item := range v {
			if name != "requestBody" { // a request may have more than is read of it
				closeObjects(item)
			}
		}
	}
}

func escape(step string) string {
	return strings.NewReplacer("~", "~0", "/", "~1", "%", "%25", " ", "%20", "{", "%7B", "}", "%7D", ";", "%3B").Replace(step)
}

func (c *contract) schema(at string) (*jsonschema.Schema, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.compiled[at] == nil {
		schema, err := c.compiler.Compile("mem:///openapi.json#" + at)
		if err != nil {
			return nil, err
		}
		c.compiled[at] = schema
	}
	return c.compiled[at], nil
}

// checkRequest says that a body was taken which the document forbids. Words and numbers for a
// boolean are taken for old clients, and not told.
func (c *contract) checkRequest(r *http.Response, at string, operation map[string]any) error {
	if r.StatusCode >= 300 || r.Request.GetBody == nil || operation["requestBody"] == nil || r.Request.Header.Get("Content-Type") != "application/json" {
		return nil
	}
	body, err := r.Request.GetBody()
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(body)
	if err != nil {
		return err
	}
	schema, err := c.schema(at + "/requestBody/content/application~1json/schema")
	if err != nil {
		return err
	}
	if err := schema.Validate(v); err != nil && !strings.Contains(err.Error(), "want boolean") {
		return fmt.Errorf("%s %s: the document forbids a body that was taken: %w", r.Request.Method, r.Request.URL.Path, err)
	}
	return nil
}

// check says how an answer differs from what the document tells of its route. Answers of no route
// are the router's, and have tests of their own.
func (c *contract) check(r *http.Response, body string) error {
	_, pattern := c.mux.Handler(r.Request)
	method, path, _ := strings.Cut(pattern, " ")
	path = strings.NewReplacer("{$}", "", "...}", "}").Replace(path)
	methods, _ := c.doc["paths"].(map[string]any)[path].(map[string]any)
	operation, _ := methods[strings.ToLower(method)].(map[string]any)
	if operation == nil || r.Request.Method != method || r.Request.URL.RawPath != "" || strings.Contains(r.Request.URL.Path, "//") || strings.Contains(r.Request.URL.Path, "/.") {
		return nil
	}
	if err := c.checkRequest(r, "/paths/"+escape(path)+"/"+strings.ToLower(method), operation); err != nil {
		return err
	}
	responses := operation["responses"].(map[string]any)
	status := strconv.Itoa(r.StatusCode)
	declared, ok := responses[status].(map[string]any)
	if !ok {
		return fmt.Errorf("%s: the document does not name status %s, only %v: %.300s", pattern, status, slices.Sorted(maps.Keys(responses)), body)
	}
	content, _ := declared["content"].(map[string]any)
	media := r.Header.Get("Content-Type")
	if len(content) == 0 {
		if body != "" && r.StatusCode != http.StatusSeeOther && r.StatusCode != http.StatusPartialContent {
			return fmt.Errorf("%s %s: the document says there is no body, and there is %.300q", pattern, status, body)
		}
		return nil
	}
	key := media
	if base, _, _ := strings.Cut(media, ";"); content[key] == nil {
		key = base
	}
	if content[key] == nil {
		return fmt.Errorf("%s %s: the document does not name the type %q, only %v", pattern, status, media, slices.Sorted(maps.Keys(content)))
	}
	if media != "application/json" {
		return nil
	}
	schema, err := c.schema("/paths/" + escape(path) + "/" + strings.ToLower(method) + "/responses/" + status + "/content/" + escape(key) + "/schema")
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
	if err == nil {
		err = schema.Validate(v)
	}
	if err != nil {
		return fmt.Errorf("%s %s: the answer is not what the document says: %w\n%.500s", pattern, status, err, body)
	}
	return nil
}

// TestAPIPages show every route to people.
func TestAPIPages(t *testing.T) {
	t.Parallel()
	a := start(t, nil)
	list := a.do("GET", "/ui/api", nil).is(t, 200, "openapi.json").body
	for _, o := range web.Operations() {
		id := o.ID()
		if !strings.Contains(list, html.EscapeString(o.Summary)) || !strings.Contains(list, `href="/ui/api/`+id+`"`) {
			t.Errorf("%s is not on the page", o.Pattern)
		}
		a.do("GET", "/ui/api/"+id, nil).is(t, 200, html.EscapeString(o.Summary), "Answers")
	}
	a.do("GET", "/ui/api/putMachinesMac", nil).is(t, 200, "curl -H", "bty_image_ref", "at most 16", `id="schema-Machine"`, `id="schema-Cycle"`)
	a.do("GET", "/ui/api/nothing", nil).is(t, 404)
	a.do("GET", "/ui/api?q=catalog/import", nil).is(t, 200, "/catalog/import")
	a.do("GET", "/ui/api?q=no+such+route", nil).is(t, 200, "No route is like that")
	a.do("GET", "/ui/machines", nil).is(t, 200, `href="/ui/api"`)
}

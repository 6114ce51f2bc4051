package body_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"bty/internal/web/body"
)

// read takes every kind of field that there is.
func read(v body.Value) error {
	o := v.Object()
	_ = o.String("name", body.Min(1), body.Max(4), body.Match(regexp.MustCompile(`^[a-z]+$`)))
	_ = o.StringOr("kind", "a", body.OneOf("a", "b"))
	_ = o.Nullable("note", body.Max(3))
	_ = o.Nullable("choice", body.OneOf("x", "y"))
	_ = o.Strings("labels", 2, body.Max(2))
	o.Objects("parts", 2, func(p *body.Object) { _ = p.String("id"); _ = p.Number("n") })
	_ = o.Bool("flag")
	_ = o.NullableBool("said")
	_ = o.Tree("tree")
	return o.Done()
}

// TestDescribe holds the schema of a reader against the reader itself: both take and refuse the
// same bodies.
func TestDescribe(t *testing.T) {
	raw, err := json.Marshal(body.Describe(func(v body.Value) { _ = read(v) }))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("mem:///body", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("mem:///body")
	if err != nil {
		t.Fatal(err)
	}
	for text, good := range map[string]bool{
		`{"name":"a"}`: true, `{}`: false, `{"name":null}`: false, `{"name":""}`: false, `{"name":"abcde"}`: false, `{"name":"A"}`: false, `{"name":"a","x":1}`: false, `[]`: false,
		`{"name":"a","kind":"b"}`: true, `{"name":"a","kind":"c"}`: false, `{"name":"a","kind":null}`: false, `{"name":"a","note":null}`: true, `{"name":"a","note":"é-ü"}`: true, `{"name":"a","note":"long"}`: false,
		`{"name":"a","choice":null}`: true, `{"name":"a","choice":"x"}`: true, `{"name":"a","choice":"z"}`: false,
		`{"name":"a","labels":["a","b"]}`: true, `{"name":"a","labels":["a","b","c"]}`: false, `{"name":"a","labels":[1]}`: false, `{"name":"a","labels":null}`: false, `{"name":"a","labels":["abc"]}`: false,
		`{"name":"a","parts":[{"id":"x","more":1}]}`: true, `{"name":"a","parts":[{}]}`: false, `{"name":"a","parts":[{"id":"x","n":-1}]}`: false, `{"name":"a","parts":[{"id":"x","n":1.5}]}`: true,
		`{"name":"a","flag":true}`: true, `{"name":"a","flag":null}`: false, `{"name":"a","said":false}`: true, `{"name":"a","said":null}`: true, `{"name":"a","said":[]}`: false, `{"name":"a","tree":{"a":[1]}}`: true, `{"name":"a","tree":[]}`: true, `{"name":"a","tree":null}`: true, `{"name":"a","tree":"x"}`: false,
	} {
		request := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(text))
		request.Header.Set("Content-Type", "application/json")
		v, err := body.Read(httptest.NewRecorder(), request, 1<<10)
		if err != nil {
			t.Fatal(err)
		}
		instance, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if taken := read(v) == nil; taken != good {
			t.Errorf("%s: the reader takes it: %v", text, taken)
		}
		if err := schema.Validate(instance); (err == nil) != good {
			t.Errorf("%s: the schema says %v", text, err)
		}
	}
}

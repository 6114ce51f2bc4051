package openapi_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"bty/internal/machine"
	"bty/internal/web/body"
	"bty/internal/web/openapi"
	"bty/internal/wire"
)

type part struct {
	ID int `json:"id"`
}

type whole struct {
	part
	MAC   machine.MAC       `json:"mac"`
	Mode  machine.BootMode  `json:"mode"`
	Note  *string           `json:"note"`
	Seen  wire.Time         `json:"seen"`
	At    time.Time         `json:"at"`
	Parts []part            `json:"parts" openapi:"null"`
	First *part             `json:"first,omitempty"`
	Tags  map[string]uint   `json:"tags"`
	Raw   json.RawMessage   `json:"raw"`
	Rate  float64           `json:"rate"`
	Never map[string]string `json:"-"`
}

var operations = []openapi.Operation{
	{Pattern: "PUT /things/{mac}", Tag: "things", Summary: "Set a thing", Query: []openapi.Param{{Name: "force", Needed: true}},
		Request: openapi.JSON(func(v body.Value) { o := v.Object(); _ = o.String("name", body.Max(3)); _ = o.Done() }),
		Answers: openapi.Answers(openapi.Encoded(200, whole{}), 409)},
	{Pattern: "GET /files/{path...}", Tag: "files", Access: openapi.Open, Summary: "A file", Answers: openapi.Answers(openapi.Plain("text/plain"), 404)},
}

func TestSchemaOfATypeIsItsJSON(t *testing.T) {
	raw, err := json.Marshal(openapi.New("1", operations))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"Whole":{"properties":{"at":{"format":"date-time","type":"string"},"first":{"oneOf":[{"$ref":"#/components/schemas/Part"},{"type":"null"}]},"id":{"type":"integer"},` +
			`"mac":{"pattern":"^[0-9a-f]{2}(:[0-9a-f]{2}){5}$","type":"string"},"mode":{"enum":["ipxe-exit","bty-inventory","bty-tui","bty-flash-once","bty-flash-always"],"type":"string"},` +
			`"note":{"type":["string","null"]},"parts":{"items":{"$ref":"#/components/schemas/Part"},"type":["array","null"]},"rate":{"type":"number"},"raw":{},` +
			`"seen":{"format":"date-time","type":["string","null"]},"tags":{"additionalProperties":{"minimum":0,"type":"integer"},"type":"object"}},` +
			`"required":["at","id","mac","mode","note","parts","rate","raw","seen","tags"],"type":"object"}`,
		`"/things/{mac}":{"put":`, `"/files/{path}":{"get":`, `"operationId":"putThingsMac"`,
		`"schema":{"additionalProperties":false,"properties":{"name":{"maxLength":3,"type":"string"}},"required":["name"],"type":"object"}`,
	} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("no %s in\n%s", want, raw)
		}
	}
	for _, status := range []string{"200", "400", "401", "403", "409", "413", "422", "503", "507"} {
		if !strings.Contains(string(raw), `"`+status+`":{"content"`) {
			t.Errorf("the PUT has no status %s", status)
		}
	}
}

func TestGuideHasCommandsThatWork(t *testing.T) {
	g := openapi.NewGuide("http://host:8080", operations)
	if len(g.Groups) != 2 || g.Groups[0].Tag != "things" {
		t.Fatalf("%+v", g)
	}
	put := g.Groups[0].Entries[0]
	var names []string
	for _, s := range g.Schemas(put) {
		names = append(names, s.Name)
	}
	if got := strings.Join(names, " "); got != "Part Problem Refusal Whole" {
		t.Errorf("schemas %s", got)
	}
	if again, found := g.Entry(put.ID); !found || again.Path != put.Path {
		t.Errorf("%+v", again)
	}
	want := `curl -H "Authorization: Bearer $BTY_TOKEN" -X PUT -H 'Content-Type: application/json' -d '{"name":"..."}' 'http://host:8080/things/52:54:00:12:34:56?force=VALUE'`
	if put.Curl != want {
		t.Errorf("%s", put.Curl)
	}
	if file := g.Groups[1].Entries[0]; file.Curl != "curl 'http://host:8080/files/{path}'" || file.Access != "anybody" {
		t.Errorf("%+v", file)
	}
}

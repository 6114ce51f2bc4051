package openapi

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Guide is the description of the routes for people: what pages of it show.
type Guide struct {
	Groups  []Group
	schemas map[string]Shape // of the components
}

// Entry is the operation with an ID, and whether there is one.
func (g Guide) Entry(id string) (Entry, bool) {
	for _, group := range g.Groups {
		for _, e := range group.Entries {
			if e.ID == id {
				return e, true
			}
		}
	}
	return Entry{}, false
}

// Schemas are the components that an entry's body and answers are made of, by name.
func (g Guide) Schemas(e Entry) []Shape {
	found := map[string]Shape{}
	var follow func(Shape)
	follow = func(s Shape) {
		for _, ref := range append(refs(s.Fields), s.Ref) {
			if one, known := g.schemas[ref]; known && found[ref].Name == "" {
				found[ref] = one
				follow(one)
			}
		}
	}
	if e.Body != nil {
		follow(*e.Body)
	}
	for _, a := range e.Answers {
		for _, s := range a.Shapes {
			follow(s)
		}
	}
	var list []Shape
	for _, name := range slices.Sorted(maps.Keys(found)) {
		list = append(list, found[name])
	}
	return list
}

func refs(fields []Row) []string {
	list := make([]string, len(fields))
	for i, f := range fields {
		list[i] = f.Ref
	}
	return list
}

// Group is the operations of one tag.
type Group struct {
	Tag     string
	Entries []Entry
}

// Entry is one operation.
type Entry struct {
	ID, Method, Path, Summary, Details string
	Access                             string // who may
	Params                             []Row
	Body                               *Shape
	Answers                            []Reply
	Curl                               string // a command that tries it
}

// Row is one parameter or field.
type Row struct {
	Name, In, Type, Text string
	Ref                  string // the component that the type is made of, "" for none
	Needed               bool
}

// Shape is a body.
type Shape struct {
	Name, Media, Type, Ref string
	Fields                 []Row
}

// Reply is one answer.
type Reply struct {
	Status int
	Text   string
	Shapes []Shape
}

// NewGuide describes operations for people. base is the URL of this server.
func NewGuide(base string, operations []Operation) Guide {
	all := newSchemas()
	g := Guide{schemas: map[string]Shape{}}
	for _, o := range operations {
		i := slices.IndexFunc(g.Groups, func(group Group) bool { return group.Tag == o.Tag })
		if i < 0 {
			i = len(g.Groups)
			g.Groups = append(g.Groups, Group{Tag: o.Tag})
		}
		g.Groups[i].Entries = append(g.Groups[i].Entries, o.entry(base, all))
	}
	for name, component := range all.components {
		schema, _ := component.(map[string]any)
		g.schemas[name] = Shape{Name: name, Fields: fieldRows(schema)}
	}
	return g
}

func (o Operation) entry(base string, all *schemas) Entry {
	e := Entry{ID: o.ID(), Method: o.method(), Path: o.path(), Summary: o.Summary, Details: o.Details,
		Access: [...]string{SignedIn: "session or token", Open: "anybody", Session: "session", Page: "session"}[o.Access]}
	for _, v := range o.params() {
		p := v.(map[string]any)
		row := rowOf(p["name"].(string), p["schema"].(map[string]any), p["required"] == true)
		row.In = p["in"].(string)
		if text, _ := p["description"].(string); text != "" {
			row.Text = text
		}
		e.Params = append(e.Params, row)
	}
	if o.Request.Media != "" {
		body := shapeOf(o.Request.Media, o.Request.Schema)
		e.Body = &body
	}
	e.Answers = o.replies(all)
	if o.Access != Page {
		e.Curl = o.curl(base)
	}
	return e
}

func (o Operation) replies(all *schemas) []Reply {
	byStatus := map[int]*Reply{}
	for _, a := range append(o.usual(), o.Answers...) {
		r := byStatus[a.Status]
		if r == nil {
			r = &Reply{Status: a.Status, Text: a.text()}
			byStatus[a.Status] = r
		}
		if a.Media == "" || slices.ContainsFunc(r.Shapes, func(s Shape) bool { return s.Media == a.Media }) {
			continue
		}
		schema := map[string]any{}
		if a.Body != nil {
			schema = all.of(reflect.TypeOf(a.Body))
		}
		r.Shapes = append(r.Shapes, shapeOf(a.Media, schema))
	}
	var list []Reply
	for _, status := range slices.Sorted(maps.Keys(byStatus)) {
		list = append(list, *byStatus[status])
	}
	return list
}

func shapeOf(media string, schema map[string]any) Shape {
	text, ref := typeOf(schema)
	return Shape{Media: media, Type: text, Ref: ref, Fields: fieldRows(schema)}
}

func fieldRows(schema map[string]any) []Row {
	properties, _ := schema["properties"].(map[string]any)
	needed, _ := schema["required"].([]string)
	var rows []Row
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		field, _ := properties[name].(map[string]any)
		rows = append(rows, rowOf(name, field, slices.Contains(needed, name)))
	}
	return rows
}

func rowOf(name string, schema map[string]any, needed bool) Row {
	text, ref := typeOf(schema)
	return Row{Name: name, Type: text, Ref: ref, Text: demands(schema), Needed: needed}
}

// typeOf names a schema's type in words, and the component that it leads to.
func typeOf(schema map[string]any) (text, ref string) {
	if at, ok := schema["$ref"].(string); ok {
		name := at[strings.LastIndex(at, "/")+1:]
		return name, name
	}
	if choices, ok := schema["oneOf"].([]any); ok {
		var names []string
		for _, c := range choices {
			one, _ := c.(map[string]any)
			name, to := typeOf(one)
			names, ref = append(names, name), cmp.Or(ref, to)
		}
		return strings.Join(names, " or "), ref
	}
	var kinds []string
	switch kind := schema["type"].(type) {
	case string:
		kinds = []string{kind}
	case []string:
		kinds = kind
	default:
		return "anything", ""
	}
	for i, kind := range kinds {
		if items, ok := schema["items"].(map[string]any); ok && kind == "array" {
			item, to := typeOf(items)
			kinds[i], ref = "list of "+item, to
		}
	}
	return strings.Join(kinds, " or "), ref
}

// demands says in words what a value must be beside its type.
func demands(schema map[string]any) string {
	var list []string
	say := func(format string, key string) {
		if v, ok := schema[key]; ok {
			list = append(list, fmt.Sprintf(format, v))
		}
	}
	if text, ok := schema["description"].(string); ok {
		list = append(list, text)
	}
	if values, ok := schema["enum"]; ok {
		raw, err := json.Marshal(values)
		if err == nil {
			list = append(list, "one of "+strings.Trim(strings.ReplaceAll(string(raw), ",", ", "), "[]"))
		}
	}
	say("at least %v characters", "minLength")
	say("at most %v characters", "maxLength")
	say("at most %v", "maxItems")
	say("from %v", "minimum")
	say("matches %v", "pattern")
	if items, ok := schema["items"].(map[string]any); ok && demands(items) != "" {
		list = append(list, "each "+demands(items))
	}
	if v, ok := schema["default"]; ok {
		raw, err := json.Marshal(v)
		if err == nil {
			list = append(list, "default "+string(raw))
		}
	}
	return strings.Join(list, "; ")
}

// samples fill the parameters of a path in a command.
var samples = strings.NewReplacer("{mac}", "52:54:00:12:34:56", "{id}", "1", "{name}", "ipxe.efi", "{tag}", "latest", "{ref}", strings.Repeat("0", 64))

// curl is a command that tries the route.
func (o Operation) curl(base string) string {
	words := []string{"curl"}
	if o.Access == SignedIn {
		words = append(words, `-H "Authorization: Bearer $BTY_TOKEN"`)
	}
	if method := o.method(); method != "GET" {
		words = append(words, "-X "+method)
	}
	switch {
	case o.Request.Media == "application/json":
		raw, err := json.Marshal(example(o.Request.Schema))
		if err == nil {
			words = append(words, "-H 'Content-Type: application/json'", "-d '"+string(raw)+"'")
		}
	case strings.HasPrefix(o.Request.Media, "multipart/"):
		words = append(words, "-F file=@FILE")
	case strings.HasPrefix(o.Request.Media, "application/x-www-form"):
		for _, f := range fieldRows(o.Request.Schema) {
			words = append(words, "-d "+f.Name+"=VALUE")
		}
	case o.Request.Media != "":
		words = append(words, "-T FILE")
	}
	target := base + samples.Replace(o.path())
	sep := "?"
	for _, p := range o.Query {
		if p.Needed {
			target, sep = target+sep+p.Name+"=VALUE", "&"
		}
	}
	return strings.Join(append(words, "'"+target+"'"), " ")
}

// example is the smallest body that a schema takes.
func example(schema map[string]any) any {
	o := map[string]any{}
	for _, f := range fieldRows(schema) {
		if f.Needed {
			field := schema["properties"].(map[string]any)[f.Name].(map[string]any)
			o[f.Name] = sampleOf(field)
		}
	}
	return o
}

func sampleOf(schema map[string]any) any {
	if values, ok := schema["enum"].([]string); ok {
		return values[0]
	}
	switch schema["type"] {
	case "boolean":
		return false
	case "number", "integer":
		return 0
	case "array":
		return []any{}
	case "object":
		return example(schema)
	}
	return "..."
}

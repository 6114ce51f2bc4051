package openapi

import (
	"encoding"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"bty/internal/machine"
	"bty/internal/web/body"
	"bty/internal/wire"
)

// schemas turns Go types into JSON Schema; named structs become components.
type schemas struct {
	components map[string]any
	types      map[string]reflect.Type // by component, so that two types never share a name
}

// special are the types whose JSON is not what their fields say.
var special = map[reflect.Type]map[string]any{
	reflect.TypeFor[machine.MAC]():      {"type": "string", "pattern": "^[0-9a-f]{2}(:[0-9a-f]{2}){5}$"},
	reflect.TypeFor[machine.BootMode](): {"type": "string", "enum": modes()},
	reflect.TypeFor[wire.Time]():        {"type": []string{"string", "null"}, "format": "date-time"},
	reflect.TypeFor[wire.IsoTime]():     {"type": []string{"string", "null"}, "format": "date-time"},
	reflect.TypeFor[wire.EpochTime]():   {"type": []string{"number", "null"}, "description": "seconds since 1970"},
	reflect.TypeFor[time.Time]():        {"type": "string", "format": "date-time"},
	reflect.TypeFor[json.RawMessage]():  {},
	reflect.TypeFor[Refusal]():          refusal,
}

var refusal = map[string]any{
	"type": "object", "required": []string{"detail"},
	"properties": map[string]any{"detail": map[string]any{"oneOf": []any{
		map[string]any{"type": "string", "description": "what is wrong, why, and what to do"},
		map[string]any{"type": "array", "items": map[string]any{"$ref": "#/components/schemas/Problem"}},
	}}},
}

func modes() []string {
	names := make([]string, len(machine.Modes))
	for i, m := range machine.Modes {
		names[i] = m.String()
	}
	return names
}

func newSchemas() *schemas {
	s := &schemas{map[string]any{}, map[string]reflect.Type{}}
	s.of(reflect.TypeFor[body.Problem]())
	s.components["Refusal"] = refusal
	return s
}

var textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()

func (s *schemas) of(t reflect.Type) map[string]any {
	if t == reflect.TypeFor[Refusal]() {
		return ref("Refusal")
	}
	if known, ok := special[t]; ok {
		return maps.Clone(known)
	}
	switch {
	case t.Kind() == reflect.Pointer:
		return nullable(s.of(t.Elem()))
	case t.Implements(textMarshaler):
		return map[string]any{"type": "string"}
	case t.Kind() == reflect.Struct && t.Name() != "":
		return s.component(t)
	}
	return s.plain(t)
}

func (s *schemas) plain(t reflect.Type) map[string]any {
	switch t.Kind() {
	case reflect.Struct:
		return s.object(t)
	case reflect.Slice, reflect.Array:
		return map[string]any{"type": "array", "items": s.of(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Float32, reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return map[string]any{"type": "integer", "minimum": 0}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return map[string]any{"type": "integer"}
	}
	return map[string]any{} // an interface: anything
}

func ref(name string) map[string]any {
	return map[string]any{"$ref": "#/components/schemas/" + name}
}

// component gives a named struct its place in the document. The name carries the package where
// two packages use the same one.
func (s *schemas) component(t reflect.Type) map[string]any {
	name := strings.ToUpper(t.Name()[:1]) + t.Name()[1:]
	if held, taken := s.types[name]; taken && held != t {
		path := strings.Split(t.PkgPath(), "/")
		pkg := path[len(path)-1]
		name = strings.ToUpper(pkg[:1]) + pkg[1:] + name
	}
	if _, known := s.types[name]; !known {
		s.types[name] = t // before its fields: a type may hold itself
		s.components[name] = s.object(t)
	}
	return ref(name)
}

// object describes the fields of a struct as encoding/json writes them.
func (s *schemas) object(t reflect.Type) map[string]any {
	properties, needed := map[string]any{}, []string{}
	for _, f := range reflect.VisibleFields(t) {
		tag, tagged := f.Tag.Lookup("json")
		name, options, _ := strings.Cut(tag, ",")
		if !f.IsExported() || name == "-" || f.Anonymous && !tagged {
			continue // the fields of an embedded struct are visited by themselves
		}
		if name == "" {
			name = f.Name
		}
		properties[name] = s.field(f)
		if !strings.Contains(options, "omitempty") && !strings.Contains(options, "omitzero") && !maybeGone(t, f.Index) {
			needed = append(needed, name)
		}
	}
	schema := map[string]any{"type": "object", "properties": properties}
	if slices.Sort(needed); len(needed) > 0 {
		schema["required"] = needed
	}
	return schema
}

// maybeGone reports whether a field belongs to an embedded pointer, which may be nil and then has
// no fields.
func maybeGone(t reflect.Type, index []int) bool {
	for _, i := range index[:len(index)-1] {
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t = t.Field(i).Type; t.Kind() == reflect.Pointer {
			return true
		}
	}
	return false
}

// field is the schema of a field; the tag openapi:"null" says that a list or map may be null.
func (s *schemas) field(f reflect.StructField) map[string]any {
	one := s.of(f.Type)
	if f.Tag.Get("openapi") == "null" {
		return nullable(one)
	}
	return one
}

func nullable(schema map[string]any) map[string]any {
	switch kind := schema["type"].(type) {
	case string:
		schema["type"] = []string{kind, "null"}
		if words, ok := schema["enum"].([]string); ok { // which then must name null, too
			values := []any{nil}
			for _, word := range words {
				values = append(values, word)
			}
			schema["enum"] = values
		}
		return schema
	case []string:
		return schema
	}
	if len(schema) == 0 {
		return schema
	}
	return map[string]any{"oneOf": []any{schema, map[string]any{"type": "null"}}}
}

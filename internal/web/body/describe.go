package body

import (
	"errors"
	"maps"
	"slices"
)

// Describe returns the JSON Schema (2020-12) of the bodies that a reader takes: it runs the reader
// on a Value that notes which fields are read and by which rules. So a document that describes the
// reader cannot differ from it.
func Describe(read func(Value)) map[string]any {
	shape := newSchema(false)
	read(Value{shape: shape})
	return shape.asMap()
}

// errDescribed is what Done returns to a reader that is being described: there is nothing to act on.
var errDescribed = errors.New("this body was described, not read")

// schema is what is known of an object so far.
type schema struct {
	fields  map[string]any
	needed  []string
	lenient bool // fields that nobody reads are dropped, not refused
}

func newSchema(lenient bool) *schema { return &schema{fields: map[string]any{}, lenient: lenient} }

const (
	required = true
	optional = false
)

// note writes a field down and reports whether anybody does: a nil schema notes nothing.
func (s *schema) note(key string, needed bool, field map[string]any) bool {
	if s == nil {
		return false
	}
	s.fields[key] = field
	if needed && !slices.Contains(s.needed, key) {
		s.needed = append(s.needed, key)
	}
	return true
}

func (s *schema) asMap() map[string]any {
	m := map[string]any{"type": "object", "properties": s.fields}
	if !s.lenient {
		m["additionalProperties"] = false
	}
	if len(s.needed) > 0 {
		m["required"] = s.needed
	}
	return m
}

func stringSchema(rules []Rule) map[string]any {
	m := map[string]any{"type": "string"}
	for _, rule := range rules {
		maps.Copy(m, rule.schema)
	}
	return m
}

func withDefault(m map[string]any, value any) map[string]any {
	m["default"] = value
	return m
}

// orNull widens a string's schema by null.
func orNull(m map[string]any) map[string]any {
	m["type"] = []string{"string", "null"}
	if values, ok := m["enum"].([]string); ok {
		widened := make([]any, 0, len(values)+1)
		for _, v := range values {
			widened = append(widened, v)
		}
		m["enum"] = append(widened, nil)
	}
	return m
}

func listSchema(limit int, item map[string]any) map[string]any {
	return map[string]any{"type": "array", "maxItems": limit, "items": item, "default": []any{}}
}

// boolSchema tells the plain form; the words and numbers that are taken too are for old clients.
func boolSchema() map[string]any { return map[string]any{"type": "boolean", "default": false} }

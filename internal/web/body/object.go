package body

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// Object reads the fields of a JSON object and collects what is wrong with them. A field that is
// never read is one that the caller should not have sent.
type Object struct {
	fields   map[string]any
	read     map[string]bool
	loc      []any
	problems *Problems
	lenient  bool    // unknown fields are dropped in silence
	shape    *schema // is written down while a reader is described, nil while a request is read
}

// Object takes the value as an object. Done tells what was wrong.
func (v Value) Object() *Object {
	o := &Object{read: map[string]bool{}, loc: []any{"body"}, problems: new(Problems), shape: v.shape}
	if v.shape != nil {
		return o
	}
	fields, ok := v.v.(map[string]any)
	if !ok {
		o.add(o.loc, "model_attributes_type", "Input should be a valid dictionary or object to extract fields from", v.v, nil)
	}
	o.fields = fields
	return o
}

// Done returns everything that was wrong, nil if nothing was.
func (o *Object) Done() error {
	if o.shape != nil {
		return errDescribed
	}
	o.finish()
	if len(*o.problems) == 0 {
		return nil
	}
	return *o.problems
}

func (o *Object) finish() {
	if o.lenient {
		return
	}
	var extra []string
	for key := range o.fields {
		if !o.read[key] {
			extra = append(extra, key)
		}
	}
	slices.Sort(extra)
	for _, key := range extra {
		o.add(o.at(key), "extra_forbidden", "Extra inputs are not permitted", o.fields[key], nil)
	}
}

func (o *Object) at(step any) []any { return append(slices.Clone(o.loc), step) }

// maxProblems bounds an answer: a body may have as many problems as it has bytes.
const maxProblems = 100

func (o *Object) add(loc []any, kind, message string, input any, ctx map[string]any) {
	if len(*o.problems) < maxProblems {
		*o.problems = append(*o.problems, Problem{kind, loc, message, shown(input), ctx})
	}
}

// maxShown is the longest text that an answer repeats, in characters.
const maxShown = 200

// shown is what an answer repeats of a value: it must help to find it, not send it all back.
func shown(v any) any {
	switch v := v.(type) {
	case string:
		if utf8.RuneCountInString(v) > maxShown {
			return string([]rune(v)[:maxShown]) + "..."
		}
	case map[string]any:
		return map[string]any{}
	case []any:
		return []any{}
	}
	return v
}

// Has reports whether the caller sent a field, for those whose zero means something.
func (o *Object) Has(key string) bool { _, ok := o.fields[key]; return ok }

func (o *Object) take(key string) (any, bool) {
	o.read[key] = true
	v, ok := o.fields[key]
	return v, ok
}

// String reads a field that must be there.
func (o *Object) String(key string, rules ...Rule) string {
	if o.shape.note(key, required, stringSchema(rules)) {
		return ""
	}
	v, ok := o.take(key)
	if !ok {
		o.add(o.at(key), "missing", "Field required", o.fields, nil)
		return ""
	}
	return o.text(o.at(key), v, rules)
}

// StringOr reads a field that may be absent, but not null.
func (o *Object) StringOr(key, absent string, rules ...Rule) string {
	if o.shape.note(key, optional, withDefault(stringSchema(rules), absent)) {
		return absent
	}
	v, ok := o.take(key)
	if !ok {
		return absent
	}
	return o.text(o.at(key), v, rules)
}

// Nullable reads a field that may be absent or null.
func (o *Object) Nullable(key string, rules ...Rule) *string {
	if o.shape.note(key, optional, orNull(stringSchema(rules))) {
		return nil
	}
	v, _ := o.take(key)
	if v == nil {
		return nil
	}
	s := o.text(o.at(key), v, rules)
	return &s
}

func (o *Object) text(loc []any, v any, rules []Rule) string {
	s, ok := v.(string)
	if !ok {
		o.add(loc, "string_type", "Input should be a valid string", v, nil)
		return ""
	}
	for _, rule := range rules {
		if kind, message, ctx := rule.check(s); kind != "" {
			o.add(loc, kind, message, s, ctx)
			break
		}
	}
	return s
}

// Strings reads a list of at most limit strings; absent is empty.
func (o *Object) Strings(key string, limit int, rules ...Rule) []string {
	if o.shape.note(key, optional, listSchema(limit, stringSchema(rules))) {
		return nil
	}
	items := o.list(key, limit)
	texts := make([]string, 0, len(items))
	for i, item := range items {
		texts = append(texts, o.text(append(o.at(key), i), item, rules))
	}
	return texts
}

// Nested reads an object that may be absent or null, and reports whether it is there. It is as
// strict as the one that it stands in.
func (o *Object) Nested(key string, read func(*Object)) bool {
	if o.shape != nil {
		inner := newSchema(o.lenient)
		read(&Object{lenient: o.lenient, shape: inner})
		shape := inner.asMap()
		shape["type"] = []string{"object", "null"}
		return o.shape.note(key, optional, shape)
	}
	v, _ := o.take(key)
	if v == nil {
		return false
	}
	fields, ok := v.(map[string]any)
	if !ok {
		o.add(o.at(key), "model_attributes_type", "Input should be a valid dictionary or object to extract fields from", v, nil)
		return false
	}
	inner := &Object{fields: fields, read: map[string]bool{}, loc: o.at(key), problems: o.problems, lenient: o.lenient}
	read(inner)
	inner.finish()
	return true
}

// Objects reads a list of at most limit objects; absent is empty. Unknown fields in them are
// dropped in silence.
func (o *Object) Objects(key string, limit int, each func(*Object)) {
	if o.shape != nil {
		item := newSchema(true)
		each(&Object{lenient: true, shape: item})
		o.shape.note(key, optional, listSchema(limit, item.asMap()))
		return
	}
	for i, item := range o.list(key, limit) {
		loc := append(o.at(key), i)
		fields, ok := item.(map[string]any)
		if !ok {
			o.add(loc, "model_attributes_type", "Input should be a valid dictionary or object to extract fields from", item, nil)
			continue
		}
		each(&Object{fields: fields, read: map[string]bool{}, loc: loc, problems: o.problems, lenient: true})
	}
}

func (o *Object) list(key string, limit int) []any {
	v, ok := o.take(key)
	if !ok {
		return nil
	}
	items, ok := v.([]any)
	if !ok {
		o.add(o.at(key), "list_type", "Input should be a valid list", v, nil)
		return nil
	}
	if len(items) > limit {
		o.add(o.at(key), "too_long", fmt.Sprintf("List should have at most %d items after validation, not %d", limit, len(items)), nil,
			map[string]any{"field_type": "List", "max_length": limit, "actual_length": len(items)})
		return nil
	}
	return items
}

// Bool reads a field that may be absent: true, false, 0, 1 and the usual words for them.
func (o *Object) Bool(key string) bool {
	if o.shape.note(key, optional, boolSchema()) {
		return false
	}
	v, ok := o.take(key)
	return ok && o.truth(key, v)
}

// NullableBool is Bool for a field that may be null, too.
func (o *Object) NullableBool(key string) *bool {
	if o.shape.note(key, optional, map[string]any{"type": []string{"boolean", "null"}}) {
		return nil
	}
	v, _ := o.take(key)
	if v == nil {
		return nil
	}
	return new(o.truth(key, v))
}

func (o *Object) truth(key string, v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case float64:
		if v == 0 || v == 1 {
			return v == 1
		}
	case string:
		if b, known := boolWords[strings.ToLower(v)]; known {
			return b
		}
	default:
		o.add(o.at(key), "bool_type", "Input should be a valid boolean", v, nil)
		return false
	}
	o.add(o.at(key), "bool_parsing", "Input should be a valid boolean, unable to interpret input", v, nil)
	return false
}

var boolWords = map[string]bool{
	"true": true, "yes": true, "on": true, "1": true, "t": true, "y": true,
	"false": false, "no": false, "off": false, "0": false, "f": false, "n": false,
}

// maxNumber is the largest number that Number takes: it fits an int64.
const maxNumber = 1 << 62

// Number reads a field that may be absent and must not be negative.
func (o *Object) Number(key string) float64 { return o.number(key, "number", isNumber) }

// Whole reads a whole number that may be absent and must not be negative.
func (o *Object) Whole(key string) uint64 { return uint64(o.number(key, "integer", isWhole)) }

func (o *Object) number(key, kind string, fits func(float64) bool) float64 {
	if o.shape.note(key, optional, map[string]any{"type": kind, "minimum": 0, "maximum": maxNumber, "default": 0}) {
		return 0
	}
	v, ok := o.take(key)
	if !ok {
		return 0
	}
	n, ok := v.(float64)
	if !ok || !fits(n) {
		o.add(o.at(key), "number_type", notNumber[kind], v, nil)
		return 0
	}
	return n
}

var notNumber = map[string]string{"number": "Input should be a number that is not negative", "integer": "Input should be a whole number that is not negative"}

// What a form sends may be no number at all (NaN), which is not less than any.
func isNumber(n float64) bool { return n >= 0 && n <= maxNumber }

func isWhole(n float64) bool { return isNumber(n) && n == math.Trunc(n) }

// Wholes reads a list of at most limit whole numbers that are not negative; absent is empty.
func (o *Object) Wholes(key string, limit int) []uint64 {
	if o.shape.note(key, optional, listSchema(limit, map[string]any{"type": "integer", "minimum": 0, "maximum": maxNumber})) {
		return nil
	}
	items := o.list(key, limit)
	numbers := make([]uint64, 0, len(items))
	for i, item := range items {
		n, ok := item.(float64)
		if !ok || !isWhole(n) {
			o.add(append(o.at(key), i), "number_type", notNumber["integer"], item, nil)
			continue
		}
		numbers = append(numbers, uint64(n))
	}
	return numbers
}

// Tree reads a field that may be absent or null, and else must be an object or a list.
func (o *Object) Tree(key string) any {
	if o.shape.note(key, optional, map[string]any{"type": []string{"object", "array", "null"}}) {
		return nil
	}
	v, _ := o.take(key)
	switch v.(type) {
	case nil, map[string]any, []any:
		return v
	}
	o.add(o.at(key), "dict_type", "Input should be a valid dictionary or list", v, nil)
	return nil
}

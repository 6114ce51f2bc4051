package config

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2/unstable"
)

// setInDoc returns doc with the key set to value, a string, an int64 or a bool. Everything else of it,
// layout and comments included, stays as it is.
func setInDoc(doc []byte, section, name string, value any) ([]byte, error) {
	text, err := encodeValue(value)
	if err != nil {
		return nil, err
	}
	edited := survey(doc, section, name).set(name, text)
	return edited, proveEdit(doc, edited, section+"."+name, value)
}

// removeFromDoc returns doc without the key. A comment on its line stays.
func removeFromDoc(doc []byte, section, name string) ([]byte, error) {
	edited := survey(doc, section, name).remove()
	return edited, proveEdit(doc, edited, section+"."+name, nil)
}

// proveEdit refuses an edit that does not do what it should and nothing else.
func proveEdit(before, after []byte, key string, value any) error {
	want, err := settingsOf(before)
	if err != nil {
		return err
	}
	got, err := settingsOf(after)
	if err != nil {
		return fmt.Errorf("the file has %s in a form that cannot be edited here (%w)", strings.Split(key, ".")[0], err)
	}
	if value == nil {
		delete(want, key)
	} else {
		want[key] = value
	}
	if !maps.EqualFunc(want, got, func(a, b any) bool { return reflect.DeepEqual(a, b) }) {
		return fmt.Errorf("the file has %s in a form that cannot be edited here", key)
	}
	return nil
}

func settingsOf(doc []byte) (map[string]any, error) {
	settings, err := parse("the file", doc)
	if err != nil {
		return nil, err
	}
	found := map[string]any{}
	for _, s := range settings {
		found[s.key] = s.value
	}
	return found, nil
}

// encodeValue writes a value as TOML.
func encodeValue(value any) (string, error) {
	if n, ok := value.(int64); ok {
		return strconv.FormatInt(n, 10), nil
	}
	if b, ok := value.(bool); ok {
		return strconv.FormatBool(b), nil
	}
	s, _ := value.(string)
	if !utf8.ValidString(s) {
		return "", fmt.Errorf("it is not UTF-8 text")
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String(), nil
}

// span is a piece of a document, from its first byte to behind its last.
type span struct{ start, end int }

// layout is where a document has a section and one of its keys, as byte offsets; -1 is nowhere.
type layout struct {
	doc     []byte
	section string
	key     span   // of "name = value", as a line or in an inline table
	value   span   // of the value in it
	inline  *span  // of the inline table that holds, or would hold, the key
	inside  []span // of the inline table's pairs
	within  int    // which of inside is the key
	table   int    // in the last line of [section]: its header or a pair
	dotted  int    // in the last line of the form section.other = value
}

// survey looks for a key. It sees the forms that TOML has for one: a line below [section], a
// dotted line, a pair in an inline table.
func survey(doc []byte, section, name string) *layout {
	at := &layout{doc: doc, section: section, key: span{-1, -1}, table: -1, dotted: -1}
	p := unstable.Parser{}
	p.Reset(doc)
	table := []string{}
	for p.NextExpression() {
		e := p.Expression()
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			table = parts(e.Key())
			if e.Kind == unstable.ArrayTable {
				table = []string{""} // no table of ours
			} else if len(table) == 1 && table[0] == section {
				at.table = lastOffset(e.Key())
			}
		case unstable.KeyValue:
			at.pair(e, table, name)
		}
	}
	return at
}

func (at *layout) pair(e *unstable.Node, table []string, name string) {
	path := append(table[:len(table):len(table)], parts(e.Key())...)
	whole := spanOf(e)
	if path[0] != at.section {
		return
	}
	if len(table) == 1 {
		at.table = whole.end - 1
	}
	switch {
	case len(path) == 2 && path[1] == name:
		at.key, at.value = whole, span{int(e.Value().Raw.Offset), whole.end}
	case len(path) == 1 && e.Value().Kind == unstable.InlineTable:
		at.inlineTable(e, name)
	case len(table) == 0:
		at.dotted = whole.end - 1
	}
}

func (at *layout) inlineTable(e *unstable.Node, name string) {
	at.inline = &span{int(e.Value().Raw.Offset), spanOf(e).end}
	children := e.Value().Children()
	for children.Next() {
		child := children.Node()
		if child.Kind != unstable.KeyValue {
			continue
		}
		if keys := parts(child.Key()); len(keys) == 1 && keys[0] == name {
			at.key = spanOf(child)
			at.value = span{int(child.Value().Raw.Offset), at.key.end}
			at.within = len(at.inside)
		}
		at.inside = append(at.inside, spanOf(child))
	}
}

func parts(it unstable.Iterator) (names []string) {
	for it.Next() {
		names = append(names, string(it.Node().Data))
	}
	return names
}

func lastOffset(it unstable.Iterator) (offset int) {
	for it.Next() {
		offset = int(it.Node().Raw.Offset)
	}
	return offset
}

func spanOf(e *unstable.Node) span {
	return span{int(e.Raw.Offset), int(e.Raw.Offset) + int(e.Raw.Length)}
}

// set returns the document with the key set to text.
func (at *layout) set(name, text string) []byte {
	pair := name + " = " + text
	switch {
	case at.key.start >= 0:
		return at.splice(at.value, text)
	case at.inline != nil && len(at.inside) > 0:
		last := at.inside[len(at.inside)-1].end
		return at.splice(span{last, last}, ", "+pair)
	case at.inline != nil:
		return at.splice(span{at.inline.start + 1, at.inline.start + 1}, " "+pair+" ")
	case at.table >= 0:
		return at.newLine(at.table, pair)
	case at.dotted >= 0:
		return at.newLine(at.dotted, at.section+"."+pair)
	}
	eol := at.eol()
	head := "[" + at.section + "]" + eol + pair + eol
	if len(at.doc) > 0 {
		head = eol + head
		if !bytes.HasSuffix(at.doc, []byte("\n")) {
			head = eol + head
		}
	}
	return at.splice(span{len(at.doc), len(at.doc)}, head)
}

// remove returns the document without the key.
func (at *layout) remove() []byte {
	switch {
	case at.key.start < 0:
		return at.doc
	case at.inline != nil:
		return at.removePair()
	}
	from := bytes.LastIndexByte(at.doc[:at.key.start], '\n') + 1
	to := skipBlanks(at.doc, at.key.end)
	if to < len(at.doc) && at.doc[to] == '#' {
		return at.splice(span{at.key.start, to}, "") // what precedes it indents the comment now
	}
	if i := bytes.IndexByte(at.doc[to:], '\n'); i >= 0 {
		return at.splice(span{from, to + i + 1}, "")
	}
	return at.splice(span{from, len(at.doc)}, "")
}

// removePair takes a pair out of an inline table, with one of the commas beside it.
func (at *layout) removePair() []byte {
	comma := skipComments(at.doc, at.key.end)
	if at.doc[comma] == ',' {
		without := at.splice(span{comma, skipBlanks(at.doc, comma+1)}, "")
		return (&layout{doc: without}).splice(at.key, "")
	}
	without := at.splice(at.key, "")
	if at.within > 0 {
		comma = skipComments(at.doc, at.inside[at.within-1].end)
		without = (&layout{doc: without}).splice(span{comma, comma + 1}, "")
	}
	return without
}

// newLine puts a line below the one that has the byte at offset.
func (at *layout) newLine(offset int, text string) []byte {
	eol := at.eol()
	if i := bytes.IndexByte(at.doc[offset:], '\n'); i >= 0 {
		return at.splice(span{offset + i + 1, offset + i + 1}, text+eol)
	}
	return at.splice(span{len(at.doc), len(at.doc)}, eol+text+eol)
}

func (at *layout) splice(s span, text string) []byte {
	return bytes.Join([][]byte{at.doc[:s.start], at.doc[s.end:]}, []byte(text))
}

func (at *layout) eol() string {
	if bytes.Contains(at.doc, []byte("\r\n")) {
		return "\r\n"
	}
	return "\n"
}

func skipBlanks(doc []byte, i int) int {
	for i < len(doc) && (doc[i] == ' ' || doc[i] == '\t') {
		i++
	}
	return i
}

// skipComments returns where the next byte is that is neither white space nor part of a comment.
// Inside an inline table there always is one.
func skipComments(doc []byte, i int) int {
	for {
		i = skipBlanks(doc, i)
		switch {
		case doc[i] == '\r' || doc[i] == '\n':
			i++
		case doc[i] == '#':
			i += bytes.IndexByte(doc[i:], '\n')
		default:
			return i
		}
	}
}

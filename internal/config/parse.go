package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// setting is one key = value of a file.
type setting struct {
	key    string // "server.port"
	value  any
	origin Origin
}

// parse returns the settings of a TOML document, flattened, in the order of their keys.
func parse(path string, doc []byte) ([]setting, error) {
	var root map[string]any
	if err := toml.Unmarshal(doc, &root); err != nil {
		where := path
		if d, ok := errors.AsType[*toml.DecodeError](err); ok {
			line, column := d.Position()
			where = fmt.Sprintf("%s:%d:%d", path, line, column)
		}
		return nil, &Error{where, fmt.Sprintf("not valid TOML (%s); correct this line, or move the file away, and start again",
			strings.TrimPrefix(err.Error(), "toml: "))}
	}
	lines := keyLines(doc)
	var settings []setting
	flatten("", root, func(key string, value any) {
		settings = append(settings, setting{key, value, Origin{File: path, Line: lineOf(lines, key)}})
	})
	slices.SortFunc(settings, func(a, b setting) int { return strings.Compare(a.key, b.key) })
	return settings, nil
}

// flatten calls leaf for each value below table; a table in a table is one level too deep for any
// key of ours, but its name must reach the warning.
func flatten(prefix string, table map[string]any, leaf func(string, any)) {
	for name, v := range table {
		key := name
		if prefix != "" {
			key = prefix + "." + name
		}
		if sub, ok := v.(map[string]any); ok && len(sub) > 0 {
			flatten(key, sub, leaf)
		} else if !ok {
			leaf(key, v)
		}
	}
}

// keyLines maps dotted keys and tables to their lines.
func keyLines(doc []byte) map[string]int {
	lines := make(map[string]int)
	p := unstable.Parser{}
	p.Reset(doc)
	table := ""
	for p.NextExpression() {
		e := p.Expression()
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			var line int
			table, line = joinKey(&p, e.Key())
			lines[table] = line
		case unstable.KeyValue:
			key, line := joinKey(&p, e.Key())
			if table != "" {
				key = table + "." + key
			}
			lines[key] = line
		}
	}
	return lines
}

func joinKey(p *unstable.Parser, parts unstable.Iterator) (string, int) {
	var names []string
	line := 0
	for parts.Next() {
		n := parts.Node()
		names = append(names, string(n.Data))
		if line == 0 {
			line = p.Shape(n.Raw).Start.Line
		}
	}
	return strings.Join(names, "."), line
}

// lineOf returns the line of key or of the innermost table or inline table around it.
func lineOf(lines map[string]int, key string) int {
	for {
		if n, ok := lines[key]; ok {
			return n
		}
		i := strings.LastIndexByte(key, '.')
		if i < 0 {
			return 0
		}
		key = key[:i]
	}
}

// nearest suggests the known key that key was probably meant to be.
func nearest(key string, keys []Key) string {
	best, bestDistance := "", len(key)/3+1
	for _, k := range keys {
		if d := distance(key, k.String(), bestDistance); d < bestDistance {
			best, bestDistance = k.String(), d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// distance is the edit distance of a and b, or limit if it is not smaller: keys may be long.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, diagonal+1)
		}
	}
	return min(row[len(b)], limit)
}

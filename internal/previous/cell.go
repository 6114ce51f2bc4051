package previous

import (
	"cmp"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxText is the longest value that is read where nothing else is said, in bytes.
const maxText = 4096

// column is one that is read of a table.
type column struct {
	name  string
	limit int64 // bytes; 0 is maxText
}

func (c column) most() int64 { return cmp.Or(c.limit, maxText) }

// cell is one value: SQLite puts any type into any column, and of any size.
type cell struct {
	name string
	kind string // as typeof() says it
	raw  []byte // none if it is larger than its limit
	size int64
	over bool // it is
}

// eachRow calls fn for every row of a table with its cells in the order of the columns. A value
// over its limit is not loaded.
func (r *reader) eachRow(table string, columns []column, order string, fn func([]cell)) error {
	rows, err := r.tx.QueryContext(r.ctx, selectOf(table, columns, order))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		cells := make([]cell, len(columns))
		sizes := make([]sql.NullInt64, len(columns))
		var into []any
		for i, c := range columns {
			cells[i].name = c.name
			into = append(into, &cells[i].kind, &sizes[i], &cells[i].raw)
		}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		for i := range cells {
			cells[i].size = sizes[i].Int64
			cells[i].over = sizes[i].Int64 > columns[i].most()
		}
		fn(cells)
	}
	return rows.Err()
}

// selectOf asks for the type, the size and the value of each column. The names are this package's.
func selectOf(table string, columns []column, order string) string {
	var parts []string
	for _, c := range columns {
		parts = append(parts, fmt.Sprintf("typeof(%[1]s), length(CAST(%[1]s AS BLOB)), CASE WHEN length(CAST(%[1]s AS BLOB)) <= %[2]d THEN CAST(%[1]s AS BLOB) END", c.name, c.most()))
	}
	return fmt.Sprintf("SELECT %s FROM %s ORDER BY %s", strings.Join(parts, ", "), table, order)
}

// problems gathers what is wrong with the cells of a row.
type problems []string

func (p *problems) add(format string, args ...any) { *p = append(*p, fmt.Sprintf(format, args...)) }

func (p problems) String() string { return strings.Join(p, "; ") }

// text is a value that is to be text; NULL is "".
func (p *problems) text(c cell) string {
	switch {
	case c.kind == "null":
		return ""
	case c.kind != "text":
		p.add("%s is %s and no text", c.name, article(c.kind))
	case c.over:
		p.add("%s has %d bytes, more than are known to be meant", c.name, c.size)
	case !utf8.Valid(c.raw):
		p.add("%s is not UTF-8", c.name)
	default:
		return string(c.raw)
	}
	return ""
}

// whole is a value that is to be a number; NULL is 0.
func (p *problems) whole(c cell) int64 {
	if c.kind == "null" {
		return 0
	}
	n, err := strconv.ParseInt(string(c.raw), 10, 64)
	if c.kind != "integer" || err != nil {
		p.add("%s is %s and no whole number", c.name, article(c.kind))
		return 0
	}
	return n
}

func article(kind string) string {
	switch kind {
	case "integer":
		return "a number"
	case "real":
		return "a fraction"
	case "blob":
		return "binary data"
	}
	return kind
}

// clip is a text for people: of bounded length, and without what is no text.
func clip(s string) string {
	runes := []rune(strings.ToValidUTF8(s, "\uFFFD"))
	if len(runes) > 80 {
		return string(runes[:80]) + "..."
	}
	return string(runes)
}

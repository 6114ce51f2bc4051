package ui

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// listSpec names what the URL of a list may say.
type listSpec struct {
	Path    string   // of the page
	Columns []string // that it can be sorted by; the first is the default
	Desc    bool     // the default is the largest first
	Filters []string // values of ?filter=
	Keep    []string // other parameters that belong to the list's state
	Search  string   // what the search box looks through, "" for no search box
}

// pageSizes are how many rows a page may have.
var pageSizes = []int{10, 25, 50, 100}

const defaultPageSize = 25

// maxQuery is the longest search, in bytes.
const maxQuery = 200

// list is the state of a list: what its URL says, with the default for what it does not know.
type list struct {
	Spec    listSpec
	Sort    string
	Desc    bool
	Query   string // what is searched for
	Filter  string
	Page    int // from 1
	PerPage int
	Total   int // rows of all pages, once cut knows
	kept    url.Values
}

// read takes the state from the URL.
func (spec listSpec) read(r *http.Request) list {
	q := r.URL.Query()
	l := list{Spec: spec, Sort: spec.Columns[0], Desc: spec.Desc, Page: 1, PerPage: defaultPageSize, kept: url.Values{}}
	if sort := q.Get("sort"); slices.Contains(spec.Columns, sort) {
		l.Sort, l.Desc = sort, q.Get("dir") == "desc"
	}
	if filter := q.Get("filter"); slices.Contains(spec.Filters, filter) {
		l.Filter = filter
	}
	if query := strings.TrimSpace(q.Get("q")); len(query) <= maxQuery {
		l.Query = strings.ToValidUTF8(query, "")
	}
	if n, err := strconv.Atoi(q.Get("per_page")); err == nil && slices.Contains(pageSizes, n) {
		l.PerPage = n
	}
	if n, err := strconv.Atoi(q.Get("page")); err == nil && n > 1 {
		l.Page = n
	}
	for _, name := range spec.Keep {
		if v := q.Get(name); v != "" && len(v) <= maxQuery {
			l.kept.Set(name, v)
		}
	}
	return l
}

// cut takes note of how many rows there are and returns which of them the page shows. A page
// behind the last one is the last one.
func (l *list) cut(total int) (from, to int) {
	l.Total = total
	l.Page = min(l.Page, l.Pages())
	return l.from(), min(l.from()+l.PerPage, total)
}

func (l list) from() int { return (l.Page - 1) * l.PerPage }

// Pages is how many there are, at least one.
func (l list) Pages() int { return max(1, (l.Total+l.PerPage-1)/l.PerPage) }

// First and Last number the rows of the page from 1.
func (l list) First() int { return min(l.from()+1, l.Total) }

// Last is the number of the page's last row.
func (l list) Last() int { return min(l.from()+l.PerPage, l.Total) }

// Sizes are the page sizes to choose from.
func (l list) Sizes() []int { return pageSizes }

// Narrowed reports whether the list leaves rows out on purpose.
func (l list) Narrowed() bool { return l.Query != "" || l.Filter != "" || len(l.kept) > 0 }

// Kept is another parameter of the list's state.
func (l list) Kept(name string) string { return l.kept.Get(name) }

// Window is the pages to link to: the first, the last and those around this one; 0 is a gap.
func (l list) Window() []int {
	var pages []int
	for n := 1; n <= l.Pages(); n++ {
		switch {
		case n == 1 || n == l.Pages() || n >= l.Page-2 && n <= l.Page+2:
			pages = append(pages, n)
		case pages[len(pages)-1] != 0:
			pages = append(pages, 0)
		}
	}
	return pages
}

// values is the state as parameters, without what is the default.
func (l list) values() url.Values {
	v := url.Values{}
	for name, kept := range l.kept {
		v[name] = kept
	}
	if l.Sort != l.Spec.Columns[0] || l.Desc != l.Spec.Desc {
		v.Set("sort", l.Sort)
		v.Set("dir", map[bool]string{true: "desc", false: "asc"}[l.Desc])
	}
	if l.Query != "" {
		v.Set("q", l.Query)
	}
	if l.Filter != "" {
		v.Set("filter", l.Filter)
	}
	if l.Page > 1 {
		v.Set("page", strconv.Itoa(l.Page))
	}
	if l.PerPage != defaultPageSize {
		v.Set("per_page", strconv.Itoa(l.PerPage))
	}
	return v
}

// URL is the list as it is.
func (l list) URL() string { return l.with(func(*list) {}) }

func (l list) with(change func(*list)) string {
	l.kept = cloneValues(l.kept)
	change(&l)
	if query := l.values().Encode(); query != "" {
		return l.Spec.Path + "?" + query
	}
	return l.Spec.Path
}

func cloneValues(v url.Values) url.Values {
	clone := url.Values{}
	for name, values := range v {
		clone[name] = slices.Clone(values)
	}
	return clone
}

// PageURL is another page of the same list.
func (l list) PageURL(n int) string { return l.with(func(l *list) { l.Page = n }) }

// SizeURL is the same list with pages of another size.
func (l list) SizeURL(n int) string { return l.with(func(l *list) { l.PerPage, l.Page = n, 1 }) }

// FilterURL is the same list with another filter, "" for none.
func (l list) FilterURL(filter string) string {
	return l.with(func(l *list) { l.Filter, l.Page = filter, 1 })
}

// QueryURL is the same list searched for something.
func (l list) QueryURL(query string) string {
	return l.with(func(l *list) { l.Query, l.Page = query, 1 })
}

// KeepURL is the same list with another value of one of the other parameters, "" for none.
func (l list) KeepURL(name, value string) string {
	return l.with(func(l *list) {
		l.Page = 1
		if l.kept.Del(name); value != "" {
			l.kept.Set(name, value)
		}
	})
}

// ClearURL is the whole list.
func (l list) ClearURL() string {
	return l.with(func(l *list) { l.Query, l.Filter, l.Page, l.kept = "", "", 1, url.Values{} })
}

// SortURL sorts by a column: the other way round if it is sorted by it already.
func (l list) SortURL(column string) string {
	return l.with(func(l *list) { l.Desc, l.Sort, l.Page = l.Sort == column && !l.Desc, column, 1 })
}

// State is the parameters that the search form must send along.
func (l list) State() []param {
	v := l.values()
	v.Del("q")
	v.Del("page")
	var params []param
	for name, values := range v {
		params = append(params, param{name, values[0]})
	}
	slices.SortFunc(params, func(a, b param) int { return strings.Compare(a.Name, b.Name) })
	return params
}

type param struct{ Name, Value string }

// heading is a column's heading.
type heading struct {
	List         list
	Column, Text string
}

func column(l list, name, text string) heading { return heading{l, name, text} }

// Sorted is the column's aria-sort, "" if the list is sorted by another one.
func (h heading) Sorted() string {
	switch {
	case h.List.Sort != h.Column:
		return ""
	case h.List.Desc:
		return "descending"
	}
	return "ascending"
}

// URL sorts by the column.
func (h heading) URL() string { return h.List.SortURL(h.Column) }

// filterChip is one filter to choose.
type filterChip struct {
	List        list
	Value, Text string
}

func chip(l list, value, text string) filterChip { return filterChip{l, value, text} }

package ui

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

var testSpec = listSpec{Path: "/ui/things", Columns: []string{"name", "size"}, Filters: []string{"bad"}, Keep: []string{"kind"}}

func readList(query string, total int) list {
	l := testSpec.read(httptest.NewRequest("GET", "/ui/things?"+query, nil))
	l.cut(total)
	return l
}

// What the URL says of a list is taken if the list knows it, and is the default if not.
func TestListState(t *testing.T) {
	for query, want := range map[string]string{
		"":                                      "/ui/things",
		"sort=size":                             "/ui/things?dir=asc&sort=size",
		"sort=size&dir=desc&page=2&per_page=10": "/ui/things?dir=desc&page=2&per_page=10&sort=size",
		"sort=secret&dir=desc":                  "/ui/things",
		"filter=bad&kind=x":                     "/ui/things?filter=bad&kind=x",
		"filter=worse&other=x":                  "/ui/things",
		"page=9999":                             "/ui/things?page=4",
		"page=-3&per_page=7":                    "/ui/things",
		"page=x&per_page=1e9":                   "/ui/things",
		"q=%20a%26b%20":                         "/ui/things?q=a%26b",
		"q=" + strings.Repeat("x", 300):         "/ui/things",
		"q=%ff":                                 "/ui/things",
		"per_page=25&sort=name&dir=asc":         "/ui/things",
		"kind=" + strings.Repeat("x", 300):      "/ui/things",
	} {
		if got := readList(query, 90).URL(); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

func TestListLinks(t *testing.T) {
	l := readList("q=a&kind=k&page=3&per_page=10", 95)
	for name, pair := range map[string][2]string{
		"sort":           {l.SortURL("size"), "/ui/things?dir=asc&kind=k&per_page=10&q=a&sort=size"},
		"turn":           {l.SortURL("name"), "/ui/things?dir=desc&kind=k&per_page=10&q=a&sort=name"},
		"page":           {l.PageURL(4), "/ui/things?kind=k&page=4&per_page=10&q=a"},
		"size":           {l.SizeURL(50), "/ui/things?kind=k&per_page=50&q=a"},
		"filter":         {l.FilterURL("bad"), "/ui/things?filter=bad&kind=k&per_page=10&q=a"},
		"query":          {l.QueryURL(""), "/ui/things?kind=k&per_page=10"},
		"keep":           {l.KeepURL("kind", "z"), "/ui/things?kind=z&per_page=10&q=a"},
		"keep none":      {l.KeepURL("kind", ""), "/ui/things?per_page=10&q=a"},
		"clear":          {l.ClearURL(), "/ui/things?per_page=10"},
		"still as it is": {l.URL(), "/ui/things?kind=k&page=3&per_page=10&q=a"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: %s, want %s", name, pair[0], pair[1])
		}
	}
}

func TestListPages(t *testing.T) {
	for _, test := range []struct {
		query             string
		total             int
		first, last, page int
		window            []int
	}{
		{"", 0, 0, 0, 1, []int{1}},
		{"", 1, 1, 1, 1, []int{1}},
		{"per_page=10&page=3", 30, 21, 30, 3, []int{1, 2, 3}},
		{"per_page=10&page=10", 1000, 91, 100, 10, []int{1, 0, 8, 9, 10, 11, 12, 0, 100}},
		{"page=7", 26, 26, 26, 2, []int{1, 2}},
	} {
		l := readList(test.query, test.total)
		if l.First() != test.first || l.Last() != test.last || l.Page != test.page || !slices.Equal(l.Window(), test.window) {
			t.Errorf("%s of %d: %d-%d page %d %v", test.query, test.total, l.First(), l.Last(), l.Page, l.Window())
		}
	}
}

func TestHeadings(t *testing.T) {
	for query, want := range map[string]string{"": "ascending", "sort=name&dir=desc": "descending", "sort=size": ""} {
		if got := column(readList(query, 1), "name", "Name").Sorted(); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}

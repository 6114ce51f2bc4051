package tui

import "strings"

// list is where a person is in a list: a mark, and what is searched for.
type list struct {
	at     int // among the rows that match
	search line
	typing bool
}

// matching are the numbers of the rows that have every word of the search in them.
func (l list) matching(rows []string) []int {
	words := strings.Fields(strings.ToLower(l.search.text))
	var found []int
	for i, row := range rows {
		row = strings.ToLower(row)
		fits := true
		for _, w := range words {
			fits = fits && strings.Contains(row, w)
		}
		if fits {
			found = append(found, i)
		}
	}
	return found
}

// row is the row under the mark, -1 if there is none.
func (l list) row(rows []string) int {
	found := l.matching(rows)
	if l.at < 0 || l.at >= len(found) {
		return -1
	}
	return found[l.at]
}

// key moves the mark or changes the search; false: the key is not the list's.
func (l *list) key(k Key, rows []string, page int) bool {
	if l.typing {
		return l.searchKey(k, rows, page)
	}
	if k.Text == "/" {
		l.typing = true
		return true
	}
	return l.move(k, rows, page)
}

// searchKey is a key while the search is typed. Enter keeps what was found, Esc gives it up.
func (l *list) searchKey(k Key, rows []string, page int) bool {
	switch k.Name {
	case "enter":
		l.typing = false
	case "esc":
		*l = list{at: max(l.row(rows), 0)}
	default:
		if l.search.key(k) {
			l.at = 0
			return true
		}
		return l.move(k, rows, page)
	}
	return true
}

func (l *list) move(k Key, rows []string, page int) bool {
	last := len(l.matching(rows)) - 1
	switch k.Name {
	case "up", "k", "ctrl+p":
		l.at--
	case "down", "j", "ctrl+n":
		l.at++
	case "pgup":
		l.at -= page
	case "pgdown":
		l.at += page
	case "home", "g":
		l.at = 0
	case "end", "G":
		l.at = last
	default:
		return false
	}
	l.at = max(0, min(l.at, last))
	return true
}

// clear gives the search up and keeps the mark on its row; false: there was none.
func (l *list) clear(rows []string) bool {
	if l.search.text == "" {
		return false
	}
	*l = list{at: max(l.row(rows), 0)}
	return true
}

// line is text that is typed.
type line struct{ text string }

// maxTyped bounds what is typed or pasted.
const maxTyped = 1024

// key is false when it is not one that writes.
func (l *line) key(k Key) bool {
	switch {
	case k.Name == "backspace" || k.Name == "ctrl+h":
		if r := []rune(l.text); len(r) > 0 {
			l.text = string(r[:len(r)-1])
		}
	case k.Name == "ctrl+u":
		l.text = ""
	case k.Text != "" && len(l.text)+len(k.Text) <= maxTyped:
		l.text += k.Text
	default:
		return false
	}
	return true
}

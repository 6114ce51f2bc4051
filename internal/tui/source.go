package tui

import "strings"

// typeOne is the last row of the sources.
const typeOne = "Another catalog: type its URL or path"

func (m Model) sourceRows() []string {
	var rows []string
	for _, s := range m.setup.Sources {
		rows = append(rows, s.row())
	}
	return append(rows, typeOne)
}

func (s Source) row() string {
	if s.Title == "" {
		return s.At
	}
	return s.Title + "  " + s.At
}

func (m Model) sourceKey(k Key) (Model, Effect) {
	rows := m.sourceRows()
	if m.sources.key(k, rows, m.page()) {
		return m, nil
	}
	switch k.Name {
	case "enter":
		switch row := m.sources.row(rows); {
		case row == len(rows)-1:
			m.step = stepTyped
			m.hush()
		case row >= 0:
			return m.open(m.setup.Sources[row])
		}
	case "q":
		return m, Leave{}
	case "esc":
		if !m.sources.clear(rows) {
			m.say("This is the first step. q quits.")
		}
	}
	return m, nil
}

// typedKey: what is typed stays as it is, letter case and all.
func (m Model) typedKey(k Key) (Model, Effect) {
	switch {
	case k.Name == "esc":
		m.step = stepSource
		m.hush()
	case k.Name == "enter":
		at := strings.TrimSpace(m.typed.text)
		if problem := sourceProblem(at); problem != "" {
			m.fail("%s", problem)
			return m, nil
		}
		return m.open(Source{At: at})
	default:
		m.typed.key(k)
	}
	return m, nil
}

func sourceProblem(at string) string {
	scheme, _, isURL := strings.Cut(at, "://")
	switch {
	case at == "":
		return "Type a URL (http://, https://, oras://) or the path of a file or folder. Esc goes back."
	case !isURL && !strings.HasPrefix(at, "/"):
		return "A path begins with /, a URL with http://, https:// or oras://."
	case !isURL:
		return ""
	}
	switch strings.ToLower(scheme) {
	case "http", "https", "oras":
		return ""
	}
	return "The scheme " + scheme + ":// is not known: http://, https:// and oras:// are."
}

// open begins the second step with a source.
func (m Model) open(s Source) (Model, Effect) {
	m.source, m.step = s, stepImage
	m.images, m.imageAt = nil, list{}
	return m.loadImages()
}

func (m Model) loadImages() (Model, Effect) {
	m.hush()
	return m, LoadImages{m.begin(), m.source}
}

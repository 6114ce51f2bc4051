package ui

import (
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"strings"
	"sync"
)

//go:embed pages/*.html partials/*.html
var pageFiles embed.FS

//go:embed icons/*/*.svg
var iconFiles embed.FS

// page is the templates of one page: its own, the layout and the shared parts. They are parsed when
// the page is first shown: to parse them all takes longer than the rest of a start, and a machine
// that boots needs none of them.
type page func() *template.Template

// book returns every page by its name. The files ship in the program: an error in one is a defect
// of ours that a test finds.
func (s surface) book() map[string]page {
	shared := sync.OnceValue(func() *template.Template {
		return template.Must(template.New("").Funcs(s.functions()).ParseFS(pageFiles, "partials/*.html"))
	})
	names, err := fs.Glob(pageFiles, "pages/*.html")
	if err != nil {
		panic(err)
	}
	pages := map[string]page{}
	for _, name := range names {
		pages[strings.TrimSuffix(path.Base(name), ".html")] = sync.OnceValue(func() *template.Template {
			return template.Must(template.Must(shared().Clone()).ParseFS(pageFiles, name))
		})
	}
	return pages
}

// icons are the pictures by name, each an <svg> that a screen reader leaves out.
var icons = sync.OnceValue(readIcons)

func readIcons() map[string]template.HTML {
	names, err := fs.Glob(iconFiles, "icons/*/*.svg")
	if err != nil {
		panic(err)
	}
	read := map[string]template.HTML{}
	for _, name := range names {
		raw, err := iconFiles.ReadFile(name)
		if err != nil {
			panic(err)
		}
		hidden := strings.Replace(string(raw), "<svg ", `<svg aria-hidden="true" focusable="false" `, 1)
		read[strings.TrimSuffix(path.Base(name), ".svg")] = template.HTML(strings.TrimSpace(hidden))
	}
	return read
}

func icon(name string) (template.HTML, error) {
	svg, ok := icons()[name]
	if !ok {
		return "", fmt.Errorf("no icon %q: add it to vendor.txt and run make assets", name)
	}
	return svg, nil
}

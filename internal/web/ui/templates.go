package ui

import (
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"strings"
)

//go:embed pages/*.html partials/*.html
var pageFiles embed.FS

//go:embed icons/*/*.svg
var iconFiles embed.FS

// page is the templates of one page: its own, the layout and the shared parts.
type page struct{ *template.Template }

// parse reads every page once. The files ship in the program: an error in one is a defect of ours
// that every test finds.
func (s surface) parse() map[string]*page {
	shared := template.Must(template.New("").Funcs(s.functions()).ParseFS(pageFiles, "partials/*.html"))
	names, err := fs.Glob(pageFiles, "pages/*.html")
	if err != nil {
		panic(err)
	}
	pages := map[string]*page{}
	for _, name := range names {
		own := template.Must(template.Must(shared.Clone()).ParseFS(pageFiles, name))
		pages[strings.TrimSuffix(path.Base(name), ".html")] = &page{own}
	}
	return pages
}

// icons are the pictures by name, each an <svg> that a screen reader leaves out.
var icons = readIcons()

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
	svg, ok := icons[name]
	if !ok {
		return "", fmt.Errorf("no icon %q: add it to vendor.txt and run make assets", name)
	}
	return svg, nil
}

package browser

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/chromedp/chromedp"
)

//go:embed testdata/axe-core-4.14.1/axe.min.js
var axe string

// finding is one rule that the page breaks.
type finding struct {
	ID, Impact, Help string
	Nodes            []struct {
		Target []any
		HTML   string
		Any    []struct{ Message string }
	}
}

// Axe fails the test for everything on the page that keeps people from using it: axe-core's
// findings of serious or critical impact.
func (t *Tab) Axe() {
	t.Helper()
	if !Eval[bool](t, `!!window.axe`) {
		t.do("load axe-core", chromedp.Evaluate[chromedp.Void](axe))
	}
	findings := Eval[[]finding](t, `axe.run(document, {resultTypes: ["violations"]}).then(r => r.violations.map(v => ({
		ID: v.id, Impact: v.impact, Help: v.help, Nodes: v.nodes.map(n => ({Target: n.target, HTML: n.html, Any: n.any.map(a => ({Message: a.message}))}))})))`)
	for _, f := range findings {
		if f.Impact == "serious" || f.Impact == "critical" {
			t.Errorf("%s: axe %s (%s): %s%s", t.Path(), f.ID, f.Impact, f.Help, f.where())
		}
	}
}

func (f finding) where() string {
	var b strings.Builder
	for i, n := range f.Nodes {
		if i == 3 {
			fmt.Fprintf(&b, "\n  and %d more", len(f.Nodes)-i)
			break
		}
		fmt.Fprintf(&b, "\n  %v %.200s", n.Target, n.HTML)
		for _, a := range n.Any {
			fmt.Fprintf(&b, "\n    %s", a.Message)
		}
	}
	return b.String()
}

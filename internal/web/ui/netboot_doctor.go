package ui

import (
	"fmt"
	"net/http"
	"strings"

	"bty/internal/doctor"
	"bty/internal/snippet"
	"bty/internal/web/openapi"
	"bty/internal/wire"
)

// doctorRoutes are those of the doctor's part of the Netboot page.
func (s surface) doctorRoutes(r routes) {
	r.own("GET /ui/netboot/doctor", s.doctorNow)
}

func aboutDoctor() []openapi.Operation {
	return []openapi.Operation{{Pattern: "GET /ui/netboot/doctor", Tag: "pages", Access: openapi.Page, Summary: "What the doctor finds, as a part of the page", Answers: pageOr()}}
}

// doctorNow is the part of the page that a live page asks for again.
func (s surface) doctorNow(w http.ResponseWriter, r *http.Request) error {
	return s.fragment(w, r, "netboot", "doctor", doctorOf(s.Doctor()))
}

// doctorPart is what the page shows of the doctor's findings.
type doctorPart struct {
	wire.Diagnosis
	Look []doctorFinding // somebody should, or may
	Well []string        // what is good
}

type doctorFinding struct {
	wire.Finding
	Tone, Icon string
	Texts      []doctorText
}

// doctorText leads to a text for a DHCP server, which stands on the same page, filled in.
type doctorText struct{ ID, Label string }

func doctorOf(d wire.Diagnosis) doctorPart {
	products := snippet.Products()
	p := doctorPart{Diagnosis: d}
	for _, f := range d.Findings {
		if f.Severity == wire.SeverityOK {
			p.Well = append(p.Well, f.Title+": "+strings.TrimSuffix(f.What, "."))
			continue
		}
		shown := doctorFinding{Finding: f, Tone: "bad", Icon: "x-octagon"}
		switch f.Severity {
		case wire.SeverityNote:
			shown.Tone, shown.Icon = "quiet", "info-circle"
		case wire.SeverityWarning:
			shown.Tone, shown.Icon = "warn", "exclamation-triangle"
		case wire.SeverityOK, wire.SeverityError:
		}
		for _, id := range f.Snippets {
			shown.Texts = append(shown.Texts, doctorText{id, labelOf(id, products)})
		}
		p.Look = append(p.Look, shown)
	}
	return p
}

// labelOf is the name of the product, with the text's if the product has several that mend.
func labelOf(id string, products []snippet.Snippet) string {
	for _, product := range products {
		for _, t := range product.Texts {
			switch {
			case t.ID != id:
			case strings.HasSuffix(id, "-arch"):
				return product.Title
			default:
				return product.Title + ": " + t.Title
			}
		}
	}
	return id
}

// Badge says how many of the findings somebody should look at.
func (p doctorPart) Badge() badge {
	bad, worst := 0, "warn"
	for _, f := range p.Look {
		if doctor.IsBad(f.Severity) {
			bad++
		}
		if f.Severity == wire.SeverityError {
			worst = "bad"
		}
	}
	if bad == 0 {
		return badge{Text: "nothing wrong", Tone: "good", Title: "Nothing is known to be wrong."}
	}
	return badge{Text: fmt.Sprintf("%d to look at", bad), Tone: worst}
}

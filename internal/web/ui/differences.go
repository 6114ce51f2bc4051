package ui

import (
	"net/http"
	"net/url"

	"bty/internal/fleet"
	"bty/internal/machine"
)

// previewPage shows what a change would do, and has it carried out.
type previewPage struct {
	What        string // the change, in words
	Differences differences
	Report      *bulkLines // of an action on many machines
	Action      string     // where yes is POSTed
	Hidden      url.Values
	Button      string // the word for yes
	Destroys    bool
	Cancel      string // where no leads
	Back        string // the word for no
}

func (s surface) showPreview(w http.ResponseWriter, r *http.Request, section string, p previewPage) error {
	if p.Back == "" {
		p.Back = "Cancel"
	}
	return s.show(w, r, view{Page: "preview", Title: "What would change", Section: section, Data: p})
}

// differences is the machines whose next boot a change would change.
type differences struct {
	Total int
	Rows  []difference
}

// Shown is how many of them are listed.
func (d differences) Shown() int { return len(d.Rows) }

type difference struct {
	MAC      machine.MAC
	Labels   []string
	From, To nextBoot
}

type nextBoot struct {
	Mode                           machine.BootMode
	Image, Serial, NoDisk, Because string
	Grow, Verify                   bool
}

func (s surface) differencesOf(p fleet.Preview) (differences, error) {
	names, err := s.imageNames()
	d := differences{Total: p.Total}
	show := func(n fleet.NextBoot) nextBoot {
		return nextBoot{n.Mode, names.name(n.Image), n.Serial, n.NoDisk, n.Rule.Because(), n.Grow, n.Verify}
	}
	for _, one := range p.Differences {
		d.Rows = append(d.Rows, difference{one.MAC, one.Labels, show(one.From), show(one.To)})
	}
	return d, err
}

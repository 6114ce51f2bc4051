package fleet

import (
	"fmt"
	"slices"
	"strings"

	"bty/internal/catalog"
	"bty/internal/event"
	"bty/internal/machine"
)

// Query selects machines, orders them and takes one page of them. The zero Query is all machines
// by MAC.
type Query struct {
	Text     string // anywhere in MAC, labels, image, last address, vendor and product; any case
	Label    string // exactly
	Mode     *machine.BootMode
	Phase    machine.Phase
	Halted   bool              // failed or stuck only
	Assigned *bool             // whether an image is bound
	Image    *catalog.ImageRef // exactly

	Sort   string // one of Sorts, "" is "mac"
	Desc   bool
	Offset int
	Limit  int // 0 is all
}

// Sorts lists what machines can be sorted by. Equal ones are in the order of their MACs.
var Sorts = []string{"mac", "bty_image_ref", "boot_mode", "state", "last_seen_at", "last_seen_ip", "last_flashed_at", "vendor"}

// Page is what a Query selects.
type Page struct {
	Records []Record
	Total   int // machines that the query selects, on this page or not
	All     int // machines that are known
}

// Page lists the machines that a query selects. What is not on the page is not read beyond what
// the query asks of it.
func (f *Fleet) Page(q Query) (Page, error) {
	var page Page
	err := f.Store.View(func(tx Tx) error {
		found, all, err := f.find(tx, q)
		if err != nil {
			return err
		}
		page = Page{Total: len(found), All: all, Records: []Record{}}
		for _, c := range cut(found, q.Offset, q.Limit) {
			m, _, err := tx.Machine(c.mac)
			if err != nil {
				return err
			}
			r, err := f.record(tx, m)
			if err != nil {
				return err
			}
			page.Records = append(page.Records, r)
		}
		return nil
	})
	return page, err
}

// Select lists the MACs of all machines that a query selects, in its order.
func (f *Fleet) Select(q Query) ([]machine.MAC, error) {
	macs := []machine.MAC{}
	err := f.Store.View(func(tx Tx) error {
		found, _, err := f.find(tx, q)
		for _, c := range found {
			macs = append(macs, c.mac)
		}
		return err
	})
	return macs, err
}

func cut(found []candidate, offset, limit int) []candidate {
	found = found[min(max(offset, 0), len(found)):]
	if limit > 0 && limit < len(found) {
		found = found[:limit]
	}
	return found
}

// candidate is a machine that a query selects, with what it is sorted by.
type candidate struct {
	mac machine.MAC
	key string
}

// find returns what a query selects, in order, and how many machines it looked at.
func (f *Fleet) find(tx Tx, q Query) (found []candidate, all int, err error) {
	match := newMatcher(f, tx, q)
	found = make([]candidate, 0, f.Count())
	each := tx.EachIntent
	if match.asksFacts {
		each = tx.EachMachine
	}
	err = each(func(m machine.Machine) error {
		all++
		m, err := match.standing(m)
		if err != nil {
			return err
		}
		ok, err := match.matches(m)
		if err != nil || !ok {
			return err
		}
		key, err := f.sortKey(tx, m, q.Sort)
		found = append(found, candidate{m.MAC, key})
		return err
	})
	if q.Sort != "" && q.Sort != "mac" {
		slices.SortStableFunc(found, func(a, b candidate) int {
			if q.Desc {
				a, b = b, a
			}
			return strings.Compare(a.key, b.key)
		})
	} else if q.Desc {
		slices.Reverse(found)
	}
	return found, all, err
}

// sortKey is what a machine is sorted by, as text that sorts the same way.
func (f *Fleet) sortKey(tx Tx, m machine.Machine, by string) (string, error) {
	switch by {
	case "bty_image_ref":
		if m.Intent.Image.IsZero() {
			return "", nil
		}
		return m.Intent.Image.String(), nil
	case "boot_mode":
		return m.Intent.Mode.String(), nil
	case "state":
		return string(m.Phase()), nil
	case "last_seen_at":
		return fmt.Sprintf("%020d", max(0, f.activity.get(m.MAC).SeenAt.UnixNano())), nil
	case "last_seen_ip":
		from := f.activity.get(m.MAC).SeenFrom
		if !from.IsValid() {
			return "", nil
		}
		address := from.Unmap().As16()
		return string(address[:]), nil
	case "last_flashed_at":
		return fmt.Sprintf("%020d", max(0, m.Facts.FlashedAt.UnixNano())), nil
	case "vendor":
		h, _, err := tx.Hardware(m.MAC)
		return strings.ToLower(h.Vendor + " " + h.Product), err
	}
	return "", nil
}

// matcher decides whether machines belong to what a query selects.
type matcher struct {
	Query
	text      string
	mac       machine.MAC // that the text is in whatever spelling, else zero, which is nobody's
	isAddress bool        // whether the text may be a part of a MAC or of an address
	hasSpace  bool
	tx        Tx
	fleet     *Fleet
	images    map[catalog.ImageRef]bool // whether identity or name says it
	asksRules bool                      // whether what is selected depends on what rules decide
	asksFacts bool                      // whether it depends on facts, too, of which rules decide whether they count
}

func newMatcher(f *Fleet, tx Tx, q Query) *matcher {
	text := strings.Map(func(r rune) rune {
		if r < 0x80 {
			return rune(lower(byte(r)))
		}
		return r
	}, strings.TrimSpace(q.Text))
	m := &matcher{Query: q, text: text, tx: tx, fleet: f, images: map[catalog.ImageRef]bool{}}
	m.mac, _ = machine.ParseTypedMAC(text)
	m.isAddress = strings.Trim(text, "0123456789abcdef.:") == ""
	m.hasSpace = strings.Contains(text, " ")
	m.asksFacts = q.Phase != "" || q.Halted || slices.Contains([]string{"state", "last_flashed_at"}, q.Sort)
	m.asksRules = text != "" || q.Mode != nil || q.Assigned != nil || q.Image != nil || slices.Contains([]string{"bty_image_ref", "boot_mode"}, q.Sort)
	return m
}

// standing is a machine as it stands under the rules, as far as the query asks for that.
func (q *matcher) standing(m machine.Machine) (_ machine.Machine, err error) {
	switch {
	case q.asksFacts:
		return settled(q.tx, m)
	case q.asksRules:
		m.Intent, err = wanted(q.tx, m)
	}
	return m, err
}

func (q *matcher) matches(m machine.Machine) (bool, error) {
	i := m.Intent
	switch {
	case q.Label != "" && !slices.Contains(i.Labels, q.Label),
		q.Mode != nil && i.Mode != *q.Mode,
		q.Phase != "" && m.Phase() != q.Phase,
		q.Halted && !m.Facts.Halted(),
		q.Assigned != nil && i.Image.IsZero() == *q.Assigned,
		q.Image != nil && i.Image != *q.Image:
		return false, nil
	case q.text == "":
		return true, nil
	}
	return q.says(m)
}

// says looks for the text of the query, in what is cheap to read first.
func (q *matcher) says(m machine.Machine) (bool, error) {
	if m.MAC == q.mac || slices.ContainsFunc(m.Intent.Labels, q.in) {
		return true, nil
	}
	if q.isAddress { // of either kind: spelling them out is what costs
		seen := q.fleet.activity.get(m.MAC).SeenFrom
		if strings.Contains(m.MAC.String(), q.text) || seen.IsValid() && q.in(event.Address(seen)) {
			return true, nil
		}
	}
	if ok, err := q.imageSays(m.Intent.Image); ok || err != nil {
		return ok, err
	}
	h, _, err := q.tx.Hardware(m.MAC)
	return q.in(h.Vendor) || q.in(h.Product) || q.hasSpace && q.in(h.Vendor+" "+h.Product), err
}

// in reports whether s holds the text, without a copy of s for each of thousands of machines.
func (q *matcher) in(s string) bool {
	for ; len(s) >= len(q.text); s = s[1:] {
		i := 0
		for i < len(q.text) && lower(s[i]) == q.text[i] {
			i++
		}
		if i == len(q.text) {
			return true
		}
	}
	return false
}

func lower(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		return b + 'a' - 'A'
	}
	return b
}

func (q *matcher) imageSays(ref catalog.ImageRef) (bool, error) {
	if ref.IsZero() {
		return false, nil
	}
	says, known := q.images[ref]
	if !known {
		entry, _, err := q.tx.Image(ref)
		if err != nil {
			return false, err
		}
		says = q.in(ref.String() + " " + entry.Name)
		q.images[ref] = says
	}
	return says, nil
}

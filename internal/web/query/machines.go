// Package query reads what a URL asks of a list, so that the API and the pages ask alike.
package query

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"bty/internal/catalog"
	"bty/internal/fault"
	"bty/internal/fleet"
	"bty/internal/machine"
)

const (
	// DefaultLimit is how many rows a page has unless the URL says so.
	DefaultLimit = 100
	// MaxLimit is how many it has at most.
	MaxLimit = 1000
	maxText  = 200 // characters
)

// Machines reads q, label, mode, state, filter (discovered or assigned), image, sort, desc,
// offset and limit. An empty value is like an absent one: forms send all their fields.
func Machines(v url.Values) (fleet.Query, error) {
	q := fleet.Query{Text: v.Get("q"), Label: v.Get("label"), Sort: v.Get("sort"), Desc: v.Get("desc") == "1" || v.Get("desc") == "true"}
	if len(q.Text) > maxText {
		return q, fault.New(fault.Rejected, "q is longer than %d bytes; search for less", maxText)
	}
	if q.Sort != "" && !slices.Contains(fleet.Sorts, q.Sort) {
		return q, fault.New(fault.Rejected, "machines cannot be sorted by %q; sort by one of %s", q.Sort, strings.Join(fleet.Sorts, ", "))
	}
	for _, read := range []func(url.Values, *fleet.Query) error{readMode, readPhase, readFilter, readImage, readBounds} {
		if err := read(v, &q); err != nil {
			return q, err
		}
	}
	return q, nil
}

// keys are what a list of machines can be asked by.
var keys = []string{"q", "label", "mode", "state", "filter", "image", "sort", "desc", "offset", "limit"}

// Selection reads what an action is for. What a list would pass over, a key that is not known or
// has no value, is refused: the action would be for more machines than somebody meant.
func Selection(v url.Values) (fleet.Query, error) {
	for _, key := range slices.Sorted(maps.Keys(v)) {
		switch values := v[key]; {
		case !slices.Contains(keys, key):
			return fleet.Query{}, fault.New(fault.Rejected, "machines cannot be selected by %.40q; select by one of %s", key, strings.Join(keys, ", "))
		case len(values) > 1:
			return fleet.Query{}, fault.New(fault.Rejected, "the query has %s %d times, of which one would count; say it once", key, len(values))
		case strings.TrimSpace(values[0]) == "":
			return fleet.Query{}, fault.New(fault.Rejected, "%s has no value in the query; give it one, or leave it out: an empty query is all machines", key)
		}
	}
	q, err := Machines(v)
	q.Offset, q.Limit = 0, 0 // a selection is all of it, on whatever page it is
	return q, err
}

func readMode(v url.Values, q *fleet.Query) error {
	name := v.Get("mode")
	if name == "" {
		return nil
	}
	mode, err := machine.ParseBootMode(name)
	if err != nil {
		return fault.New(fault.Rejected, "mode=%s is no boot mode", name)
	}
	q.Mode = &mode
	return nil
}

func readPhase(v url.Values, q *fleet.Query) error {
	q.Phase = machine.Phase(v.Get("state"))
	if q.Phase != "" && !slices.Contains(machine.Phases, q.Phase) {
		return fault.New(fault.Rejected, "state=%s is none; a machine is pending, running, failed, stuck or done", q.Phase)
	}
	return nil
}

func readFilter(v url.Values, q *fleet.Query) error {
	switch filter := v.Get("filter"); filter {
	case "":
	case "assigned", "discovered":
		assigned := filter == "assigned"
		q.Assigned = &assigned
	default:
		return fault.New(fault.Rejected, "filter=%s is none; it is assigned or discovered", filter)
	}
	return nil
}

func readImage(v url.Values, q *fleet.Query) error {
	text := v.Get("image")
	if text == "" {
		return nil
	}
	ref, err := catalog.ParseRef(text)
	if err != nil {
		return fault.New(fault.Rejected, "image=%s is no image; it is the 64 hexadecimal digits of its bty_image_ref", text)
	}
	q.Image = &ref
	return nil
}

func readBounds(v url.Values, q *fleet.Query) (err error) {
	if q.Offset, err = number(v, "offset", 0, 1<<30); err != nil {
		return err
	}
	q.Limit, err = number(v, "limit", DefaultLimit, MaxLimit)
	q.Limit = max(1, q.Limit)
	return err
}

// number reads a number and keeps it between 0 and the most there can be.
func number(v url.Values, key string, absent, most int) (int, error) {
	text := v.Get(key)
	if text == "" {
		return absent, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, fault.New(fault.Rejected, "%s=%s is no number", key, text)
	}
	return min(max(n, 0), most), nil
}

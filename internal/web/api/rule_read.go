package api

import (
	"regexp"
	"strings"

	"bty/internal/catalog"
	"bty/internal/fault"
	"bty/internal/fleet"
	"bty/internal/machine"
	"bty/internal/rule"
	"bty/internal/web/body"
)

const (
	maxRuleName = 64
	maxPattern  = 64
)

var (
	namePattern = regexp.MustCompile(`^[^\x00-\x1f\x7f]*\S[^\x00-\x1f\x7f]*$`)
	textPattern = regexp.MustCompile(`^[^\x00-\x1f\x7f]*$`)
	sizePattern = regexp.MustCompile(`^(?:[0-9]{1,18}(?:\.[0-9]{1,6})?(?:[KMGTP](?:i?B)?)?)?$`)
	macPattern  = regexp.MustCompile(`^(?:[0-9a-fA-F][-:.0-9a-fA-F]{0,16})?$`)
	archPattern = regexp.MustCompile(`^[a-z0-9_]{0,16}$`)
)

// ReadRule reads a rule as the API and the page send it. What is absent is not asked, or not said.
func ReadRule(v body.Value) (rule.Rule, error) {
	o := v.Object()
	r := readRule(o, o.String("name", body.Max(maxRuleName), body.Match(namePattern)))
	if err := o.Done(); err != nil {
		return r, err
	}
	err := checkRule(r)
	return canonicalRule(r), err
}

func readRule(o *body.Object, name string) rule.Rule {
	label := []body.Rule{body.Min(1), body.Max(maxLabel), body.Match(labelPattern)}
	r := rule.Rule{Name: strings.TrimSpace(name), Selector: rule.Selector{
		Labels: o.Strings("labels", maxLabels, label...), NotLabels: o.Strings("not_labels", maxLabels, label...),
		MACPrefix: o.StringOr("mac_prefix", "", body.Match(macPattern)), Arch: o.StringOr("arch", "", body.Match(archPattern)),
		Vendor:  strings.TrimSpace(o.StringOr("vendor", "", body.Max(maxPattern), body.Match(textPattern))),
		Product: strings.TrimSpace(o.StringOr("product", "", body.Max(maxPattern), body.Match(textPattern))),
		DiskMin: readSize(o, "disk_min"), DiskMax: readSize(o, "disk_max"),
	}}
	r.Assign = readAssignment(o)
	if len(r.Selector.Labels) == 0 {
		r.Selector.Labels = nil // as it comes back from the database
	}
	if len(r.Selector.NotLabels) == 0 {
		r.Selector.NotLabels = nil
	}
	return r
}

// readAssignment reads what a rule says.
func readAssignment(o *body.Object) (a rule.Assignment) {
	if mode := o.Nullable("boot_mode", body.OneOf(modeNames()...)); mode != nil {
		m, _ := machine.ParseBootMode(*mode) // the list has settled it
		a.Mode = &m
	}
	if ref := o.Nullable("bty_image_ref", body.Match(refPattern)); ref != nil {
		a.Image, _ = catalog.ParseRef(*ref) // the pattern has settled it
	}
	a.Disk = readDiskRule(o)
	return a
}

// readDiskRule reads how a target disk is chosen. Where only a part is said, there must be just one
// disk that fits it.
func readDiskRule(o *body.Object) *rule.DiskRule {
	pick := o.Nullable("target_pick", body.OneOf(words(rule.Picks)...))
	r := &rule.DiskRule{
		Transport: o.StringOr("target_transport", "", body.Match(archPattern)),
		Model:     strings.TrimSpace(o.StringOr("target_model", "", body.Max(maxPattern), body.Match(textPattern))),
		Min:       readSize(o, "target_min"), Max: readSize(o, "target_max"),
	}
	switch {
	case pick != nil:
		r.Pick = rule.Pick(*pick)
	case *r == (rule.DiskRule{}):
		return nil
	default:
		r.Pick = rule.Only
	}
	return r
}

// readSize reads a size as lsblk prints it: 480G is 480 times 1024 to the third bytes.
func readSize(o *body.Object, key string) string {
	return o.StringOr(key, "", body.Max(maxSize), body.Match(sizePattern))
}

const maxSize = 24

// checkRule says what is wrong beyond single fields.
func checkRule(r rule.Rule) error {
	s := r.Selector
	if _, ok := rule.CanonicalPrefix(s.MACPrefix); s.MACPrefix != "" && !ok {
		return fault.New(fault.Rejected, "mac_prefix %q is no beginning of a MAC; write it like 52:54:00", s.MACPrefix)
	}
	for _, l := range s.Labels {
		for _, not := range s.NotLabels {
			if l == not {
				return fault.New(fault.Rejected, "the rule asks for the label %q and excludes it, so that it matches no machine; take it out of one list", l)
			}
		}
	}
	if r.Assign.IsEmpty() {
		return fault.New(fault.Rejected, "the rule says nothing: set a boot mode, an image or how the target disk is chosen")
	}
	if err := checkRange("disk", s.DiskMin, s.DiskMax); err != nil {
		return err
	}
	if d := r.Assign.Disk; d != nil {
		return checkRange("target", d.Min, d.Max)
	}
	return nil
}

func checkRange(what, least, most string) error {
	from, _ := machine.ParseSize(least)
	to, _ := machine.ParseSize(most)
	if most != "" && from > to {
		return fault.New(fault.Rejected, "%s_min %s is more than %s_max %s, so that no disk fits; swap them", what, least, what, most)
	}
	return nil
}

// canonicalRule is a rule in the one form in which it is stored.
func canonicalRule(r rule.Rule) rule.Rule {
	r.Selector.MACPrefix, _ = rule.CanonicalPrefix(r.Selector.MACPrefix)
	return r
}

// ReadDefault reads what applies where no rule says anything.
func ReadDefault(v body.Value) (rule.Assignment, error) {
	o := v.Object()
	a := readAssignment(o)
	if err := o.Done(); err != nil {
		return a, err
	}
	return a, checkRule(rule.Rule{Assign: a})
}

// Kinds of a change of the rules.
const (
	changeCreate  = "create"
	changeEdit    = "edit"
	changeDelete  = "delete"
	changeOrder   = "order"
	changeDefault = "default"
)

// ReadChange reads a change of the rules that is to be shown before it is made: "change" names its
// kind, "id" the rule that is edited or deleted, "ids" a new order; the rest is the rule.
func ReadChange(v body.Value) (fleet.Change, error) {
	o := v.Object()
	kind := o.String("change", body.OneOf(changeCreate, changeEdit, changeDelete, changeOrder, changeDefault))
	id := rule.ID(o.Whole("id"))
	ids := readIDs(o)
	r := readRule(o, o.StringOr("name", "", body.Max(maxRuleName), body.Match(textPattern)))
	if err := o.Done(); err != nil {
		return fleet.Change{}, err
	}
	switch kind {
	case changeDelete:
		return fleet.Change{Delete: id}, missingID(id)
	case changeOrder:
		return fleet.Change{Order: ids}, nil
	case changeDefault:
		return fleet.Change{Default: &r.Assign}, checkRule(rule.Rule{Assign: r.Assign})
	case changeEdit:
		if err := missingID(id); err != nil {
			return fleet.Change{}, err
		}
		r.ID = id
	}
	if r.Name == "" {
		return fleet.Change{}, fault.New(fault.Rejected, "the rule has no name; give it one that says what it is for")
	}
	err := checkRule(r)
	r = canonicalRule(r)
	return fleet.Change{Put: &r}, err
}

func missingID(id rule.ID) error {
	if id == 0 {
		return fault.New(fault.Rejected, "id is missing: name the rule that is changed")
	}
	return nil
}

const maxIDs = 1000

func readIDs(o *body.Object) []rule.ID {
	ids := []rule.ID{}
	for _, n := range o.Wholes("ids", maxIDs) {
		ids = append(ids, rule.ID(n))
	}
	return ids
}

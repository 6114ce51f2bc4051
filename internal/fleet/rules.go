package fleet

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/ledger"
	"bty/internal/machine"
	"bty/internal/rule"
)

// maxRules bounds how many rules a contact may have to ask.
const maxRules = 1000

// Change is one change of the rules. Just one of its parts is set.
type Change struct {
	Put     *rule.Rule       // a rule to add (without an ID, at the end of the list) or to replace
	Delete  rule.ID          // a rule to delete
	Order   []rule.ID        // all rules in their new order
	Default *rule.Assignment // what applies where no rule says anything
}

// Rules returns the rules in the order in which they are asked.
func (f *Fleet) Rules() (*rule.Set, error) {
	var set *rule.Set
	err := f.Store.View(func(tx Tx) (err error) { set, err = tx.Rules(); return err })
	return set, err
}

// Rule returns one rule.
func (f *Fleet) Rule(id rule.ID) (rule.Rule, error) {
	set, err := f.Rules()
	if err != nil {
		return rule.Rule{}, err
	}
	r, found := set.Get(id)
	if !found {
		return r, unknownRule(id)
	}
	return r, nil
}

// RuleUse counts for how many machines each rule decides something; 0 stands for the default.
func (f *Fleet) RuleUse() (map[rule.ID]int, error) {
	use := map[rule.ID]int{}
	err := f.Store.View(func(tx Tx) error {
		return tx.EachMachine(func(m machine.Machine) error {
			a, err := assign(tx, m)
			for id := range decidedBy(a) {
				use[id]++
			}
			return err
		})
	})
	return use, err
}

func decidedBy(a rule.Assigned) map[rule.ID]bool {
	ids := map[rule.ID]bool{}
	for _, by := range []rule.By{a.ModeBy, a.ImageBy, a.DiskBy} {
		if by.Origin == rule.ByRule || by.Origin == rule.Default {
			ids[by.Rule] = true
		}
	}
	return ids
}

func unknownRule(id rule.ID) error {
	return fault.New(fault.NotFound, "no rule with id %d; the list of rules has those that there are", id)
}

// ChangeRules carries a change out. One that changes nothing leaves no trace. It returns the rule
// that was put, if one was.
func (f *Fleet) ChangeRules(ctx context.Context, c Change, who Who) (put rule.Rule, err error) {
	err = f.commit(ctx, func(tx Tx) ([]event.Event, error) {
		set, err := tx.Rules()
		if err != nil {
			return nil, err
		}
		now := f.Now()
		next, err := applied(set, c, now)
		if err != nil {
			return nil, err
		}
		if c.Put != nil && c.Put.ID == 0 {
			id, err := tx.NewRuleID()
			if err != nil {
				return nil, err
			}
			next[len(next)-1].ID = id
			put = next[len(next)-1]
		} else if c.Put != nil {
			put = next[slices.IndexFunc(next, func(r rule.Rule) bool { return r.ID == c.Put.ID })]
		}
		return f.putRules(tx, set, next, c, who, now)
	})
	return put, err
}

// applied is the rules after a change. A rule that is new has no ID yet.
func applied(set *rule.Set, c Change, now time.Time) ([]rule.Rule, error) {
	rules := slices.Clone(set.Rules)
	switch {
	case c.Put != nil && c.Put.ID == 0:
		if len(rules) >= maxRules {
			return nil, fault.New(fault.Conflict, "there are %d rules, the most there can be; delete or merge some first", maxRules)
		}
		r := *c.Put
		r.CreatedAt, r.UpdatedAt, r.Order = now, now, 1
		if len(rules) > 0 {
			r.Order = rules[len(rules)-1].Order + 1
		}
		return append(rules, r), nil
	case c.Put != nil:
		return replaced(rules, *c.Put, now)
	case c.Delete != 0:
		if _, found := set.Get(c.Delete); !found {
			return nil, unknownRule(c.Delete)
		}
		return slices.DeleteFunc(rules, func(r rule.Rule) bool { return r.ID == c.Delete }), nil
	case c.Order != nil:
		return ordered(rules, c.Order, now)
	}
	return rules, nil
}

func replaced(rules []rule.Rule, r rule.Rule, now time.Time) ([]rule.Rule, error) {
	i := slices.IndexFunc(rules, func(old rule.Rule) bool { return old.ID == r.ID })
	if i < 0 {
		return nil, unknownRule(r.ID)
	}
	r.Order, r.CreatedAt, r.UpdatedAt = rules[i].Order, rules[i].CreatedAt, rules[i].UpdatedAt
	if !reflect.DeepEqual(r, rules[i]) {
		r.UpdatedAt = now
	}
	rules[i] = r
	return rules, nil
}

func ordered(rules []rule.Rule, ids []rule.ID, now time.Time) ([]rule.Rule, error) {
	next := make([]rule.Rule, 0, len(rules))
	for n, id := range ids {
		i := slices.IndexFunc(rules, func(r rule.Rule) bool { return r.ID == id })
		if i < 0 || slices.Contains(ids[:n], id) {
			return nil, fault.New(fault.Rejected, "the order names rule %d, which does not exist or was named before; send each id once", id)
		}
		r := rules[i]
		if r.Order != n+1 {
			r.Order, r.UpdatedAt = n+1, now
		}
		next = append(next, r)
	}
	if len(next) != len(rules) {
		return nil, fault.New(fault.Rejected, "the order names %d of %d rules; send the id of each, those that stay where they are too", len(next), len(rules))
	}
	return next, nil
}

// putRules stores what differs, with an event for each difference.
func (f *Fleet) putRules(tx Tx, set *rule.Set, next []rule.Rule, c Change, who Who, now time.Time) ([]event.Event, error) {
	var events []event.Event
	add := func(kind event.Kind, r rule.Rule, verb string) {
		events = append(events, ruleEvent(kind, fmt.Sprint(r.ID), who, now, fmt.Sprintf("rule %d (%s) %s", r.ID, r.Name, verb), r))
	}
	for _, r := range next {
		old, known := set.Get(r.ID)
		if known && reflect.DeepEqual(old, r) {
			continue
		}
		if err := tx.PutRule(r); err != nil {
			return nil, err
		}
		switch {
		case !known:
			add(event.RuleCreated, r, "created")
		case c.Order != nil:
			add(event.RuleChanged, r, fmt.Sprintf("moved to place %d", r.Order))
		default:
			add(event.RuleChanged, r, "changed")
		}
	}
	if c.Delete != 0 {
		r, _ := set.Get(c.Delete)
		add(event.RuleDeleted, r, "deleted")
		return events, tx.DeleteRule(c.Delete)
	}
	if c.Default != nil && !reflect.DeepEqual(*c.Default, set.Default) {
		events = append(events, ruleEvent(event.RuleChanged, "default", who, now, "the default for machines that no rule is for was changed", *c.Default))
		return events, tx.PutDefault(*c.Default)
	}
	return events, nil
}

func ruleEvent(kind event.Kind, id string, who Who, now time.Time, summary string, carried any) event.Event {
	return event.Event{At: now, Kind: kind, SubjectKind: event.Rule, SubjectID: id, Actor: event.Operator, SourceIP: who.From,
		Summary: summary, Details: ledger.Details(carried)}
}

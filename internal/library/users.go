package library

import (
	"fmt"
	"strings"

	"bty/internal/catalog"
	"bty/internal/machine"
	"bty/internal/rule"
)

// Users is who an image is for: the machines that are bound to it, and the rules that assign it to
// machines which nobody bound to any.
type Users struct {
	Machines []machine.MAC
	Rules    []string // by name
}

// Any reports whether there are any.
func (u Users) Any() bool { return len(u.Machines)+len(u.Rules) > 0 }

// maxNamed is how many machines a message names before it only counts.
const maxNamed = 10

// String names them, the first few of many.
func (u Users) String() string {
	var names []string
	for _, mac := range u.Machines[:min(len(u.Machines), maxNamed)] {
		names = append(names, mac.String())
	}
	if more := len(u.Machines) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more machines", more))
	}
	for i, name := range u.Rules {
		if i == maxNamed {
			names = append(names, fmt.Sprintf("%d more rules", len(u.Rules)-i))
			break
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// usersOf returns who each image is for.
func usersOf(tx Tx) (map[catalog.ImageRef]Users, error) {
	users := map[catalog.ImageRef]Users{}
	add := func(ref catalog.ImageRef, add func(*Users)) {
		if !ref.IsZero() {
			u := users[ref]
			add(&u)
			users[ref] = u
		}
	}
	set, err := tx.Rules()
	if err != nil {
		return nil, err
	}
	for _, r := range set.Rules {
		add(r.Assign.Image, func(u *Users) { u.Rules = append(u.Rules, nameOf(r)) })
	}
	add(set.Default.Image, func(u *Users) { u.Rules = append(u.Rules, "the default for all machines") })
	err = tx.EachMachine(func(m machine.Machine) error {
		add(m.Intent.Image, func(u *Users) { u.Machines = append(u.Machines, m.MAC) })
		return nil
	})
	return users, err
}

func nameOf(r rule.Rule) string { return fmt.Sprintf("rule %q", r.Name) }

// usersOfOne is usersOf for one image.
func usersOfOne(tx Tx, ref catalog.ImageRef) (Users, error) {
	users, err := usersOf(tx)
	return users[ref], err
}

package host

import (
	"encoding/json"
	"fmt"
	"slices"
)

// What nft -j writes, as far as it matters: libnftables-json(5).
type (
	nftChain struct {
		Family, Table, Name, Hook, Policy string
		Prio                              json.RawMessage
	}
	nftRule struct {
		Family, Table, Chain string
		Expr                 []map[string]json.RawMessage
	}
	nftSet struct {
		Family, Table, Name string
		Elem                []json.RawMessage
	}
	nftMatch struct {
		Op    string
		Left  map[string]json.RawMessage
		Right json.RawMessage
	}
)

// readNftables reads a whole ruleset. What is not understood may match.
func readNftables(raw []byte) (ruleset, error) {
	var file struct {
		Nftables []struct {
			Chain *nftChain
			Rule  *nftRule
			Set   *nftSet
		}
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		return ruleset{}, fmt.Errorf("what nft says cannot be read: %w", err)
	}
	r := nftReader{ruleset{chains: map[string]*chain{}}, map[string]ports{}}
	for _, item := range file.Nftables {
		switch {
		case item.Chain != nil && inbound(item.Chain.Family):
			r.chain(*item.Chain)
		case item.Set != nil:
			r.sets[key(item.Set.Family, item.Set.Table, "@"+item.Set.Name)] = readPorts(item.Set.Elem)
		}
	}
	for _, item := range file.Nftables {
		if item.Rule != nil {
			r.rule(*item.Rule)
		}
	}
	return r.ruleset, nil
}

// inbound are the families that see IPv4.
func inbound(family string) bool { return slices.Contains([]string{"ip", "inet"}, family) }

func key(family, table, name string) string { return family + " " + table + " " + name }

type nftReader struct {
	ruleset
	sets map[string]ports
}

func (r *nftReader) chain(c nftChain) {
	made := &chain{}
	name := key(c.Family, c.Table, c.Name)
	r.chains[name] = made
	if c.Hook != "input" {
		return
	}
	made.policy = accept
	if c.Policy == "drop" {
		made.policy = drop
	}
	r.base = append(r.base, name)
}

func (r *nftReader) rule(in nftRule) {
	c := r.chains[key(in.Family, in.Table, in.Chain)]
	if c == nil {
		return
	}
	var parts []func(Door) match
	for _, statement := range in.Expr {
		for what, raw := range statement {
			switch what {
			case "match":
				parts = append(parts, r.match(in, raw))
			case "counter", "log", "comment":
			case "xt", "limit", "quota", "connlimit":
				parts = append(parts, perhaps)
			case "vmap":
				r.vmap(c, in, all(parts), raw)
			case "accept", "drop", "reject", "return", "jump", "goto":
				does, to := verdictOf(what, raw)
				c.rules = append(c.rules, rule{all(parts), does, key(in.Family, in.Table, to)})
			}
		}
	}
}

func verdictOf(what string, raw json.RawMessage) (verdict, string) {
	switch what {
	case "accept":
		return accept, ""
	case "drop", "reject":
		return drop, ""
	case "return":
		return back, ""
	case "jump", "goto":
		var to struct{ Target string }
		if json.Unmarshal(raw, &to) == nil {
			return jump, to.Target
		}
	}
	return unsure, ""
}

// vmap is a table from values to verdicts.
func (r *nftReader) vmap(c *chain, in nftRule, when func(Door) match, raw json.RawMessage) {
	var table struct {
		Key  map[string]json.RawMessage
		Data struct{ Set [][2]json.RawMessage }
	}
	if json.Unmarshal(raw, &table) != nil || len(table.Data.Set) == 0 {
		c.rules = append(c.rules, rule{perhaps, unsure, ""})
		return
	}
	for _, row := range table.Data.Set {
		var verdicts map[string]json.RawMessage
		if json.Unmarshal(row[1], &verdicts) != nil {
			continue
		}
		for what, raw := range verdicts {
			does, to := verdictOf(what, raw)
			c.rules = append(c.rules, rule{all([]func(Door) match{when, r.left(in, table.Key, row[0])}), does, key(in.Family, in.Table, to)})
		}
	}
}

func (r *nftReader) match(in nftRule, raw json.RawMessage) func(Door) match {
	var m nftMatch
	if json.Unmarshal(raw, &m) != nil {
		return perhaps
	}
	switch m.Op {
	case "==", "in":
		return r.left(in, m.Left, m.Right)
	case "!=":
		return all([]func(Door) match{r.carrier(m.Left), not(r.left(in, m.Left, m.Right))})
	}
	return perhaps
}

// left is one thing about a packet, and what it must be.
func (r *nftReader) left(in nftRule, what map[string]json.RawMessage, right json.RawMessage) func(Door) match {
	var field struct{ Protocol, Field, Key string }
	for kind, raw := range what {
		if json.Unmarshal(raw, &field) != nil {
			return perhaps
		}
		switch {
		case kind == "payload" && field.Field == "dport" && slices.Contains([]string{"udp", "tcp", "th"}, field.Protocol):
			numbers := r.numbers(in, right)
			if numbers == nil {
				return perhaps
			}
			return func(d Door) match {
				return truth((field.Protocol == "th" || field.Protocol == d.Network) && numbers.has(d.Port))
			}
		case kind == "payload" && field.Field == "protocol" || kind == "meta" && field.Key == "l4proto":
			names := readNames(right)
			return func(d Door) match { return truth(slices.Contains(names, d.Network)) }
		case kind == "payload" && field.Field == "saddr":
			return seldom
		case kind == "meta" && field.Key == "nfproto":
			return func(Door) match { return truth(slices.Contains(readNames(right), "ipv4")) }
		case kind == "ct" && field.Key == "state":
			return func(Door) match { return truth(slices.Contains(readNames(right), "new")) }
		case kind == "meta" && field.Key == "iifname" && slices.Equal(readNames(right), []string{"lo"}):
			return func(Door) match { return no } // machines come in by another link
		}
	}
	return perhaps
}

// carrier is the protocol that a packet must be of to have a field at all: "tcp dport != 22" is no
// statement about UDP.
func (r *nftReader) carrier(what map[string]json.RawMessage) func(Door) match {
	var field struct{ Protocol string }
	if json.Unmarshal(what["payload"], &field) != nil || field.Protocol != "udp" && field.Protocol != "tcp" {
		return func(Door) match { return yes }
	}
	return func(d Door) match { return truth(field.Protocol == d.Network) }
}

func (r *nftReader) numbers(in nftRule, right json.RawMessage) ports {
	var name string
	if json.Unmarshal(right, &name) == nil {
		return r.sets[key(in.Family, in.Table, name)]
	}
	return readPorts([]json.RawMessage{right})
}

// readPorts reads 69, {"range": [1, 2]} and {"set": [...]}; nil if it is something else.
func readPorts(list []json.RawMessage) (found ports) {
	for _, raw := range list {
		var n int
		var o struct {
			Range []int
			Set   []json.RawMessage
			Elem  *struct{ Val json.RawMessage }
		}
		switch {
		case json.Unmarshal(raw, &n) == nil:
			found = append(found, [2]int{n, n})
		case json.Unmarshal(raw, &o) != nil:
			return nil
		case len(o.Range) == 2:
			found = append(found, [2]int{o.Range[0], o.Range[1]})
		case o.Elem != nil:
			found = append(found, readPorts([]json.RawMessage{o.Elem.Val})...)
		default:
			found = append(found, readPorts(o.Set)...)
		}
	}
	return found
}

// readNames reads "new", ["new", "related"] and {"set": [...]}.
func readNames(raw json.RawMessage) []string {
	var one string
	var list []string
	var o struct{ Set []string }
	switch {
	case json.Unmarshal(raw, &one) == nil:
		return []string{one}
	case json.Unmarshal(raw, &list) == nil:
		return list
	case json.Unmarshal(raw, &o) == nil:
		return o.Set
	}
	return nil
}

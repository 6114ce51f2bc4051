package host

import (
	"strconv"
	"strings"
)

// readIPTables reads what iptables -S writes.
func readIPTables(text string) ruleset {
	s := ruleset{base: []string{"INPUT"}, chains: map[string]*chain{}}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		name := words[1]
		if s.chains[name] == nil {
			s.chains[name] = &chain{}
		}
		switch words[0] {
		case "-P":
			s.chains[name].policy = accept
			if len(words) > 2 && words[2] == "DROP" {
				s.chains[name].policy = drop
			}
		case "-A":
			s.chains[name].rules = append(s.chains[name].rules, readIPTablesRule(words[2:]))
		}
	}
	if s.chains["INPUT"] == nil {
		s.base = nil
	}
	return s
}

func readIPTablesRule(words []string) rule {
	r := rule{does: next}
	var parts []func(Door) match
	negated := false
	add := func(p func(Door) match) {
		if negated {
			p = not(p)
		}
		parts, negated = append(parts, p), false
	}
	for i := 0; i < len(words); i++ {
		value := ""
		if i+1 < len(words) {
			value = words[i+1]
		}
		switch word := words[i]; {
		case word == "!":
			negated = true
			continue
		case word == "-j" || word == "-g":
			r.does, r.to = iptablesVerdict(value)
			return rule{all(parts), r.does, r.to}
		case word == "-m":
		case word == "-p":
			add(func(d Door) match { return truth(value == d.Network) })
		case word == "--dport" || word == "--dports":
			numbers := readPortList(value)
			add(func(d Door) match { return truth(numbers.has(d.Port)) })
		case word == "--state" || word == "--ctstate":
			add(func(Door) match { return truth(strings.Contains(value, "NEW")) })
		case word == "-i" && value == "lo":
			add(func(Door) match { return no })
		case word == "-s" || word == "--match-set":
			add(seldom)
		case word == "--comment":
		case strings.HasPrefix(word, "-"):
			add(perhaps)
		}
		if strings.HasPrefix(words[i], "-") && value != "" && !strings.HasPrefix(value, "-") {
			i++
		}
	}
	return rule{all(parts), r.does, r.to}
}

func iptablesVerdict(name string) (verdict, string) {
	switch name {
	case "ACCEPT":
		return accept, ""
	case "DROP", "REJECT":
		return drop, ""
	case "RETURN":
		return back, ""
	case "LOG", "NFLOG", "MARK", "CONNMARK":
		return next, ""
	}
	return jump, name
}

// readPortList reads "69", "8000:8100" and "69,8080".
func readPortList(text string) (found ports) {
	for part := range strings.SplitSeq(text, ",") {
		low, high, isRange := strings.Cut(part, ":")
		from, err := strconv.Atoi(low)
		to := from
		if isRange && err == nil {
			to, err = strconv.Atoi(high)
		}
		if err == nil {
			found = append(found, [2]int{from, to})
		}
	}
	return found
}

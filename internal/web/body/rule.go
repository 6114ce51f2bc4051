package body

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Rule is one demand on a string, with the JSON Schema keywords that say the same.
type Rule struct {
	check  func(string) (kind, message string, ctx map[string]any) // all empty when the string is good
	schema map[string]any
}

// Max limits a string to n characters.
func Max(n int) Rule {
	return Rule{func(s string) (string, string, map[string]any) {
		if utf8.RuneCountInString(s) <= n {
			return "", "", nil
		}
		return "string_too_long", fmt.Sprintf("String should have at most %d characters", n), map[string]any{"max_length": n}
	}, map[string]any{"maxLength": n}}
}

// Min demands at least n characters.
func Min(n int) Rule {
	return Rule{func(s string) (string, string, map[string]any) {
		if utf8.RuneCountInString(s) >= n {
			return "", "", nil
		}
		return "string_too_short", fmt.Sprintf("String should have at least %d characters", n), map[string]any{"min_length": n}
	}, map[string]any{"minLength": n}}
}

// Match demands that the string matches a pattern anchored by ^ and $.
func Match(pattern *regexp.Regexp) Rule {
	return Rule{func(s string) (string, string, map[string]any) {
		if pattern.MatchString(s) {
			return "", "", nil
		}
		return "string_pattern_mismatch", fmt.Sprintf("String should match pattern '%s'", pattern), map[string]any{"pattern": pattern.String()}
	}, map[string]any{"pattern": pattern.String()}}
}

// OneOf demands one of a closed set.
func OneOf(values ...string) Rule {
	list := "'" + strings.Join(values, "', '") + "'"
	if i := strings.LastIndex(list, ", "); i >= 0 {
		list = list[:i] + " or" + list[i+1:]
	}
	return Rule{func(s string) (string, string, map[string]any) {
		if slices.Contains(values, s) {
			return "", "", nil
		}
		return "literal_error", "Input should be " + list, map[string]any{"expected": list}
	}, map[string]any{"enum": values}}
}

// Check demands what a function says of a string; its error is shown.
func Check(check func(string) error) Rule {
	return Rule{func(s string) (string, string, map[string]any) {
		if err := check(s); err != nil {
			return "value_error", "Value error, it " + err.Error(), nil
		}
		return "", "", nil
	}, map[string]any{}}
}

// Timestamp demands a time as RFC 3339 writes it.
func Timestamp() Rule {
	return Rule{func(s string) (string, string, map[string]any) {
		if _, err := time.Parse(time.RFC3339, s); err == nil {
			return "", "", nil
		}
		return "datetime_parsing", "Input should be a time as RFC 3339 writes it, like 2027-01-31T12:00:00Z", nil
	}, map[string]any{"format": "date-time"}}
}

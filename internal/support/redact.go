package support

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Removed stands where a secret was.
const Removed = "[removed]"

// How long a value must be to be looked for in all texts: less would hit words and figures.
const (
	shortest       = 4
	shortestSerial = 6
)

// forms are what secrets look like that nobody has told us.
var forms = []struct {
	form *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`(://)[^/\s"?#]*@`), "${1}" + Removed + "@"},         // user and password in a URL
	{regexp.MustCompile(`(://[^\s"?#]*\?)[^\s"#]+`), "${1}" + Removed},       // signed URLs
	{regexp.MustCompile(`(?i)\bbty_[a-z2-7]{52}`), Removed},                  // API tokens
	{regexp.MustCompile(`\$(?:2[abxy]|argon2id?|[156y])\$[^\s"]+`), Removed}, // password hashes
	{regexp.MustCompile(`(?i)\b(bearer|basic) +[a-z0-9+/=._~-]{8,}`), "${1} " + Removed},
	{regexp.MustCompile(`(?i)((?:password|passwd|secret|token|api[_-]?key)["']?\s?[=:]\s?["']?)[^\s"',;&]+`), "${1}" + Removed},
	{regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*`), Removed},
}

// Redactor takes secrets out of texts: those that it was told, and what looks like one. Serial numbers
// become names, the same for the same number.
type Redactor struct {
	mu      sync.Mutex
	instead map[string]string // of a value
	serials int
}

// NewRedactor returns one that knows nothing yet.
func NewRedactor() *Redactor { return &Redactor{instead: map[string]string{}} }

// Secret has value removed wherever it stands, also as it is written in JSON or a URL.
func (r *Redactor) Secret(value string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	value = strings.TrimSpace(value)
	for _, v := range []string{value, quoted(value, true), quoted(value, false), url.QueryEscape(value), url.PathEscape(value)} {
		if len(v) >= shortest {
			r.instead[v] = Removed
		}
	}
}

// quoted is a value as it stands in JSON.
func quoted(value string, html bool) string {
	var b strings.Builder
	out := json.NewEncoder(&b)
	out.SetEscapeHTML(html)
	if out.Encode(value) != nil {
		return value
	}
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(b.String()), `"`), `"`)
}

// Serial returns the name for a serial number.
func (r *Redactor) Serial(number string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if number == "" {
		return ""
	}
	if r.instead[number] == "" {
		r.serials++
		r.instead[number] = fmt.Sprintf("serial-%d", r.serials)
	}
	return r.instead[number]
}

// Serials replaces the serial numbers in a value of JSON.
func (r *Redactor) Serials(v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = r.Serials(v[i])
		}
	case map[string]any:
		for key, value := range v {
			if number, ok := value.(string); ok && (strings.HasSuffix(key, "serial") || key == "wwn" || key == "uuid") {
				v[key] = r.Serial(number)
				continue
			}
			v[key] = r.Serials(value)
		}
	}
	return v
}

// Redact returns text without what is secret.
func (r *Redactor) Redact(text []byte) []byte {
	r.mu.Lock()
	var values []string
	for v, with := range r.instead {
		if with == Removed || len(v) >= shortestSerial {
			values = append(values, v)
		}
	}
	// The longest first: one may be the beginning of another.
	slices.SortFunc(values, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) })
	var pairs []string
	for _, v := range values {
		pairs = append(pairs, v, r.instead[v])
	}
	r.mu.Unlock()
	text = []byte(strings.NewReplacer(pairs...).Replace(string(text)))
	for _, f := range forms {
		text = f.form.ReplaceAll(text, []byte(f.with))
	}
	return text
}

// Package aptget fetches Debian packages of another suite than the machine's own, without
// touching the machine's package lists: apt runs with lists, state and cache in a folder of
// ours, and with source lines made from the mirror that the machine is configured for.
package aptget

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Source is one place that apt gets binary packages from.
type Source struct {
	URI        string
	Suite      string
	Components []string
	SignedBy   string // a keyring's path; "" is apt's own trusted folder
}

// Line is the source in the one-line style, restricted to the packages' index: descriptions of
// applications and translations are of no use here and are half of the bytes.
func (s Source) Line() string {
	options := "target=Packages"
	if s.SignedBy != "" {
		options += " signed-by=" + s.SignedBy
	}
	return fmt.Sprintf("deb [%s] %s %s %s", options, s.URI, s.Suite, strings.Join(s.Components, " "))
}

// Configured reads the sources of the machine whose /etc/apt is etcApt, in both styles.
func Configured(etcApt string) ([]Source, error) {
	files := []string{filepath.Join(etcApt, "sources.list")}
	parts, err := filepath.Glob(filepath.Join(etcApt, "sources.list.d", "*"))
	if err != nil {
		return nil, err
	}
	var all []Source
	for _, name := range append(files, parts...) {
		parse, known := parsers[filepath.Ext(name)]
		if !known {
			continue
		}
		found, err := parseFile(name, parse)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

var parsers = map[string]func(io.Reader) ([]Source, error){".list": ParseOneLine, ".sources": ParseDeb822}

func parseFile(name string, parse func(io.Reader) ([]Source, error)) ([]Source, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("reading apt's sources: %w", err)
	}
	defer f.Close()
	found, err := parse(f)
	if err != nil {
		return nil, fmt.Errorf("reading apt's sources in %s: %w", name, err)
	}
	return found, nil
}

// ParseOneLine reads the classic style, sources.list(5): "deb [options] uri suite component...".
func ParseOneLine(r io.Reader) ([]Source, error) {
	var all []Source
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line, _, _ := strings.Cut(lines.Text(), "#")
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "deb")
		if !ok || rest == "" || (rest[0] != ' ' && rest[0] != '\t') {
			continue
		}
		if s, ok := parseDeb(strings.TrimSpace(rest)); ok {
			all = append(all, s)
		}
	}
	return all, lines.Err()
}

func parseDeb(rest string) (Source, bool) {
	var s Source
	if options, after, ok := strings.Cut(rest, "]"); ok && strings.HasPrefix(rest, "[") {
		for option := range strings.FieldsSeq(options[1:]) {
			if value, ok := strings.CutPrefix(option, "signed-by="); ok {
				s.SignedBy = keyring(value)
			}
		}
		rest = after
	}
	fields := strings.Fields(rest)
	if len(fields) < 2 {
		return s, false
	}
	s.URI, s.Suite, s.Components = fields[0], fields[1], fields[2:]
	return s, true
}

// keyring keeps a Signed-By value only where it is a file: keys may also be embedded, or named
// by fingerprint.
func keyring(value string) string {
	first, _, _ := strings.Cut(value, ",")
	if strings.HasPrefix(first, "/") && !strings.ContainsAny(first, " \t\n") {
		return first
	}
	return ""
}

// ParseDeb822 reads the stanza style, deb822(5), of files that end in .sources.
func ParseDeb822(r io.Reader) ([]Source, error) {
	var all []Source
	stanza := map[string]string{}
	last := ""
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20) // an embedded key is long
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.TrimSpace(line) == "":
			all, stanza = append(all, fromStanza(stanza)...), map[string]string{}
		case line[0] == ' ' || line[0] == '\t':
			stanza[last] += " " + strings.TrimSpace(line)
		default:
			name, value, ok := strings.Cut(line, ":")
			if !ok {
				return nil, fmt.Errorf("line %q has no field name", line)
			}
			last = strings.ToLower(name)
			stanza[last] = strings.TrimSpace(value)
		}
	}
	return append(all, fromStanza(stanza)...), lines.Err()
}

func fromStanza(stanza map[string]string) []Source {
	if !slices.Contains(strings.Fields(stanza["types"]), "deb") || strings.EqualFold(stanza["enabled"], "no") {
		return nil
	}
	var all []Source
	for uri := range strings.FieldsSeq(stanza["uris"]) {
		for suite := range strings.FieldsSeq(stanza["suites"]) {
			all = append(all, Source{URI: uri, Suite: suite,
				Components: strings.Fields(stanza["components"]), SignedBy: keyring(stanza["signed-by"])})
		}
	}
	return all
}

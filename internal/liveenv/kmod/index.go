// Package kmod finds and loads the kernel modules of a live environment. The builder writes
// one Index of what it packed; init searches it in place, so that nothing is parsed at boot.
package kmod

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
)

// Where the builder puts things in the initramfs.
const (
	Dir       = "/lib/bty/modules"
	IndexPath = "/lib/bty/modules.index"
)

const (
	magic     = "bty-modules 1\n"
	separator = "%aliases\n"
)

// Module is one loadable module. Names are normalised: see Normalise.
type Module struct {
	Name string
	Path string   // below Dir
	Deps []string // must be loaded before
	Pre  []string // softdep pre: loaded before if they exist
	Post []string // softdep post: loaded after if they exist
}

// Alias says that Module drives the devices whose modalias matches Pattern, a glob.
type Alias struct {
	Pattern string
	Module  string
}

// Normalise spells a module name as the kernel does: file names may have a hyphen where the
// module has an underscore.
func Normalise(name string) string { return strings.ReplaceAll(name, "-", "_") }

// Index is a searchable list of modules and aliases: lines sorted by key, searched in place.
type Index struct {
	modules []byte // "name path deps pre post", sorted by name
	aliases []byte // "pattern module", sorted by the pattern's literal prefix
}

// WriteIndex writes what ParseIndex reads. Order and duplicates of the input do not matter.
func WriteIndex(w io.Writer, modules []Module, aliases []Alias) error {
	var lines []string
	for _, m := range modules {
		line, err := m.line()
		if err != nil {
			return err
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	var patterns []string
	for _, a := range aliases {
		if strings.ContainsAny(a.Pattern+a.Module, " \n") || a.Pattern == "" || a.Module == "" {
			continue // cannot be asked for: a modalias has no blanks
		}
		patterns = append(patterns, normalisePattern(a.Pattern)+" "+Normalise(a.Module)+"\n")
	}
	slices.SortFunc(patterns, func(a, b string) int {
		if c := strings.Compare(literalPrefix(a), literalPrefix(b)); c != 0 {
			return c
		}
		return strings.Compare(a, b)
	})
	text := magic + strings.Join(slices.Compact(lines), "") + separator + strings.Join(slices.Compact(patterns), "")
	_, err := io.WriteString(w, text)
	return err
}

func (m Module) line() (string, error) {
	fields := []string{Normalise(m.Name), m.Path, list(m.Deps), list(m.Pre), list(m.Post)}
	for _, f := range fields {
		if f == "" || strings.ContainsAny(f, " \n") {
			return "", fmt.Errorf("module %q (%q): a name or path that is empty or has a blank cannot be indexed", m.Name, m.Path)
		}
	}
	if strings.HasPrefix(fields[0], "%") {
		return "", fmt.Errorf("module %q: not a module name", m.Name)
	}
	return strings.Join(fields, " ") + "\n", nil
}

// list renders names; "-" is the empty list, so that each line has all its fields.
func list(names []string) string {
	if len(names) == 0 {
		return "-"
	}
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = Normalise(n)
	}
	return strings.Join(out, ",")
}

func unlist(s string) []string {
	if s == "-" || s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

// ParseIndex checks the frame of an index; lines are read when they are asked for.
func ParseIndex(b []byte) (*Index, error) {
	rest, ok := bytes.CutPrefix(b, []byte(magic))
	if !ok {
		return nil, errors.New("module index: not one that this bty reads; build the initramfs with the same version of bty-lab")
	}
	if aliases, ok := bytes.CutPrefix(rest, []byte(separator)); ok {
		return &Index{aliases: aliases}, nil
	}
	modules, aliases, ok := bytes.Cut(rest, []byte("\n"+separator))
	if !ok {
		return nil, errors.New("module index: cut short")
	}
	return &Index{modules: append(modules[:len(modules):len(modules)], '\n'), aliases: aliases}, nil
}

// Module returns the module of that name.
func (x *Index) Module(name string) (Module, bool) {
	name = Normalise(name)
	for line := range linesWithKey(x.modules, name, firstField) {
		f := strings.Split(line, " ")
		if len(f) != 5 {
			return Module{}, false
		}
		return Module{Name: f[0], Path: f[1], Deps: unlist(f[2]), Pre: unlist(f[3]), Post: unlist(f[4])}, true
	}
	return Module{}, false
}

// Match returns the names of the modules that have an alias for a device, sorted. A pattern
// can match only if its literal prefix is a prefix of the modalias, so one search per prefix
// finds all candidates among tens of thousands.
func (x *Index) Match(modalias string) []string {
	modalias = Normalise(modalias)
	if len(modalias) > maxModalias {
		return nil
	}
	var found []string
	for n := range len(modalias) + 1 {
		for line := range linesWithKey(x.aliases, modalias[:n], literalPrefix) {
			pattern, module, ok := strings.Cut(line, " ")
			if ok && matchGlob(pattern, modalias) {
				found = append(found, module)
			}
		}
	}
	sort.Strings(found)
	return slices.Compact(found)
}

// maxModalias bounds the work for one device: input devices have the longest, under 1 KiB.
const maxModalias = 4096

package catalog

import (
	"errors"
	"fmt"
	"math"

	"github.com/pelletier/go-toml/v2"
)

// Listed is one image of a catalog.toml.
type Listed struct {
	Entry
	// Known is what the server that wrote the file knows the image by: Ref, unless the file leads to
	// a cache, whose URLs make references of their own. Reports to that server name it.
	Known ImageRef
	// Err is why the image cannot be taken over although the file is sound.
	Err error
}

const (
	maxListed = 10_000 // images of one file
	maxText   = 4096   // bytes of one value
)

// DecodeTOML reads schema version 1 of catalog.toml. Keys that are not known are ignored. A file
// that breaks the schema is refused whole; an image that merely cannot be used here says so.
func DecodeTOML(raw []byte) ([]Listed, error) {
	if err := checkKeys(raw); err != nil {
		return nil, err
	}
	var doc map[string]any
	if err := toml.Unmarshal(raw, &doc); err != nil {
		return nil, syntaxError(err)
	}
	switch version := doc["version"].(type) {
	case nil:
		return nil, errors.New("catalog has no version; want version = 1")
	case int64:
		if version != 1 {
			return nil, fmt.Errorf("catalog version %d is not known; want version = 1", version)
		}
	default:
		return nil, errors.New("catalog version is no whole number; want version = 1")
	}
	tables, err := tablesOf(doc["images"])
	if err != nil {
		return nil, err
	}
	return decodeAll(tables)
}

func syntaxError(err error) error {
	if at, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, column := at.Position()
		return fmt.Errorf("catalog is not valid TOML: line %d, column %d: %.200s", line, column, at.Error())
	}
	return fmt.Errorf("catalog is not valid TOML: %.200s", err)
}

func tablesOf(v any) ([]map[string]any, error) {
	if v == nil {
		return nil, nil
	}
	list, ok := v.([]any)
	if !ok {
		return nil, errors.New("catalog has no list of tables at images; want [[images]]")
	}
	if len(list) > maxListed {
		return nil, fmt.Errorf("catalog lists %d images, more than %d", len(list), maxListed)
	}
	tables := make([]map[string]any, len(list))
	for i, item := range list {
		if tables[i], ok = item.(map[string]any); !ok {
			return nil, fmt.Errorf("catalog image %d is no table; want [[images]]", i+1)
		}
	}
	return tables, nil
}

func decodeAll(tables []map[string]any) ([]Listed, error) {
	listed := make([]Listed, 0, len(tables))
	names := map[string]bool{}
	for i, table := range tables {
		one, err := decodeOne(table)
		if err != nil {
			return nil, fmt.Errorf("catalog image %d: %w", i+1, err)
		}
		if names[one.Name] {
			return nil, fmt.Errorf("catalog has a duplicate image name: %.100q", one.Name)
		}
		names[one.Name] = true
		listed = append(listed, one)
	}
	return listed, nil
}

// decodeOne reads one image. Its error breaks the file, the one in Listed only the image.
func decodeOne(table map[string]any) (Listed, error) {
	f := fields{table: table}
	e := Entry{Name: f.text("name", true), Src: f.text("src", true), Description: f.text("description", false), Arch: f.text("arch", false), Size: f.size("size_bytes")}
	var growErr, verifyErr error
	e.Grow, growErr = f.choice("grow")
	e.Verify, verifyErr = f.choice("verify")
	sha, ref, known, format := f.text("sha256", false), f.text("ref", false), f.text(knownKey, false), f.text("format", false)
	if f.err != nil {
		return Listed{}, f.err
	}
	if Scheme(e.Src) == "file" {
		return Listed{}, fmt.Errorf("%.100q has a file:// source, which no other machine can read", e.Name)
	}
	if sha != "" {
		digest, err := ParseDigest(sha)
		if err != nil {
			return Listed{}, fmt.Errorf("%.100q: sha256: %w", e.Name, err)
		}
		e.Digest = digest
	}
	derived, sourceErr := RefOf(e.Src)
	if ref != "" && (sourceErr != nil || ref != derived.String()) {
		return Listed{}, fmt.Errorf("%.100q has ref %.64s, but its src gives %s", e.Name, ref, derived)
	}
	e.Ref = derived
	server := derived
	if known != "" {
		var err error
		if server, err = ParseRef(known); err != nil {
			return Listed{}, fmt.Errorf("%.100q: %s: %w", e.Name, knownKey, err)
		}
	}
	if Scheme(e.Src) != "oras" {
		e.ResolvedSrc = e.Src
	}
	var formatErr error
	if e.Format, formatErr = ParseFormat(format); format == "" {
		e.Format = FormatOf(e.Name)
	}
	if e.Arch == "" {
		e.Arch = ArchOf(e.Name)
	}
	return Listed{e, server, errors.Join(sourceErr, userInfoError(e.Src), formatErr, growErr, verifyErr)}, nil
}

func userInfoError(src string) error {
	if Scheme(src) != "oras" && HasUserInfo(src) {
		return errors.New("its source carries a user name or password, which every machine and page would show")
	}
	return nil
}

// fields reads the values of a table and keeps what was wrong first.
type fields struct {
	table map[string]any
	err   error
}

func (f *fields) fail(format string, args ...any) {
	if f.err == nil {
		f.err = fmt.Errorf(format, args...)
	}
}

func (f *fields) text(key string, required bool) string {
	v, ok := f.table[key]
	if !ok && !required {
		return ""
	}
	s, isText := v.(string)
	switch {
	case !ok:
		f.fail("%s is missing", key)
	case !isText:
		f.fail("%s is no string", key)
	case s == "" && required:
		f.fail("%s is empty", key)
	case len(s) > maxText:
		f.fail("%s has %d bytes, more than %d", key, len(s), maxText)
	}
	return s
}

// choice reads a key that schema version 1 does not have: it may be anything in a file that is sound, but
// to guess what was meant by it is no way to treat a disk.
func (f *fields) choice(key string) (Choice, error) {
	v, ok := f.table[key]
	if !ok {
		return Unsaid, nil
	}
	b, isBool := v.(bool)
	if !isBool {
		return Unsaid, fmt.Errorf("its %s is neither true nor false", key)
	}
	return ChoiceOf(&b), nil
}

func (f *fields) size(key string) int64 {
	v, ok := f.table[key]
	if !ok {
		return 0
	}
	n, isInt := v.(int64)
	if !isInt || n < 0 || n == math.MaxInt64 {
		f.fail("%s is no whole number of bytes", key)
	}
	return n
}

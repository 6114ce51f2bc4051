// Package sbom says what our programs, packages and images are made of, as a CycloneDX document:
// Go modules as the linker recorded them in each program, and files of others beside them. The same
// inputs give the same bytes.
package sbom

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// specVersion is one that the scanners in use read.
const specVersion = cdx.SpecVersion1_6

// Bill is the bill of materials of one thing that is handed out.
type Bill struct {
	subject cdx.Component
	made    time.Time
	parts   map[string]cdx.Component // by reference
	needs   map[string][]string      // references, by who needs them
}

// New begins the bill of name, a "container" or a "package" for example.
func New(kind cdx.ComponentType, name, version string, made time.Time) *Bill {
	ref := name + "@" + version
	return &Bill{
		subject: cdx.Component{BOMRef: ref, Type: kind, Name: name, Version: version, Licenses: licences("Apache-2.0")},
		made:    made.UTC(),
		parts:   map[string]cdx.Component{},
		needs:   map[string][]string{ref: {}},
	}
}

// Add takes one part in that the subject needs.
func (b *Bill) Add(parts ...Part) {
	for _, p := range parts {
		b.put(b.subject.BOMRef, p.component())
	}
}

// put notes that one needs another.
func (b *Bill) put(by string, c cdx.Component) {
	b.parts[c.BOMRef] = c
	if !slices.Contains(b.needs[by], c.BOMRef) {
		b.needs[by] = append(b.needs[by], c.BOMRef)
	}
	if b.needs[c.BOMRef] == nil {
		b.needs[c.BOMRef] = []string{}
	}
}

// JSON is the document.
func (b *Bill) JSON() ([]byte, error) {
	doc := cdx.NewBOM()
	doc.Metadata = &cdx.Metadata{Timestamp: b.made.Format(time.RFC3339), Component: &b.subject}
	doc.Components = new(b.components())
	doc.Dependencies = new(b.dependencies())
	var out bytes.Buffer
	encoder := cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON).SetPretty(true)
	if err := encoder.EncodeVersion(doc, specVersion); err != nil {
		return nil, fmt.Errorf("write the bill of materials of %s: %w", b.subject.Name, err)
	}
	return out.Bytes(), nil
}

func (b *Bill) components() []cdx.Component {
	list := make([]cdx.Component, 0, len(b.parts))
	for _, c := range b.parts {
		list = append(list, c)
	}
	slices.SortFunc(list, func(x, y cdx.Component) int { return cmp.Compare(x.BOMRef, y.BOMRef) })
	return list
}

func (b *Bill) dependencies() []cdx.Dependency {
	list := make([]cdx.Dependency, 0, len(b.needs))
	for ref, on := range b.needs {
		slices.Sort(on)
		list = append(list, cdx.Dependency{Ref: ref, Dependencies: &on})
	}
	slices.SortFunc(list, func(x, y cdx.Dependency) int { return cmp.Compare(x.Ref, y.Ref) })
	return list
}

func licences(expression string) *cdx.Licenses {
	if expression == "" {
		return nil
	}
	return &cdx.Licenses{{Expression: expression}}
}

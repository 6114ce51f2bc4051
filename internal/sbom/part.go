package sbom

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// Part is something of others that lies beside our programs or inside of them.
type Part struct {
	Kind          cdx.ComponentType
	Name, Version string
	URL           string            // of the package, as https://github.com/package-url has it
	Licence       string            // an SPDX expression
	Files         map[string]string // SHA-256 in hex by name, of what was taken from it
}

func (p Part) component() cdx.Component {
	c := cdx.Component{
		BOMRef: p.URL, Type: p.Kind, Name: p.Name, Version: p.Version, PackageURL: p.URL, Licenses: licences(p.Licence),
	}
	var files []cdx.Component
	for _, name := range slices.Sorted(maps.Keys(p.Files)) {
		files = append(files, cdx.Component{
			BOMRef: p.URL + "#" + name, Type: cdx.ComponentTypeFile, Name: name,
			Hashes: &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: p.Files[name]}},
		})
	}
	if len(files) > 0 {
		c.Components = &files
	}
	return c
}

// Vendored reads the list of released files that are committed with the sources (vendor.txt): those
// in a folder below under, which are part of the pages.
func Vendored(list []byte, under string) ([]Part, error) {
	var parts []Part
	lines := bufio.NewScanner(bytes.NewReader(list))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if len(fields) < 4 {
			return nil, fmt.Errorf("list of vendored files: %q is not package, version, folder, files", lines.Text())
		}
		if name, version := fields[0], fields[1]; strings.HasPrefix(fields[2]+"/", under+"/") {
			parts = append(parts, Part{Kind: cdx.ComponentTypeLibrary, Name: name, Version: version, URL: "pkg:npm/" + name + "@" + version})
		}
	}
	return parts, lines.Err()
}

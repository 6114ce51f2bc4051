package image

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	cdx "github.com/CycloneDX/cyclonedx-go"

	"bty/internal/sbom"
)

// bootPrograms are stock iPXE, as `make ipxe` fetched it, and where it comes from.
type bootPrograms struct {
	files []File
	part  sbom.Part
}

// ipxeDir is where the daemons look for boot programs after their own folder (internal/nbp).
const ipxeDir = "/usr/lib/ipxe"

// readPrograms reads a folder with a MANIFEST.json (internal/testenv/fetch) and proves its files.
func readPrograms(dir string) (bootPrograms, error) {
	var m struct {
		Package, Version, Suite, Licence string
		SHA256                           map[string]string
	}
	raw, err := os.ReadFile(filepath.Join(dir, "MANIFEST.json"))
	if err != nil {
		return bootPrograms{}, fmt.Errorf("boot programs: %w; make ipxe fetches them", err)
	}
	if err := json.Unmarshal(raw, &m); err != nil || m.Licence == "" || m.Version == "" {
		return bootPrograms{}, fmt.Errorf("boot programs: %s/MANIFEST.json does not say where they come from; make ipxe fetches them again", dir)
	}
	found := bootPrograms{part: sbom.Part{
		Kind: cdx.ComponentTypeFirmware, Name: m.Package, Version: m.Version, Licence: "GPL-2.0-or-later",
		URL: "pkg:deb/debian/" + m.Package + "@" + m.Version + "?arch=all&distro=" + m.Suite, Files: m.SHA256,
	}}
	first := map[string]string{} // name by digest: Debian has some twice
	for _, name := range slices.Sorted(maps.Keys(m.SHA256)) {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return bootPrograms{}, fmt.Errorf("boot programs: %w; make ipxe fetches them", err)
		}
		sum := sha256.Sum256(content)
		if hex.EncodeToString(sum[:]) != m.SHA256[name] {
			return bootPrograms{}, fmt.Errorf("boot programs: %s/%s is not the file that was fetched; remove %s, make ipxe fetches it again", dir, name, dir)
		}
		f := File{Path: ipxeDir + "/" + name, Mode: 0o644, Content: content}
		if twin, again := first[m.SHA256[name]]; again {
			f = File{Path: f.Path, Mode: 0o777, Link: twin}
		} else {
			first[m.SHA256[name]] = name
		}
		found.files = append(found.files, f)
	}
	origin := fmt.Sprintf("iPXE of Debian %s, package %s %s, unchanged.\nIts source is the Debian source package of that name and version.\n", m.Suite, m.Package, m.Version)
	found.files = append(found.files,
		File{Path: ipxeDir + "/ORIGIN", Mode: 0o644, Content: []byte(origin)},
		File{Path: ipxeDir + "/GPL-2", Mode: 0o644, Content: gpl2})
	return found, nil
}

package image

import (
	"bytes"
	"encoding/pem"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"golang.org/x/crypto/x509roots/fallback/bundle"

	"bty/internal/sbom"
)

// TrustModule is the module that has them.
const TrustModule = "golang.org/x/crypto/x509roots/fallback"

// trust is the CA certificates that Mozilla's programs trust, as go.mod pins them: a build needs no
// host that has them, and two builds have the same ones. Those that are trusted under a condition are
// left out: a file of certificates cannot say it.
func trust() []byte {
	var out bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			continue
		}
		_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // a buffer takes everything
	}
	return out.Bytes()
}

// trustPart says where they come from.
func trustPart(version string) sbom.Part {
	return sbom.Part{
		Kind: cdx.ComponentTypeData, Name: "Mozilla CA certificates", Version: version, Licence: "MPL-2.0",
		URL: "pkg:golang/" + TrustModule + "@" + version,
	}
}

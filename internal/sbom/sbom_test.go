package sbom

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

var made = time.Unix(1700000000, 0)

func bill(t *testing.T) []byte {
	t.Helper()
	b := New(cdx.ComponentTypeContainer, "bty-web", "1.2.3", made)
	if err := b.AddProgram(program(t)); err != nil {
		t.Fatal(err)
	}
	b.Add(Part{
		Kind: cdx.ComponentTypeFirmware, Name: "ipxe", Version: "1.2", URL: "pkg:deb/debian/ipxe@1.2", Licence: "GPL-2.0-or-later",
		Files: map[string]string{"ipxe.efi": strings.Repeat("a", 64), "undionly.kpxe": strings.Repeat("b", 64)},
	})
	doc, err := b.JSON()
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// program is a real one, with modules in it: the toolchain records none in a test's.
func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bty-sniff")
	if out, err := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", path, "../../cmd/bty-sniff").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// The document is CycloneDX by its published schema.
func TestSchema(t *testing.T) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	for name, file := range map[string]string{
		"bom-1.6.schema.json": "bom-1.6.schema.json", "spdx.schema.json": "spdx.schema.json", "jsf-0.82.schema.json": "jsf-0.82.schemax.json",
	} {
		raw, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "schema", file))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err == nil {
			err = c.AddResource("http://cyclonedx.org/schema/"+name, doc)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	schema, err := c.Compile("http://cyclonedx.org/schema/bom-1.6.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	doc := bill(t)
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(v); err != nil {
		t.Error(err)
	}
	v.(map[string]any)["components"].([]any)[0].(map[string]any)["type"] = "nonsense"
	if schema.Validate(v) == nil {
		t.Error("the schema refuses nothing")
	}
	if again := bill(t); !bytes.Equal(doc, again) {
		t.Error("two bills of the same things differ")
	}
}

// It names what the linker put into a program, and whose it is.
func TestProgram(t *testing.T) {
	var doc cdx.BOM
	if err := json.Unmarshal(bill(t), &doc); err != nil {
		t.Fatal(err)
	}
	said, err := exec.Command("go", "version", "-m", program(t)).Output()
	if err != nil {
		t.Fatal(err)
	}
	named := func(purl string) bool {
		return slices.ContainsFunc(*doc.Components, func(c cdx.Component) bool { return c.PackageURL == purl })
	}
	modules := 0
	for line := range strings.Lines(string(said)) {
		if f := strings.Fields(line); len(f) > 2 && f[0] == "dep" {
			modules++
			if !named("pkg:golang/" + f[1] + "@" + f[2]) {
				t.Errorf("%s %s is missing", f[1], f[2])
			}
		}
	}
	if modules < 5 || doc.Metadata.Component.Name != "bty-web" || doc.Metadata.Timestamp != "2023-11-14T22:13:20Z" {
		t.Errorf("%d modules, metadata %+v", modules, doc.Metadata)
	}
	for _, d := range *doc.Dependencies {
		want := map[string]int{"bty-web@1.2.3": 2, "program:bty-sniff": modules + 1}[d.Ref]
		if want > 0 && len(*d.Dependencies) != want {
			t.Errorf("%s needs %d things, want %d", d.Ref, len(*d.Dependencies), want)
		}
	}
}

func TestVendored(t *testing.T) {
	list := "# comment\n\nbootstrap 5.3.9 internal/web/ui/static LICENSE a.css\naxe-core 4 internal/testenv/x LICENSE a.js\nother 1 internal/web/uix LICENSE b.js\n"
	parts, err := Vendored([]byte(list), "internal/web/ui")
	if err != nil || len(parts) != 1 || parts[0].URL != "pkg:npm/bootstrap@5.3.9" {
		t.Errorf("%+v, %v", parts, err)
	}
	if _, err := Vendored([]byte("bootstrap 5.3.9\n"), "internal/web/ui"); err == nil {
		t.Error("half a line is taken")
	}
	if err := New(cdx.ComponentTypeContainer, "x", "1", made).AddProgram("/etc/passwd"); err == nil {
		t.Error("a file that is no program is taken")
	}
}

package catalog

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

// manifest is schema version 1 as the clients read it.
type manifest struct {
	Version int `toml:"version"`
	Images  []struct {
		Name   string `toml:"name"`
		Src    string `toml:"src"`
		SHA256 string `toml:"sha256"`
		Format string `toml:"format"`
		Size   int64  `toml:"size_bytes"`
		Arch   string `toml:"arch"`
		About  string `toml:"description"`
	} `toml:"images"`
}

// parse reads a catalog as a client does, which refuses two images of one name.
func parse(t *testing.T, raw []byte) manifest {
	t.Helper()
	var m manifest
	if err := toml.NewDecoder(bytes.NewReader(raw)).DisallowUnknownFields().Decode(&m); err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	names := map[string]bool{}
	for _, i := range m.Images {
		if names[i.Name] {
			t.Errorf("the name %q is there twice", i.Name)
		}
		names[i.Name] = true
	}
	if m.Version != 1 || !bytes.HasSuffix(raw, []byte("\n")) || bytes.HasSuffix(raw, []byte("\n\n")) {
		t.Errorf("version %d\n%s", m.Version, raw)
	}
	return m
}

func image(name, src string) Entry {
	ref, err := RefOf(src)
	if err != nil {
		panic(err)
	}
	return Entry{Ref: ref, Name: name, Src: src, Digest: Digest{1}}
}

func TestEncodeTOML(t *testing.T) {
	full := image("a.img.zst", "https://h/a.img.zst")
	full.Format, full.Size, full.Arch, full.Description = Zstd, 12345, "x86_64", "two\nlines"
	unproven := image("b", "https://h/b")
	unproven.Digest = Digest{}
	got := string(EncodeTOML([]Entry{full, unproven, image("c", "file:///c"), image("d", "oras://h/d/e:t")}, Listing{}))
	want := "version = 1\n\n[[images]]\nname = \"a.img.zst\"\nsrc = \"https://h/a.img.zst\"\nsha256 = \"" + full.Digest.String() +
		"\"\nformat = \"img.zst\"\nsize_bytes = 12345\narch = \"x86_64\"\ndescription = \"two\\u000Alines\"\n\n[[images]]\nname = \"d\"\nsrc = \"oras://h/d/e:t\"\nsha256 = \"" + full.Digest.String() + "\"\n"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if empty := string(EncodeTOML(nil, Listing{})); empty != "version = 1\n" {
		t.Errorf("an empty catalog is %q", empty)
	}
}

func TestNastyNames(t *testing.T) {
	names := []string{`"`, `\`, `\"`, "tab\there", "line\nbreak", "\r\n", "nul\x00", "del\x7f", "bell\a", "Ünïcode ☃", "\u0085\u2028", "'''", `"""`, "# comment", "[[images]]", "",
		strings.Repeat("long", 1000)}
	var entries []Entry
	for i, name := range names {
		entries = append(entries, image(name, fmt.Sprintf("https://h/%d", i)))
	}
	m := parse(t, EncodeTOML(entries, Listing{}))
	for i, name := range names {
		if m.Images[i].Name != name {
			t.Errorf("%q came back as %q", name, m.Images[i].Name)
		}
	}
}

func TestDuplicateNames(t *testing.T) {
	suffixed := func(name, src string) string { return fmt.Sprintf("%s (%s)", name, image(name, src).Ref.Short()) }
	tests := map[string][]Entry{
		"three of one name":           {image("a", "https://h/1"), image("a", "https://h/2"), image("a", "https://h/3")},
		"the suffixed name is taken":  {image("a", "https://h/1"), image(suffixed("a", "https://h/2"), "https://h/3"), image("a", "https://h/2")},
		"the suffixed name follows":   {image("a", "https://h/1"), image("a", "https://h/2"), image(suffixed("a", "https://h/2"), "https://h/3")},
		"invalid UTF-8 made the same": {image("a\xff", "https://h/1"), image("a\xfe", "https://h/2"), image("a\uFFFD", "https://h/3")},
		"nameless":                    {image("", "https://h/1"), image("", "https://h/2")},
	}
	for name, entries := range tests {
		t.Run(name, func(t *testing.T) {
			m := parse(t, EncodeTOML(entries, Listing{}))
			if len(m.Images) != len(entries) {
				t.Fatalf("%d images, want %d", len(m.Images), len(entries))
			}
			for i, e := range entries {
				if m.Images[i].Src != e.Src {
					t.Errorf("image %d is %s, want %s", i, m.Images[i].Src, e.Src)
				}
			}
		})
	}
}

func FuzzEncodeTOML(f *testing.F) {
	f.Add("a", "a", "x86_64")
	f.Add("a\xff", "a\xfe", "")
	f.Add("\"\\\x00\n", "\u2028", "\x7f")
	f.Fuzz(func(t *testing.T, name, other, arch string) {
		entries := []Entry{image(name, "https://h/1"), image(other, "https://h/2"), image(name, "https://h/3")}
		entries[0].Arch, entries[0].Description = arch, other
		m := parse(t, EncodeTOML(entries, Listing{}))
		if len(m.Images) != 3 || m.Images[0].Name != strings.ToValidUTF8(name, "\uFFFD") {
			t.Errorf("%d images: %+v", len(m.Images), m.Images)
		}
	})
}

func TestFindDigest(t *testing.T) {
	a, b := strings.Repeat("aa", 32), strings.Repeat("bb", 32)
	tests := []struct {
		name, file, find, want, complaint string
	}{
		{"text mode", a + "  x.img\n" + b + "  y.img\n", "y.img", b, ""},
		{"binary mode", a + " *x.img\n", "x.img", a, ""},
		{"dot slash", a + "  ./x.img\n", "x.img", a, ""},
		{"tab", a + "\tx.img\n", "x.img", a, ""},
		{"upper case", strings.ToUpper(a) + "  x.img\n", "x.img", a, ""},
		{"blank lines and CRLF", "\r\n\n" + a + "  x.img\r\n\r\n", "x.img", a, ""},
		{"no newline at the end", a + "  x.img", "x.img", a, ""},
		{"name with spaces", a + "  x y.img\n", "x y.img", a, ""},
		{"first of two", a + "  x.img\n" + b + "  x.img\n", "x.img", a, ""},
		{"not listed", a + "  x.img\n", "z.img", "", `lists ["x.img"]`},
		{"no suffix match", a + "  dir/x.img\n", "x.img", "", "does not list"},
		{"bare digest", a + "\n", "x.img", "", "does not list"},
		{"empty", "", "x.img", "", "lists nothing"},
		{"malformed line", a + "  y.img\nnonsense\n", "x.img", "", "malformed"},
		{"short digest", a[:63] + "  x.img\n", "x.img", "", "malformed"},
		{"BSD style", "SHA256 (x.img) = " + a + "\n", "x.img", "", "malformed"},
		{"HTML", "<html><body>404</body></html>\n", "x.img", "", "malformed"},
		{"one endless line", strings.Repeat("x", 1<<20), "x.img", "", "malformed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			digest, err := FindDigest([]byte(test.file), test.find)
			switch {
			case test.complaint == "" && (err != nil || digest.String() != test.want):
				t.Errorf("got %s, %v", digest, err)
			case test.complaint != "" && (err == nil || !strings.Contains(err.Error(), test.complaint)):
				t.Errorf("got %s, %v; want an error with %q", digest, err, test.complaint)
			case err != nil && len(err.Error()) > 2000:
				t.Errorf("the message has %d bytes", len(err.Error()))
			}
		})
	}
}

func TestFindDigestNamesAFew(t *testing.T) {
	var file strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&file, "%s  image-%d.img\n", strings.Repeat("ab", 32), i)
	}
	_, err := FindDigest([]byte(file.String()), "x")
	if err == nil || len(err.Error()) > 2000 || !strings.Contains(err.Error(), "image-0.img") {
		t.Errorf("%.3000v", err)
	}
}

func FuzzFindDigest(f *testing.F) {
	a := strings.Repeat("aa", 32)
	f.Add([]byte(a+"  x.img\n"), "x.img")
	f.Add([]byte(a+" *./x.img\r\n\n"), "x.img")
	f.Add([]byte("nonsense"), "")
	f.Fuzz(func(t *testing.T, file []byte, name string) {
		digest, err := FindDigest(file, name)
		if err == nil && !strings.Contains(strings.ToLower(string(file)), digest.String()) {
			t.Errorf("%s is not in the file", digest)
		}
	})
}

func TestParseDigest(t *testing.T) {
	a := strings.Repeat("aB", 32)
	for _, s := range []string{a, "sha256:" + a, " " + a + "\n"} {
		if d, err := ParseDigest(s); err != nil || d.String() != strings.ToLower(a) {
			t.Errorf("%q: %s %v", s, d, err)
		}
	}
	for _, s := range []string{"", a[:62], a + "00", "sha512:" + a, strings.Repeat("zz", 32)} {
		if d, err := ParseDigest(s); err == nil {
			t.Errorf("%q is taken as %s", s, d)
		}
	}
}

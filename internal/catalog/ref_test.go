package catalog

import (
	"strings"
	"testing"
)

// The refs that existing clients and bindings hold.
func TestRefVectors(t *testing.T) {
	for src, want := range map[string]string{
		"https://example.com/foo.img.gz":                "8901a5e57899d932786eeee7b6db93ec98a0e2c386cf3dc3541f2203a90f9dbe",
		"oras://ghcr.io/safl/nosi/debian-sysdev:latest": "ecfc56475d8b8affa67d7c6d1297b48b8b2f5c5494b45c8d153e56f608037e7c",
		"file://demo.qcow2":                             "93a46b34d7a47c553b3320377361121b04b53c5c43214439dc0dc403d621c931",
	} {
		ref, err := RefOf(src)
		if err != nil || ref.String() != want {
			t.Errorf("%s: %s, %v", src, ref, err)
		}
		if again, err := ParseRef(want); err != nil || again != ref {
			t.Errorf("%s does not parse back: %v", want, err)
		}
	}
}

func TestParseRef(t *testing.T) {
	hex := strings.Repeat("ab", 32)
	for _, s := range []string{"", hex[:63], hex + "0", strings.ToUpper(hex), "sha256:" + hex, hex + "\n", " " + hex, strings.Repeat("g", 64)} {
		if _, err := ParseRef(s); err == nil {
			t.Errorf("%q is taken", s)
		}
	}
}

const hex64 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestCanonical(t *testing.T) {
	tests := []struct{ src, want string }{
		// http(s): scheme and host in lower case, the rest byte for byte
		{"HTTPS://Example.COM/Foo.IMG", "https://example.com/Foo.IMG"},
		{"http://h", "http://h"},
		{"http://h/", "http://h/"},
		{"http://h/a/", "http://h/a/"},
		{"http://h/a//b/../c", "http://h/a//b/../c"},
		{"http://h/%7Ea%2f", "http://h/%7Ea%2f"},
		{"http://h?x=1", "http://h?x=1"},
		// default and empty ports go, others are numbers
		{"http://h:80/x", "http://h/x"},
		{"https://h:443/x", "https://h/x"},
		{"http://h:0080/x", "http://h/x"},
		{"http://h:/x", "http://h/x"},
		{"http://h:443/x", "http://h:443/x"},
		{"https://h:80/x", "https://h:80/x"},
		{"http://h:08080/x", "http://h:8080/x"},
		{"http://h:0/x", "http://h:0/x"},
		{"http://h:65535/x", "http://h:65535/x"},
		// user information goes
		{"http://u:p@h/x", "http://h/x"},
		{"http://u@h:80/x", "http://h/x"},
		{"http://a@b@h/x", "http://h/x"},
		{"http://h/x@y", "http://h/x@y"},
		// empty markers go, full ones stay
		{"http://h/x?", "http://h/x"},
		{"http://h/x#", "http://h/x"},
		{"http://h/x?#", "http://h/x"},
		{"http://h/x?#f", "http://h/x#f"},
		{"http://h/x?q#", "http://h/x?q"},
		{"http://h/x?q#f", "http://h/x?q#f"},
		{"http://h/x??", "http://h/x??"},
		{"http://h/x?a?", "http://h/x?a?"},
		{"http://h/x?q=1?#", "http://h/x?q=1?"},
		{"http://h/x##", "http://h/x##"},
		{"http://h/x#?", "http://h/x#?"},
		// the brackets of IPv6 are lost; existing refs depend on it
		{"http://[::1]/x", "http://::1/x"},
		{"http://[FE80::1]:8080/x", "http://fe80::1:8080/x"},
		{"http://[::1]:80/x", "http://::1/x"},
		// oras: lower case before the tag or digest
		{"oras://GHCR.io/Safl/Nosi:Latest", "oras://ghcr.io/safl/nosi:Latest"},
		{"ORAS://h:5000/a/b:t", "oras://h:5000/a/b:t"},
		{"oras://h/a/b@sha256:" + hex64, "oras://h/a/b@sha256:" + hex64},
		// file: empty and "." segments go, case stays
		{"file:///x", "file://x"},
		{"file://x", "file://x"},
		{"file:///a//./B/", "file://a/B"},
	}
	for _, test := range tests {
		got, err := Canonical(test.src)
		if err != nil || got != test.want {
			t.Errorf("%s: got %s, want %s (%v)", test.src, got, test.want, err)
		}
	}
}

func TestNotCanonical(t *testing.T) {
	for _, src := range []string{"", "x", "/x", "ftp://h/x", "://h/x", "http:/h/x", "http://", "http:///x", "https://?x", "http://u:p@/x", "http://:80/x",
		"http://h:x/", "http://h:65536/", "http://h:-1/", "http://h:+80/", "http://h:8 0/", "http://h:80:90/", "http://[::1/x", "http://[::1]x/", "http://[]/x",
		"oras://", "oras://h/a/b", "oras://h/a:t", "oras://h:5000/a/b", "oras://h/a/b:", "oras://h/a/b@sha256:abc", "oras://h/a/b@sha256:" + strings.ToUpper(hex64),
		"oras://h/a/b:t@sha256:" + hex64, "oras:///a/b:t", "oras://-h/a/b:t", "oras://h/-a/b:t", "oras://h/a/b:t t", "oras://h/a/b:t\n",
		"file://", "file:///", "file://.", "file:///a/../b", "file://a\x00b"} {
		if got, err := Canonical(src); err == nil {
			t.Errorf("%q is taken as %s", src, got)
		}
	}
}

func FuzzCanonical(f *testing.F) {
	for _, s := range []string{"https://example.com/foo.img.gz", "http://u:p@H:0080/x?#", "http://[::1]:8080/x", "oras://ghcr.io/a/b:latest", "oras://h:5000/a/b@sha256:" + hex64,
		"file:///a//./b", "http://h/x??", "://", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		canonical, err := Canonical(src)
		if err != nil {
			return
		}
		if strings.Contains(canonical, "[") && !strings.Contains(src, "[") || !strings.Contains(canonical, "://") {
			t.Errorf("%q became %q", src, canonical)
		}
		if strings.HasPrefix(strings.ToLower(src), "http") && strings.Contains(src, "[") {
			return // without its brackets an IPv6 host is no URL any more
		}
		if again, err := Canonical(canonical); err != nil || again != canonical {
			t.Errorf("%q became %q, which becomes %q (%v)", src, canonical, again, err)
		}
	})
}

func TestBaseName(t *testing.T) {
	for url, want := range map[string]string{
		"https://h/a/foo.img.zst": "foo.img.zst", "https://h/foo.img?sig=a/b": "foo.img", "https://h/foo.img#x/y": "foo.img",
		"https://h/foo/": "foo", "https://h/a%2Fb%20c.img": "a%2Fb%20c.img", "https://h": "", "https://h/": "", "https://h//": "", "https://h?x/y": "",
		"oras://ghcr.io/a/b:t": "b:t", "foo.img": "", "": "",
	} {
		if got := BaseName(url); got != want {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
}

func TestFormatOf(t *testing.T) {
	for name, want := range map[string]Format{
		"a.img": Raw, "a.IMG.GZ": Gzip, "a.img.zst": Zstd, "a.img.xz": XZ, "a.Img.Bz2": Bzip2, "a.qcow2": QCOW2, "https://h/a.img.gz": Gzip,
		"a.tar.gz": "", "a.gz": "", "img": "", "a.img.zst.sha256": "", "": "", "aimg": "", "a.img.": "",
	} {
		if got := FormatOf(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestArchOf(t *testing.T) {
	for name, want := range map[string]string{
		"debian-x86_64.img": "x86_64", "a-X86-64": "x86_64", "a-amd64": "x86_64", "a-aarch64": "arm64", "a-arm64": "arm64", "a-armhf": "arm", "a-armv7l": "arm",
		"a-armv6l": "armv6", "a-riscv64": "riscv64", "a-ppc64le": "ppc64le", "a-s390x": "s390x", "a-i686": "i386", "a-i386": "i386", "a": "", "": "",
		"aarch64-on-amd64": "arm64", "x86_64-aarch64": "x86_64",
	} {
		if got := ArchOf(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

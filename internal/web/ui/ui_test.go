package ui

import (
	"strings"
	"testing"
)

// A sign-in leads to pages of ours and nowhere else.
func TestNextIsLocal(t *testing.T) {
	for next, want := range map[string]string{
		"/ui/machines?q=a&page=2": "/ui/machines?q=a&page=2", "/ui/events": "/ui/events",
		"": "", "/": "", "//evil.example/ui/": "", "https://evil.example/ui/": "", "/ui/\\evil.example": "", "/\\evil.example": "",
		"/ui/login?next=/ui/x": "", "/ui/logout": "", "/ui/x\r\nSet-Cookie: a=b": "", "/machines": "", "ui/machines": "", "/ui/%zz": "",
	} {
		if got := localPath(next); got != want {
			t.Errorf("%q leads to %q, want %q", next, got, want)
		}
	}
}

func TestLinkify(t *testing.T) {
	for text, want := range map[string]string{
		"52:54:00:00:00:01 failed: <b>": `<a class="mac" href="/ui/machines/52:54:00:00:00:01">52:54:00:00:00:01</a> failed: &lt;b&gt;`,
		`image http://a/b?c=1&d="x" up`: `image <a href="http://a/b?c=1&amp;d=" rel="noreferrer">http://a/b?c=1&amp;d=</a>&#34;x&#34; up`,
		"52:54:00:00:00:01:02":          "<a class=",
		"javascript:alert(1)":           "javascript:alert(1)",
	} {
		if got := string(linkify(text)); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

func TestSizes(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1 kB", 1536_000_000: "1.54 GB", 4_000_000_000_000: "4 TB"} {
		if got := size(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

package origin

import "testing"

// What is shown of an address has no secret in it, also where it is none that can be read.
func TestRedact(t *testing.T) {
	for raw, want := range map[string]string{
		"https://h/a.img":                          "https://h/a.img",
		"https://user:secret@h/a.img?sig=secret#x": "https://h/a.img?...",
		"http://user:secret@h/%zz?sig=secret":      "http://h/%zz?...",
		"http://user:sec/ret@h:80/a#secret":        "http://h:80/a",
		"https://user:secret@/a?sig=secret":        "https:///a?...",
		"http://h:port/a?secret":                   "http://h:port/a?...",
		"oras://h/lab/a:v1":                        "oras://h/lab/a:v1",
		"http://u:p%ss@h/i.img?token=t":            "http://h/i.img?...",
		"/var/lib/images/a?b.img":                  "/var/lib/images/a?b.img",
		"oras://h/o/r@sha256:0011":                 "oras://h/o/r@sha256:0011",
		"-":                                        "-",
		"/var/a%zz.img":                            "/var/a%zz.img",
	} {
		if got := Redact(raw); got != want {
			t.Errorf("%s: %s, want %s", raw, got, want)
		}
	}
}

package config

import "strings"

// former says what has replaced sections that the previous system, or whoever wrote for it, has. A
// section that its files merely head is none of a key.
var former = map[string]string{
	"release": "which release machines boot is chosen on the Settings page",
	"ramboot": "ramboot has no counterpart: machines boot their own disk or the live environment",
	"images":  "bty keeps no images; the catalog says where they are, and [cache] of bty-cache keeps them",
	"catalog": "the catalog's URL is set on the Settings page, its file as paths.catalog_file",
}

// replaced is what a warning of an unknown key says besides: what has taken its place, or which key
// was probably meant.
func replaced(key string, keys []Key) string {
	section, _, _ := strings.Cut(key, ".")
	if says := former[section]; says != "" {
		return "; " + says
	}
	return nearest(key, keys)
}

// shownAsNone are the values that the Settings page of the previous system wrote into its file when
// somebody saved a row that was shown as not set.
var shownAsNone = []string{"(off)", "(unset)", "(auto)", "(none)"}

// isLeftover reports whether a value of a file is no value, but what a page showed in place of one.
// There it was taken for one: "(off)" trusted every proxy, and the name of the secret's file was
// the key of the cookies.
func isLeftover(k Key, v any) bool {
	s, ok := v.(string)
	if !ok {
		return false
	}
	if k.String() == "server.session_secret" && strings.HasPrefix(s, "/") {
		return true
	}
	for _, none := range shownAsNone {
		if s == none && k.text != nil && k.String() != "admin.password" {
			return true
		}
	}
	return false
}

package fill

import (
	"strings"
	"testing"
)

// A key is its own key, and two sources that differ in more than case and fragment never share one.
func FuzzKey(f *testing.F) {
	for _, s := range []string{"http://H/a?B=c#f", "https://u:P@H:1/x", "oras://H/o/r:T", "HTTP://h", " http://h/%41 ", "http://0? #", "http://[::1]/?", "file:///x", "http://h/a#b#c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		key, err := Key(src)
		if err != nil {
			return
		}
		if again, err := Key(key); err != nil || again != key {
			t.Errorf("%q has the key %q, which has %q, %v", src, key, again, err)
		}
		whole, _, _ := strings.Cut(src, "#")
		if !strings.EqualFold(key, strings.TrimSpace(whole)) && !strings.HasPrefix(strings.ToLower(whole), "oras") {
			t.Errorf("%q has the key %q", src, key)
		}
	})
}

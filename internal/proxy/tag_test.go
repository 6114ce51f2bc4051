package proxy

import (
	"net/http/httptest"
	"testing"

	"bty/internal/catalog"
	"bty/internal/fill"
)

// Who began with an image before its digest was known goes on under the same validator.
func TestTagOf(t *testing.T) {
	known := catalog.Digest{1}
	for _, tt := range []struct {
		name, ifRange string
		info          fill.Info
		want          string
	}{
		{"grows", "", fill.Info{Tag: "X"}, `"fill:X"`},
		{"complete", "", fill.Info{Tag: "X", Digest: known}, etag(known)},
		{"complete, begun before", `"fill:X"`, fill.Info{Tag: "X", Digest: known}, `"fill:X"`},
		{"complete, another one begun before", `"fill:Y"`, fill.Info{Tag: "X", Digest: known}, etag(known)},
		{"declared", "", fill.Info{Digest: known}, etag(known)},
		{"nothing is known", `"fill:"`, fill.Info{}, ""},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		if tt.ifRange != "" {
			r.Header.Set("If-Range", tt.ifRange)
		}
		if got := tagOf(r, tt.info); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

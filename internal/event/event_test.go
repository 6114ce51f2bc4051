package event

import (
	"os"
	"regexp"
	"slices"
	"testing"
)

// Kinds lists every kind that the source declares.
func TestKinds(t *testing.T) {
	source, err := os.ReadFile("event.go")
	if err != nil {
		t.Fatal(err)
	}
	var declared []Kind
	for _, m := range regexp.MustCompile(`(?m)^\t\w+ +Kind += "([^"]+)"`).FindAllSubmatch(source, -1) {
		declared = append(declared, Kind(m[1]))
	}
	if len(declared) < 40 || !slices.Equal(declared, Kinds) {
		t.Errorf("declared %v\nlisted %v", declared, Kinds)
	}
}

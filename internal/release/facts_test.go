package release

import (
	"fmt"
	"testing"
	"time"
)

// Names come and go; what is known of them does not grow for ever.
func TestFactsAreBounded(t *testing.T) {
	f := newFacts(nil)
	id := func(n int) contentID { return contentID{fmt.Sprint(n), 1, time.Unix(1, 0)} }
	const last = 2*maxKnown + 7
	for n := range last + 1 {
		f.learn(id(n), Facts{SHA256: fmt.Sprint(n)})
	}
	if known, ok := f.of(id(last)); len(f.known) != maxKnown || !ok || known.SHA256 != fmt.Sprint(last) {
		t.Errorf("%d are known; the last is %v, %t", len(f.known), known, ok)
	}
}

package roots

import "testing"

// A root is made anew when any list changes, and only then.
func TestKey(t *testing.T) {
	lists := []string{key([]string{"a", "b"}, []string{"c"}), key([]string{"a", "b"}), key([]string{"a"}, []string{"b", "c"}), key()}
	for i, one := range lists {
		for _, other := range lists[i+1:] {
			if one == other {
				t.Errorf("different lists have the key %s", one)
			}
		}
	}
	if again := key([]string{"a", "b"}, []string{"c"}); again != lists[0] {
		t.Errorf("the same lists have the keys %s and %s", lists[0], again)
	}
}

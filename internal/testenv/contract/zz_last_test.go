package contract

import "testing"

// TestZZTidy runs after all others.
func TestZZTidy(t *testing.T) {
	c := on(t)
	c.Tidy()
	for name := range c.uploads {
		if own != nil {
			c.Anonymous("GET", "/boot/"+name, nil).Is(404)
		}
	}
}

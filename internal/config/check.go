package config

import (
	"fmt"
	"net/url"
)

// Find returns the key with this name ("server.port"), and whether there is one.
func Find(name string) (Key, bool) {
	for _, k := range Keys() {
		if k.String() == name {
			return k, true
		}
	}
	return Key{}, false
}

// Check says what is wrong with text as the value of a key, nil if nothing is.
func Check(name, text string) error {
	k, known := Find(name)
	if !known {
		return fmt.Errorf("%s is not a known setting", name)
	}
	return k.set(&Config{}, text, true)
}

// webURL demands the address of a web server.
func webURL(k Key, v string) error {
	u, err := url.Parse(v)
	if err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.User == nil {
		return nil
	}
	return fmt.Errorf("%s must be an http:// or https:// URL without a user name", k)
}

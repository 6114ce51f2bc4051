package proxy

import (
	"net/http"
	"net/url"
	"strings"

	"oras.land/oras-go/v2/registry/remote/credentials"
)

// SignIn adds the credentials that a file in the format of docker's config.json has for a server:
// registries and plain web servers stand in one file. Who stands in no file is asked as anybody.
func SignIn(path string) func(*http.Request) {
	return func(req *http.Request) {
		if path == "" || strings.HasPrefix(req.URL.Path, "/v2/") {
			return // a registry says first how to sign in
		}
		store, err := credentials.NewFileStore(path)
		if err != nil {
			return // package oras tells what is wrong with it
		}
		found, err := store.Get(req.Context(), serverOf(req.URL))
		if err == nil && found.Username != "" {
			req.SetBasicAuth(found.Username, found.Password)
		}
	}
}

// serverOf is what a server stands under. One that is asked without encryption stands there with its port, 80 too: what
// somebody has written down for a registry's name is sent to nobody in the clear.
func serverOf(u *url.URL) string {
	host := strings.ToLower(u.Host)
	switch {
	case u.Scheme == "http" && u.Port() == "":
		return host + ":80"
	case u.Scheme == "https":
		return strings.TrimSuffix(host, ":443")
	}
	return host
}

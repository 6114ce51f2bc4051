package oras

import (
	"fmt"
	"regexp"
	"strings"

	"oras.land/oras-go/v2/registry"
)

// Mirrors maps a registry, as host[:port], to where its repositories are had as well, first choice
// first: host[:port], or host[:port]/prefix where a mirror keeps several registries.
type Mirrors map[string][]string

const maxMirrors = 8 // of one registry

var (
	mirrorHost = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]*(?::[0-9]{1,5})?$`)
	mirrorBase = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]*(?::[0-9]{1,5})?(?:/[a-z0-9][a-z0-9._-]*)*$`)
)

// ParseMirrors reads pairs like "ghcr.io=mirror.lan:5000/ghcr", with commas or white space between.
func ParseMirrors(list string) (Mirrors, error) {
	mirrors := Mirrors{}
	for _, pair := range Hosts(list) {
		host, base, ok := strings.Cut(pair, "=")
		if !ok || !mirrorHost.MatchString(host) || !mirrorBase.MatchString(base) {
			return nil, fmt.Errorf("mirror %.200q is malformed; want registry=host[:port][/prefix], like ghcr.io=mirror.lan:5000", pair)
		}
		if mirrors[host] = append(mirrors[host], base); len(mirrors[host]) > maxMirrors {
			return nil, fmt.Errorf("%s has more than %d mirrors", host, maxMirrors)
		}
	}
	return mirrors, nil
}

// Has reports whether a mirror has this host, whatever its port.
func (m Mirrors) Has(host string) bool {
	for _, bases := range m {
		for _, base := range bases {
			name, _, _ := strings.Cut(base, "/")
			if name, _, _ = strings.Cut(name, ":"); name == strings.ToLower(host) {
				return true
			}
		}
	}
	return false
}

// places is where a reference may be had: at the mirrors, and at last where it says.
func (c *Client) places(ref registry.Reference) []registry.Reference {
	var all []registry.Reference
	for _, base := range c.Mirrors[ref.Registry] {
		host, prefix, _ := strings.Cut(base, "/")
		mirrored := ref
		mirrored.Registry = host
		if prefix != "" {
			mirrored.Repository = prefix + "/" + ref.Repository
		}
		all = append(all, mirrored)
	}
	return append(all, ref)
}

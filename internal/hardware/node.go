package hardware

import (
	"strings"
	"unicode"
)

// Node is one device in the tree, with the keys of `lshw -json`.
type Node struct {
	ID            string            `json:"id"`
	Class         string            `json:"class"`
	Claimed       bool              `json:"claimed"`
	Handle        string            `json:"handle,omitempty"`
	Description   string            `json:"description,omitempty"`
	Product       string            `json:"product,omitempty"`
	Vendor        string            `json:"vendor,omitempty"`
	PhysID        string            `json:"physid,omitempty"`
	BusInfo       string            `json:"businfo,omitempty"`
	LogicalName   string            `json:"logicalname,omitempty"`
	Version       string            `json:"version,omitempty"`
	Date          string            `json:"date,omitempty"`
	Serial        string            `json:"serial,omitempty"`
	Slot          string            `json:"slot,omitempty"`
	Units         string            `json:"units,omitempty"`
	Size          uint64            `json:"size,omitempty"`
	Capacity      uint64            `json:"capacity,omitempty"`
	Width         uint              `json:"width,omitempty"`
	Clock         uint64            `json:"clock,omitempty"`
	Configuration map[string]string `json:"configuration,omitempty"`
	Children      []Node            `json:"children,omitempty"`
}

// maxChildren bounds a node's children: a firmware's table may say anything.
const maxChildren = 1024

func (n *Node) add(children ...Node) {
	room := maxChildren - len(n.Children)
	n.Children = append(n.Children, children[:min(room, len(children))]...)
}

// set records a configuration value unless it is empty.
func (n *Node) set(key, value string) {
	if value == "" {
		return
	}
	if n.Configuration == nil {
		n.Configuration = make(map[string]string)
	}
	n.Configuration[key] = value
}

// fillers are what boards say where nobody filled a field in.
var fillers = map[string]bool{
	"to be filled by o.e.m.": true, "not specified": true, "default string": true, "not available": true,
	"system manufacturer": true, "system product name": true, "system version": true,
	"system serial number": true, "none": true, "unknown": true, "no dimm": true, "n/a": true,
	"empty": true, "[empty]": true, "not provided": true, "undefined": true, "o.e.m.": true,
}

// tidy makes a string of the firmware or the kernel fit for a page: valid, printable, trimmed.
func tidy(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, " "))
	return strings.TrimSpace(s)
}

// named is tidy without the fillers.
func named(s string) string {
	s = tidy(s)
	if fillers[strings.ToLower(s)] {
		return ""
	}
	return s
}

// first is the first string that is not empty.
func first(options ...string) string {
	for _, s := range options {
		if s != "" {
			return s
		}
	}
	return ""
}

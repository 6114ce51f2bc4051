package config

import "strings"

// Paths is the flag --config of the daemons, which may be repeated: a flag.Value.
type Paths []string

func (p *Paths) String() string { return strings.Join(*p, " ") }

// Set implements flag.Value.
func (p *Paths) Set(s string) error { *p = append(*p, s); return nil }

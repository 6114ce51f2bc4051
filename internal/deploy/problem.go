package deploy

import (
	"fmt"
	"strings"
)

// Problem is one reason why a deployment cannot be made, with the way out.
type Problem struct {
	ID   string `json:"id"`
	What string `json:"what"`
	Next string `json:"next"`
}

// Refused are all the reasons there are: nothing was changed.
type Refused struct {
	Doing    string
	Problems []Problem
}

func (r *Refused) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: nothing was changed, because:", r.Doing)
	for _, p := range r.Problems {
		fmt.Fprintf(&b, "\n- %s\n  -> %s", p.What, p.Next)
	}
	return b.String()
}

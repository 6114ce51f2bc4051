package deploy

import (
	"context"
	"encoding/json"
)

// Plan is what there is to do, in order. One without steps finds everything as it is wanted.
type Plan struct {
	Doing    string   `json:"doing"` // deploy, init, purge
	Dir      string   `json:"dir"`
	Site     Site     `json:"site"`
	Steps    []Step   `json:"steps"`
	Warnings []string `json:"warnings,omitempty"`
}

// Step is one thing to do. Doing it again changes nothing.
type Step struct {
	Name   string // a word: write, start
	Detail string // what it is done to
	Next   string // what to do when it fails, "" if the error says it
	Action
	back Action // takes it back; nil from the first step on that touches more than the record and images
}

// Action carries a step out.
type Action interface {
	do(ctx context.Context, e *Engine) error
}

func (s Step) String() string { return s.Name + ": " + s.Detail }

// MarshalJSON writes what the step does; how is not anybody's business.
func (s Step) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Step   string `json:"step"`
		Detail string `json:"detail"`
	}{s.Name, s.Detail})
}

// action is an Action of a function.
type action func(ctx context.Context, e *Engine) error

// nothing is how a step is taken back that left nothing.
var nothing = action(func(context.Context, *Engine) error { return nil })

func (a action) do(ctx context.Context, e *Engine) error { return a(ctx, e) }

// Package openapi describes the routes of bty-web as an OpenAPI 3.1 document. Each surface keeps a
// table of Operations beside its handlers; bodies and answers come from the functions and types
// that the handlers themselves use.
package openapi

import (
	"net/http"
	"strings"

	"bty/internal/web/body"
)

// Operation is what there is to know about one route.
type Operation struct {
	Pattern string // of the route, as http.ServeMux spells it
	Tag     string
	Summary string // one line
	Details string // what the summary leaves open, "" if nothing
	Access  Access
	Writes  bool    // it may fail because the disk is full, although it is a GET
	Path    []Param // those that are no plain text and no MAC
	Query   []Param
	Request Request
	Answers []Answer
}

// Access says who may use a route.
type Access uint8

const (
	SignedIn Access = iota // whoever has a session or a token; others get 401
	Open                   // anybody on the LAN
	Session                // whoever has a session; a token is refused
	Page                   // whoever has a session; others are led to the sign-in page
)

// Param is a parameter of a path or a query.
type Param struct {
	Name   string
	Text   string
	Schema map[string]any // nil: any text
	Needed bool
}

// Request is the body of a request; the zero Request is none.
type Request struct {
	Media  string
	Schema map[string]any
	Needed bool
}

// JSON is a body that read takes.
func JSON(read func(body.Value)) Request {
	return Request{Media: "application/json", Schema: body.Describe(read), Needed: true}
}

// Form is the body of an HTML form.
func Form(fields ...Field) Request {
	return Request{Media: "application/x-www-form-urlencoded", Schema: formSchema(fields), Needed: true}
}

// Upload is a form with a file.
func Upload(fields ...Field) Request {
	return Request{Media: "multipart/form-data", Schema: formSchema(fields), Needed: true}
}

// Bytes is a body that is taken as it comes.
func Bytes() Request {
	return Request{Media: "application/octet-stream", Schema: map[string]any{}, Needed: true}
}

// Text is a body of plain text.
func Text() Request {
	return Request{Media: "text/plain", Schema: map[string]any{"type": "string"}, Needed: true}
}

// Field is one field of a form.
type Field struct {
	Name, Text string
	Many       bool // may be repeated
	Needed     bool
	File       bool
}

func formSchema(fields []Field) map[string]any {
	properties, needed := map[string]any{}, []string{}
	for _, f := range fields {
		one := map[string]any{"type": "string"}
		if f.File {
			one["contentMediaType"] = "application/octet-stream"
		}
		if f.Many {
			one = map[string]any{"type": "array", "items": one}
		}
		if f.Text != "" {
			one["description"] = f.Text
		}
		properties[f.Name] = one
		if f.Needed {
			needed = append(needed, f.Name)
		}
	}
	schema := map[string]any{"type": "object", "properties": properties}
	if len(needed) > 0 {
		schema["required"] = needed
	}
	return schema
}

// Answer is one answer of a route.
type Answer struct {
	Status int
	Media  string // "" for no body
	Body   any    // a value of the type that the handler encodes; nil for text and bytes
	Text   string // what it means, "" for what the status says
}

// Encoded is an answer in JSON; v is a value of the type that the handler encodes.
func Encoded(status int, v any) Answer {
	return Answer{Status: status, Media: "application/json", Body: v}
}

// Plain is an answer of a media type that is not JSON.
func Plain(media string) Answer { return Answer{Status: http.StatusOK, Media: media} }

// HTML is a page.
func HTML() Answer { return Plain("text/html; charset=utf-8") }

// Empty is an answer without a body.
func Empty(status int, text string) Answer { return Answer{Status: status, Text: text} }

// Refusals are answers with the error shape.
func Refusals(statuses ...int) []Answer {
	list := make([]Answer, len(statuses))
	for i, status := range statuses {
		list[i] = Encoded(status, Refusal{})
	}
	return list
}

// Answers puts single answers and refusals together.
func Answers(one Answer, refusals ...int) []Answer {
	return append([]Answer{one}, Refusals(refusals...)...)
}

// Refusal is the shape of every error: one sentence, or the list of what is wrong with a request.
type Refusal struct {
	Detail any `json:"detail"`
}

func (o Operation) method() string { method, _, _ := strings.Cut(o.Pattern, " "); return method }

func (o Operation) path() string {
	_, path, _ := strings.Cut(o.Pattern, " ")
	return strings.NewReplacer("{$}", "", "...}", "}").Replace(path)
}

package openapi

import (
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Document is an OpenAPI 3.1 document as encoding/json takes it.
type Document map[string]any

// New describes the operations in one document.
func New(version string, operations []Operation) Document {
	all := newSchemas()
	paths := map[string]map[string]any{}
	for _, o := range operations {
		if paths[o.path()] == nil {
			paths[o.path()] = map[string]any{}
		}
		paths[o.path()][strings.ToLower(o.method())] = o.describe(all)
	}
	return Document{
		"openapi": "3.1.0",
		"info": map[string]any{"title": "bty-web", "version": version,
			"summary": "Network-boots machines and flashes disk images on them.",
			"license": map[string]any{"name": "Apache-2.0", "identifier": "Apache-2.0"}},
		"servers":           []any{map[string]any{"url": "/"}},
		"jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
		"tags":              tags(operations),
		"paths":             paths,
		"components": map[string]any{
			"schemas": all.components,
			"securitySchemes": map[string]any{
				"session": map[string]any{"type": "apiKey", "in": "cookie", "name": "bty-token",
					"description": "the cookie that POST /ui/login sets"},
				"token": map[string]any{"type": "http", "scheme": "bearer",
					"description": "an API token from the Account page; one with the scope read is refused where something changes"},
			},
		},
	}
}

func tags(operations []Operation) []any {
	var list []any
	var seen []string
	for _, o := range operations {
		if !slices.Contains(seen, o.Tag) {
			seen = append(seen, o.Tag)
			list = append(list, map[string]any{"name": o.Tag})
		}
	}
	return list
}

func (o Operation) describe(all *schemas) map[string]any {
	d := map[string]any{"operationId": o.ID(), "tags": []string{o.Tag}, "summary": o.Summary,
		"security": o.security(), "responses": o.responses(all)}
	if o.Details != "" {
		d["description"] = o.Details
	}
	if params := o.params(); len(params) > 0 {
		d["parameters"] = params
	}
	if o.Request.Media != "" {
		d["requestBody"] = map[string]any{"required": o.Request.Needed,
			"content": map[string]any{o.Request.Media: map[string]any{"schema": o.Request.Schema}}}
	}
	return d
}

var notWord = regexp.MustCompile(`[^A-Za-z0-9]+`)

// ID names the operation for generated clients.
func (o Operation) ID() string {
	id := strings.ToLower(o.method())
	for _, word := range notWord.Split(o.path(), -1) {
		if word != "" {
			id += strings.ToUpper(word[:1]) + word[1:]
		}
	}
	return id
}

func (o Operation) security() []any {
	switch o.Access {
	case Open:
		return []any{}
	case Page, Session:
		return []any{map[string]any{"session": []string{}}}
	}
	return []any{map[string]any{"session": []string{}}, map[string]any{"token": []string{}}}
}

var pathParam = regexp.MustCompile(`\{([a-z_]+)\}`)

func (o Operation) params() []any {
	var list []any
	for _, match := range pathParam.FindAllStringSubmatch(o.path(), -1) {
		p := Param{Name: match[1], Schema: pathSchemas[match[1]], Needed: true}
		if i := slices.IndexFunc(o.Path, func(p Param) bool { return p.Name == match[1] }); i >= 0 {
			p = o.Path[i]
			p.Needed = true
		}
		list = append(list, p.describe("path"))
	}
	for _, p := range o.Query {
		list = append(list, p.describe("query"))
	}
	return list
}

var pathSchemas = map[string]map[string]any{
	"mac": {"type": "string", "pattern": "^[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}$",
		"description": "a MAC in any case, with colons or hyphens"},
}

func (p Param) describe(in string) map[string]any {
	schema := p.Schema
	if schema == nil {
		schema = map[string]any{"type": "string"}
	}
	d := map[string]any{"name": p.Name, "in": in, "required": p.Needed, "schema": schema}
	if p.Text != "" {
		d["description"] = p.Text
	}
	return d
}

// Integer is the schema of a whole number.
func Integer() map[string]any { return map[string]any{"type": "integer"} }

// OneOf is the schema of a closed set of words.
func OneOf(words ...string) map[string]any { return map[string]any{"type": "string", "enum": words} }

func (o Operation) responses(all *schemas) map[string]any {
	byStatus := map[string]any{}
	for _, a := range append(o.usual(), slices.Clone(o.Answers)...) { // the table has the last word
		one := map[string]any{"description": a.text()}
		if held, ok := byStatus[strconv.Itoa(a.Status)].(map[string]any); ok && held["content"] != nil && a.Media != "" {
			maps.Copy(held["content"].(map[string]any), a.content(all))
			continue
		}
		if a.Media != "" {
			one["content"] = a.content(all)
		}
		byStatus[strconv.Itoa(a.Status)] = one
	}
	return byStatus
}

// usual are the refusals that follow from the kind of the route.
func (o Operation) usual() []Answer {
	var statuses []int
	var list []Answer
	switch o.Access {
	case SignedIn:
		statuses = append(statuses, http.StatusUnauthorized)
		if o.method() != http.MethodGet {
			statuses = append(statuses, http.StatusForbidden)
		}
	case Session:
		statuses = append(statuses, http.StatusUnauthorized, http.StatusForbidden)
	case Page:
		statuses = append(statuses, http.StatusUnauthorized, http.StatusForbidden) // a script whose session has ended, a token
		list = append(list, Empty(http.StatusSeeOther, "to the sign-in page, or to the page that shows the outcome"))
	}
	if strings.Contains(o.path(), "{mac}") {
		statuses = append(statuses, http.StatusBadRequest)
	}
	if o.Request.Media != "" {
		statuses = append(statuses, http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity)
	}
	if o.Writes || o.method() != http.MethodGet {
		statuses = append(statuses, http.StatusServiceUnavailable, http.StatusInsufficientStorage)
	}
	slices.Sort(statuses)
	return append(list, o.refusals(slices.Compact(statuses))...)
}

// refusals are JSON for programs, and a page for people.
func (o Operation) refusals(statuses []int) []Answer {
	list := Refusals(statuses...)
	if !strings.HasPrefix(o.path(), "/ui") {
		return list
	}
	for _, status := range statuses {
		list = append(list, Answer{Status: status, Media: "text/html; charset=utf-8"})
	}
	return list
}

func (a Answer) text() string {
	if a.Text != "" {
		return a.Text
	}
	return http.StatusText(a.Status)
}

func (a Answer) content(all *schemas) map[string]any {
	schema := map[string]any{"type": "string"}
	switch {
	case a.Body != nil:
		schema = all.of(reflect.TypeOf(a.Body))
	case a.Media == "application/octet-stream":
		schema = map[string]any{}
	}
	return map[string]any{a.Media: map[string]any{"schema": schema}}
}

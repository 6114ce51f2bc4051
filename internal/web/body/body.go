// Package body reads JSON request bodies into typed values and says exactly what is wrong with
// one: each problem names its place, its kind and the value, in the shape that clients know.
package body

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"bty/internal/fault"
)

// Problem is one thing that is wrong with a request.
type Problem struct {
	Type    string         `json:"type"`
	Loc     []any          `json:"loc"`
	Message string         `json:"msg"`
	Input   any            `json:"input"`
	Context map[string]any `json:"ctx,omitempty"`
}

// Problems is everything that is wrong with a request, as an error.
type Problems []Problem

func (p Problems) Error() string {
	texts := make([]string, len(p))
	for i, one := range p {
		texts[i] = one.String()
	}
	return "validation failed: " + strings.Join(texts, "; ")
}

// String names the place and the trouble in one line.
func (p Problem) String() string {
	place := make([]string, 0, len(p.Loc))
	for _, step := range p.Loc[1:] {
		place = append(place, fmt.Sprint(step))
	}
	return strings.Join(place, ".") + ": " + p.Message
}

// AsProblems returns the problems in err's chain.
func AsProblems(err error) (Problems, bool) { return errors.AsType[Problems](err) }

// Value is a JSON value that was read from a request.
type Value struct {
	v     any
	shape *schema // of the Value that Describe hands to a reader
}

// Read reads a body of at most limit bytes. A body whose Content-Type is not JSON is a value that
// is no object, so that it is refused like one.
func Read(w http.ResponseWriter, r *http.Request, limit int64) (Value, error) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return Value{}, fault.New(fault.TooLarge, "the request body is larger than %d bytes, the limit of %s", tooLarge.Limit, r.URL.Path)
	}
	if err != nil {
		return Value{}, fault.Wrap(fault.Invalid, err, "the request body could not be read to its end")
	}
	if !isJSON(r.Header.Get("Content-Type")) {
		return Value{v: string(raw)}, nil
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return Value{}, syntaxProblem(err)
	}
	return Value{v: v}, nil
}

func isJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == "application/json" || strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json"))
}

func syntaxProblem(err error) Problems {
	offset := int64(0)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		offset = max(0, syntax.Offset-1) // of the character that does not fit
	}
	return Problems{{Type: "json_invalid", Loc: []any{"body", offset}, Message: "JSON decode error: " + err.Error(),
		Input: map[string]any{}, Context: map[string]any{"error": err.Error()}}}
}

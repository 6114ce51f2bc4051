package web

import (
	"encoding/json"
	"net/http"
	"slices"
	"sync"

	"bty/internal/web/api"
	"bty/internal/web/live"
	"bty/internal/web/openapi"
	"bty/internal/web/pxe"
	"bty/internal/web/ui"
)

// Operations describes every route of Public.
func Operations() []openapi.Operation {
	own := []openapi.Operation{
		{Pattern: "GET /metrics", Tag: "server", Access: openapi.Open, Summary: "Figures in the text format of Prometheus",
			Answers: openapi.Answers(openapi.Plain("text/plain"))},
		{Pattern: "GET /openapi.json", Tag: "server", Access: openapi.Open, Summary: "This document",
			Answers: openapi.Answers(openapi.Encoded(200, json.RawMessage{}))},
	}
	return slices.Concat(pxe.Operations(), api.Operations(), live.Operations(), ui.Operations(), own)
}

// document serves the description of all routes. It is made once, when somebody first asks.
func document(version string) http.Handler {
	made := sync.OnceValue(func() []byte {
		raw, err := json.Marshal(openapi.New(version, Operations()))
		if err != nil {
			panic(err) // our own tables, which a test encodes
		}
		return raw
	})
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(made()) // the client is gone, if anything
	})
}

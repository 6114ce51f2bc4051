package api

import (
	"encoding/json"
	"slices"

	"bty/internal/machine"
	"bty/internal/web/body"
	"bty/internal/web/openapi"
	"bty/internal/wire"
)

// Operations describes the routes of Register.
func Operations() []openapi.Operation {
	return slices.Concat(aboutServer, aboutCatalog(), aboutLibrary(), aboutCache(), aboutMachines(), aboutFleet(), aboutBoot(), aboutDoctor(), aboutTFTP(), aboutEvents(), aboutTokens(), aboutBackups())
}

var aboutServer = []openapi.Operation{
	{Pattern: "GET /healthz", Tag: "server", Access: openapi.Open, Summary: "The process is alive", Answers: openapi.Answers(openapi.Encoded(200, health{}))},
	{Pattern: "GET /readyz", Tag: "server", Access: openapi.Open, Summary: "The state answers and requests are welcome",
		Answers: []openapi.Answer{openapi.Encoded(200, health{}), openapi.Encoded(503, health{})}},
	{Pattern: "GET /version", Tag: "server", Access: openapi.Open, Summary: "The version of bty-web", Answers: openapi.Answers(openapi.Encoded(200, version{}))},
}

func aboutCatalog() []openapi.Operation {
	return []openapi.Operation{
		{Pattern: "GET /images", Tag: "catalog", Access: openapi.Open, Summary: "Every image, for clients of the LAN",
			Answers: openapi.Answers(openapi.Encoded(200, []wire.Image{}))},
		{Pattern: "GET /catalog.toml", Tag: "catalog", Access: openapi.Open, Summary: "The catalog as the wizard of a live environment reads it",
			Details: "Only images with a known digest. The sources lead to the cache of images if there is one.",
			Query:   []openapi.Param{{Name: "all", Text: "also images without a digest", Schema: openapi.OneOf("1", "true")}}, Answers: openapi.Answers(openapi.Plain("application/toml"))},
		{Pattern: "GET /catalog/entries", Tag: "catalog", Summary: "Every entry", Answers: openapi.Answers(openapi.Encoded(200, []wire.CatalogRow{}))},
		{Pattern: "POST /catalog/entries", Tag: "catalog", Summary: "Add an image by its URL",
			Request: openapi.JSON(func(v body.Value) { _, _ = readEntry(v) }),
			Answers: openapi.Answers(openapi.Encoded(201, wire.CatalogAdded{}), 400, 409)},
		{Pattern: "DELETE /catalog/entries", Tag: "catalog", Summary: "Delete an image",
			Query: []openapi.Param{{Name: "src", Text: "the source as it was added", Needed: true},
				{Name: "force", Text: "also when machines are bound to it", Schema: openapi.OneOf("1", "true")}},
			Answers: openapi.Answers(openapi.Empty(204, "deleted"), 404, 409, 422)},
	}
}

func aboutMachines() []openapi.Operation {
	one := openapi.Encoded(200, wire.Machine{})
	return []openapi.Operation{
		{Pattern: "GET /machines", Tag: "machines", Summary: "Every machine, by MAC", Answers: openapi.Answers(openapi.Encoded(200, []wire.Machine{}))},
		{Pattern: "GET /machines/{mac}", Tag: "machines", Summary: "One machine", Answers: openapi.Answers(one, 404)},
		{Pattern: "PUT /machines/{mac}", Tag: "machines", Summary: "Set what a machine is for",
			Details: "Replaces everything: a field that is absent goes back to its default. A change of mode, image or disk arms the machine; an identical request changes nothing.",
			Request: openapi.JSON(func(v body.Value) { _, _ = readIntent(v) }), Answers: openapi.Answers(one)},
		{Pattern: "DELETE /machines/{mac}", Tag: "machines", Summary: "Forget a machine", Answers: openapi.Answers(openapi.Empty(204, "forgotten"), 404)},
		{Pattern: "GET /machines/{mac}/lshw.json", Tag: "machines", Summary: "The hardware tree that the machine reported, in the shape of lshw -json",
			Answers: openapi.Answers(openapi.Encoded(200, json.RawMessage{}), 404)},
		{Pattern: "GET /machines/{mac}/disks.json", Tag: "machines", Summary: "The disks that the machine reported", Answers: openapi.Answers(openapi.Encoded(200, []machine.Disk{}), 404)},
		{Pattern: "POST /api/v1/machines/{mac}/arm", Tag: "machines", Summary: "Begin a new cycle: flash again",
			Answers: openapi.Answers(one, 404, 409)},
	}
}

func aboutEvents() []openapi.Operation {
	return []openapi.Operation{
		{Pattern: "GET /events", Tag: "events", Summary: "What happened, newest first", Details: "Page on with the smallest ID seen as before_id.",
			Query: []openapi.Param{{Name: "kind"}, {Name: "subject_kind"}, {Name: "subject_id"}, {Name: "actor"}, {Name: "source_ip"},
				{Name: "failed", Text: "anything: only kinds that end in failed"},
				{Name: "unacknowledged", Text: "anything: only events that were not acknowledged"},
				{Name: "q", Text: "only events whose kind, subject, actor, source or summary holds this, in any case"},
				{Name: "before_id", Text: "only events before this one", Schema: openapi.Integer()},
				{Name: "limit", Text: "50 unless told; 1 to 500, others are taken for the nearest", Schema: openapi.Integer()}},
			Answers: openapi.Answers(openapi.Encoded(200, eventList{}), 422)},
		{Pattern: "POST /events/{id}/ack", Tag: "events", Summary: "Acknowledge an event", Path: []openapi.Param{{Name: "id", Schema: openapi.Integer()}},
			Answers: openapi.Answers(openapi.Encoded(200, acknowledged{}), 404, 422)},
	}
}

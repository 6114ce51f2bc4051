package api

import (
	"bty/internal/fleet"
	"bty/internal/machine"
	"bty/internal/web/body"
	"bty/internal/web/openapi"
	"bty/internal/wire"
)

// aboutFleet describes the routes of registerFleet.
func aboutFleet() []openapi.Operation {
	return append(aboutRules(), []openapi.Operation{
		{Pattern: "GET /api/v1/machines", Tag: "machines", Summary: "One page of the machines that a query selects", Query: machineQuery(),
			Answers: openapi.Answers(openapi.Encoded(200, wire.MachinePage{}), 422)},
		{Pattern: "GET /api/v1/machines/{mac}", Tag: "machines", Summary: "One machine, its MAC in any spelling", Answers: openapi.Answers(openapi.Encoded(200, wire.Machine{}), 404)},
		{Pattern: "GET /api/v1/machines/{mac}/explain", Tag: "machines", Summary: "What a machine would get now, and why",
			Details: "For machines that are not known, too. Nothing is changed by asking.",
			Query:   []openapi.Param{{Name: "asker", Text: "firmware is answered with a script, live with a plan", Schema: openapi.OneOf("firmware", "live")}},
			Answers: openapi.Answers(openapi.Encoded(200, wire.Explanation{}), 422)},
		{Pattern: "GET /api/v1/machines/{mac}/timeline", Tag: "machines", Summary: "The last boot of a machine, step by step",
			Details: "A step that is overdue says what usually causes that.", Answers: openapi.Answers(openapi.Encoded(200, wire.Timeline{}), 404)},
		{Pattern: "GET /api/v1/machines/{mac}/log", Tag: "machines", Summary: "What the live environment on a machine logged last",
			Details: "The newest 256 KiB, without what a terminal would take for a command.", Answers: openapi.Answers(openapi.Plain("text/plain; charset=utf-8"), 404)},
		{Pattern: "POST /api/v1/machines/{mac}/release", Tag: "machines", Summary: "Let rules decide what a machine is for",
			Details: "Mode, image and disk that were set for the machine itself are forgotten; labels and drive stay.",
			Answers: openapi.Answers(openapi.Encoded(200, wire.Machine{}), 404)},
		{Pattern: "POST /api/v1/machines/{mac}/preview", Tag: "machines", Summary: "What a PUT with this body would change about the next boot",
			Request: openapi.JSON(func(v body.Value) { _, _ = readIntent(v) }), Answers: openapi.Answers(openapi.Encoded(200, wire.Preview{}))},
		{Pattern: "POST /api/v1/bulk", Tag: "machines", Summary: "Act on many machines",
			Details: "macs and query select, together or alone; an empty query is every machine. One machine that is refused keeps no other from being changed. With the fingerprint of a preview nothing is done if other machines are selected by now.",
			Request: openapi.JSON(func(v body.Value) { _, _, _ = ReadBulk(v) }), Answers: openapi.Answers(openapi.Encoded(200, wire.Bulk{}), 409)},
		{Pattern: "POST /api/v1/bulk/preview", Tag: "machines", Summary: "What the same body would do, without doing it",
			Request: openapi.JSON(func(v body.Value) { _, _, _ = ReadBulk(v) }), Answers: openapi.Answers(openapi.Encoded(200, wire.Bulk{}), 409)},
	}...)
}

// aboutRules describes the routes of registerRules.
func aboutRules() []openapi.Operation {
	one := openapi.Encoded(200, wire.Rule{})
	id := []openapi.Param{{Name: "id", Schema: openapi.Integer()}}
	change := openapi.JSON(func(v body.Value) { _, _ = ReadRule(v) })
	return []openapi.Operation{
		{Pattern: "GET /api/v1/rules", Tag: "rules", Summary: "The assignment rules, in the order in which they are asked", Answers: openapi.Answers(openapi.Encoded(200, wire.Rules{}))},
		{Pattern: "POST /api/v1/rules", Tag: "rules", Summary: "Add a rule at the end of the list", Request: change, Answers: openapi.Answers(openapi.Encoded(201, wire.Rule{}), 409)},
		{Pattern: "GET /api/v1/rules/{id}", Tag: "rules", Summary: "One rule", Path: id, Answers: openapi.Answers(one, 404, 422)},
		{Pattern: "PUT /api/v1/rules/{id}", Tag: "rules", Summary: "Replace a rule", Details: "The same rule again changes nothing.", Path: id, Request: change, Answers: openapi.Answers(one, 404)},
		{Pattern: "DELETE /api/v1/rules/{id}", Tag: "rules", Summary: "Delete a rule", Path: id, Answers: openapi.Answers(openapi.Empty(204, "deleted"), 404, 422)},
		{Pattern: "PUT /api/v1/rules/order", Tag: "rules", Summary: "Put the rules into another order", Details: "ids names every rule once.",
			Request: openapi.JSON(func(v body.Value) { readIDs(v.Object()) }), Answers: openapi.Answers(openapi.Encoded(200, wire.Rules{}))},
		{Pattern: "PUT /api/v1/rules/default", Tag: "rules", Summary: "Set what applies where no rule says anything",
			Request: openapi.JSON(func(v body.Value) { _, _ = ReadDefault(v) }), Answers: openapi.Answers(openapi.Encoded(200, wire.Rules{}))},
		{Pattern: "POST /api/v1/rules/preview", Tag: "rules", Summary: "Which machines' next boot a change of the rules would change",
			Details: "change says what is tried: a rule to create, one to edit or delete by its id, an order of ids, or another default. Nothing is stored.",
			Request: openapi.JSON(func(v body.Value) { _, _ = ReadChange(v) }), Answers: openapi.Answers(openapi.Encoded(200, wire.Preview{}), 404)},
	}
}

// machineQuery is what web/query reads.
func machineQuery() []openapi.Param {
	return []openapi.Param{
		{Name: "q", Text: "text anywhere in MAC, labels, image, last address, vendor and product"},
		{Name: "label", Text: "machines with this label"}, {Name: "mode", Schema: openapi.OneOf(modeNames()...)},
		{Name: "state", Schema: openapi.OneOf(words(machine.Phases)...)},
		{Name: "filter", Text: "whether an image is set", Schema: openapi.OneOf("assigned", "discovered")},
		{Name: "image", Text: "bty_image_ref of an image"},
		{Name: "sort", Schema: openapi.OneOf(fleet.Sorts...)}, {Name: "desc", Text: "from the last to the first", Schema: openapi.OneOf("1", "true")},
		{Name: "offset", Schema: openapi.Integer()}, {Name: "limit", Text: "100 unless told; 1 to 1000, others are taken for the nearest", Schema: openapi.Integer()},
	}
}

func words[T ~string](values []T) []string {
	var list []string
	for _, v := range values {
		list = append(list, string(v))
	}
	return list
}

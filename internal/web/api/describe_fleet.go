package api

import (
	"bty/internal/fleet"
	"bty/internal/machine"
	"bty/internal/web/openapi"
	"bty/internal/wire"
)

// aboutFleet describes the routes of registerFleet.
func aboutFleet() []openapi.Operation {
	return []openapi.Operation{
		{Pattern: "GET /api/v1/machines", Tag: "machines", Summary: "One page of the machines that a query selects", Query: machineQuery(),
			Answers: openapi.Answers(openapi.Encoded(200, wire.MachinePage{}), 422)},
		{Pattern: "GET /api/v1/machines/{mac}", Tag: "machines", Summary: "One machine, its MAC in any spelling", Answers: openapi.Answers(openapi.Encoded(200, wire.Machine{}), 404)},
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

package ui

import (
	"slices"

	"bty/internal/web/openapi"
	"bty/internal/wire"
)

func aboutImages() []openapi.Operation {
	const tag = "pages"
	source := openapi.Field{Name: "src", Text: "a source, in the catalog or not", Needed: true}
	own := openapi.Field{Name: "page", Text: "1 from our own page: it is shown again with what was wrong"}
	file := openapi.Upload(openapi.Field{Name: "file", Text: "a catalog.toml of 1 MiB at most", File: true}, own)
	file.Needed = false
	fetch := openapi.Form(own)
	fetch.Needed = false
	filled := pageOr(303, 413, 422)
	return []openapi.Operation{
		{Pattern: "GET /ui/images", Tag: tag, Access: openapi.Page, Summary: "The images", Answers: pageOr()},
		{Pattern: "GET /ui/images/add", Tag: tag, Access: openapi.Page, Summary: "Ways to add images", Answers: pageOr()},
		{Pattern: "GET /ui/images/{ref}", Tag: tag, Access: openapi.Page, Summary: "One image", Answers: pageOr(400, 404)},
		{Pattern: "POST /ui/images/{ref}", Tag: tag, Access: openapi.Page, Summary: "Change an image; asks first if machines would be written something else",
			Request: openapi.Form(openapi.Field{Name: "name"}, openapi.Field{Name: "description"}, openapi.Field{Name: "arch"}, openapi.Field{Name: "format"},
				openapi.Field{Name: "sha_url"}, openapi.Field{Name: "reread"}, openapi.Field{Name: "rolling", Text: "1 takes what the source leads to by itself, 0 does not"}, openapi.Field{Name: "grow", Text: "yes, no, or nothing: as [flash] grow says"}, openapi.Field{Name: "verify", Text: "the same of [flash] verify"}, openapi.Field{Name: "take", Text: "1 takes what the tag was seen to lead to"}, openapi.Field{Name: "force"}), Answers: pageOr(303, 400, 404, 413)},
		{Pattern: "POST /ui/images/{ref}/check", Tag: tag, Access: openapi.Page, Summary: "Ask the origin of an image", Answers: pageOr(400, 404)},
		{Pattern: "GET /ui/images/{ref}/delete", Tag: tag, Access: openapi.Page, Summary: "The question before an image is deleted", Answers: pageOr(400, 404)},
		{Pattern: "POST /ui/images/{ref}/delete", Tag: tag, Access: openapi.Page, Summary: "Delete an image", Request: openapi.Form(openapi.Field{Name: "force"}),
			Answers: pageOr(303, 400, 413)[1:]},
		{Pattern: "POST /ui/catalog/upload", Tag: tag, Summary: "Take over a catalog.toml and keep it as the catalog file", Request: file, Answers: slices.Clone(filled)},
		{Pattern: "POST /ui/catalog/fetch-release", Tag: tag, Summary: "Take over the published catalog and keep it as the catalog file", Request: fetch, Answers: slices.Clone(filled)},
		{Pattern: "POST /ui/catalog/import", Tag: tag, Access: openapi.Page, Summary: "Take over a catalog.toml from a URL, a registry or a path",
			Request: openapi.Form(openapi.Field{Name: "source", Needed: true}, own), Answers: slices.Clone(filled)},
		{Pattern: "POST /ui/catalog/entries", Tag: tag, Access: openapi.Page, Summary: "Add an image by its URL",
			Request: openapi.Form(openapi.Field{Name: "image_url", Needed: true}, openapi.Field{Name: "sha_url"}, own), Answers: slices.Clone(filled)},
		{Pattern: "POST /ui/catalog/entries/check", Tag: tag, Access: openapi.Page, Summary: "Ask the origin of a source", Request: openapi.Form(source),
			Answers: append(openapi.Refusals(422, 413), openapi.Encoded(200, wire.CatalogCheck{}), openapi.Answer{Status: 422, Media: htmlType}, openapi.Answer{Status: 413, Media: htmlType})},
	}
}

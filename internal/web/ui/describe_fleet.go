package ui

import "bty/internal/web/openapi"

// aboutFleet describes the pages of rules and of actions on many machines.
func aboutFleet() []openapi.Operation {
	const tag = "pages"
	form := func(names ...string) openapi.Request {
		var fields []openapi.Field
		for _, name := range names {
			fields = append(fields, openapi.Field{Name: name, Many: name == "mac"})
		}
		return openapi.Form(fields...)
	}
	change := form("change", "id", "ids", "name", "labels", "not_labels", "mac_prefix", "vendor", "product", "arch", "disk_min", "disk_max",
		"boot_mode", "bty_image_ref", "target_pick", "target_transport", "target_model", "target_min", "target_max")
	action := form("action", "mac", "all", "q", "filter", "boot_mode", "bty_image_ref", "target_pick", "target_transport", "target_model", "target_min", "target_max",
		"add_labels", "remove_labels")
	shown := func() []openapi.Answer { return pageOr(303, 413, 422) }
	return []openapi.Operation{
		{Pattern: "GET /ui/rules", Tag: tag, Access: openapi.Page, Summary: "The assignment rules", Answers: pageOr()},
		{Pattern: "GET /ui/rules/new", Tag: tag, Access: openapi.Page, Summary: "The form of a new rule", Answers: pageOr()},
		{Pattern: "GET /ui/rules/default", Tag: tag, Access: openapi.Page, Summary: "The form of what applies where no rule says anything", Answers: pageOr()},
		{Pattern: "GET /ui/rules/{id}", Tag: tag, Access: openapi.Page, Summary: "The form of a rule", Answers: pageOr(404)},
		{Pattern: "POST /ui/rules/preview", Tag: tag, Access: openapi.Page, Summary: "Which machines' next boot a change of the rules would change", Request: change, Answers: shown()},
		{Pattern: "POST /ui/rules/apply", Tag: tag, Access: openapi.Page, Summary: "Carry a change of the rules out", Request: change, Answers: shown()},
		{Pattern: "POST /ui/machines/{mac}/preview", Tag: tag, Access: openapi.Page, Summary: "What saving a machine would change about its next boot",
			Request: form("boot_mode", "bty_image_ref", "target_disk_serial", "sanboot_drive", "kernel_words", "grow", "verify", "labels"), Answers: shown()},
		{Pattern: "GET /ui/bulk", Tag: tag, Access: openapi.Page, Summary: "What to do with the machines that were selected", Answers: pageOr(303)},
		{Pattern: "POST /ui/bulk/preview", Tag: tag, Access: openapi.Page, Summary: "What it would come to", Request: action, Answers: shown()},
		{Pattern: "POST /ui/bulk", Tag: tag, Access: openapi.Page, Summary: "Act on many machines", Request: action, Answers: shown()},
	}
}

package ui

import (
	"slices"

	"bty/internal/web/openapi"
)

// Operations describes the routes of Register.
func Operations() []openapi.Operation {
	const tag = "pages"
	refused := []openapi.Answer{{Status: 422, Media: htmlType}, {Status: 413, Media: htmlType}}
	return slices.Concat(aboutFleet(), aboutBackups(), aboutNetboot(), aboutTFTP(), aboutDoctor(), aboutAccount(), aboutImages(), aboutCache(), []openapi.Operation{
		{Pattern: "GET /{$}", Tag: tag, Access: openapi.Open, Summary: "To the sign-in page", Answers: led()},
		{Pattern: "GET /ui", Tag: tag, Access: openapi.Open, Summary: "To the dashboard", Answers: led()},
		{Pattern: "GET /ui/login", Tag: tag, Access: openapi.Open, Summary: "The sign-in page", Answers: pageOr(303)},
		{Pattern: "POST /ui/login", Tag: tag, Access: openapi.Open, Summary: "Sign in: sets the cookie bty-token",
			Details: "A wrong password is answered 200 with the page again.", Request: openapi.Form(openapi.Field{Name: "password", Needed: true}),
			Answers: append(pageOr(303, 429, 503), refused...)},
		{Pattern: "POST /ui/logout", Tag: tag, Access: openapi.Open, Summary: "Sign out", Answers: led()},
		{Pattern: "GET /ui/session", Tag: tag, Access: openapi.Session, Summary: "Whether the caller is signed in", Answers: []openapi.Answer{openapi.Empty(204, "signed in")}},
		{Pattern: "GET /ui/dashboard", Tag: tag, Access: openapi.Page, Summary: "The dashboard", Answers: pageOr()},
		{Pattern: "GET /ui/machines", Tag: tag, Access: openapi.Page, Summary: "The machines", Answers: pageOr()},
		{Pattern: "POST /ui/machines", Tag: tag, Access: openapi.Page, Summary: "Add a machine by its MAC", Details: "One that is known already is left as it is.",
			Request: openapi.Form(openapi.Field{Name: "mac", Needed: true}), Answers: append(led(), openapi.Answer{Status: 413, Media: htmlType})},
		{Pattern: "POST /ui/machines/{mac}", Tag: tag, Access: openapi.Page, Summary: "Save a machine",
			Request: openapi.Form(openapi.Field{Name: "boot_mode"}, openapi.Field{Name: "bty_image_ref"}, openapi.Field{Name: "target_disk_serial"},
				openapi.Field{Name: "sanboot_drive"}, openapi.Field{Name: "kernel_words"}, openapi.Field{Name: "grow", Text: "yes, no, or nothing: as its image says, else [flash] grow"}, openapi.Field{Name: "verify", Text: "the same of [flash] verify"}, openapi.Field{Name: "labels", Text: "separated by commas"}),
			Answers: append(led(), openapi.Answer{Status: 413, Media: htmlType})},
		{Pattern: "GET /ui/machines/{mac}/delete", Tag: tag, Access: openapi.Page, Summary: "Asks before a machine is forgotten", Answers: pageOr(404)},
		{Pattern: "POST /ui/machines/{mac}/delete", Tag: tag, Access: openapi.Page, Summary: "Forget a machine", Answers: led()},
		{Pattern: "GET /ui/machines/{mac}", Tag: tag, Access: openapi.Page, Summary: "One machine", Answers: pageOr(404)},
		{Pattern: "GET /ui/machines/{mac}/row", Tag: tag, Access: openapi.Page, Summary: "One machine as a row of the list", Answers: pageOr(404)},
		{Pattern: "POST /ui/machines/{mac}/arm", Tag: tag, Access: openapi.Page, Summary: "Flash again", Answers: led()},
		{Pattern: "GET /ui/events", Tag: tag, Access: openapi.Page, Summary: "The audit log", Answers: pageOr()},
		{Pattern: "POST /ui/events/acknowledge", Tag: tag, Access: openapi.Page, Summary: "Acknowledge events, or take that back",
			Details: `A browser is led back to the log; everybody else is answered as JSON. acknowledged is "0", "false" or empty to take it back. Unknown ids are skipped.`,
			Request: openapi.Form(openapi.Field{Name: "ids", Needed: true}, openapi.Field{Name: "acknowledged"}),
			Answers: append(openapi.Answers(openapi.Encoded(200, marked{}), 422), openapi.Empty(303, "to another page"))},
		{Pattern: "GET /ui/api", Tag: tag, Access: openapi.Page, Summary: "The routes, for people", Query: []openapi.Param{{Name: "q", Text: "only routes that are like this"}}, Answers: pageOr()},
		{Pattern: "GET /ui/api/{operation}", Tag: tag, Access: openapi.Page, Summary: "One route, for people",
			Path: []openapi.Param{{Name: "operation", Text: "its operationId"}}, Answers: pageOr(404)},
		{Pattern: "GET /static/{path...}", Tag: tag, Access: openapi.Open, Summary: "Styles and scripts of the pages; HEAD is answered too",
			Answers: assets()},
	})
}

const htmlType = "text/html; charset=utf-8"

// pageOr is a page, or one of the errors, for people as a page and for programs as JSON. A script of
// a page is told that nobody is signed in; it is not led away.
func pageOr(others ...int) []openapi.Answer {
	list := append([]openapi.Answer{openapi.HTML()}, openapi.Refusals(401)...)
	for _, status := range others {
		if status < 400 {
			list = append(list, openapi.Empty(status, "to another page"))
			continue
		}
		list = append(list, openapi.Answer{Status: status, Media: htmlType})
		list = append(list, openapi.Refusals(status)...)
	}
	return list
}

// led is the answer of a form: to the page that shows the outcome.
func led() []openapi.Answer {
	return []openapi.Answer{openapi.Empty(303, "to the page that shows the outcome")}
}

func assets() []openapi.Answer {
	list := openapi.Refusals(404)
	for _, media := range []string{"text/css; charset=utf-8", "text/javascript; charset=utf-8", "image/svg+xml", "text/plain; charset=utf-8"} {
		list = append(list, openapi.Plain(media))
	}
	return append(list, openapi.Empty(206, "a range"), openapi.Empty(304, "not changed"), openapi.Empty(412, "If-Match or If-Unmodified-Since does not hold"), openapi.Answer{Status: 404, Media: "text/plain; charset=utf-8"}, openapi.Answer{Status: 404, Media: htmlType},
		openapi.Answer{Status: 416, Media: "text/plain; charset=utf-8"})
}

// aboutAccount describes the pages about settings and about who gets in.
func aboutAccount() []openapi.Operation {
	const tag = "settings"
	form := func(names ...string) openapi.Request {
		fields := make([]openapi.Field, len(names))
		for i, name := range names {
			fields[i].Name = name
		}
		return openapi.Form(fields...)
	}
	return []openapi.Operation{
		{Pattern: "GET /ui/settings", Tag: tag, Access: openapi.Page, Summary: "The settings", Answers: pageOr()},
		{Pattern: "POST /ui/settings/upstream", Tag: tag, Access: openapi.Page, Summary: "Save where things are fetched from",
			Request: form("netboot_repo", "netboot_tag", "catalog_url"), Answers: led()},
		{Pattern: "POST /ui/settings/backup", Tag: tag, Access: openapi.Page, Summary: "Save the schedule of backups",
			Request: form("backup_enabled", "backup_cadence", "backup_retention_count"), Answers: led()},
		{Pattern: "POST /ui/settings/display", Tag: tag, Access: openapi.Page, Summary: "Save the time zone of the pages", Request: form("display_timezone"), Answers: led()},
		{Pattern: "POST /ui/settings/events", Tag: tag, Access: openapi.Page, Summary: "Save how long events are kept", Request: form("events_keep_days"), Answers: led()},
		{Pattern: "POST /ui/settings/config/edit", Tag: tag, Access: openapi.Page, Summary: "Change a key of the configuration file",
			Details: "A blank value removes the key.", Request: form("section", "key", "value"), Answers: led()},
		{Pattern: "POST /ui/settings/stored/remove", Tag: tag, Access: openapi.Page, Summary: "Remove a stored value, so that the configuration's counts", Request: form("name"), Answers: led()},
		{Pattern: "GET /ui/account", Tag: tag, Access: openapi.Page, Summary: "Password, sessions and API tokens", Answers: pageOr()},
		{Pattern: "POST /ui/account/password", Tag: tag, Access: openapi.Page, Summary: "Change the password", Request: form("current", "new", "again"), Answers: led()},
		{Pattern: "GET /ui/account/sign-out", Tag: tag, Access: openapi.Page, Summary: "Ask before everybody is signed out", Answers: pageOr()},
		{Pattern: "POST /ui/account/sign-out", Tag: tag, Access: openapi.Page, Summary: "Sign everybody out", Answers: led()},
		{Pattern: "POST /ui/account/tokens", Tag: tag, Access: openapi.Page, Summary: "Make an API token: the answer shows its secret this once",
			Request: form("name", "scope", "days"), Answers: pageOr(303)},
		{Pattern: "GET /ui/account/tokens/{id}/revoke", Tag: tag, Access: openapi.Page, Summary: "Ask before a token is revoked", Answers: pageOr(404)},
		{Pattern: "POST /ui/account/tokens/{id}/revoke", Tag: tag, Access: openapi.Page, Summary: "Revoke a token", Answers: led()},
	}
}

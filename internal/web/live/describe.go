package live

import "bty/internal/web/openapi"

// Operations describes the routes of Register.
func Operations() []openapi.Operation {
	stream := openapi.Answers(openapi.Plain("text/event-stream; charset=utf-8"), 503)
	return []openapi.Operation{
		{Pattern: "GET /api/v1/stream", Tag: "events", Summary: "What happens, live, as server-sent events",
			Details: `"event" with an ID for each event, "progress" for how far a live environment is, "worker" for backups, fetches and new findings of the doctor, ` +
				`"hint" for which lists have changed and how many events ask for attention, "reload" when something was missed. ` +
				`Last-Event-ID, or ?after= without one, brings what came since. Much at once comes as one "reload" with the newest ID.`,
			Query: []openapi.Param{{Name: "after", Text: "the ID of the last event that is known"}}, Answers: stream},
		{Pattern: "GET /events/workers", Tag: "events", Summary: `The state of backups and fetches, live, as "worker-state-changed"`, Answers: stream},
		{Pattern: "GET /events/machines", Tag: "events", Summary: "Parts of the pages about machines and images, live, as HTML",
			Details: `"machines-update", "dashboard-machine" and "dashboard-images" at once, and again after changes, at most once a second.`, Answers: stream},
	}
}

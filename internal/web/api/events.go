package api

import (
	"net/http"
	"net/url"
	"strconv"

	"bty/internal/event"
	"bty/internal/web/body"
	"bty/internal/web/serve"
	"bty/internal/wire"
)

const (
	defaultLimit = 50
	maxLimit     = 500
)

type eventList struct {
	Events []wire.Event `json:"events"`
}

type acknowledged struct {
	ID           int64 `json:"id"`
	Acknowledged bool  `json:"acknowledged"`
}

func (c Config) listEvents(w http.ResponseWriter, r *http.Request) error {
	filter, err := readFilter(r.URL.Query())
	if err != nil {
		return err
	}
	found, err := c.Events.Events(filter)
	if err != nil {
		return err
	}
	shown := make([]wire.Event, len(found))
	for i, e := range found {
		shown[i] = wire.EventOf(e)
	}
	serve.JSON(w, http.StatusOK, eventList{shown})
	return nil
}

func readFilter(q url.Values) (event.Filter, error) {
	f := event.Filter{FailedOnly: q.Get("failed") != "", UnacknowledgedOnly: q.Get("unacknowledged") != "", Text: q.Get("q")}
	f.Kind = asked[event.Kind](q, "kind")
	f.SubjectKind = asked[event.Subject](q, "subject_kind")
	f.SubjectID = asked[string](q, "subject_id")
	f.Actor = asked[event.Actor](q, "actor")
	f.SourceIP = asked[string](q, "source_ip")
	before, err := number(q, "before_id", 0)
	if err != nil {
		return f, err
	}
	limit, err := number(q, "limit", defaultLimit)
	if err != nil {
		return f, err
	}
	f.Before, f.Limit = event.ID(max(before, 0)), int(min(max(limit, 1), maxLimit))
	return f, nil
}

func asked[T ~string](q url.Values, key string) *T {
	if !q.Has(key) {
		return nil
	}
	value := T(q.Get(key))
	return &value
}

func number(q url.Values, key string, absent int64) (int64, error) {
	if !q.Has(key) {
		return absent, nil
	}
	n, err := strconv.ParseInt(q.Get(key), 10, 64)
	if err != nil {
		return 0, body.Problems{{Type: "int_parsing", Loc: []any{"query", key},
			Message: "Input should be a valid integer, unable to parse string as an integer", Input: q.Get(key)}}
	}
	return n, nil
}

func (c Config) acknowledge(w http.ResponseWriter, r *http.Request) error {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil || id < 0 {
		return body.Problems{{Type: "int_parsing", Loc: []any{"path", "event_id"},
			Message: "Input should be a valid integer, unable to parse string as an integer", Input: r.PathValue("id")}}
	}
	if err := c.Events.Acknowledge(r.Context(), event.ID(id)); err != nil {
		return err
	}
	serve.JSON(w, http.StatusOK, acknowledged{id, true})
	return nil
}

package api

import (
	"net/http"
	"time"

	"bty/internal/fleet"
	"bty/internal/machine"
	"bty/internal/web/serve"
	"bty/internal/wire"
)

func (c Config) timeline(w http.ResponseWriter, r *http.Request) error {
	mac, err := typedMAC(r)
	if err != nil {
		return err
	}
	t, err := c.Fleet.Timeline(mac)
	if err != nil {
		return err
	}
	serve.JSON(w, http.StatusOK, Timeline(mac, t))
	return nil
}

// Timeline is a timeline in the shape of the wire.
func Timeline(mac machine.MAC, t fleet.Timeline) wire.Timeline {
	shown := wire.Timeline{MAC: mac, BeganAt: wire.Time(t.Began), Attempt: t.Attempt, Where: t.Where, Stages: make([]wire.TimelineStage, len(t.Stages))}
	for i, s := range t.Stages {
		shown.Stages[i] = wire.TimelineStage{Stage: string(s.Name), Title: s.Title, State: string(s.State), At: wire.Time(s.At), TookSeconds: seconds(s.Took),
			Details: s.Detail, WithinSeconds: seconds(s.Within), Causes: append([]string{}, s.Causes...), Try: s.Try}
	}
	return shown
}

func seconds(d time.Duration) *float64 {
	if d == 0 {
		return nil
	}
	s := d.Round(time.Millisecond).Seconds()
	return &s
}

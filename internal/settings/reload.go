package settings

import (
	"strings"

	"bty/internal/config"
	"bty/internal/fault"
	"bty/internal/message"
)

// Reloaded says what reading the configuration again has brought.
type Reloaded struct {
	Changed []string `json:"changed"`          // keys with another value than before
	Restart []string `json:"restart"`          // those of them that wait for a restart, and of what
	Reload  []string `json:"reload,omitempty"` // those of them that wait for a reload of another daemon, and of which
}

// String is the outcome in one line.
func (r Reloaded) String() string {
	switch {
	case len(r.Changed) == 0:
		return "nothing has changed"
	case len(r.Restart)+len(r.Reload) == 0:
		return "in force: " + strings.Join(r.Changed, ", ")
	}
	text := "changed: " + strings.Join(r.Changed, ", ")
	if len(r.Restart) > 0 {
		text += "; needs a restart: " + strings.Join(r.Restart, ", ")
	}
	if len(r.Reload) > 0 {
		text += "; needs a reload: " + strings.Join(r.Reload, ", ")
	}
	return text
}

// Reload reads the configuration again from where it came from. One that is not valid changes
// nothing, and the error says why.
func (s *Settings) Reload() (Reloaded, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reload()
}

func (s *Settings) reload() (Reloaded, error) {
	next, warnings, err := config.Load(s.Started.Source())
	if err != nil {
		return Reloaded{}, fault.Wrap(fault.Rejected, err, "%v; the configuration in force stays", err)
	}
	for _, w := range warnings {
		s.Log.Warn(config.Doubtful, message.ConfigDoubtful, "err", w)
	}
	outcome := Reloaded{Changed: []string{}, Restart: []string{}}
	for _, k := range config.Keys() {
		if k.Value(next) == k.Value(s.loaded) {
			continue
		}
		outcome.Changed = append(outcome.Changed, k.String())
		if unit := k.Restart(); unit != "" {
			outcome.Restart = append(outcome.Restart, k.String()+" (of "+unit+")")
		}
		if unit := k.Reload(); unit != "" {
			outcome.Reload = append(outcome.Reload, k.String()+" (of "+unit+")")
		}
	}
	s.loaded = next
	s.put()
	return outcome, nil
}

// Pending lists the keys whose new value waits for a restart since the process started.
func (s *Settings) Pending() (keys []config.Key) {
	loaded := s.Loaded()
	for _, k := range config.Keys() {
		if k.Restart() != "" && k.Value(loaded) != k.Value(s.Started) {
			keys = append(keys, k)
		}
	}
	return keys
}

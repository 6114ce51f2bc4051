package daemon

import (
	"log/slog"
	"os"
	"strings"

	"bty/internal/message"
	"bty/internal/systemd"
)

// Right is something that a daemon must not be able to do once its unit has started it.
type Right struct {
	Name      string      // what could be done
	Directive string      // of the unit, that takes it away
	Held      func() bool // tries it, in a form that changes nothing where it can be done
}

// ProveDropped tries what the unit should have made impossible, and says in one line that all of it
// is, or what is not and which directive is missing. A right that is left stops nothing: an operator
// may have given it back. Outside of a service nothing is tried: there it is no news.
func ProveDropped(log *slog.Logger, getenv func(string) string, more ...Right) {
	if !systemd.IsService(getenv) {
		log.Debug("not started by systemd: the rights of this process are those of who started it")
		return
	}
	var gone, held []string
	for _, r := range append(rights(readStatus()), more...) {
		if r.Held() {
			held = append(held, r.Name+" ("+r.Directive+")")
		} else {
			gone = append(gone, r.Name)
		}
	}
	if len(held) > 0 {
		log.Warn("this daemon can do what its unit should forbid; look for a drop-in that gives it back: systemctl cat", message.RightsLeft,
			"can", strings.Join(held, ", "))
		return
	}
	log.Info("tried and found impossible, as it must be", message.RightsDropped, "rights", strings.Join(gone, ", "))
}

// status is /proc/self/status by field; what cannot be read is "", and then nothing is proven.
type status map[string]string

func readStatus() status {
	s := make(status)
	text, _ := os.ReadFile("/proc/self/status") // see status
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		s[name] = strings.TrimSpace(value)
	}
	return s
}

func (s status) not(name, want string) bool { return s[name] != want }

// capable reports whether any of the five sets of capabilities has one.
func (s status) capable() bool {
	const none = "0000000000000000"
	for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
		if s.not(set, none) {
			return true
		}
	}
	return false
}

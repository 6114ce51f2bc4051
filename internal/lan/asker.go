package lan

import (
	"slices"
	"time"

	"bty/internal/machine"
	"bty/internal/wire"
)

const (
	// maxPrograms bounds what one machine can have asking: PXE, HTTP Boot, iPXE, an installer, a system.
	maxPrograms = 6
	// answerTime is the longest that a server takes.
	answerTime = 15 * time.Second
	// aMoment is by how much a report may have a request and its answer in the wrong order.
	aMoment = 50 * time.Millisecond
)

// asks remembers which program of a machine asked, the newest first.
func (l *Memory) asks(mac machine.MAC, s wire.Sighting) {
	known, _ := l.programs.get(mac)
	list := []wire.Sighting{s}
	for _, before := range known {
		switch {
		case before.Class != s.Class || before.UserClass != s.UserClass:
			list = append(list, before)
		case before.At.After(s.At):
			return // s is reported late
		}
	}
	slices.SortStableFunc(list, func(a, b wire.Sighting) int { return b.At.Compare(a.At) })
	list = list[:min(len(list), maxPrograms)]
	l.programs.put(mac, list, list[0].At)
}

// asked is the program that an answer is for: the last that asked before it, else the nearest, as a
// report has but the last of several requests. It is nil if none was seen.
func (l *Memory) asked(mac machine.MAC, at time.Time) *wire.Asker {
	list, _ := l.programs.get(mac)
	var nearest *wire.Sighting
	for i, s := range list {
		if before := at.Sub(s.At); before > -aMoment && before < answerTime {
			nearest = &list[i]
			break
		}
		if apart := s.At.Sub(at).Abs(); apart < answerTime && (nearest == nil || apart < nearest.At.Sub(at).Abs()) {
			nearest = &list[i]
		}
	}
	if nearest == nil {
		return nil
	}
	asker := nearest.Asker()
	return &asker
}

package ui

import (
	"fmt"
	"html/template"
	"net/url"
	"regexp"
	"strings"
	"time"

	"bty/internal/backup"
	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/fleet"
	"bty/internal/machine"
	"bty/internal/origin"
	"bty/internal/release"
	"bty/internal/settings"
	"bty/internal/wire"
)

// functions are what the templates call to show values.
func (s surface) functions() template.FuncMap {
	return template.FuncMap{
		"icon": icon, "asset": s.static.url, "size": size, "rate": func(n float64) string { return size(n) + "/s" },
		"percent": percent, "linkify": linkify, "column": column, "chip": chip, "mode": modeBadge, "state": stateBadge,
		"stamp": s.stamp, "clock": s.clock, "ago": s.ago, "zone": func() string { return s.local(s.Now()).Format("MST") },
		"progress": func(mac machine.MAC, p *fleet.Progress) progress { return progress{mac, p} },
		"empty":    func(title, text, url, button string) emptyState { return emptyState{title, text, url, button} },
		"events":   func(list []event.Event, more string) eventList { return eventList{list, more} },
		"kind":     func(k event.Kind) badge { return kindBadge(k) },
		"join":     strings.Join,
		"stored": func(field, label, about string, v settings.Value) storedField {
			return storedField{field, label, about, v}
		},
		"choices": choices, "plural": plural, "took": took, "redact": origin.Redact,
		"imageLine": func(i imageRow, cache bool) imageLine { return imageLine{i, cache} },
		"plural64":  func(n int64, one, many string) string { return plural(int(n), one, many) },
		"isoTime":   func(t wire.IsoTime) time.Time { return time.Time(t) },
		"gib":       func(n uint64) string { return fmt.Sprintf("%.4g GiB", float64(n)/(1<<30)) },
		"has":       s.has,
		"job":       jobBadge, "readiness": readiness, "tftp": tftpBadge, "daemon": daemonBadge, "why": release.Why,
		"backupURL":   func(id any, act string) string { return backupURL(backup.ID(fmt.Sprint(id)), act) },
		"backupState": backupBadge, "failure": whyFailed, "whyNot": fault.Public,
		"bootPath": bootFilePath, "bootURL": func(name string) string { return "/boot/" + url.PathEscape(name) },
	}
}

func (s surface) local(t time.Time) time.Time { return t.In(s.Zone()) }

// stamp is a time in full, in the display zone; the title has it as it is stored.
func (s surface) stamp(t time.Time) template.HTML {
	if t.IsZero() {
		return `<span class="none">never</span>`
	}
	return timeTag(t, s.local(t).Format("2006-01-02 15:04:05 MST"))
}

// clock is the time of day alone, for what lies beside a stamp; the title has all of it.
func (s surface) clock(t time.Time) template.HTML {
	return timeTag(t, s.local(t).Format("15:04:05"))
}

// ago is how long ago it was; the title has the stamp.
func (s surface) ago(t time.Time) template.HTML {
	if t.IsZero() {
		return `<span class="none">never</span>`
	}
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s" data-ago>%s</time>`, iso(t),
		s.local(t).Format("2006-01-02 15:04:05 MST"), since(s.Now().Sub(t))))
}

func iso(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z07:00") }

func timeTag(t time.Time, text string) template.HTML {
	return template.HTML(fmt.Sprintf(`<time datetime="%s" title="%s">%s</time>`, iso(t), iso(t), template.HTMLEscapeString(text)))
}

// since is a duration for people, as live.js says it too.
func since(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return "just now"
	case d < time.Minute:
		return fmt.Sprintf("%d s ago", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h ago", int(d.Hours()))
	}
	return fmt.Sprintf("%d days ago", int(d.Hours()/24))
}

// size shows bytes in decimal units.
func size(n any) string {
	var bytes float64
	switch n := n.(type) {
	case int:
		bytes = float64(n)
	case int64:
		bytes = float64(n)
	case uint64:
		bytes = float64(n)
	case float64:
		bytes = n
	}
	return machine.DecimalSize(bytes)
}

func percent(done, total int64) int64 {
	return int64(min(100, 100*float64(done)/float64(max(1, total))))
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

var linkPattern = regexp.MustCompile(`https?://[^\s<>"']+|\b[0-9a-f]{2}(?::[0-9a-f]{2}){5}\b`)

// linkify makes links of the MACs and URLs in a summary; all else is text.
func linkify(text string) template.HTML {
	var b strings.Builder
	last := 0
	for _, at := range linkPattern.FindAllStringIndex(text, -1) {
		b.WriteString(template.HTMLEscapeString(text[last:at[0]]))
		found := template.HTMLEscapeString(text[at[0]:at[1]])
		if strings.HasPrefix(found, "http") {
			fmt.Fprintf(&b, `<a href="%s" rel="noreferrer">%s</a>`, found, found)
		} else {
			fmt.Fprintf(&b, `<a class="mac" href="/ui/machines/%s">%s</a>`, found, found)
		}
		last = at[1]
	}
	b.WriteString(template.HTMLEscapeString(text[last:]))
	return template.HTML(b.String())
}

// emptyState is what a list without rows says: what to do first.
type emptyState struct{ Title, Text, URL, Button string }

// eventList is the last events of a subject, and where all of them are.
type eventList struct {
	Events []event.Event
	More   string
}

// storedField is a stored setting as a form shows it: blank means what counts without it.
type storedField struct {
	Field, Label, About string
	Value               settings.Value
}

// progress is how far a machine's live environment is.
type progress struct {
	MAC machine.MAC
	Now *fleet.Progress // nil while none is at work
}

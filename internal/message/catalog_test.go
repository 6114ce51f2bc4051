package message

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"bty/internal/event"
	"bty/internal/testenv/msgcatalog"
)

func catalog(t *testing.T) map[string]msgcatalog.Entry {
	t.Helper()
	entries, err := msgcatalog.Read("../../" + msgcatalog.Path)
	if err != nil {
		t.Fatal(err)
	}
	byID := map[string]msgcatalog.Entry{}
	for _, e := range entries {
		if _, twice := byID[e.ID]; twice {
			t.Errorf("%s stands twice in the catalog", e.ID)
		}
		byID[e.ID] = e
	}
	return byID
}

// classes are all ids of the code and what they are for.
func classes(t *testing.T) map[string]string {
	t.Helper()
	names := map[string]string{}
	add := func(id, name string) {
		if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(id) || names[id] != "" {
			t.Errorf("%s has the id %q; that of %q", name, id, names[id])
		}
		names[id] = name
	}
	for name, id := range notices(t) {
		add(id, name)
	}
	for kind, class := range ofKind {
		add(class.Value.String(), string(kind))
	}
	return names
}

// Each kind of event but the two that are never told has a class.
func TestEveryKindHasAClass(t *testing.T) {
	for _, k := range event.Kinds {
		class := OfEvent(event.Event{Kind: k})
		if told := k != event.ContactsFolded && k != event.BackupRestored; told != (class.Key == Key) || told != (OfKind(k).Key == Key) {
			t.Errorf("%s: %v", k, class)
		}
	}
	if len(ofKind) != len(event.Kinds)-2 {
		t.Errorf("%d classes for %d kinds", len(ofKind), len(event.Kinds))
	}
}

// The catalog and the code have the same ids, and each entry says what it must.
func TestCatalogExplainsEveryClass(t *testing.T) {
	entries, names := catalog(t), classes(t)
	for id, name := range names {
		e, ok := entries[id]
		switch {
		case !ok:
			t.Errorf("the catalog does not explain %s, %s", name, id)
		case e.Subject == "" || e.DefinedBy != "bty" || !strings.HasPrefix(e.Documentation, "man:") || len(strings.TrimSpace(e.Text)) < 10:
			t.Errorf("the entry of %s is not whole: %+v", name, e)
		}
	}
	for id, e := range entries {
		if names[id] == "" {
			t.Errorf("the catalog explains %s (%s), which no code sends", id, e.Subject)
		}
	}
}

// What asks for the operator's attention names the way out.
func TestProblemsNameTheWayOut(t *testing.T) {
	entries, ids := catalog(t), notices(t)
	for _, k := range event.Kinds {
		if id := OfKind(k).Value.String(); k.Alarms() && !strings.Contains(entries[id].Text, msgcatalog.WhatToDo) {
			t.Errorf("%s alarms, and its entry does not say what to do", k)
		}
	}
	explained := map[string]bool{
		// Each says where it leads, and a warning only so that it is seen.
		"RestoreBegins": true, "RequestsCut": true,
	}
	for _, s := range sites(t) {
		id := ids[s.name]
		if s.problem && id != "" && !explained[s.name] && !strings.Contains(entries[id].Text, msgcatalog.WhatToDo) {
			t.Errorf("%s warns of %s, whose entry does not say what to do", s.at, s.name)
		}
	}
}

// Every notice is sent by some code, and every site sends what the entry of its class puts into its
// text. For the events, the tests of cmd/bty-web compare what was sent.
func TestSitesSendWhatTheCatalogNames(t *testing.T) {
	entries, ids := catalog(t), notices(t)
	sent := map[string]bool{}
	for _, s := range sites(t) {
		sent[s.name] = true
		id, isNotice := ids[s.name]
		if !isNotice {
			continue
		}
		for _, f := range entries[id].Fields {
			if !s.fields[f] && s.name != "Flood" { // whose count package flood adds
				t.Errorf("%s: the entry of %s names %s, which is not sent; there are %v", s.at, s.name, f, slices.Sorted(maps.Keys(s.fields)))
			}
		}
	}
	if len(sent) < 30 {
		t.Errorf("only %d classes were found in the code: %v", len(sent), sent)
	}
	for name := range ids {
		if !sent[name] && name != "Ended" && name != "LinesLost" { // what OfError says of an error without a class; the journal of itself
			t.Errorf("no code sends %s", name)
		}
	}
}

// Each warning and error of a daemon has a class, and so an explanation.
func TestEveryWarningHasAClass(t *testing.T) {
	n := 0
	for _, s := range sites(t) {
		if s.problem {
			n++
		}
		if s.problem && s.name == "" {
			t.Errorf("%s warns without a class: give it one of internal/message, or a new one that the catalog explains", s.at)
		}
	}
	if n < 30 {
		t.Errorf("only %d warnings were found in the code", n)
	}
}

// journalctl compiles the file without a word, and finds each entry in it.
func TestJournalctlTakesTheCatalog(t *testing.T) {
	if _, err := exec.LookPath("journalctl"); err != nil {
		t.Fatal("journalctl is missing: apt-get install systemd")
	}
	root := t.TempDir()
	source, err := os.ReadFile("../../" + msgcatalog.Path)
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"usr/lib/systemd/catalog", "var/lib/systemd/catalog"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(root, "usr/lib/systemd/catalog/bty.catalog"), source, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("journalctl", "--root="+root, "--update-catalog").CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("%v: %s", err, out)
	}
	out, err := exec.Command("journalctl", "--root="+root, "--dump-catalog").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for id, name := range classes(t) {
		if !strings.Contains(string(out), "-- "+id+"\n") {
			t.Errorf("journalctl lost %s, %s", name, id)
		}
	}
}

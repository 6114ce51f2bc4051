package deploy

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// A run that is cut off right after it has begun leaves files of the run before. The next run writes
// them: nobody has edited them. What somebody did edit is left.
func TestCutOffBeforeWriting(t *testing.T) {
	for name, tt := range map[string]struct {
		there string
		edits bool
	}{"as it was": {"old", false}, "written": {"new", false}, "edited": {"mine", true}} {
		root := t.TempDir()
		const dir, path = "/opt/bty", "/etc/bty/x.conf"
		before := Record{State: Deployed, Files: []Written{{path, digest("old")}}}
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := before.write(filepath.Join(root, dir)); err != nil {
			t.Fatal(err)
		}
		files := []File{{Path: path, Content: "new", Mode: 0o644, Kind: "settings"}}
		meant := Record{State: Deploying, Files: []Written{{path, digest("new")}}}
		if err := begin(meant, dir).do(t.Context(), &Engine{Root: root}); err != nil {
			t.Fatal(err)
		}
		if meant.Files[0].Digest != digest("new") {
			t.Error("what is to be noted in the end was changed")
		}
		left, err := ReadRecord(filepath.Join(root, dir))
		if err != nil {
			t.Fatal(err)
		}
		d := &planner{Observed: Observed{Record: left, Files: map[string]string{path: digest(tt.there)}}, plan: &Plan{}, files: files, left: map[string]bool{}}
		d.writeFiles()
		writes := len(d.plan.Steps) == 1
		if writes != (tt.there == "old") || d.left[path] != tt.edits || (len(d.plan.Warnings) > 0) != tt.edits {
			t.Errorf("%s: steps %v, left %v, warnings %v", name, d.plan.Steps, d.left, d.plan.Warnings)
		}
	}
}

// Two runs at one time would each make a password.
func TestOneAtATime(t *testing.T) {
	root := t.TempDir()
	first, second := &Engine{Root: root}, &Engine{Root: root}
	if err := begin(Record{}, "/opt/bty").do(context.Background(), first); err != nil {
		t.Fatal(err)
	}
	if err := begin(Record{}, "/opt/bty").do(context.Background(), second); err == nil || !strings.Contains(err.Error(), "another bty-lab works on /opt/bty") {
		t.Errorf("%v", err)
	}
	first.unlock()
	// A plan that was made before the first run is of what is not there any more.
	if err := begin(Record{}, "/opt/bty").do(context.Background(), second); err == nil || !strings.Contains(err.Error(), "since this one looked") {
		t.Errorf("%v", err)
	}
	second.unlock()
	now, err := ReadRecord(filepath.Join(root, "/opt/bty"))
	if err != nil {
		t.Fatal(err)
	}
	if err := begin(Record{At: now.At}, "/opt/bty").do(context.Background(), second); err != nil {
		t.Error(err)
	}
}

// A hash that no password matches is refused before anything is done.
func TestReadPassword(t *testing.T) {
	path := filepath.Join(t.TempDir(), "password")
	for text, want := range map[string]string{"hunter2\n": "", "": "one line", "a\nb\n": "one line", "$argon2id$broken": "cannot be used"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := ReadPassword(path)
		if want == "" && (err != nil || got != "hunter2") || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

// What was deployed once is not brought to another release by a run that follows one that was cut off;
// what never came to its end may be.
func TestVersionAfterCutOff(t *testing.T) {
	w := Wanted{Dir: "/opt/bty", Version: "2.0"}
	for name, tt := range map[string]struct {
		end  bool
		want string
	}{"deployed before": {true, "1.0"}, "the first run": {false, "2.0"}} {
		root := t.TempDir()
		meant := Record{State: Deploying, Site: Site{Mode: Quadlet, Version: "1.0"}, By: "1.0"}
		if tt.end {
			before := meant
			before.State, before.Since = Deployed, time.Unix(1_800_000_000, 0)
			if err := os.MkdirAll(filepath.Join(root, w.Dir), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := before.write(filepath.Join(root, w.Dir)); err != nil {
				t.Fatal(err)
			}
		}
		if err := begin(meant, w.Dir).do(t.Context(), &Engine{Root: root}); err != nil {
			t.Fatal(err)
		}
		left, err := ReadRecord(filepath.Join(root, w.Dir))
		if err != nil || left.State != Deploying {
			t.Fatal(left, err)
		}
		if got := version(Observed{Record: left}, w, Quadlet); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
}

// What a run is to remove is not forgotten by one that is cut off before it does.
func TestRemovesAfterCutOff(t *testing.T) {
	root, w := t.TempDir(), Wanted{Dir: "/opt/bty", Version: "1.2.3"}
	o := deployed(podmanHost(), w)
	w.Without = []string{"bty-cache"}
	p, err := Deploy(o, w)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Steps[0].do(context.Background(), &Engine{Root: root}); err != nil { // and then it is killed
		t.Fatal(err)
	}
	if o.Record, err = ReadRecord(filepath.Join(root, w.Dir)); err != nil || o.recorded(quadletDir+"bty-cache.container") == nil {
		t.Fatalf("the record has lost it: %v", err)
	}
	again, err := Deploy(o, w)
	if err != nil || !slices.ContainsFunc(again.Steps, func(s Step) bool { return s.Name == "remove" && strings.Contains(s.Detail, "bty-cache.container") }) {
		t.Errorf("the next run does not remove it: %v, %v", again.Steps, err)
	}
}

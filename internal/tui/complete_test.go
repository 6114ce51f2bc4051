package tui

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"strings"
	"testing"

	"bty/internal/flash"
)

// declared are the names of a package of the flasher that begin in one way.
func declared(t *testing.T, prefix string) (names []string) {
	t.Helper()
	for _, file := range []string{"errors.go", "progress.go"} {
		parsed, err := parser.ParseFile(token.NewFileSet(), "../flash/"+file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok {
				for _, name := range spec.Names {
					if strings.HasPrefix(name.Name, prefix) {
						names = append(names, name.Name)
					}
				}
			}
			return true
		})
	}
	slices.Sort(names)
	return names
}

// Each kind of failure that the flasher has comes with a next step of its own: one that is new there
// must get one here.
func TestEachFailureHasAdvice(t *testing.T) {
	kinds := map[string]error{
		"ErrNoDisk": flash.ErrNoDisk, "ErrDiskBusy": flash.ErrDiskBusy, "ErrOrigin": flash.ErrOrigin, "ErrImage": flash.ErrImage, "ErrTooLarge": flash.ErrTooLarge,
		"ErrDigest": flash.ErrDigest, "ErrWrite": flash.ErrWrite, "ErrVerify": flash.ErrVerify, "ErrCancelled": flash.ErrCancelled,
		"ErrRequest": flash.ErrRequest, // which a wizard never makes
	}
	if names := slices.Sorted(maps.Keys(kinds)); !slices.Equal(names, declared(t, "Err")) {
		t.Fatalf("the flasher has %v, this test %v", declared(t, "Err"), names)
	}
	said := map[string]string{}
	delete(kinds, "ErrRequest") // it has what is said where nothing fits
	for name, kind := range kinds {
		text := adviceFor(&flash.Error{Kind: kind, Err: kind})
		if other, twice := said[text]; twice {
			t.Errorf("%s and %s have the same advice: %s", name, other, text)
		}
		said[text] = name
	}
	defect := adviceFor(&flash.Error{Kind: flash.ErrWrite, Err: &flash.Defect{Part: "a writer", Panic: "index out of range"}})
	if !strings.Contains(defect, "helps whoever mends bty") {
		t.Errorf("a part of the flash that panics has the advice of its kind: %s", defect)
	}
}

// Each stage is said in words.
func TestEachStageHasWords(t *testing.T) {
	stages := map[string]string{"StageOpen": flash.StageOpen, "StageWrite": flash.StageWrite, "StageSync": flash.StageSync, "StageVerify": flash.StageVerify, "StageTable": flash.StageTable, "StageOrigin": flash.StageOrigin}
	if names := slices.Sorted(maps.Keys(stages)); !slices.Equal(names, declared(t, "Stage")) {
		t.Fatalf("the flasher has %v, this test %v", declared(t, "Stage"), names)
	}
	for name, stage := range stages {
		if text := stageText(flash.Progress{Stage: stage}); text == stage || text == "" {
			t.Errorf("%s: %q", name, text)
		}
	}
}

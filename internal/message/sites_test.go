package message

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// site is one place in the code that writes a line with a class.
type site struct {
	at      string // file:line
	name    string // of the class: "ReloadFailed", or "event.BackupFailed" for OfKind
	problem bool   // it is written as a warning or an error, or ends a daemon
	fields  map[string]bool
}

// sites reads them from the source of all programs.
func sites(t *testing.T) (found []site) {
	t.Helper()
	for _, dir := range []string{"../../cmd", "../../internal"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					if s, ok := siteOf(call); ok && (s.name != "" || inDaemon(path)) {
						s.at = set.Position(call.Pos()).String()
						found = append(found, s)
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

func siteOf(call *ast.CallExpr) (s site, ok bool) {
	fun, isMethod := call.Fun.(*ast.SelectorExpr)
	if !isMethod {
		return s, false
	}
	at := -1
	for i, arg := range call.Args {
		if name := className(arg); name != "" {
			at, s.name = i, name
		}
	}
	switch fun.Sel.Name {
	case "Warn", "Error", "Mark":
		s.problem = true
	case "Debug", "Info", "Log", "New": // flood.New takes the class of its own line
	default:
		return s, false
	}
	if at < 0 {
		return s, s.problem && isLogger(fun.X) && len(call.Args) > 0
	}
	s.fields = map[string]bool{}
	for rest := call.Args[at+1:]; len(rest) > 0; {
		if key, isKey := text(rest[0]); isKey && len(rest) > 1 {
			s.fields[field(key, rest[1])] = true
			rest = rest[2:]
			continue
		}
		rest = rest[1:] // an attribute of its own, which may lack
	}
	return s, true
}

// inDaemon reports whether a file is part of what writes to the journal: not of the live environment,
// whose log is a screen, nor of the tests' world, nor of this package and its neighbours.
func inDaemon(path string) bool {
	for _, other := range []string{"cmd/bty/", "internal/liveenv/", "internal/agent/", "internal/testenv/", "internal/flood/"} {
		if strings.Contains(filepath.ToSlash(path), other) {
			return false
		}
	}
	return true
}

// isLogger reports whether a method is that of a log: log, x.Log, x.Journal.
func isLogger(e ast.Expr) bool {
	name := ""
	switch e := e.(type) {
	case *ast.Ident:
		name = e.Name
	case *ast.SelectorExpr:
		name = e.Sel.Name
	}
	return slices.Contains([]string{"log", "Log", "logger", "slog", "Journal", "journal", "strangers", "Strangers", "refused"}, name)
}

// field is the name of an attribute in the journal.
func field(key string, _ ast.Expr) string { return "BTY_" + strings.ToUpper(key) }

// className is X of message.X, and event.X of message.OfKind(event.X).
func className(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.SelectorExpr:
		if isPackage(e.X, "message") {
			return e.Sel.Name
		}
	case *ast.CallExpr:
		fun, ok := e.Fun.(*ast.SelectorExpr)
		if !ok || !isPackage(fun.X, "message") || fun.Sel.Name != "OfKind" || len(e.Args) != 1 {
			return ""
		}
		if kind, ok := e.Args[0].(*ast.SelectorExpr); ok {
			return "event." + kind.Sel.Name
		}
	}
	return ""
}

func isPackage(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == name
}

func text(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return s, err == nil
}

// notices are the ids that notices.go declares, by name.
func notices(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "notices.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]string{}
	for _, decl := range file.Decls {
		for _, spec := range decl.(*ast.GenDecl).Specs {
			v := spec.(*ast.ValueSpec)
			id, ok := text(v.Values[0].(*ast.CallExpr).Args[0])
			if !ok || len(v.Names) != 1 {
				t.Fatalf("%v is not written as the others are", v.Names)
			}
			ids[v.Names[0].Name] = id
		}
	}
	return ids
}

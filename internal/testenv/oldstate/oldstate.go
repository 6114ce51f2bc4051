// Package oldstate makes databases of the previous system with SQLite itself.
package oldstate

import (
	"database/sql"
	"embed"
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite" // the driver
)

//go:embed *.sql
var texts embed.FS

//go:embed withcache.toml
var catalog []byte

// Catalog is the catalog.toml that withcache holds for Site from 0.66 on.
func Catalog() []byte { return catalog }

// The shapes that its releases have, on top of each other, and what is in them.
const (
	V65  = "schema-0.65.sql"
	To57 = "to-0.57.sql"
	To77 = "to-0.77.sql"
	Site = "site.sql"
)

// Make makes a state.db in a folder of its own. Each text is one of the files here, or SQL.
func Make(t testing.TB, parts ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state.db")
	Fill(t, path, parts...)
	return path
}

// Fill runs texts in the database at path.
func Fill(t testing.TB, path string, parts ...string) {
	t.Helper()
	db := Open(t, path)
	defer db.Close()
	for _, part := range parts {
		if file, err := texts.ReadFile(part); err == nil {
			part = string(file)
		}
		if _, err := db.Exec(part); err != nil {
			t.Fatalf("%v in %.200s", err, part)
		}
	}
}

// Open opens the database at path as the previous system does, on one connection.
func Open(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	return db
}

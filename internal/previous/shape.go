package previous

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// table is one of the previous system: columns that all known releases have, and those that some
// have.
type table struct {
	always, sometimes string
	optional          bool // some releases do not have the table
}

// tables are those of the releases 0.33 to 0.77. Until 0.57 machines had a hostname and no labels;
// from 0.66 on withcache holds the catalog.
var tables = map[string]table{
	"machines": {always: "mac bty_image_ref discovered_at last_seen_at last_seen_ip boot_mode sanboot_drive last_flashed_at saw_flasher_boot " +
		"known_disks known_disks_at hw_lshw hw_lshw_at target_disk_serial created_at updated_at", sometimes: "hostname"},
	"machine_labels":  {always: "mac label", optional: true},
	"catalog_entries": {always: "bty_image_ref src resolved_src disk_image_sha name sha_url format size_bytes description added_at", optional: true},
	"settings":        {always: "key value updated_at"},
	"events":          {always: "id ts kind subject_kind subject_id actor source_ip summary details acknowledged"},
	"bty_version":     {always: "version"},
}

// shape compares the tables with those that are known. State that nobody here knows how to read
// must not be left behind in silence.
func (r *reader) shape() error {
	names, err := r.strings("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name")
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return &ShapeError{"it has no tables"}
	}
	r.columns = map[string]map[string]bool{}
	for _, name := range names {
		t, known := tables[name]
		if !known {
			return &ShapeError{fmt.Sprintf("it has a table %.60q, which is not known", name)}
		}
		if r.columns[name], err = r.columnsOf(name, t); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(tables)) {
		if r.columns[name] == nil && !tables[name].optional {
			return &ShapeError{fmt.Sprintf("it has no table %q", name)}
		}
	}
	return nil
}

func (r *reader) columnsOf(name string, t table) (map[string]bool, error) {
	list, err := r.strings("SELECT name FROM pragma_table_info(?)", name)
	if err != nil {
		return nil, err
	}
	there := map[string]bool{}
	for _, column := range list {
		there[column] = true
		if !slices.Contains(strings.Fields(t.always+" "+t.sometimes), column) {
			return nil, &ShapeError{fmt.Sprintf("its table %s has a column %.60q, which is not known", name, column)}
		}
	}
	for _, column := range strings.Fields(t.always) {
		if !there[column] {
			return nil, &ShapeError{fmt.Sprintf("its table %s has no column %q", name, column)}
		}
	}
	return there, nil
}

// version notes which release wrote the file. Its shape has been settled already.
func (r *reader) version() error {
	versions, err := r.strings("SELECT CAST(version AS TEXT) FROM bty_version")
	if err != nil {
		return err
	}
	if len(versions) != 1 {
		return &ShapeError{fmt.Sprintf("it names %d versions of bty that wrote it, and there is one", len(versions))}
	}
	r.state.MadeBy = clip(versions[0])
	return nil
}

func (r *reader) strings(query string, args ...any) ([]string, error) {
	rows, err := r.tx.QueryContext(r.ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, rows.Err()
}

package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"

	"bty/internal/wire"
)

// bundleName is the file of the portable bundle in a folder.
const bundleName = "inventory.json"

// Export writes the hardware of all machines to dir/inventory.json, which it makes or replaces in
// one step, and returns how many machines there are.
func Export(ctx context.Context, c *Control, dir string) (machines int, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, fmt.Errorf("make the folder of the export: %w", err)
	}
	file, err := os.CreateTemp(dir, "."+bundleName+"-")
	if err != nil {
		return 0, err
	}
	defer os.Remove(file.Name()) // once it has its name there is none under this one
	_, err = c.Fetch(ctx, "/api/v1/export", file)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return 0, err
	}
	if machines, err = countMachines(file.Name()); err != nil {
		return 0, err
	}
	return machines, os.Rename(file.Name(), filepath.Join(dir, bundleName))
}

func countMachines(path string) (int, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	var bundle struct{ Machines []struct{} }
	if err := json.Unmarshal(raw, &bundle); err != nil {
		return 0, fmt.Errorf("the server sent no whole bundle: %w", err)
	}
	return len(bundle.Machines), nil
}

// sqliteMagic begins a database of the previous system.
var sqliteMagic = []byte("SQLite format 3\x00")

// Import sends the bundle at path, a folder with inventory.json or the file itself.
func Import(ctx context.Context, c *Control, path string, replace bool) (report wire.ImportReport, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return report, fmt.Errorf("%w; give the folder of an export or a backup", err)
	}
	if info.IsDir() {
		path = filepath.Join(path, bundleName)
	}
	file, err := os.Open(path)
	if err != nil {
		return report, fmt.Errorf("%w; give the folder of an export or a backup", err)
	}
	defer file.Close()
	head := make([]byte, len(sqliteMagic))
	if _, err := io.ReadFull(file, head); err == nil && bytes.Equal(head, sqliteMagic) {
		return report, fmt.Errorf("%s is a database of the previous bty; take it over with: bty-lab import %s", path, path)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return report, err
	}
	if info, err = file.Stat(); err != nil {
		return report, err
	}
	query := url.Values{"source": {path}}
	if replace {
		query.Set("replace", "1")
	}
	err = c.Send(ctx, http.MethodPost, "/api/v1/import?"+query.Encode(), "application/octet-stream", file, info.Size(), &report)
	return report, err
}

// PrintImport writes what became of each machine that was not simply taken, and the sums.
func PrintImport(w io.Writer, r wire.ImportReport) error {
	for _, row := range r.Rows {
		if row.Reason == "" || row.Outcome == "unchanged" {
			continue
		}
		if _, err := fmt.Fprintf(w, "%s: %s: %s\n", row.MAC, row.Outcome, row.Reason); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%d machines imported: %d created, %d merged, %d replaced, %d unchanged; %d rejected\n",
		r.Machines, r.Created, r.Merged, r.Replaced, r.Unchanged, r.Rejected)
	return err
}

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"bty/internal/build"
	"bty/internal/client"
	"bty/internal/config"
	"bty/internal/support"
)

// supportTime is how long bty-web may take to answer a question of the bundle's.
const supportTime = 3 * time.Second

// supportSources are the files of the bundle.
func (a *appliance) supportSources(server *client.Control, secrets *support.Redactor, refused error) []support.Source {
	ask := func(path string) func(context.Context, io.Writer) error {
		return func(ctx context.Context, w io.Writer) error { return askJSON(ctx, server, secrets, path, w) }
	}
	return []support.Source{
		{Name: "versions.txt", About: "programs, systemd, kernel, distribution", Collect: func(ctx context.Context, w io.Writer) error { return versions(ctx, server, w) }},
		{Name: "settings.txt", About: "settings as files, credentials and variables say, and which", Collect: func(_ context.Context, w io.Writer) error { return a.writeSettings(w, refused) }},
		{Name: "doctor.json", About: "bty-lab doctor --json", Collect: func(ctx context.Context, w io.Writer) error { return a.writeDiagnosis(ctx, secrets, w) }},
		{Name: "ready.json", About: "whether bty-web takes requests", Collect: ask("/readyz")},
		{Name: "machines.json", About: "the first 1,000 machines", Collect: ask("/api/v1/machines?limit=1000")},
		{Name: "events.json", About: "the last 500 events", Collect: ask("/events?limit=500")},
		{Name: "images.json", About: "the catalog", Collect: ask("/catalog/entries")},
		{Name: "netboot.json", About: "the live environment and boot programs that machines get", Collect: ask("/api/v1/netboot")},
		{Name: "tftp.json", About: "the TFTP daemon as bty-web sees it", Collect: ask("/api/v1/tftp")},
		{Name: "cache.json", About: "what the image cache holds and does", Collect: func(ctx context.Context, w io.Writer) error {
			return a.cacheState(ctx, func(ctx context.Context, c *client.Control, path string, w io.Writer) error {
				return askJSON(ctx, c, secrets, path, w)
			}, w)
		}},
		{Name: "metrics.txt", About: "figures", Collect: func(ctx context.Context, w io.Writer) error { return askText(ctx, server, "/metrics", w) }},
		{Name: "backups.txt", About: "the backups", Collect: func(ctx context.Context, w io.Writer) error { return a.backupsText(ctx, w) }},
		{Name: "folders.txt", About: "files of the state and of the boot folder", Collect: func(_ context.Context, w io.Writer) error { return a.listFolders(w) }},
		{Name: "disks.txt", About: "space of their file systems", Collect: func(_ context.Context, w io.Writer) error { return a.diskSpace(w) }},
		{Name: "network.txt", About: "links and addresses", Collect: links},
		{Name: "units.txt", About: "systemctl status", Collect: unitStates},
		{Name: "journal.txt", About: "the last 2,000 lines of our units", Collect: journalLines},
	}
}

// askJSON writes an answer in lines, without serial numbers.
func askJSON(ctx context.Context, server *client.Control, secrets *support.Redactor, path string, w io.Writer) error {
	var raw bytes.Buffer
	if err := askText(ctx, server, path, &raw); err != nil {
		return err
	}
	return writeJSON(raw.Bytes(), secrets, w)
}

func writeJSON(raw []byte, secrets *support.Redactor, w io.Writer) error {
	in := json.NewDecoder(bytes.NewReader(raw))
	in.UseNumber()
	var v any
	if err := in.Decode(&v); err != nil {
		return err
	}
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	return out.Encode(secrets.Serials(v))
}

func askText(ctx context.Context, server *client.Control, path string, w io.Writer) error {
	ctx, cancel := context.WithTimeoutCause(ctx, supportTime, fmt.Errorf("bty-web did not answer within %s", supportTime))
	defer cancel()
	_, err := server.Fetch(ctx, path, w)
	return err
}

func (a *appliance) writeDiagnosis(ctx context.Context, secrets *support.Redactor, w io.Writer) error {
	d, err := a.diagnosis(ctx, supportTime)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(d)
	if err != nil {
		return err
	}
	return writeJSON(raw, secrets, w)
}

// writeSettings says what is set and where; of a secret only whether it is.
func (a *appliance) writeSettings(w io.Writer, refused error) error {
	if refused != nil {
		fmt.Fprintln(w, "The configuration is refused, so these are the defaults.")
	}
	fmt.Fprintln(w, "What the Settings page stores in the database, and variables and credentials of the units, is not here.")
	for _, k := range config.Keys() {
		value, origin := k.Value(a.config), a.config.Origin(k.String())
		if k.Secret {
			value = map[bool]string{true: "(not set)", false: "(set)"}[origin.IsDefault()]
		}
		fmt.Fprintf(w, "%-28s %-40q from %s\n", k, value, origin)
	}
	return refused
}

func (a *appliance) backupsText(ctx context.Context, w io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, supportTime)
	defer cancel()
	here := *a
	here.stdout, here.stderr = w, w
	return here.printBackups(ctx, func(error) bool { return true })
}

func versions(ctx context.Context, server *client.Control, w io.Writer) error {
	fmt.Fprintf(w, "bty-lab %s\nbty-web ", build.Version)
	err := askText(ctx, server, "/version", w)
	fmt.Fprintln(w)
	for _, file := range []string{"/proc/version", "/etc/os-release"} {
		copyFile(w, file)
	}
	_ = output(ctx, w, "systemctl", "--version") // what it lacks, it says
	return err
}

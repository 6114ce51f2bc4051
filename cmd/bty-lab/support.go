package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"time"

	"bty/internal/config"
	"bty/internal/support"
)

const supportHelp = `support-bundle [FILE]

Puts what is known of this appliance in a tar.gz, for somebody who is to help: versions, settings,
what the doctor finds, machines, events, units, the journal. Secrets are taken out; look at the files
before you send them. It works without bty-web. As root it sees most.`

func supportBundle(ctx context.Context, e env) error {
	a := &appliance{env: e}
	flags := a.flagSet("support-bundle", supportHelp)
	if err := a.parseFlags(flags); err != nil {
		return err
	}
	if flags.NArg() > 1 {
		return usageError{fmt.Errorf("%s takes one file; see %s --help", flags.Name(), flags.Name())}
	}
	refused := a.load(config.Source{Getenv: a.getenv, Partial: true})
	if refused != nil { // which may be what help is wanted with
		if err := a.load(config.Source{Paths: []string{os.DevNull}, Getenv: func(string) string { return "" }}); err != nil {
			return err
		}
	}
	now := time.Now()
	name := bundleName(now)
	path := cmp.Or(flags.Arg(0), name+".tar.gz")
	files, raw, err := a.bundle(ctx, name, now, refused)
	if err != nil {
		return fmt.Errorf("support-bundle: %w", err)
	}
	if err := writeNew(path, raw); err != nil {
		return fmt.Errorf("support-bundle: %w", err)
	}
	return a.printBundle(path, len(raw), files)
}

var notInNames = regexp.MustCompile(`[^A-Za-z0-9.-]+`)

// bundleName says of which host and when.
func bundleName(now time.Time) string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return "bty-support-" + notInNames.ReplaceAllString(host, "_") + "-" + now.UTC().Format("20060102T150405Z")
}

// bundle asks everything and everybody; only a call that was given up is an error.
func (a *appliance) bundle(ctx context.Context, name string, now time.Time, refused error) ([]support.File, []byte, error) {
	secrets := support.NewRedactor()
	a.tellSecrets(secrets)
	server := a.server()
	defer server.Close()
	files := support.Collect(ctx, a.supportSources(server, secrets, refused))
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	var raw bytes.Buffer
	err := support.Write(&raw, name, now, files, secrets)
	return files, raw.Bytes(), err
}

// writeNew makes a file that nobody else may read, and overwrites none.
func writeNew(path string, content []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists already; name another file", path)
	}
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err = errors.Join(err, file.Close()); err != nil {
		_ = os.Remove(path) // half of it is of no use
	}
	return err
}

func (a *appliance) printBundle(path string, size int, files []support.File) error {
	fmt.Fprintf(a.stdout, "%s: %d files, %d kB\n", path, len(files)+1, (size+999)/1000)
	for _, gap := range support.Gaps(files) {
		fmt.Fprintln(a.stdout, gap)
	}
	_, err := fmt.Fprintf(a.stdout, "look at it before you send it: tar xzf %s\n", path)
	return err
}

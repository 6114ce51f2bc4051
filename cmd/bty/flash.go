package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"bty/internal/agent"
	"bty/internal/catalog"
	"bty/internal/disk"
	"bty/internal/flash"
	"bty/internal/origin"
	"bty/internal/wire"
)

// order is what a person asked `bty flash` to do.
type order struct {
	req       flash.Request
	disk      string // serial or path, as typed
	yes, json bool
}

func parseOrder(args []string) (order, error) {
	var o order
	f := newFlags("flash")
	f.StringVar(&o.req.Source, "image", "", "")
	f.StringVar(&o.disk, "disk", "", "")
	f.BoolVar(&o.yes, "yes", false, "")
	f.BoolVar(&o.json, "json", false, "")
	f.BoolVar(&o.req.Verify, "verify", false, "")
	f.BoolVar(&o.req.NoDigest, "no-digest", false, "")
	f.BoolVar(&o.req.Grow, "grow", false, "")
	digest := f.String("sha256", "", "")
	format := f.String("format", "", "")
	if err := f.parse(args); err != nil {
		return o, err
	}
	switch {
	case o.req.Source == "":
		return o, failf(codeUsage, "--image is missing: a URL, a path, or - for standard input")
	case strings.TrimSpace(o.disk) == "":
		return o, failf(codeUsage, "--disk is missing: a serial number or a path; bty disks lists them")
	case o.req.Source == "-" && !o.yes:
		return o, failf(codeUsage, "--image - needs --yes: standard input is the image, so nobody can answer there")
	}
	if o.req.NoDigest && *digest != "" {
		return o, failf(codeUsage, "--no-digest and --sha256 exclude each other: a digest is checked by computing it")
	}
	var err error
	if *digest != "" {
		if o.req.Digest, err = catalog.ParseDigest(*digest); err != nil {
			return o, failf(codeUsage, "--sha256: %w", err)
		}
	}
	if o.req.Format, err = agent.ParseFormat(*format); err != nil {
		return o, failf(codeUsage, "--format: %w", err)
	}
	return o, nil
}

func flashDisk(ctx context.Context, e env, args []string) error {
	o, err := parseOrder(args)
	if err != nil {
		return err
	}
	console := &agent.Console{Out: e.stderr, Terminal: e.terminal && !o.json}
	begun := time.Now()
	result, err := e.flashOrder(ctx, o, console)
	result.Seconds = time.Since(begun).Seconds()
	if o.json {
		result.settle(err)
		err = errors.Join(err, writeJSON(e.stdout, result))
	} else if err == nil {
		console.Line("%s is on %s: %s written in %.1f s, SHA-256 of the image %s", origin.Redact(o.req.Source),
			result.Disk.Path, agent.Bytes(result.BytesWritten), result.Seconds, cmp.Or(result.SHA256, "not computed"))
	}
	return err
}

func (e env) flashOrder(ctx context.Context, o order, console *agent.Console) (flashResult, error) {
	result := flashResult{Event: "result", Image: origin.Redact(o.req.Source)}
	target, err := e.find(ctx, o.disk)
	if err != nil {
		return result, err
	}
	result.Disk = newDiskJSON(target)
	if !o.yes {
		if err := e.confirm(ctx, o, target); err != nil {
			return result, err
		}
	}
	if o.req.Target = target.Path; !isPath(o.disk) {
		o.req.Target, o.req.Serial = "", o.disk
	}
	// While a person thinks, a disk may be unplugged and another one may get its name: what was
	// shown must be what is opened.
	o.req.Shown, o.req.Log = target, console.Logger()
	if o.req.Origin, err = e.origins(); err != nil {
		return result, err
	}
	o.req.Origin.Stdin = e.stdin
	done, err := e.flash(ctx, o.req, e.reporter(o, console))
	console.End()
	console.Remarks(done, err)
	result.fill(done)
	if failed, ok := errors.AsType[*flash.Error](err); ok {
		result.Partial = failed.Touched
	}
	return result, err
}

// reporter shows progress where the person or the script looks for it.
func (e env) reporter(o order, console *agent.Console) func(flash.Progress) {
	if !o.json {
		return console.Progress
	}
	return func(p flash.Progress) {
		_ = writeJSON(e.stdout, progressJSON{Event: "progress", Progress: wire.Progress(p)})
	}
}

// confirm shows what would be written where and waits for the word. Enter, y and anything else
// mean no: the disk's contents are gone afterwards.
func (e env) confirm(ctx context.Context, o order, t disk.Device) error {
	if !e.terminal {
		return failf(codeUnconfirmed, "%s was not written: nobody can be asked here; add --yes", t)
	}
	fmt.Fprintf(e.stderr, "image  %s\ndisk   %s\nholds  %s\n", agent.Printable(origin.Redact(o.req.Source)),
		agent.Printable(t.String()), agent.Printable(contents(t)))
	fmt.Fprintf(e.stderr, "Everything on %s will be lost. Type yes to write it: ", t.Path)
	answer, err := readLine(ctx, e.stdin)
	if err != nil {
		return err
	}
	if answer != "yes" {
		return failf(codeUnconfirmed, "not confirmed; %s was not written", t.Path)
	}
	return nil
}

// readLine waits for a line or for Ctrl-C. A read of a terminal cannot be taken back: after a
// Ctrl-C its goroutine ends with the program, which follows at once.
func readLine(ctx context.Context, r io.Reader) (string, error) {
	lines := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(io.LimitReader(r, 1024)).ReadString('\n')
		lines <- strings.TrimSpace(line)
	}()
	select {
	case line := <-lines:
		return line, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

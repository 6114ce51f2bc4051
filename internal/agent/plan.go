package agent

import (
	"context"
	"fmt"
	"strings"

	"bty/internal/catalog"
	"bty/internal/client"
	"bty/internal/flash"
	"bty/internal/origin"
	"bty/internal/wire"
)

// ServerError means that the server could not be asked, or did not answer as a bty-web does.
type ServerError struct {
	Server client.Server
	Cause  error
}

func (e *ServerError) Error() string {
	hint := "check the network, and that bty-web runs there"
	if !client.Retryable(e.Cause) {
		hint = "check that --server names a bty-web, with its port"
	}
	return fmt.Sprintf("no plan from %s: %v; %s", e.Server, e.Cause, hint)
}

func (e *ServerError) Unwrap() error { return e.Cause }

// plan asks until the server answers, for a bounded time.
func (r *run) plan(ctx context.Context) (wire.Plan, error) {
	var plan wire.Plan
	err := r.limits.Plan.retry(ctx, client.Retryable, r.sayOnce("the server has no plan yet"),
		func(ctx context.Context) (err error) {
			plan, err = r.Client.Plan(ctx)
			return err
		})
	switch {
	case err == nil:
		return plan, nil
	case ctx.Err() != nil:
		return wire.Plan{}, ctx.Err()
	}
	return wire.Plan{}, &ServerError{Server: r.Client.Server(), Cause: err}
}

// sayOnce tells the console about a failing request, again only when the reason changes.
func (r *run) sayOnce(what string) func(error) {
	last := ""
	return func(err error) {
		if text := err.Error(); text != last {
			last = text
			r.Console.Line("%s, trying again: %s", what, text)
		}
	}
}

// PlanError is a plan that cannot be followed as it stands.
type PlanError struct{ Problem string }

func (e *PlanError) Error() string {
	return "the server's plan cannot be followed: " + e.Problem
}

// requestOf reads a flash plan strictly: a digest or a format that is not understood is an error,
// never "not given".
func requestOf(plan wire.Plan) (flash.Request, error) {
	req := flash.Request{Source: plan.Image, Size: plan.SizeBytes, Verify: plan.Verify, Grow: plan.Grow}
	switch {
	case plan.Image == "":
		return req, &PlanError{"it names no image"}
	case !strings.Contains(plan.Image, "://") && !strings.HasPrefix(plan.Image, "/"):
		// "-" would read this machine's keyboard, a relative path whatever folder init is in.
		return req, &PlanError{"its image is neither a URL nor an absolute path"}
	case strings.TrimSpace(plan.TargetDiskSerial) == "":
		// Disks without a serial must never match a plan without one.
		return req, &PlanError{"it names no target disk (target_disk_serial is empty)"}
	case plan.SizeBytes < 0:
		return req, &PlanError{"its size_bytes is negative"}
	}
	if plan.DiskImageSHA != "" {
		digest, err := catalog.ParseDigest(plan.DiskImageSHA)
		if err != nil {
			return req, &PlanError{"disk_image_sha: " + err.Error()}
		}
		req.Digest = digest
	}
	format, err := ParseFormat(plan.Format)
	if err != nil {
		return req, &PlanError{err.Error()}
	}
	req.Format = format
	return req, nil
}

// ParseFormat accepts the formats by their names; "" is not known yet.
func ParseFormat(s string) (catalog.Format, error) {
	if s == "" {
		return catalog.FormatUnknown, nil
	}
	for _, f := range catalog.Formats {
		if string(f) == strings.ToLower(strings.TrimSpace(s)) {
			return f, nil
		}
	}
	return catalog.FormatUnknown, fmt.Errorf("format %q is not known; known are %s", s, FormatNames())
}

// FormatNames lists the known formats for people.
func FormatNames() string {
	names := make([]string, len(catalog.Formats))
	for i, f := range catalog.Formats {
		names[len(names)-1-i] = string(f)
	}
	return strings.Join(names, ", ")
}

// Reason is an error for the server and the console: nothing secret in it.
func Reason(err error, image string) string {
	text := err.Error()
	if err == context.Canceled {
		text = "cancelled before anything was written"
	}
	if image != "" {
		text = strings.ReplaceAll(text, image, origin.Redact(image))
	}
	return text
}

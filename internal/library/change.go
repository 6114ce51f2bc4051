package library

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"bty/internal/catalog"
	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/ledger"
)

// Change is what is to be different about an entry. What is nil stays as it is.
type Change struct {
	Name, Description, Arch *string
	Format                  *catalog.Format
	// DigestURL is another sha256sum file, to read the digest from now and at every later Reread.
	DigestURL *string
	// Reread asks the origin again: the registry what the tag leads to, or the sha256sum file.
	Reread bool
	// Rolling is whether what the source leads to is taken by itself.
	Rolling *bool
	// Grow is whether its last partition is to end with the disk, Verify whether the disk is to be read back.
	Grow, Verify *catalog.Choice
	// Take makes the entry what its tag was seen to lead to.
	Take bool
	// Force lets machines that are bound to the image get other bytes than before.
	Force bool
}

// Changed is an entry as a Change left it, and as it was.
type Changed struct {
	Entry, Before catalog.Entry
	Users         Users
}

// Moved reports whether the source leads to other bytes than it was known to.
func (c Changed) Moved() bool {
	return !c.Before.Digest.IsZero() && c.Before.Digest != c.Entry.Digest
}

// Change changes an entry; its identity and its source stay. A change of what is written to
// machines that are bound to it is refused and names them, unless it is forced.
func (l *Library) Change(ctx context.Context, ref catalog.ImageRef, want Change, from netip.Addr) (Changed, error) {
	if err := want.check(); err != nil {
		return Changed{}, err
	}
	known, _, err := l.Image(ref)
	if err != nil {
		return Changed{}, err
	}
	pin, err := l.reread(ctx, known, want)
	if err != nil {
		return Changed{}, err
	}
	var c Changed
	err = ledger.Commit(ctx, l.Ledger, l.Store.Update, func(tx Tx) ([]event.Event, error) {
		before, err := byRef(tx, ref)
		if err != nil {
			return nil, err
		}
		after, err := want.apply(before)
		if err != nil {
			return nil, err
		}
		pin(&after)
		c = Changed{Entry: after, Before: before}
		if c.Users, err = usersOfOne(tx, ref); err != nil {
			return nil, err
		}
		if c.Users.Any() && c.writesOther() && !want.Force {
			return nil, c.refusal()
		}
		fields := differences(before, after)
		if len(fields) == 0 {
			return nil, nil
		}
		return []event.Event{l.imageEvent(event.EntryChanged, after, from, c.summary(fields), changedDetails{Ref: ref, Changed: fields, Moved: c.Moved()})}, tx.PutImage(after)
	})
	return c, err
}

// The longest values, in bytes.
const (
	MaxName        = 255
	MaxDescription = 4096
)

// ArchPattern is what an architecture looks like.
var ArchPattern = regexp.MustCompile(`^[a-z0-9_-]{0,32}$`)

func (want Change) check() error {
	switch {
	case want.Name != nil && (strings.TrimSpace(*want.Name) == "" || len(*want.Name) > MaxName || !isPlain(*want.Name)):
		return fault.New(fault.Rejected, "the name is %.100q; want 1 to %d bytes of text in one line", *want.Name, MaxName)
	case want.Description != nil && (len(*want.Description) > MaxDescription || !utf8.ValidString(*want.Description)):
		return fault.New(fault.Rejected, "the description has %d bytes; want at most %d of text", len(*want.Description), MaxDescription)
	case want.Arch != nil && !ArchPattern.MatchString(*want.Arch):
		return fault.New(fault.Rejected, "the architecture is %.100q; want a name like x86_64 or arm64", *want.Arch)
	case want.DigestURL != nil && *want.DigestURL != "" && !WebURL.MatchString(*want.DigestURL):
		return fault.New(fault.Rejected, "sha_url is %.200q; want the http(s) URL of a sha256sum file", *want.DigestURL)
	case !isChoice(want.Grow):
		return fault.New(fault.Rejected, "grow is %.40q; want yes, no, or nothing to leave it to [flash] grow", *want.Grow)
	case !isChoice(want.Verify):
		return fault.New(fault.Rejected, "verify is %.40q; want yes, no, or nothing to leave it to [flash] verify", *want.Verify)
	case want.Format != nil:
		if _, err := catalog.ParseFormat(string(*want.Format)); err != nil {
			return fault.New(fault.Rejected, "the format %v", err)
		}
	}
	return nil
}

// isChoice reports whether a choice may be stored, or is none.
func isChoice(c *catalog.Choice) bool { return c == nil || *c == catalog.Unsaid || c.Said() }

// isPlain reports whether s is text without control characters.
func isPlain(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

func (want Change) apply(e catalog.Entry) (catalog.Entry, error) {
	for _, f := range []struct{ to, from *string }{{&e.Name, want.Name}, {&e.Description, want.Description}, {&e.Arch, want.Arch}, {&e.DigestURL, want.DigestURL}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	if want.Format != nil {
		e.Format = *want.Format
	}
	if want.Rolling != nil {
		e.Rolling = *want.Rolling
	}
	if want.Grow != nil {
		e.Grow = *want.Grow
	}
	if want.Verify != nil {
		e.Verify = *want.Verify
	}
	if e.Rolling && !e.CanRoll() {
		return e, fault.New(fault.Rejected, "%s has a digest that says which bytes it is; only a tag of a registry, or a web source without a digest, can roll", e.Src)
	}
	if want.Take {
		if e.Next == nil {
			return e, fault.New(fault.Conflict, "the tag of %s leads to nothing new, as far as is known; ask the registry again", e.Name)
		}
		e.Take()
	}
	return e, nil
}

// reread asks the origin what the change wants to know, and returns how that is noted.
func (l *Library) reread(ctx context.Context, e catalog.Entry, want Change) (func(*catalog.Entry), error) {
	url := e.DigestURL
	if want.DigestURL != nil {
		url = *want.DigestURL
	}
	switch {
	case want.DigestURL != nil && isORAS(e.Src):
		return nil, fault.New(fault.Rejected, "%s is an image of a registry, which knows its digest itself; leave sha_url out", e.Src)
	case !want.Reread && (url == "" || url == e.DigestURL):
		return func(*catalog.Entry) {}, nil
	case isORAS(e.Src):
		found, err := l.resolve(ctx, e.Src)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "could not resolve oras ref: %v", err)
		}
		return func(e *catalog.Entry) { found.pin(e); e.Next = nil }, nil
	case url == "":
		return nil, fault.New(fault.Rejected, "%s has no sha256sum file that its digest could be read from; give one as sha_url", e.Src)
	case catalog.HasUserInfo(url):
		return nil, fault.New(fault.Rejected, "sha_url carries a user name or password, which every page would show; publish the file where none is needed")
	}
	digest, err := l.fetchDigest(ctx, url, catalog.BaseName(e.Src))
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "could not resolve sha256: %v", err)
	}
	size := l.fetchSize(ctx, e.Src)
	return func(e *catalog.Entry) {
		e.Digest, e.Rolling = digest, false
		if size > 0 {
			e.Size = size
		}
	}, nil
}

// writesOther reports whether a machine would be written something else than before.
func (c Changed) writesOther() bool { return c.Moved() || c.Before.Format != c.Entry.Format }

func (c Changed) refusal() error {
	what := fmt.Sprintf("its format would change from %s to %s", orUnknown(c.Before.Format), orUnknown(c.Entry.Format))
	if c.Moved() {
		what = fmt.Sprintf("its source has moved from digest %s to %s", short(c.Before.Digest), short(c.Entry.Digest))
	}
	return fault.New(fault.Conflict, "image %s is bound to %s, and %s: they would be written something else from now on; bind them to another image first, or repeat with force",
		c.Before.Name, c.Users, what)
}

func orUnknown(f catalog.Format) string {
	if f == catalog.FormatUnknown {
		return "unknown"
	}
	return string(f)
}

func (c Changed) summary(fields map[string]difference) string {
	if c.Moved() {
		return fmt.Sprintf("image %s has moved from digest %s to %s", c.Entry.Name, short(c.Before.Digest), short(c.Entry.Digest))
	}
	var names []string
	for _, name := range fieldNames {
		if _, ok := fields[name]; ok {
			names = append(names, name)
		}
	}
	return fmt.Sprintf("image %s changed: %s", c.Entry.Name, strings.Join(names, ", "))
}

// orUnsaid is a choice as an event carries it: true, false or null.
func orUnsaid(c catalog.Choice) any {
	if b := c.Bool(); b != nil {
		return *b
	}
	return nil
}

type difference struct {
	Old any `json:"old"`
	New any `json:"new"`
}

type changedDetails struct {
	Ref     catalog.ImageRef      `json:"bty_image_ref"`
	Changed map[string]difference `json:"changed"`
	Moved   bool                  `json:"moved"`
}

// fieldNames are the names of what can differ, in the order in which a message names them.
var fieldNames = []string{"name", "description", "arch", "format", "sha_url", "disk_image_sha", "manifest", "size_bytes", "resolved_src", "rolling", "grow", "verify"}

func differences(a, b catalog.Entry) map[string]difference {
	pairs := []struct{ old, new any }{
		{a.Name, b.Name}, {a.Description, b.Description}, {a.Arch, b.Arch}, {a.Format, b.Format}, {a.DigestURL, b.DigestURL},
		{orNull(a.Digest), orNull(b.Digest)}, {a.Manifest, b.Manifest}, {a.Size, b.Size}, {a.ResolvedSrc, b.ResolvedSrc}, {a.Rolling, b.Rolling},
		{orUnsaid(a.Grow), orUnsaid(b.Grow)}, {orUnsaid(a.Verify), orUnsaid(b.Verify)},
	}
	differ := map[string]difference{}
	for i, name := range fieldNames {
		same := pairs[i].old == pairs[i].new
		if name == "disk_image_sha" {
			same = a.Digest == b.Digest
		}
		if !same {
			differ[name] = difference{pairs[i].old, pairs[i].new}
		}
	}
	return differ
}

package takeover

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"bty/internal/backup"
	"bty/internal/catalog"
	"bty/internal/library"
	"bty/internal/origin"
	"bty/internal/store"
	"bty/internal/wire"
)

const kindImage = "image"

// images plans for each entry of the catalog.
func (p *plan) images(tx *store.Tx, in wire.PreviousState, now time.Time) error {
	entries, err := tx.Images()
	if err != nil {
		return err
	}
	p.arriving = map[catalog.ImageRef]bool{}
	have := len(entries)
	for i, one := range in.Images {
		e, wrong := parseImage(one, now.Add(time.Duration(i)*time.Microsecond))
		id := imageID(one)
		switch {
		case len(wrong) > 0:
			p.refuse(kindImage, id, strings.Join(wrong, "; "))
			continue
		case p.arriving[e.Ref]:
			p.refuse(kindImage, id, "another row has the same source; delete one of them there")
			continue
		case have >= library.MaxImages:
			p.refuse(kindImage, id, fmt.Sprintf("the catalog has %d images, the most there can be", library.MaxImages))
			continue
		}
		isNew, err := p.image(tx, e, id)
		if err != nil {
			return err
		}
		if isNew {
			have++
		}
	}
	return nil
}

// imageID is how a report names an image: without what may be secret in its source.
func imageID(one wire.PreviousImage) string {
	if one.Src == "" {
		return shown(one.Name)
	}
	return fmt.Sprintf("%.200s", origin.Redact(one.Src))
}

// image plans for one that can be taken.
func (p *plan) image(tx *store.Tx, e catalog.Entry, id string) (isNew bool, err error) {
	here, found, err := tx.Image(e.Ref)
	if err != nil {
		return false, err
	}
	outcome, reason := wire.TakenNew, ""
	if found {
		if differs := otherBytes(here, e); differs == "" {
			outcome, reason = wire.TakenUnchanged, ""
		} else {
			outcome, reason = p.conflict(differs)
		}
		e.AddedAt = here.AddedAt
		if !e.Grow.Said() {
			e.Grow = here.Grow
		}
		if !e.Verify.Said() {
			e.Verify = here.Verify
		}
	}
	p.add(kindImage, id, outcome, reason)
	if outcome == wire.TakenNew || outcome == wire.TakenReplaced {
		p.arriving[e.Ref] = true
		p.writes = append(p.writes, func(tx *store.Tx) error { return errors.Join(tx.PutImage(e), tx.DeleteDropped(e.Ref)) })
	}
	return !found, nil
}

// otherBytes says whether machines would be written something else by the one than by the other. What
// only one of them knows is no difference.
func otherBytes(here, there catalog.Entry) string {
	var list []string
	if !here.Digest.IsZero() && !there.Digest.IsZero() && here.Digest != there.Digest {
		list = append(list, fmt.Sprintf("digest: here %.12s, there %.12s", here.Digest, there.Digest))
	}
	if here.Format != there.Format && here.Format != catalog.FormatUnknown && there.Format != catalog.FormatUnknown {
		list = append(list, fmt.Sprintf("format: here %s, there %s", here.Format, there.Format))
	}
	return strings.Join(list, "; ")
}

// parseImage reads an entry. What is wrong with it comes back as the reasons to refuse it; none of
// them repeats a source, which may have a password in it.
func parseImage(in wire.PreviousImage, absent time.Time) (e catalog.Entry, wrong []string) {
	refuse := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	if in.Problem != "" {
		refuse("%s", in.Problem)
	}
	e = catalog.Entry{Src: in.Src, ResolvedSrc: in.ResolvedSrc, Name: in.Name, DigestURL: in.DigestURL, Size: max(in.Size, 0), Description: in.Description,
		Arch: cmp.Or(in.Arch, catalog.ArchOf(in.Name)), AddedAt: backup.ReadTime(in.AddedAt),
		Grow: catalog.ChoiceOf(in.Grow), Verify: catalog.ChoiceOf(in.Verify)}
	if !library.ArchPattern.MatchString(e.Arch) {
		e.Arch = catalog.ArchOf(in.Name)
	}
	if e.AddedAt.IsZero() {
		e.AddedAt = absent
	}
	if hasSecret(in.Src) || hasSecret(in.DigestURL) || hasSecret(in.ResolvedSrc) {
		refuse("its URL carries a user name or password, which every machine and page would show; publish it where none is needed, and add it there again")
		return e, wrong
	}
	var err error
	if e.Ref, err = catalog.RefOf(in.Src); err != nil {
		refuse("its src cannot be used: %.200v", err)
	} else if in.Ref != e.Ref.String() {
		refuse("its bty_image_ref is %.12s and its src gives %s", shown(in.Ref), e.Ref.Short())
	}
	if in.Digest != "" {
		if e.Digest, err = catalog.ParseDigest(in.Digest); err != nil {
			refuse("its disk_image_sha is none: %s", shown(in.Digest))
		}
	}
	if e.Format, err = catalog.ParseFormat(in.Format); err != nil {
		refuse("its format is not known: %s", shown(in.Format))
	}
	if !isName(in.Name) {
		refuse("its name is none: %s", shown(in.Name))
	}
	return e, wrong
}

func hasSecret(source string) bool {
	return catalog.Scheme(source) != "oras" && catalog.HasUserInfo(source)
}

func isName(s string) bool {
	return strings.TrimSpace(s) != "" && utf8.ValidString(s) && len(s) <= library.MaxName && !strings.ContainsFunc(s, unicode.IsControl)
}

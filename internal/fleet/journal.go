package fleet

import (
	"log/slog"

	"bty/internal/machine"
)

// journalled is what an event carries that the journal has as fields of its own.
type journalled interface{ journal() []slog.Attr }

func (p policy) journal() []slog.Attr { return []slog.Attr{slog.String("mode", p.Mode.String())} }

func (s served) journal() []slog.Attr {
	attrs := []slog.Attr{slog.String("offer", s.OfferKind), slog.String("rule", string(s.Rule))}
	return append(attrs, imageAttrs(s.ImageName, s.ImageRef)...)
}

func (l launched) journal() []slog.Attr {
	return []slog.Attr{slog.String("file", l.File), slog.Int("attempts", l.Attempt)}
}

func (i inventoried) journal() []slog.Attr { return []slog.Attr{slog.Int("disks", i.Count)} }

func (m missingFile) journal() []slog.Attr { return []slog.Attr{slog.String("file", m.File)} }

func (o orphan) journal() []slog.Attr { return []slog.Attr{slog.String("signal", o.Signal)} }

// imageAttrs are an image's name, by which people ask the journal for it, and its identity.
func imageAttrs(name, ref string) (attrs []slog.Attr) {
	if name != "" {
		attrs = append(attrs, slog.String("image", name))
	}
	if ref != "" {
		attrs = append(attrs, slog.String("image_ref", ref))
	}
	return attrs
}

// boundImage is the image that a machine is bound to now. A line lacks it rather than fails.
func boundImage(tx Tx, m machine.Machine) []slog.Attr {
	ref := m.Intent.Image
	if ref.IsZero() {
		return nil
	}
	entry, _, _ := tx.Image(ref)
	return imageAttrs(entry.Name, ref.String())
}

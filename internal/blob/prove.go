package blob

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"time"

	"bty/internal/catalog"
	"bty/internal/message"
)

// ErrDamaged: the bytes of a blob are no longer those of its name.
var ErrDamaged = errors.New("the file is damaged")

// Unproven is the blob whose bytes were last looked at the longest ago, if that was before a time. One
// that is being read is left alone, unless somebody could not.
func (s *Store) Unproven(before time.Time) (d catalog.Digest, found bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	for _, e := range s.held {
		at := past(e.ProvenAt, now)
		if e.doubted {
			at = time.Time{}
		}
		if at.Before(before) && (e.leases == 0 || e.doubted) {
			d, before, found = e.digest, at, true
		}
	}
	return d, found
}

// Prove reads a blob again, up to rate bytes in a second, and forgets it if it is not as it was
// written: disks lose bytes, and whoever reads them would find out in vain each time.
func (s *Store) Prove(ctx context.Context, d catalog.Digest, rate int64) error {
	s.mu.Lock()
	e := s.held[d]
	s.mu.Unlock()
	if e == nil {
		return ErrNotHeld
	}
	err := s.sum(ctx, e, rate)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if isOurs(err) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.held[d] != e:
		return ErrNotHeld
	case err != nil:
		s.cfg.Log.Warn("a blob is not as it was written; it is fetched again when somebody asks", message.BlobDamaged, "blob", d, "err", err)
		s.forget(e)
		return err
	}
	e.ProvenAt, e.doubted, e.dirty = s.cfg.Now(), false, true
	return nil
}

func (s *Store) sum(ctx context.Context, e *entry, rate int64) error {
	f, err := s.openWhole(e)
	if err != nil {
		return err
	}
	defer f.Close()
	const piece = 1 << 20
	sha := sha256.New()
	for ctx.Err() == nil {
		n, err := io.CopyN(sha, f, piece)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(float64(n) / float64(rate) * float64(time.Second))):
		}
	}
	var got catalog.Digest
	if sha.Sum(got[:0]); got != e.digest {
		return fmt.Errorf("%w: its SHA-256 is %s", ErrDamaged, got)
	}
	return nil
}

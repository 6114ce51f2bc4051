package blob

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"bty/internal/message"
)

// ErrNoRoom: the blob would not fit, whatever is evicted.
var ErrNoRoom = errors.New("there is no room in the cache")

// Usage is what the folder takes and what is left.
type Usage struct{ Held, Limit, Free, Floor int64 }

// Usage counts.
func (s *Store) Usage() (Usage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	free, err := freeOf(s.cfg.Dir)
	return Usage{Held: s.size(), Limit: s.cfg.Limit, Free: free, Floor: s.cfg.Floor}, err
}

// size is what all blobs take, the growing ones as long as they will be.
func (s *Store) size() (n int64) {
	for _, e := range s.held {
		n += e.Size
	}
	for _, p := range s.partials {
		n += max(p.reserved, p.written)
	}
	return n
}

// promised is what growing blobs will still take of the free space.
func (s *Store) promised() (n int64) {
	for _, p := range s.partials {
		n += max(p.reserved-p.written, 0)
	}
	return n
}

// Reserve makes room for a partial blob to grow to total bytes: what was not used for the longest
// time goes first, never what is read, pinned or growing.
func (p *Partial) Reserve(total int64) error {
	s := p.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if total <= p.reserved {
		return nil
	}
	before := p.reserved
	p.reserved = total
	if err := s.makeRoom(); err != nil {
		p.reserved = before
		return err
	}
	return nil
}

// Rest gives back what was reserved and not used yet.
func (p *Partial) Rest() {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	p.reserved = p.written
}

func (s *Store) makeRoom() error {
	for {
		over, why, err := s.lacking()
		if err != nil || over <= 0 {
			return err
		}
		e := s.leastUsed()
		if e == nil {
			return fmt.Errorf("%w: %s; %d bytes more are needed, and all that is held is pinned, being read or growing: "+
				"delete or unpin an image, raise the limit, or give the cache a larger file system", ErrNoRoom, why, over)
		}
		s.cfg.Log.Info("evicted from the cache", message.ImageEvicted, "blob", e.digest, "bytes", e.Size, "used", e.UsedAt)
		if err := s.drop(e); err != nil {
			return err
		}
	}
}

// lacking is how many bytes have to go.
func (s *Store) lacking() (over int64, why string, err error) {
	if l := s.cfg.Limit; l > 0 {
		if held := s.size(); held > l {
			return held - l, fmt.Sprintf("it would hold %d bytes of at most %d", held, l), nil
		}
	}
	free, err := freeOf(s.cfg.Dir)
	if err != nil {
		return 0, "", err
	}
	left := free - s.promised()
	return s.cfg.Floor - left, fmt.Sprintf("its file system would have %d bytes free of the %d that stay free", max(left, 0), s.cfg.Floor), nil
}

// leastUsed is the next to go, nil if none may.
func (s *Store) leastUsed() (oldest *entry) {
	for _, e := range s.held {
		if e.leases > 0 || s.pinned(e) {
			continue
		}
		if oldest == nil || e.UsedAt.Before(oldest.UsedAt) {
			oldest = e
		}
	}
	return oldest
}

// freeOf is how many bytes this user may still write.
func freeOf(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("ask for the free space of %s: %w", dir, err)
	}
	return int64(st.Bavail) * st.Bsize, nil
}

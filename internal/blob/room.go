package blob

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

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

// Room is how many bytes all blobs may take.
func (s *Store) Room() (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.room()
}

func (s *Store) room() (int64, error) {
	free, err := freeOf(s.cfg.Dir)
	if err != nil {
		return 0, err
	}
	room := max(s.size()+free-s.promised()-s.cfg.Floor, 0)
	if s.cfg.Limit > 0 {
		room = min(room, s.cfg.Limit)
	}
	return room, nil
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
// time goes first, never what is read, pinned or growing. Nothing goes for what would not fit anyway.
func (p *Partial) Reserve(total int64) error {
	if total > maxBytes {
		return fmt.Errorf("%w for %d bytes", ErrNoRoom, total)
	}
	s := p.s
	undeleted := s.clean()
	s.mu.Lock()
	before := p.reserved
	p.reserved = max(total, before)
	err := s.makeRoomFor(p, undeleted)
	if err != nil {
		p.reserved = before
	}
	s.mu.Unlock()
	if undeleted != nil { // nothing was evicted
		return err
	}
	return errors.Join(err, s.clean())
}

// Rest gives back what was reserved and not used yet.
func (p *Partial) Rest() {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	p.reserved = p.written
}

const (
	maxBlobs = 10_000  // however small
	maxBytes = 1 << 60 // of one blob: an origin may say any length, and sums of such are no sums
)

// makeRoomFor is makeRoom, with the bound of guests for one that is a guest.
func (s *Store) makeRoomFor(p *Partial, undeleted error) error {
	if !s.growsForGuest(p) {
		return s.makeRoom(undeleted)
	}
	if _, err := s.guestsOver(); err != nil {
		return err
	}
	if err := s.makeRoom(undeleted); err != nil {
		return err
	}
	over, err := s.guestsOver()
	if err == nil && over > 0 && undeleted != nil {
		return undeleted
	}
	s.evictGuests(over)
	return err
}

// makeRoom forgets blobs until all that was reserved fits. While something that was forgotten cannot be
// deleted, no more is: it would free nothing either.
func (s *Store) makeRoom(undeleted error) error {
	over, why, err := s.lacking()
	if len(s.held) >= maxBlobs {
		over, why = max(over, 1), fmt.Sprintf("it has %d images", len(s.held))
	}
	if err != nil || over <= 0 {
		return err
	}
	if undeleted != nil {
		return undeleted
	}
	evicted, freed := s.lastUsed(over)
	if freed < over {
		return fmt.Errorf("%w: %s; %d bytes more are needed than can be evicted, because the rest is pinned, being read or growing: "+
			"delete or unpin images, raise the limit, or give the cache a larger file system", ErrNoRoom, why, over-freed)
	}
	s.evict(evicted)
	return nil
}

// Shrink evicts what is too much although nothing was fetched: another program has filled the file
// system, or the limit is lower than it was. What was superseded goes when its time is over.
func (s *Store) Shrink() error {
	undeleted := s.clean()
	s.mu.Lock()
	s.expire()
	over, _, err := s.lacking()
	if err == nil && over > 0 && undeleted == nil {
		evicted, _ := s.lastUsed(over)
		s.evict(evicted)
	}
	s.mu.Unlock()
	return errors.Join(err, s.clean())
}

// lastUsed are the blobs that are to go to free some bytes, or all that may.
func (s *Store) lastUsed(over int64) (some []*entry, freed int64) {
	for _, e := range s.evictable() {
		if freed >= over {
			break
		}
		freed += e.Size
		some = append(some, e)
	}
	return some, freed
}

func (s *Store) evict(some []*entry) {
	for _, e := range some {
		s.cfg.Log.Info("evicted from the cache", message.ImageEvicted, "blob", e.digest, "bytes", e.Size, "used", e.UsedAt)
		s.forget(e)
	}
}

// lacking is how many bytes have to go, and for what.
func (s *Store) lacking() (over int64, why string, err error) {
	free, err := freeOf(s.cfg.Dir)
	if err != nil {
		return 0, "", err
	}
	left := free - s.promised()
	over, why = s.cfg.Floor-left, fmt.Sprintf("%d bytes are to stay free on its file system, and %d would be", s.cfg.Floor, left)
	if held := s.size(); s.cfg.Limit > 0 && held-s.cfg.Limit > over {
		over, why = held-s.cfg.Limit, fmt.Sprintf("it may hold %d bytes, and would hold %d", s.cfg.Limit, held)
	}
	return over, why, nil
}

// evictable are the blobs that may go, the next one first: guests, then what was superseded, and then
// what was not used for the longest time. One that was used by a clock that was ahead has no such time: it
// would outlast all that is used from now on.
func (s *Store) evictable() []*entry {
	var guests, superseded, listed []*entry
	now := s.cfg.Now()
	earlier := func(a, b *entry) int {
		return cmp.Or(past(a.UsedAt, now).Compare(past(b.UsedAt, now)), a.UsedAt.Compare(b.UsedAt))
	}
	for _, e := range s.held {
		switch {
		case e.leases > 0 || s.pinned(e):
		case s.isGuest(e):
			guests = append(guests, e)
		case e.Former != nil:
			superseded = append(superseded, e)
		default:
			listed = append(listed, e)
		}
	}
	for _, some := range [][]*entry{guests, superseded, listed} {
		slices.SortFunc(some, earlier)
	}
	return slices.Concat(guests, superseded, listed)
}

// past is a time that was noted, the zero time if it is still to come: the clock was ahead then.
func past(noted, now time.Time) time.Time {
	if noted.After(now) {
		return time.Time{}
	}
	return noted
}

// freeOf is how many bytes this user may still write.
func freeOf(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("ask for the free space of %s: %w", dir, err)
	}
	return int64(st.Bavail) * st.Bsize, nil
}

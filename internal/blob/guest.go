package blob

import "fmt"

// A guest is a blob that only [cache] allow lets in: none of the addresses that lead to it is of the
// catalog, and nobody has pinned it. Who may ask for one address below a prefix may ask for
// many, by its query alone, so guests go first, and may take a share of the room and no more.

func (s *Store) isGuest(e *entry) bool {
	if s.cfg.Listed == nil || s.pinned(e) {
		return false
	}
	for _, src := range e.Sources {
		if s.cfg.Listed(src.Src) {
			return false
		}
	}
	return e.Former == nil || !s.cfg.Listed(e.Former.Src)
}

func (s *Store) growsForGuest(p *Partial) bool {
	return s.cfg.Listed != nil && !s.pins[p.note.Key] && !s.cfg.Listed(p.note.Src)
}

// guests is what they take, the growing ones as long as they will be, and what of it may go.
func (s *Store) guests() (size, evictable int64) {
	for _, e := range s.held {
		if !s.isGuest(e) {
			continue
		}
		size += e.Size
		if e.leases == 0 {
			evictable += e.Size
		}
	}
	for _, p := range s.partials {
		if s.growsForGuest(p) {
			size += max(p.reserved, p.written)
		}
	}
	return size, evictable
}

// guestRoom is how many bytes guests may take.
func (s *Store) guestRoom() (int64, error) {
	room, err := s.room()
	return room / 100 * int64(s.cfg.Share), err
}

// guestsOver is how many bytes of guests have to go before all of them fit into their share, or why
// they do not.
func (s *Store) guestsOver() (over int64, err error) {
	room, err := s.guestRoom()
	if err != nil {
		return 0, err
	}
	size, evictable := s.guests()
	if over = size - room; over > evictable {
		return 0, fmt.Errorf("%w: images that are not in the catalog may take %d bytes of it and would take %d, of which %d can be evicted: "+
			"add the image to the catalog, or raise [cache] allow_share", ErrNoRoom, room, size, evictable)
	}
	return over, nil
}

// evictGuests forgets guests until the others are within their share.
func (s *Store) evictGuests(over int64) {
	var gone []*entry
	for _, e := range s.evictable() { // they come first
		if over <= 0 || !s.isGuest(e) {
			break
		}
		over -= e.Size
		gone = append(gone, e)
	}
	s.evict(gone)
}

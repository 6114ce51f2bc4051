package blob

// Counts are how many complete blobs there are.
type Counts struct{ Blobs, Pinned int }

// Counts counts them without a look at each.
func (s *Store) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	pinned := map[*entry]bool{}
	for key := range s.pins {
		if e := s.held[s.bound[key]]; e != nil {
			pinned[e] = true
		}
	}
	return Counts{len(s.held), len(pinned)}
}

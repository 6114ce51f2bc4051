package daemon

import (
	"net"
	"net/http"
	"sync"
)

// conns counts the connections of a server by state and bounds their number. They are not
// wrapped: a wrapped connection has no sendfile.
type conns struct {
	mu   sync.Mutex
	seen map[net.Conn]http.ConnState
	free chan struct{} // one token per connection
}

// note is the server's ConnState hook.
func (c *conns) note(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if state != http.StateClosed && state != http.StateHijacked {
		c.seen[conn] = state
		return
	}
	if _, ok := c.seen[conn]; ok {
		delete(c.seen, conn)
		<-c.free
	}
}

// count returns how many connections have brought no request yet, are in one, are between two.
func (c *conns) count() (fresh, active, idle int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, state := range c.seen {
		switch state {
		case http.StateNew:
			fresh++
		case http.StateActive:
			active++
		default:
			idle++
		}
	}
	return fresh, active, idle
}

// listener accepts for an HTTP: no more connections than allowed, none while it drains.
type listener struct {
	net.Listener
	http *HTTP
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case l.http.conns.free <- struct{}{}:
	case <-l.http.drain:
		return nil, net.ErrClosed
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.http.conns.free
		if l.http.draining() {
			return nil, net.ErrClosed
		}
		return nil, err
	}
	return conn, nil
}

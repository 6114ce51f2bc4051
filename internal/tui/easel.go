package tui

import (
	"sync"
	"time"
)

// easel paints in the background, always the latest screen: a terminal whose far end has stopped it,
// as terminal servers do, must not stop a flash.
type easel struct {
	painter *painter

	mu     sync.Mutex
	next   *Screen
	redraw bool

	kick  chan struct{}
	quit  chan struct{}
	ended chan struct{}
}

func newEasel(p *painter) *easel {
	return &easel{painter: p, kick: make(chan struct{}, 1), quit: make(chan struct{}), ended: make(chan struct{})}
}

// start paints until stop.
func (e *easel) start() {
	go func() {
		defer close(e.ended)
		for {
			select {
			case <-e.kick:
				e.paint()
			case <-e.quit:
				e.paint()
				e.painter.close()
				return
			}
		}
	}()
}

// show gives a screen to be painted, and never waits. All of it is painted if redraw is asked for.
func (e *easel) show(s Screen, redraw bool) {
	e.mu.Lock()
	e.next, e.redraw = &s, e.redraw || redraw
	e.mu.Unlock()
	select {
	case e.kick <- struct{}{}:
	default:
	}
}

func (e *easel) paint() {
	e.mu.Lock()
	s, redraw := e.next, e.redraw
	e.next, e.redraw = nil, false
	e.mu.Unlock()
	if redraw {
		e.painter.forget()
	}
	if s != nil {
		e.painter.paint(*s)
	}
}

// lastStroke is how long the last screen may take.
const lastStroke = 2 * time.Second

// stop paints what is left. A terminal that takes nothing keeps its goroutine.
func (e *easel) stop() {
	close(e.quit)
	limit := time.NewTimer(lastStroke)
	defer limit.Stop()
	select {
	case <-e.ended:
	case <-limit.C:
	}
}

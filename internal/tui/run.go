package tui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"time"

	"bty/internal/flash"

	tea "charm.land/bubbletea/v2"
)

// Doing is the machine underneath. Each call is made in a goroutine of its own.
type Doing struct {
	Images func(ctx context.Context, s Source) ([]Image, error)
	Disks  func(ctx context.Context) ([]Disk, error)
	// Flash writes and tells the server how it went, before it returns: no report waits for a person.
	Flash func(ctx context.Context, f Flash, report func(flash.Progress)) Ended
}

// Left is how a person left the wizard.
type Left struct {
	Reboot bool
	Last   *Ended // the last flash, nil if there was none
	Image  Image  // of it
	Disk   Disk
}

// Run shows the wizard until a person leaves it or ctx ends; a flash that runs then is cancelled in
// good order. When it returns all that it started has ended and the terminal is as it was.
func Run(ctx context.Context, t Terminal, s Setup, d Doing) (Left, error) {
	if err := t.enter(); err != nil {
		return Left{}, err
	}
	defer t.leave()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.Width, s.Height = t.size()
	s.ASCII = t.ASCII()
	w := &wizard{ctx: ctx, doing: d, out: newEasel(newPainter(t))}
	w.model, w.first = NewModel(s)
	w.out.start()
	defer w.out.stop()
	w.out.show(w.model.View(), true)
	err := w.loop(ctx, t)
	cancel()
	w.work.Wait()
	if w.defect != nil {
		err = w.defect
	}
	return w.left, err
}

// loop is Bubble Tea's, which makes keys of bytes. Its renderer asks terminals what they can and
// counts on their answers; a serial line and a kernel that writes in between need a plainer one.
func (w *wizard) loop(ctx context.Context, t Terminal) error {
	keys, err := newKeyboard(t.In)
	if err != nil {
		return err
	}
	defer keys.stop()
	w.program = tea.NewProgram(w, tea.WithInput(keys), tea.WithOutput(io.Discard), tea.WithoutRenderer(),
		tea.WithoutSignalHandler(), tea.WithEnvironment([]string{"TERM=" + t.Kind}))
	// To end it by its own context leaves its reader behind.
	defer context.AfterFunc(ctx, w.program.Quit)()
	defer t.onResize(func(width, height int) { w.program.Send(Size{width, height}) })()
	switch _, err := w.program.Run(); {
	case errors.Is(err, tea.ErrProgramPanic):
		return errors.New("a defect in the wizard; its stack is above")
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && w.defect == nil:
		return fmt.Errorf("the terminal: %w", err)
	}
	return nil
}

// wizard puts the model into the loop.
type wizard struct {
	ctx     context.Context
	doing   Doing
	out     *easel
	program *tea.Program
	work    sync.WaitGroup

	model Model
	first Effect
	left  Left // its flash is set by the work, and read after it

	cancel context.CancelFunc // of the flash that runs
	giveUp context.CancelFunc // of the list that is awaited

	returned time.Time // when a carriage return came last
	defect   error     // a panic of the work
}

// Init begins what the first screen needs.
func (w *wizard) Init() tea.Cmd {
	w.do(w.first)
	return nil
}

// View is Bubble Tea's; ours is painted by Update.
func (w *wizard) View() tea.View { return tea.View{} }

// Update takes a key or a result.
func (w *wizard) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	var e Event
	switch msg := msg.(type) {
	case tea.KeyPressMsg:
		k := w.enter(Key{Name: msg.String(), Text: msg.Text})
		if k == (Key{}) {
			return w, nil
		}
		e = k
	case Event:
		e = msg
	default:
		return w, nil
	}
	var effect Effect
	w.model, effect = w.model.Update(e)
	_, redraw := effect.(Redraw)
	w.out.show(w.model.View(), redraw)
	w.do(effect)
	if leave, ok := effect.(Leave); ok {
		w.left.Reboot = leave.Reboot
		return w, tea.Quit
	}
	return w, nil
}

// enter makes one key of what terminals send for Enter: a carriage return, a line feed, or both.
func (w *wizard) enter(k Key) Key {
	switch {
	case k.Name == "enter":
		w.returned = time.Now()
	case k.Name == "ctrl+j" && time.Since(w.returned) < together:
		return Key{}
	case k.Name == "ctrl+j":
		return Key{Name: "enter"}
	}
	return k
}

// together is how long after a carriage return a line feed belongs to it.
const together = 50 * time.Millisecond

// do begins what the model asks for.
func (w *wizard) do(e Effect) {
	switch e := e.(type) {
	case LoadImages:
		w.load(func(ctx context.Context) Event {
			list, err := w.doing.Images(ctx, e.Source)
			return Images{e.Work, list, err}
		})
	case LoadDisks:
		w.load(func(ctx context.Context) Event {
			list, err := w.doing.Disks(ctx)
			return Disks{e.Work, list, err}
		})
	case Flash:
		ctx, cancel := context.WithCancel(w.ctx)
		w.cancel = cancel
		e.Waiting = func(attempt int, _ time.Time, cause error) { w.program.Send(Waiting{attempt, cause}) }
		w.start(func(context.Context) Event {
			defer cancel()
			ended := w.doing.Flash(ctx, e, func(p flash.Progress) { w.program.Send(Progress(p)) })
			w.left = Left{Last: &ended, Image: e.Image, Disk: e.Disk}
			return ended
		})
	case Cancel:
		w.cancel()
	}
}

// load fetches a list, and gives up the one before, which nobody waits for any more.
func (w *wizard) load(work func(context.Context) Event) {
	if w.giveUp != nil {
		w.giveUp()
	}
	ctx, cancel := context.WithCancel(w.ctx)
	w.giveUp = cancel
	w.start(func(context.Context) Event {
		defer cancel()
		return work(ctx)
	})
}

// start does work in the background, with a beat each second until it is done. What it sends after
// the end of the loop is dropped.
func (w *wizard) start(work func(context.Context) Event) {
	done := make(chan struct{})
	w.work.Go(func() {
		defer close(done)
		defer w.recover()
		w.program.Send(work(w.ctx))
	})
	w.work.Go(func() {
		beat := time.NewTicker(time.Second)
		defer beat.Stop()
		for {
			select {
			case <-beat.C:
				w.program.Send(Second{})
			case <-done:
				return
			}
		}
	})
}

// recover turns a panic into an error: the terminal must be given back.
func (w *wizard) recover() {
	if p := recover(); p != nil {
		w.defect = fmt.Errorf("a defect in bty: %v\n%s", p, debug.Stack())
		w.program.Kill()
	}
}

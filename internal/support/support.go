// Package support makes a bundle of what is known of an appliance, for somebody who is to help: plain
// text files in a tar, bounded in size and time, with secrets taken out.
package support

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	maxText = 4 << 20         // bytes of a file; of a longer one the end is kept
	maxTime = 8 * time.Second // that a source may take
)

// Source is where a file of the bundle comes from.
type Source struct {
	Name    string // of the file
	About   string // what is in it, in half a line
	Collect func(ctx context.Context, w io.Writer) error
}

// File is what a source gave, as far as it went.
type File struct {
	Source
	Text []byte
	Err  error // why it is not whole
}

// Collect asks all sources at once. One that does not come back in time is left to itself.
func Collect(ctx context.Context, sources []Source) []File {
	ctx, cancel := context.WithTimeoutCause(ctx, maxTime, fmt.Errorf("it took longer than %s", maxTime))
	defer cancel()
	files := make([]File, len(sources))
	var all sync.WaitGroup
	for i, s := range sources {
		all.Go(func() { files[i] = collect(ctx, s) })
	}
	all.Wait()
	return files
}

func collect(ctx context.Context, s Source) File {
	text := &tail{limit: maxText}
	ended := make(chan error, 1)
	go func() { ended <- s.Collect(ctx, text) }()
	var err error
	select {
	case err = <-ended:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = context.Cause(ctx)
	}
	return File{s, text.text(), err}
}

// tail keeps the end of what is written to it.
type tail struct {
	mu    sync.Mutex
	limit int
	kept  []byte
	lost  int
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - t.limit; over > t.limit {
		t.lost += over
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(p), nil
}

// text begins with a whole line: what makes a secret recognisable may stand before the cut.
func (t *tail) text() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	kept, lost := t.kept, t.lost
	if over := len(kept) - t.limit; over > 0 {
		kept, lost = kept[over:], lost+over
	}
	if lost == 0 {
		return append([]byte(nil), kept...)
	}
	for i, c := range kept {
		if c == '\n' {
			return append(fmt.Appendf(nil, "(%d bytes before this were left out)\n", lost+i+1), kept[i+1:]...)
		}
	}
	return fmt.Appendf(nil, "(%d bytes in one line were left out)\n", lost+len(kept))
}

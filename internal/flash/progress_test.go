package flash

import (
	"context"
	"errors"
	"testing"
	"time"

	"bty/internal/catalog"
	"bty/internal/disk/looptest"

	"golang.org/x/sys/unix"
)

// Whoever is told of the progress and does not come back, such as a script that stopped reading, holds up
// nothing.
func TestDeafListener(t *testing.T) {
	img := picture(24*mib, 3)
	for _, stage := range []string{StageOpen, StageWrite, StageSync, StageTable} {
		t.Run(stage, func(t *testing.T) {
			t.Parallel()
			path, file := used(t, 24*mib, looptest.Options{})
			url := serve(t, "a.img", img)
			release := make(chan struct{})
			defer close(release)
			ended := make(chan error, 1)
			go func() {
				_, err := Run(t.Context(), Request{Source: url, Target: path}, func(p Progress) {
					if p.Stage == stage {
						<-release
					}
				})
				ended <- err
			}()
			select {
			case err := <-ended:
				if err != nil {
					t.Fatal(err)
				}
			case <-time.After(time.Minute):
				t.Fatal("the flash waits for who does not listen")
			}
			holds(t, file, img)
		})
	}
}

// What the disk did is told, whoever cancelled when.
func TestVerdict(t *testing.T) {
	running := t.Context()
	cancelled, cancel := context.WithCancelCause(running)
	reason := errors.New("the operator had enough")
	cancel(reason)
	eio := kind(ErrWrite, unix.EIO)
	for name, c := range map[string]struct {
		ctx  context.Context
		err  error
		want error
	}{
		"a disk that fails":                     {running, eio, ErrWrite},
		"and is cancelled":                      {cancelled, eio, ErrWrite},
		"read back, it fails":                   {cancelled, kind(ErrVerify, unix.EIO), ErrVerify},
		"a write that ended by being cancelled": {cancelled, kind(ErrWrite, reason), ErrCancelled},
		"an origin that ended so":               {cancelled, kind(ErrOrigin, errors.New("closed")), ErrCancelled},
		"an image that ended so":                {cancelled, kind(ErrImage, errors.New("truncated")), ErrCancelled},
	} {
		if err := verdict(c.ctx, c.err); !errors.Is(err, c.want) || c.want != ErrCancelled && errors.Is(err, ErrCancelled) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if err := verdict(cancelled, nil); err != nil {
		t.Errorf("what is done is done: %v", err)
	}
}

// A network of 10 KiB a second: its bytes are told as they come, and whoever cancels does not wait for a block.
func TestVerySlowNetwork(t *testing.T) {
	path, file := used(t, 16*mib, looptest.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var seen []int64
	var cancelled time.Time
	src := &trickle{piece: 1 << 10, pause: 100 * time.Millisecond}
	req := Request{Source: "-", Format: catalog.Raw, Target: path, Size: 16 * mib}
	req.Origin.Stdin = src
	_, err := Run(ctx, req, func(p Progress) {
		if p.Bytes > 0 && p.Rate > 0 && cancelled.IsZero() {
			seen = append(seen, p.Bytes)
		}
		if len(seen) == 3 && cancelled.IsZero() {
			cancelled = time.Now()
			cancel()
		}
	})
	took := time.Since(cancelled)
	fails(t, err, ErrCancelled, "cancelled")
	if seen[0] >= seen[1] || seen[1] >= seen[2] || took > time.Second {
		t.Errorf("progress %v, and %s until the end", seen, took)
	}
	untouched(t, file)
}

package flash

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"

	"bty/internal/disk"
	"bty/internal/disk/looptest"
	"bty/internal/diskimage"
)

const fall = "a decoder of somebody else's"

// cliff is where a decoder panics.
type cliff struct{}

func (cliff) Read([]byte) (int, error) { panic(fall) }

// A panic reaches the caller, but leaves no writer at work, no disk that is held, so that the next
// attempt may open it at once, and no boot record.
func TestPanicGivesTheDiskBack(t *testing.T) {
	img := picture(48*mib, 3)
	for name, test := range map[string]struct {
		decoded int
		after   bool // all is on the disk
	}{
		"at the first byte":               {decoded: 0},
		"while the writers are at work":   {decoded: 30*mib + 512},
		"when the disk has a boot record": {decoded: len(img), after: true},
	} {
		t.Run(name, func(t *testing.T) {
			path, file := used(t, int64(len(img)), looptest.Options{})
			image := io.MultiReader(bytes.NewReader(img[:test.decoded]), cliff{})
			if test.after {
				image = bytes.NewReader(img)
			}
			j := newJob(Request{Target: path}, nil)
			work := func(ctx context.Context) (err error) {
				if err := j.openDisk(); err != nil {
					return err
				}
				j.pump = startPump(ctx, bytes.NewReader(nil), j.meter, j.clock, true, j.caught)
				if j.image, err = diskimage.Open(image, diskimage.Options{Name: "a.img"}); err != nil {
					return err
				}
				if err := j.write(ctx); err != nil {
					return err
				}
				if err := j.finish(ctx); err != nil {
					return err
				}
				panic(fall)
			}
			if p := panicOf(func() { j.carryOut(t.Context(), work) }); p != fall {
				t.Fatalf("the panic is %v", p)
			}
			again, err := disk.System().Open(path)
			if err != nil {
				t.Fatalf("the disk cannot be opened again: %v", err)
			}
			again.Close()
			select {
			case <-j.meter.done:
			default:
				t.Error("who reports the progress is still at work")
			}
			if test.decoded > 0 {
				bootsNot(t, file)
			}
		})
	}
}

func panicOf(f func()) (p any) {
	defer func() { p = recover() }()
	f()
	return nil
}

// bootsNot checks that a disk has no boot record.
func bootsNot(t *testing.T, file string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	first := make([]byte, firstBlock)
	if _, err := io.ReadFull(f, first); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, make([]byte, firstBlock)) {
		t.Errorf("the disk begins with % x", first[:16])
	}
}

// A panic where nobody's call stands behind it would end the program: it is an error of the flash, which gives
// the disk back, with no boot record.
func TestPanicOfAGoroutine(t *testing.T) {
	img := picture(48*mib, 3)
	for name, tc := range map[string]struct {
		part   string
		kind   error
		source func(*job) io.Reader // nil: the image
		stage  string               // when broken is called
		broken func(*job)
	}{
		"the source at once": {part: "the source", kind: ErrOrigin, source: func(*job) io.Reader { return cliff{} }},
		"the source":         {part: "the source", kind: ErrOrigin, source: func(*job) io.Reader { return io.MultiReader(bytes.NewReader(img[:30*mib]), cliff{}) }},
		"the digest": {part: "the digest", kind: ErrOrigin, source: func(j *job) io.Reader {
			// So far that the decoder has given memory back: j.pump is there.
			return io.MultiReader(bytes.NewReader(img[:40*mib]), before(func() { j.pump.toDigest <- nil }), bytes.NewReader(img[40*mib:]))
		}},
		"a writer":          {part: "a writer", kind: ErrWrite, stage: StageOpen, broken: func(j *job) { j.memo = &memo{} }},
		"a reader":          {part: "a reader", kind: ErrVerify, stage: StageVerify, broken: func(j *job) { j.memo.cells = nil }},
		"who shows it":      {part: "who is told of the progress", kind: ErrCancelled, stage: StageWrite, broken: func(*job) { panic(fall) }},
		"who shows the end": {part: "who is told of the progress", kind: nil, stage: StageTable, broken: func(*job) { panic(fall) }},
	} {
		t.Run(name, func(t *testing.T) {
			path, file := used(t, int64(len(img)), looptest.Options{})
			var log bytes.Buffer
			req := Request{Source: "-", Format: "img", Target: path, Verify: true, Size: int64(len(img)), Log: slog.New(slog.NewTextHandler(&log, nil))}
			var j *job
			j = newJob(req, func(p Progress) {
				if p.Stage == tc.stage {
					tc.broken(j)
				}
			})
			j.req.Origin.Stdin = bytes.NewReader(img)
			if tc.source != nil {
				j.req.Origin.Stdin = tc.source(j)
			}
			_, err := j.carryOut(t.Context(), j.run)
			if again, err := disk.System().Open(path); err != nil {
				t.Errorf("the disk cannot be opened again: %v", err)
			} else {
				again.Close()
			}
			if !strings.Contains(log.String(), "goroutine") || !strings.Contains(log.String(), tc.part) {
				t.Errorf("the log says %q", log.String())
			}
			if tc.kind == nil { // the disk boots by then
				if err != nil {
					t.Error(err)
				}
				holds(t, file, img)
				return
			}
			e := fails(t, err, tc.kind, tc.part+" fails, which is a defect in bty")
			if d, ok := errors.AsType[*Defect](err); !ok || fmt.Sprint(d.Panic) == "" {
				t.Errorf("%v", err)
			}
			if e.Touched {
				bootsNot(t, file)
			} else {
				untouched(t, file)
			}
		})
	}
}

// before is a reader of nothing that does something first.
type before func()

func (b before) Read([]byte) (int, error) {
	b()
	return 0, io.EOF
}

// A source that a panic left locked holds the disk no longer than a moment.
func TestPanicLeavesALock(t *testing.T) {
	path, _ := used(t, 8*mib, looptest.Options{})
	j := newJob(Request{Source: "-", Format: "img", Target: path}, nil)
	j.req.Origin.Stdin = cliff{}
	work := func(ctx context.Context) error {
		err := j.run(ctx)
		j.pump = &pump{ended: make(chan struct{})} // one of whose goroutines does not end
		return err
	}
	_, err := j.carryOut(t.Context(), work)
	fails(t, err, ErrOrigin, "which is a defect")
	again, err := disk.System().Open(path)
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

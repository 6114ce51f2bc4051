package flash

import (
	"bytes"
	"context"
	"io"
	"os"
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
				j.pump = startPump(ctx, bytes.NewReader(nil), j.meter, j.clock, true)
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

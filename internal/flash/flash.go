// Package flash puts an image on a disk: open, verify, decode, write, sync, re-read the table.
//
// The order makes a failure at any point harmless. The disk's beginning and end are wiped first;
// what belongs there is kept in memory and written last, after the length and the digest of the
// image have been proven and everything else is on the medium. So a disk either boots the whole
// image or does not boot at all.
package flash

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"bty/internal/catalog"
	"bty/internal/disk"
	"bty/internal/diskimage"
	"bty/internal/origin"
)

// Request says which image goes on which disk.
type Request struct {
	Source   string         // what origin.Open takes
	Origin   origin.Options // how to get it; its Size, Digest and Proven follow from those below
	Format   catalog.Format // declared format; the source's name and its content have their say, too
	Digest   catalog.Digest // of the bytes as transferred; zero = not known
	NoDigest bool           // do not even compute it: none is declared, and nobody wants to know
	Size     int64          // length of the bytes as transferred; 0 = not known

	// The disk, by one of the two.
	Serial string
	Target string // path

	// Shown is the disk that somebody was shown, or chose, before: the one that is opened must
	// be that one. The zero value: nobody was shown any.
	Shown disk.Device

	Verify bool // read back what was written before the disk is made bootable
	Grow   bool // let the last partition end with the disk; its file system is left as it is

	Host *disk.Host   // default: this machine
	Log  *slog.Logger // default: discarded
}

// Result is what was done.
type Result struct {
	Disk        disk.Device
	Format      catalog.Format
	Written     int64 // bytes of the image as it is on the disk
	Zeros       int64 // of these, bytes that were not sent to the disk, because it gives zeros there by itself
	Transferred int64
	Digest      catalog.Digest // of the bytes as transferred
	Verified    bool           // the digest was declared, and is that one
	ReadBack    bool           // the disk was read back and holds what was written
	Grown       int64          // bytes that the last partition became larger by
	Retries     int            // connections that were broken and taken up again
	Duration    time.Duration
	Bottleneck  string   // what the rest waited for: network, digest, decode or disk
	Efforts     Efforts  // what each of these took
	Notes       []string // for people
}

// job is one run.
type job struct {
	req    Request
	log    *slog.Logger
	disk   *disk.Target
	source *origin.Reader
	pump   *pump
	image  *diskimage.Reader
	meter  *meter
	clock  *clock
	edges  *edges
	memo   *memo  // nil: nobody asked to read the disk back
	signs  *signs // nil: nothing is to be seen any more
	held   []byte // of the image, behind the head
	ended  bool   // the image, with what is held or before
	res    Result
	left   atomic.Pointer[origin.Move] // nil: the image comes from where it was asked for

	cancel  context.CancelCauseFunc
	defect  atomic.Pointer[Error] // the first panic of a goroutine
	touched bool                  // the old content of the disk is gone
}

// Run flashes. It returns after the last of its goroutines has ended, but for one that is still within a call of
// report: who does not come back from there holds up nothing for longer than a second. Calls of report
// do not overlap. The error is an *Error. A panic gives the disk back as well, and one of a goroutine is an error.
func Run(ctx context.Context, req Request, report func(Progress)) (Result, error) {
	j := newJob(req, report)
	res, err := j.carryOut(ctx, j.run)
	if j.isToBeginAgain(err) {
		return j.beginAgain(ctx, report, res, err)
	}
	return res, err
}

func newJob(req Request, report func(Progress)) *job {
	j := &job{req: req, log: req.Log, clock: newClock()}
	j.meter = newMeter(report, j.caught)
	if req.Verify {
		j.memo = newMemo()
	}
	if j.log == nil {
		j.log = slog.New(slog.DiscardHandler)
	}
	return j
}

// carryOut does the work, and gives back what it took.
func (j *job) carryOut(ctx context.Context, work func(context.Context) error) (Result, error) {
	began := time.Now()
	inner, cancel := context.WithCancelCause(ctx)
	j.cancel = cancel
	stopMeter := j.meter.start()
	ended := false
	defer func() {
		if !ended {
			j.abandon(stopMeter)
		}
	}()
	err := verdict(ctx, work(inner))
	if d := j.defect.Load(); d != nil && err != nil {
		err = d // the rest failed because of it
	}
	cancel(errEnded)
	j.close()
	if err != nil {
		err = j.fail(err)
	}
	stopMeter()
	if j.disk != nil {
		if cerr := j.disk.Close(); cerr != nil && err == nil {
			err = j.fail(kind(ErrWrite, cerr))
		}
	}
	ended = true
	j.res.Duration = time.Since(began)
	return j.res, err
}

// abandon gives back what a job has that panicked, above all the disk: nobody else could open it, nor
// this program again. Of a boot record that was begun nothing is left.
func (j *job) abandon(stopMeter func()) {
	j.cancel(errEnded)
	j.closeSoon()
	if j.disk != nil {
		_ = j.fail(errEnded)
		_ = j.disk.Close()
	}
	stopMeter()
}

var errEnded = errors.New("the flash has ended")

func (j *job) run(ctx context.Context) error {
	j.meter.stage(StageOpen)
	if err := j.openDisk(); err != nil {
		return err
	}
	if err := j.openSource(ctx); err != nil {
		return err
	}
	if err := j.write(ctx); err != nil {
		return err
	}
	if err := j.prove(); err != nil {
		return err
	}
	j.meter.stage(StageSync)
	if err := j.finish(ctx); err != nil {
		return err
	}
	j.meter.stage(StageTable)
	if err := j.disk.RereadTable(ctx); err != nil {
		j.note("the image is on the disk, but the kernel still shows the old partitions (%v); a reboot helps", err)
	}
	return nil
}

func (j *job) openDisk() error {
	host := disk.System()
	if j.req.Host != nil {
		host = *j.req.Host
	}
	path := j.req.Target
	switch {
	case j.req.NoDigest && !j.req.Digest.IsZero():
		return kind(ErrRequest, errors.New("a digest is declared, and none is to be computed"))
	case (path == "") == (j.req.Serial == ""):
		return kind(ErrRequest, errors.New("name the disk, by its serial number or by its path"))
	case path == "":
		devices, err := host.List()
		if err != nil {
			return kind(ErrNoDisk, err)
		}
		d, err := disk.Match(devices, j.req.Serial)
		if err != nil {
			return kind(ErrNoDisk, err)
		}
		path = d.Path
	}
	d, err := host.Open(path)
	if err != nil {
		return diskError(err)
	}
	j.disk, j.res.Disk = d, d.Device
	return j.isMeant()
}

// isMeant compares the disk that is open, which stays what it is, with the one that was named.
func (j *job) isMeant() error {
	d, shown := j.disk.Device, j.req.Shown
	if j.req.Serial != "" {
		// The path may have gone to another disk since the list was read.
		if _, err := disk.Match([]disk.Device{d}, j.req.Serial); err != nil {
			return kind(ErrNoDisk, fmt.Errorf("%s became another disk while it was opened: %w", d.Path, err))
		}
	}
	if shown.Path == "" {
		return nil
	}
	if d.Path != shown.Path || d.Serial != shown.Serial || d.WWN != shown.WWN || d.Model != shown.Model || d.Size != shown.Size {
		return kind(ErrNoDisk, fmt.Errorf("%s was shown, and now there is another disk: %s; look again", shown, d))
	}
	return nil
}

// openSource begins the transfer and looks at the first bytes of the image.
func (j *job) openSource(ctx context.Context) error {
	opts := j.req.Origin
	opts.Size, opts.Digest, opts.Proven = j.req.Size, j.req.Digest, !j.req.Digest.IsZero()
	opts.Careful = !opts.Proven
	opts.Behind, opts.Moved = catalog.CacheSource(j.req.Source), j.moved
	if opts.Log == nil {
		opts.Log = j.log
	}
	src, err := origin.Open(ctx, j.req.Source, opts)
	if err != nil {
		return kind(ErrOrigin, err)
	}
	j.source = src
	if j.req.Digest.IsZero() {
		j.req.Digest = src.Digest() // that of a registry's manifest
	}
	j.meter.total(max(src.Size(), j.req.Size, 0))
	j.pump = startPump(ctx, j.bounded(src), j.meter, j.clock, !j.req.NoDigest || !j.req.Digest.IsZero(), j.caught)
	j.image, err = diskimage.Open(j.pump, diskimage.Options{Name: src.Name(), Hint: j.req.Format, Size: src.Size(), At: src.At(), Lend: j.pump.lend})
	if err != nil {
		return imageError(err)
	}
	j.pump.urgent.Store(j.image.Format() == catalog.Raw)
	j.res.Format, j.res.Notes = j.image.Format(), append(j.res.Notes, j.image.Notes()...)
	if err := j.fits(j.image.AtLeast()); err != nil {
		return err
	}
	return j.isPlausible(src.Size(), j.image.Format())
}

func (j *job) fits(n int64) error {
	if n > j.disk.Size {
		return kind(ErrTooLarge, fmt.Errorf("the image needs %s, %s has %s (%d and %d bytes)",
			disk.HumanSize(n), j.disk.Path, disk.HumanSize(j.disk.Size), n, j.disk.Size))
	}
	return nil
}

// prove compares what was transferred with what was declared. The origin has proven the length.
func (j *job) prove() error {
	if _, err := io.Copy(io.Discard, j.pump); err != nil {
		return err
	}
	digest, n, err := j.pump.wait()
	if err != nil {
		return err
	}
	if j.req.Digest.IsZero() && !j.req.NoDigest {
		j.req.Digest = j.source.Digest() // that of the registry that an image without one came from in the end
	}
	j.res.Digest, j.res.Transferred = digest, n
	if !j.req.Digest.IsZero() && digest != j.req.Digest {
		return kind(ErrDigest, fmt.Errorf("the image's SHA-256 is %s, %s was declared", digest, j.req.Digest))
	}
	j.res.Verified = !j.req.Digest.IsZero()
	return nil
}

// close ends the goroutines of the source; the context has ended already.
func (j *job) close() {
	if j.defect.Load() != nil {
		j.closeSoon()
		return
	}
	if j.source != nil {
		defer func() { j.res.Retries = j.source.Retries() }()
	}
	j.closeAll()
	if m := j.left.Load(); m != nil {
		j.note("%s", movedText(*m))
	}
}

func (j *job) closeAll() {
	if j.image != nil {
		j.image.Close()
	}
	if j.pump != nil {
		j.pump.stop()
	}
	if j.source != nil {
		j.source.Close()
	}
}

// abandoned is how long a source may take to end after a panic, which may have left it locked.
const abandoned = 5 * time.Second

// closeSoon is closeAll after a panic.
func (j *job) closeSoon() {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		defer func() { _ = recover() }() // the first panic is the one to tell of
		j.closeAll()
	}()
	select {
	case <-closed:
	case <-time.After(abandoned):
	}
}

// fail makes err complete: what it means for the disk. A disk that was touched loses what may
// have been written of its beginning and end.
func (j *job) fail(err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		e = &Error{Kind: ErrWrite, Err: err}
	}
	if j.disk != nil {
		e.Disk, e.Touched = j.disk.Path, j.touched
	}
	if j.touched && j.edges.begun {
		if werr := j.disk.Wipe(headSize, tailSize); werr != nil {
			e.Unsure = true
			e.Err = fmt.Errorf("%w (and its beginning could not be wiped again: %w)", e.Err, werr)
		}
	}
	return e
}

func (j *job) note(format string, args ...any) {
	j.res.Notes = append(j.res.Notes, fmt.Sprintf(format, args...))
}

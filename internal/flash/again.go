package flash

import (
	"context"
	"errors"
	"fmt"

	"bty/internal/catalog"
	"bty/internal/disk"
	"bty/internal/origin"
)

// moved is told by the source that the image's cache is gone.
func (j *job) moved(m origin.Move) {
	j.left.Store(&m)
	j.meter.say(StageOrigin, movedText(m))
}

func movedText(m origin.Move) string {
	from := "the image comes"
	if m.Bytes > 0 {
		from = "what follows its first " + disk.HumanSize(m.Bytes) + " comes"
	}
	return fmt.Sprintf("the image cache %s failed (%v); %s from the origin %s", m.Cache, m.Cause, from, m.Origin)
}

// isToBeginAgain reports whether the image's cache failed in such a way that only the whole of its
// origin can help: parts of the image were read out of order, or what both had is not one image.
func (j *job) isToBeginAgain(err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok || catalog.CacheSource(j.req.Source) == "" {
		return false
	}
	m := j.left.Load()
	mixed := m != nil && m.Bytes > 0 &&
		(e.Kind == ErrDigest || e.Kind == ErrImage || errors.Is(err, origin.ErrChanged) || errors.Is(err, origin.ErrLength))
	return e.Kind != ErrCancelled && (mixed || errors.Is(err, origin.ErrAgain))
}

// beginAgain flashes from the origin alone, after a run that ended with an error. There is no cache any
// more to begin a third time for.
func (j *job) beginAgain(ctx context.Context, report func(Progress), first Result, why error) (Result, error) {
	failed, _ := errors.AsType[*Error](why)
	req := j.req
	req.Source = catalog.CacheSource(req.Source)
	text := fmt.Sprintf("the image is begun again from its origin %s alone (%v)", origin.Redact(req.Source), failed.Err)
	next := newJob(req, report)
	next.meter.say(StageOrigin, text)
	res, err := next.carryOut(ctx, next.run)
	res.Notes = append(append(first.Notes, text), res.Notes...)
	res.Retries += first.Retries
	res.Duration += first.Duration
	if e, ok := errors.AsType[*Error](err); ok {
		e.Err = fmt.Errorf("%w; %s", e.Err, text)
		e.Touched, e.Unsure = e.Touched || failed.Touched, e.Unsure || failed.Unsure && !next.touched
		if e.Disk == "" {
			e.Disk = failed.Disk
		}
	}
	return res, err
}

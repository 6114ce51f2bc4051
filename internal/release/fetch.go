package release

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"time"

	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/job"
	"bty/internal/message"
	"bty/internal/origin"
)

// maxManifest is the largest sha256sum file that is read, in bytes.
const maxManifest = 1 << 20

// Fetch is what is known of one fetch of a release beside its job's status.
type Fetch struct {
	BaseURL   string // without what may be secret in it
	Artifacts [4]Artifact
	Current   string // the artifact that streams in now
	By        event.Actor
	From      netip.Addr // of the operator who waits for it
}

// Artifact is one file of a fetch.
type Artifact struct {
	Name       string
	Status     job.Status
	Bytes      int64
	Total      int64 // -1 while nobody knows
	Err        string
	StartedAt  time.Time
	FinishedAt time.Time
}

// Bytes is how much has come in, and Total how much there is, -1 while nobody knows.
func (f Fetch) Bytes() (done, total int64) {
	for _, a := range f.Artifacts {
		done += a.Bytes
		if total >= 0 && a.Total >= 0 {
			total += a.Total
		} else {
			total = -1
		}
	}
	return done, total
}

// settled is f as it is once its job has ended: nothing in it still waits or works.
func (f Fetch) settled(s job.Status, why string, at time.Time) Fetch {
	f.Current = ""
	for i := range f.Artifacts {
		a := &f.Artifacts[i]
		switch {
		case a.Status.Ended():
			continue
		case a.Status == job.Running && s == job.Failed:
			a.Status, a.Err = job.Failed, why
		default:
			a.Status = job.Cancelled
		}
		if !a.StartedAt.IsZero() {
			a.FinishedAt = at
		}
	}
	return f
}

// carryOut fetches the files of a release, proves them, and switches to them.
func (m *Manager) carryOut(ctx context.Context, j *job.Job[Fetch]) error {
	base, err := m.Upstream().base(m.Version, j.Key)
	if err != nil {
		return err
	}
	j.Update(func(f *Fetch) { f.BaseURL = origin.Redact(base) })
	staging, err := m.Shelf.Stage()
	if err != nil {
		return err
	}
	defer func() {
		if err := staging.Discard(); err != nil {
			m.Log.Warn("what a fetch left in the boot folder could not be removed; the next start does", message.Leftovers, "path", m.Shelf.Path, "err", err)
		}
	}()
	if err := m.fetchAll(ctx, j, staging, base); err != nil {
		return err
	}
	if err := context.Cause(ctx); err != nil {
		return err // the last moment at which it can be cancelled
	}
	return staging.Switch()
}

func (m *Manager) fetchAll(ctx context.Context, j *job.Job[Fetch], staging *Staging, base string) error {
	var manifest limited
	for i, a := range j.Detail().Artifacts {
		j.Update(func(f *Fetch) {
			f.Current = a.Name
			f.Artifacts[i].Status, f.Artifacts[i].StartedAt = job.Running, m.Now()
		})
		var copyTo io.Writer = io.Discard
		if i == len(j.Detail().Artifacts)-1 {
			copyTo = &manifest
		}
		if err := m.fetchOne(ctx, j, staging, base, i, copyTo); err != nil {
			return err
		}
		j.Update(func(f *Fetch) {
			f.Artifacts[i].Status, f.Artifacts[i].FinishedAt = job.Completed, m.Now()
			f.Artifacts[i].Total = f.Artifacts[i].Bytes
		})
	}
	files := staging.Files()
	own := files[len(files)-1].Name
	err := checkManifest(manifest.b, own, files[:len(files)-1])
	if wrong, ok := errors.AsType[*mismatch](err); ok {
		j.Update(func(f *Fetch) { f.fail(wrong.name, err) })
	}
	if err != nil {
		return fault.Wrap(fault.Rejected, err, "%v; nothing was installed. Fetch again; if it stays so, the release itself is damaged", err)
	}
	return nil
}

func (f *Fetch) fail(name string, err error) {
	for i := range f.Artifacts {
		if f.Artifacts[i].Name == name {
			f.Artifacts[i].Status, f.Artifacts[i].Err = job.Failed, err.Error()
		}
	}
}

func (m *Manager) fetchOne(ctx context.Context, j *job.Job[Fetch], staging *Staging, base string, i int, copyTo io.Writer) error {
	name := j.Detail().Artifacts[i].Name
	from := base + "/" + name
	opts := m.Origin
	opts.Proven, opts.Log = i < len(j.Detail().Artifacts)-1, m.Log // by the manifest, which nothing proves
	opts.Header = http.Header{"User-Agent": {"bty-web release-fetcher"}}
	body, err := origin.Open(ctx, from, opts)
	if err != nil {
		return m.fetchFault(ctx, err, name, from)
	}
	defer body.Close()
	if err := m.Shelf.Fits(body.Size()); err != nil {
		return err
	}
	j.Update(func(f *Fetch) { f.Artifacts[i].Total = body.Size() })
	count := progress(func(n int) { j.Update(func(f *Fetch) { f.Artifacts[i].Bytes += int64(n) }) })
	if _, err := staging.Receive(name, io.TeeReader(body, io.MultiWriter(count, copyTo))); err != nil {
		return m.fetchFault(ctx, err, name, from)
	}
	return nil
}

// fetchFault says what can be done about an artifact that did not come.
func (m *Manager) fetchFault(ctx context.Context, err error, name, from string) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if _, known := errors.AsType[*fault.Error](err); known {
		return err
	}
	next := "fetch again once the line is better"
	if errors.Is(err, origin.ErrRefused) || errors.Is(err, origin.ErrSource) {
		next = fmt.Sprintf("a release has files of its own version; this server wants those of %s ([netboot] artifact_version). Check the repository, the tag and [netboot] release_url", m.Version)
	}
	return fault.Wrap(fault.Unavailable, err, "%s did not come from %s: %v; nothing was installed. Next: %s", name, origin.Redact(from), err, next)
}

// progress is told how many bytes came.
type progress func(n int)

func (p progress) Write(b []byte) (int, error) { p(len(b)); return len(b), nil }

// limited keeps a small file in memory and refuses a large one.
type limited struct{ b []byte }

func (l *limited) Write(b []byte) (int, error) {
	if len(l.b)+len(b) > maxManifest {
		return 0, fault.New(fault.Rejected, "the sha256sum file is larger than %d bytes; it is none", maxManifest)
	}
	l.b = append(l.b, b...)
	return len(b), nil
}

package release

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"bty/internal/event"
	"bty/internal/fault"
	"bty/internal/ledger"
	"bty/internal/message"
	"bty/internal/nbp"
)

// Files are the use cases of the boot folder's files. What they change is on the disk before it
// is recorded: a file system and a database share no transaction.
type Files struct {
	shelf    *Shelf
	folder   Folder
	programs nbp.Library
	book     ledger.Book
	now      func() time.Time
	log      *slog.Logger
	facts    *facts
}

// FilesConfig is what Files work with.
type FilesConfig struct {
	Shelf    *Shelf
	Folder   Folder
	Programs nbp.Library
	Book     ledger.Book
	Now      func() time.Time
	Log      *slog.Logger
}

// NewFiles returns the use cases. Run must be running for digests to be known.
func NewFiles(c FilesConfig) *Files {
	return &Files{c.Shelf, c.Folder, c.Programs, c.Book, c.Now, c.Log, newFacts(c.Shelf.Root)}
}

// Run reads what files say about themselves until ctx ends.
func (f *Files) Run(ctx context.Context) error {
	if _, err := f.List(); err != nil { // has all of them read before somebody asks
		f.log.Warn("the boot folder cannot be listed", message.BootFolderUnread, "path", f.shelf.Path, "err", err)
	}
	return f.facts.run(ctx)
}

// Limit is how many bytes one file may have.
func (f *Files) Limit() int64 { return f.shelf.Limit }

// Put stores one file that is size bytes long (-1: nobody knows). What the reader fails with comes
// back as it is.
func (f *Files) Put(ctx context.Context, name string, size int64, from io.Reader, by netip.Addr) (Stored, error) {
	if err := checkNewName(name); err != nil {
		return Stored{}, err
	}
	if err := f.shelf.Fits(size); err != nil {
		return Stored{}, err
	}
	stored, err := f.receive(once(name, from))
	if err != nil {
		return Stored{}, err
	}
	f.uploaded(ctx, stored, by)
	return stored[0], nil
}

// Upload stores files that belong together; next returns one after the other, io.EOF after the
// last.
func (f *Files) Upload(ctx context.Context, next Source, by netip.Addr) ([]Stored, error) {
	stored, err := f.receive(next)
	if err == nil {
		f.uploaded(ctx, stored, by)
	}
	return stored, err
}

// Install stores a live environment that was built on this host or another.
func (f *Files) Install(ctx context.Context, next Source, by netip.Addr) ([]Stored, error) {
	stored, err := f.receive(next)
	if err != nil {
		return nil, err
	}
	id := strings.TrimSuffix(strings.TrimSuffix(stored[0].Name, ".vmlinuz"), ".initrd")
	about := aboutInstalled{Files: stored}
	for _, file := range stored {
		if version := kernelOf(f.shelf.Root, file.Name); version != "" {
			about.Kernel = version
		}
	}
	summary := fmt.Sprintf("%s installed: %s", id, names(stored))
	if about.Kernel != "" {
		summary = fmt.Sprintf("%s installed, kernel %s", id, about.Kernel)
	}
	f.record(ctx, event.ArtifactsInstalled, id, summary, by, about)
	return stored, nil
}

type aboutInstalled struct {
	Kernel string   `json:"kernel,omitempty"`
	Files  []Stored `json:"files"`
}

// Delete removes one file.
func (f *Files) Delete(ctx context.Context, name string, by netip.Addr) error {
	if err := f.shelf.Delete(name); err != nil {
		return err
	}
	f.record(ctx, event.ArtifactDeleted, name, fmt.Sprintf("boot file %s deleted", name), by, struct {
		Name string `json:"name"`
	}{name})
	return nil
}

// Source gives the files of a set, io.EOF after the last one.
type Source func() (name string, from io.Reader, err error)

func once(name string, from io.Reader) Source {
	return func() (string, io.Reader, error) {
		if from == nil {
			return "", nil, io.EOF
		}
		r := from
		from = nil
		return name, r, nil
	}
}

// maxSet is how many files one set may have.
const maxSet = 32

// receive stages what next gives and switches to it.
func (f *Files) receive(next Source) (stored []Stored, err error) {
	staging, err := f.shelf.Stage()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, staging.Discard()) }()
	for {
		name, from, err := next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if len(staging.Files()) == maxSet {
			return nil, fault.New(fault.TooLarge, "more than %d files at one time; send them in several steps", maxSet)
		}
		if _, err := staging.Receive(name, from); err != nil {
			return nil, err
		}
	}
	if len(staging.Files()) == 0 {
		return nil, fault.New(fault.Invalid, "there is no file in the upload; choose one")
	}
	if err := staging.Switch(); err != nil {
		return nil, err
	}
	f.learn(staging.Files())
	return staging.Files(), nil
}

// learn takes over what is known of files that were just stored.
func (f *Files) learn(stored []Stored) {
	for _, file := range stored {
		f.facts.learn(contentID{file.Name, file.Size, file.at}, Facts{SHA256: file.SHA256, Kernel: kernelOf(f.shelf.Root, file.Name)})
	}
}

func (f *Files) uploaded(ctx context.Context, stored []Stored, by netip.Addr) {
	for _, file := range stored {
		f.record(ctx, event.ArtifactUploaded, file.Name, fmt.Sprintf("boot file %s uploaded, %d bytes", file.Name, file.Size), by, file)
	}
}

// record tells of a change that has happened. A change that cannot be told has happened all the same.
func (f *Files) record(ctx context.Context, kind event.Kind, id, summary string, by netip.Addr, carried any) {
	err := f.book.Record(context.WithoutCancel(ctx), event.Event{At: f.now(), Kind: kind, SubjectKind: event.Netboot, SubjectID: id,
		Actor: event.Operator, SourceIP: by, Summary: summary, Details: ledger.Details(carried), Attrs: []slog.Attr{slog.String("file", id)}})
	if err != nil {
		f.log.Warn("a change of the boot folder could not be recorded", message.Unrecorded, "event", string(kind), "file", id, "err", err)
	}
}

func names(stored []Stored) string {
	var list []string
	for _, file := range stored {
		list = append(list, file.Name)
	}
	return strings.Join(list, ", ")
}

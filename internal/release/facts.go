package release

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"bty/internal/kernelfile"
)

// Facts are what a file of the boot folder says about itself.
type Facts struct {
	SHA256 string
	Kernel string // the version, if it is a kernel
}

// contentID tells one content of a name from the next without reading it.
type contentID struct {
	name string
	size int64
	at   time.Time
}

// facts reads each file once, in the background: a folder may hold gigabytes.
type facts struct {
	root  *os.Root
	asked chan contentID

	mu    sync.Mutex
	known map[contentID]Facts
}

func newFacts(root *os.Root) *facts {
	return &facts{root: root, asked: make(chan contentID, 256), known: map[contentID]Facts{}}
}

// of returns what is known of a file, and has it read if nothing is.
func (f *facts) of(id contentID) (Facts, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if known, ok := f.known[id]; ok {
		return known, true
	}
	select {
	case f.asked <- id:
	default: // the next who asks
	}
	return Facts{}, false
}

func (f *facts) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case id := <-f.asked:
			f.read(ctx, id)
		}
	}
}

func (f *facts) read(ctx context.Context, id contentID) {
	f.mu.Lock()
	_, done := f.known[id]
	f.mu.Unlock()
	if done {
		return
	}
	sum, err := digest(ctx, f.root, id)
	if err != nil {
		return // it has gone, or changed: there will be another question
	}
	f.learn(id, Facts{SHA256: sum, Kernel: kernelOf(f.root, id.name)})
}

// maxKnown bounds how many files are remembered: names come and go, and a folder may hold many.
const maxKnown = 4096

// learn notes what is known of a content.
func (f *facts) learn(id contentID, found Facts) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for old := range f.known { // one content per name
		if old.name == id.name {
			delete(f.known, old)
		}
	}
	for old := range f.known { // any: one that is asked for again is read again
		if len(f.known) < maxKnown {
			break
		}
		delete(f.known, old)
	}
	f.known[id] = found
}

func digest(ctx context.Context, root *os.Root, id contentID) (string, error) {
	file, err := root.Open(id.name)
	if err != nil {
		return "", err
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, &untilDone{ctx, file}); err != nil {
		return "", err
	}
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	if info.Size() != id.size || !info.ModTime().Equal(id.at) {
		return "", os.ErrNotExist
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// untilDone ends a long read with ctx.
type untilDone struct {
	ctx context.Context
	r   io.Reader
}

func (u *untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}

// maxKernel is the largest kernel that is looked into, in bytes.
const maxKernel = 96 << 20

// kernelOf returns the version of the kernel in a file, "" if it is none or does not say.
func kernelOf(root *os.Root, name string) string {
	if !strings.HasSuffix(name, ".vmlinuz") {
		return ""
	}
	file, err := root.Open(name)
	if err != nil {
		return ""
	}
	defer file.Close()
	const x86Header = 0x200 + 1<<16 + 200 // as far as the version can be
	data, err := io.ReadAll(io.LimitReader(file, x86Header))
	if err != nil {
		return ""
	}
	read := kernelfile.X86Version
	if kernelfile.IsARM64(data) {
		read = kernelfile.ARM64Version
		rest, err := io.ReadAll(io.LimitReader(file, maxKernel))
		if err != nil {
			return ""
		}
		data = append(data, rest...)
	}
	version, err := read(data)
	if err != nil {
		return ""
	}
	return version
}

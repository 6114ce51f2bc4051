package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"bty/internal/job"
)

// The transaction of a copy must be short: while it is open, each commit of the others looks at all
// that were made since it began. So the pages are only taken into memory there, and go to the disk
// at a pace once it has ended.
const (
	copyRatio = 5         // rests in the transaction, in times of the work
	maxDirty  = 256 << 20 // bytes that may wait in memory for the disk
)

// snapshot writes a consistent copy of the database.
func (m *Manager) snapshot(ctx context.Context, path string, p *pace, j *job.Job[Detail]) (File, error) {
	j.Update(func(d *Detail) { d.Stage = "copying" })
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return File{}, err
	}
	taken := &intake{ctx: ctx, file: file, pace: &pace{commits: p.commits, ratio: copyRatio}}
	err = m.Store.Snapshot(taken, func(size int64) error {
		j.Update(func(d *Detail) { d.Total = size })
		return m.room(m.Dir, 2*size, "a backup")
	})
	var kept File
	if err == nil {
		kept, err = settle(ctx, file, p, j)
	}
	return kept, errors.Join(err, file.Close())
}

// intake takes the pages of the copy.
type intake struct {
	ctx         context.Context
	file        *os.File
	size, asked int64
	pace        *pace
}

// Write implements io.Writer.
func (t *intake) Write(b []byte) (int, error) {
	if t.ctx.Err() != nil {
		return 0, context.Cause(t.ctx)
	}
	n, err := t.file.Write(b)
	if t.size += int64(n); t.size-t.asked >= maxDirty {
		_ = unix.SyncFileRange(int(t.file.Fd()), t.asked, t.size-t.asked, unix.SYNC_FILE_RANGE_WRITE) // as flush
		t.asked = t.size
	}
	t.pace.breathe()
	return n, err
}

// settle brings the copy to the disk piece by piece and reads it for its sum.
func settle(ctx context.Context, file *os.File, p *pace, j *job.Job[Detail]) (File, error) {
	sum, piece := sha256.New(), make([]byte, chunk)
	for at := int64(0); ; {
		flush(file, at, chunk)
		n, err := file.ReadAt(piece, at)
		sum.Write(piece[:n])
		at += int64(n)
		j.Update(func(d *Detail) { d.Done += int64(n) })
		switch {
		case errors.Is(err, io.EOF):
			return File{at, hex.EncodeToString(sum.Sum(nil))}, file.Sync()
		case err != nil:
			return File{}, err
		case ctx.Err() != nil:
			return File{}, context.Cause(ctx)
		}
		p.breathe()
	}
}

// flush has the disk take a part of a file: what gathers in memory would all be written at the end,
// in the way of those who commit. Only the data: a sync of the file system's journal would hold
// them up as well. A file system that cannot do that gets all of it with the last sync.
func flush(file *os.File, from, n int64) {
	const flags = unix.SYNC_FILE_RANGE_WAIT_BEFORE | unix.SYNC_FILE_RANGE_WRITE | unix.SYNC_FILE_RANGE_WAIT_AFTER
	_ = unix.SyncFileRange(int(file.Fd()), from, n, flags)
}

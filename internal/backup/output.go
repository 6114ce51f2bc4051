package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"os"

	"bty/internal/job"
)

// chunk is how much is written before the disk is asked to take it, and how much is hashed between
// two rests. A commit that meets it on its way to the disk waits that much longer.
const chunk = 64 << 10

// output is a file of a backup while it is written: hashed, counted, at a pace that leaves the
// machine to others, and given up when ctx ends.
type output struct {
	ctx     context.Context
	file    *os.File
	sum     hash.Hash
	size    int64
	flushed int64
	pace    *pace
	job     *job.Job[Detail] // nil does not count
}

// Write implements io.Writer.
func (o *output) Write(b []byte) (n int, err error) {
	for len(b) > 0 {
		piece := b[:min(len(b), chunk)]
		if o.ctx.Err() != nil {
			return n, context.Cause(o.ctx)
		}
		written, err := o.file.Write(piece)
		n += written
		if err != nil {
			return n, err
		}
		o.sum.Write(piece)
		o.advance(int64(written))
		b = b[written:]
	}
	return n, nil
}

func (o *output) advance(n int64) {
	o.size += n
	if o.size-o.flushed >= chunk {
		flush(o.file, o.flushed, o.size-o.flushed)
		o.flushed = o.size
	}
	if o.job != nil {
		o.job.Update(func(d *Detail) { d.Done += n })
	}
	o.pace.breathe()
}

// writeFile makes a file that only this user can read, has fn write it, and returns once it is on
// the disk.
func writeFile(ctx context.Context, path string, p *pace, j *job.Job[Detail], fn func(*output) error) (File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return File{}, err
	}
	o := &output{ctx: ctx, file: file, sum: sha256.New(), pace: p, job: j}
	err = fn(o)
	if err == nil {
		err = file.Sync()
	}
	return File{o.size, hex.EncodeToString(o.sum.Sum(nil))}, errors.Join(err, file.Close())
}

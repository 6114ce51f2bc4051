package store

import "os"

const (
	fillStep  = 256 << 10 // bytes between two commits
	mostAhead = 8 << 20
)

// zeros cost no memory until somebody writes to them.
var zeros [fillStep]byte

// ahead writes zeros where the file is going to grow. bbolt makes it longer in steps of 16 MiB that
// have no blocks of the disk yet, and a commit that is the first to write to a block has to wait for
// the file system's journal as well. While a backup reads, that would be every commit: none of the
// pages that they give up can be used again.
type ahead struct {
	file   *os.File
	filled int64 // up to where there are blocks
	isLow  bool  // until enough is filled
	off    bool  // the disk is full, or will not have it: commits do without
}

// keep fills a step if little is left. used is how much of the file is in use; nobody else may write
// to it meanwhile, so it is called between two transactions, by the committer.
func (a *ahead) keep(used int64) {
	if a.off {
		return
	}
	a.filled = max(a.filled, used)
	want, left := min(max(used/8, fillStep), mostAhead), a.filled-used
	if a.isLow = left < want/4 || a.isLow && left < want; !a.isLow {
		return
	}
	info, err := a.file.Stat()
	if err != nil {
		a.off = true
		return
	}
	n := min(fillStep, info.Size()-a.filled) // never beyond the end, which is bbolt's to move
	if n <= 0 {
		a.isLow = false
		return
	}
	_, err = a.file.WriteAt(zeros[:n], a.filled)
	a.filled += n
	a.off = err != nil
}

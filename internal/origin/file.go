package origin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

func never() int { return 0 }

func openStdin(ctx context.Context, opts Options) (*Reader, error) {
	if opts.Stdin != nil {
		return local(&checkedLength{r: opts.Stdin, name: "standard input", want: opts.Size}, -1, ""), nil
	}
	size := int64(-1)
	if info, err := os.Stdin.Stat(); err == nil && info.Mode().IsRegular() {
		size = info.Size()
	}
	if err := declared(opts.Size, size, "standard input"); err != nil {
		return nil, err
	}
	in := &checkedLength{r: &polled{ctx: ctx, f: os.Stdin}, name: "standard input", want: opts.Size}
	return local(in, size, ""), nil
}

func openFile(ctx context.Context, path string, opts Options) (*Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSource, err)
	}
	size, err := sizeOf(f)
	if err == nil {
		err = declared(opts.Size, size, path)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	var r io.Reader = f
	if size < 0 {
		r = &polled{ctx: ctx, f: f}
	}
	want := opts.Size
	if size > 0 {
		want = size // a file that shrinks or grows while it is read is not the image that was opened
	}
	in := local(&checkedLength{r: r, c: f, name: path, want: want}, size, filepath.Base(path))
	if size >= 0 {
		in.at = f
	}
	return in, nil
}

func local(r io.ReadCloser, size int64, name string) *Reader {
	return &Reader{ReadCloser: r, size: size, name: name, retries: never}
}

func sizeOf(f *os.File) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrSource, err)
	}
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return info.Size(), nil
	case mode.IsDir():
		return 0, fmt.Errorf("%w: %s is a directory", ErrSource, f.Name())
	case mode&fs.ModeDevice != 0 && mode&fs.ModeCharDevice == 0:
		size, err := f.Seek(0, io.SeekEnd)
		if err == nil {
			_, err = f.Seek(0, io.SeekStart)
		}
		return size, err
	}
	return -1, nil
}

func declared(want, size int64, name string) error {
	if want > 0 && size >= 0 && size != want {
		return fmt.Errorf("%w: %s has %d bytes, %d were declared", ErrLength, Redact(name), size, want)
	}
	return nil
}

// checkedLength refuses an end before or after the declared length (0 = none declared).
type checkedLength struct {
	r    io.Reader
	c    io.Closer
	name string
	want int64
	got  int64
}

func (c *checkedLength) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.got += int64(n)
	if c.want > 0 && (c.got > c.want || errors.Is(err, io.EOF) && c.got < c.want) {
		return 0, fmt.Errorf("%w: %s gave %d bytes, %d were declared", ErrLength, c.name, c.got, c.want)
	}
	return n, err
}

func (c *checkedLength) Close() error {
	if c.c == nil {
		return nil
	}
	return c.c.Close()
}

// polled reads a pipe or terminal and looks at its context while there is nothing to read:
// a read of a blocking descriptor cannot be interrupted.
type polled struct {
	ctx context.Context
	f   *os.File
}

func (p *polled) Read(b []byte) (int, error) {
	const every = 100 // milliseconds
	for {
		if err := context.Cause(p.ctx); err != nil {
			return 0, err
		}
		fds := []unix.PollFd{{Fd: int32(p.f.Fd()), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, every)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return 0, fmt.Errorf("wait for %s: %w", p.f.Name(), err)
		}
		if n > 0 {
			return p.f.Read(b)
		}
	}
}

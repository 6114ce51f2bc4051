// Package machinelog keeps the newest of what the live environment on each machine logs, in a file
// for each. Whoever reaches the port can send it, so that everything has a bound: a piece, a
// machine's file, all files, and what comes in a minute. The oldest gives way; nothing is synced,
// because a power cut that loses the end of a log loses nothing that was promised.
package machinelog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"bty/internal/fault"
	"bty/internal/machine"
)

const (
	// Keep is how much of a machine's log is there at least, in bytes, if it wrote that much.
	Keep = 256 << 10

	maxFile  = 2 * Keep  // on disk; then it is cut to Keep
	maxAll   = 256 << 20 // of all files
	maxFiles = 4096
)

// Logs is the folder. It is safe for concurrent use.
type Logs struct {
	root *os.Root
	now  func() time.Time

	mu    sync.Mutex
	files map[machine.MAC]kept
	bytes int64
	flow  flow
}

// kept is what is known of a file without opening it.
type kept struct {
	size int64
	at   time.Time
}

// Open makes the folder if there is none and looks at what it holds.
func Open(dir string, now func() time.Time) (*Logs, error) {
	if err := os.Mkdir(dir, 0o750); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make the folder for the logs of machines: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open the folder for the logs of machines: %w", err)
	}
	l := &Logs{root: root, now: now, files: map[machine.MAC]kept{}}
	if err := l.look(); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return l, nil
}

// Close lets go of the folder.
func (l *Logs) Close() error { return l.root.Close() }

const suffix = ".log"

func name(mac machine.MAC) string { return mac.Hyphens() + suffix }

func (l *Logs) look() error {
	dir, err := l.root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	entries, err := dir.ReadDir(-1)
	if err != nil {
		return fmt.Errorf("read the folder for the logs of machines: %w", err)
	}
	for _, e := range entries {
		mac, err := machine.ParseMAC(strings.TrimSuffix(e.Name(), suffix))
		info, gone := e.Info()
		if err != nil || filepath.Ext(e.Name()) != suffix || gone != nil {
			continue
		}
		l.files[mac] = kept{info.Size(), info.ModTime()}
		l.bytes += info.Size()
	}
	return nil
}

// Append adds the next piece of a machine's log.
func (l *Logs) Append(mac machine.MAC, piece []byte) error {
	if len(piece) == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.flow.takes(mac, int64(len(piece)), l.now()) {
		return fault.New(fault.Unavailable, "logs come too fast: at most %d KiB a minute of one machine, and %d MiB of all; send this piece again in a minute", maxMinute>>10, maxMinuteAll>>20)
	}
	if err := l.write(mac, piece); err != nil {
		return fmt.Errorf("keep the log of %s: %w", mac, err)
	}
	return l.giveWay(mac)
}

func (l *Logs) write(mac machine.MAC, piece []byte) error {
	size := l.files[mac].size
	if size+int64(len(piece)) > maxFile {
		tail, _, err := l.tail(mac, Keep-int64(len(piece)))
		if err != nil {
			return err
		}
		return l.replace(mac, append(tail, piece...))
	}
	f, err := l.root.OpenFile(name(mac), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return err
	}
	_, err = f.Write(piece)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	l.note(mac, size+int64(len(piece)))
	return nil
}

// replace puts content in place of a file. A reader that has the old one open reads that to its end.
func (l *Logs) replace(mac machine.MAC, content []byte) error {
	const next = "next"
	if err := l.root.WriteFile(next, content, 0o640); err != nil {
		return err
	}
	if err := l.root.Rename(next, name(mac)); err != nil {
		return err
	}
	l.note(mac, int64(len(content)))
	return nil
}

func (l *Logs) note(mac machine.MAC, size int64) {
	l.bytes += size - l.files[mac].size
	l.files[mac] = kept{size, l.now()}
}

// giveWay removes the logs that are oldest until all are within their bounds.
func (l *Logs) giveWay(but machine.MAC) error {
	for l.bytes > maxAll || len(l.files) > maxFiles {
		var oldest machine.MAC
		found := false
		for mac, k := range l.files {
			if mac != but && (!found || k.at.Before(l.files[oldest].at)) {
				oldest, found = mac, true
			}
		}
		if !found {
			return nil
		}
		if err := l.forget(oldest); err != nil {
			return err
		}
	}
	return nil
}

// Forget removes the log of a machine that is no longer known.
func (l *Logs) Forget(mac machine.MAC) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.forget(mac)
}

func (l *Logs) forget(mac machine.MAC) error {
	if err := l.root.Remove(name(mac)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the log of %s: %w", mac, err)
	}
	l.bytes -= l.files[mac].size
	delete(l.files, mac)
	return nil
}

// Tail returns the end of a machine's log, from the beginning of a line on, and when the last of it
// came; nothing if there is none.
func (l *Logs) Tail(mac machine.MAC, limit int64) ([]byte, time.Time, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tail(mac, limit)
}

func (l *Logs) tail(mac machine.MAC, limit int64) ([]byte, time.Time, error) {
	known, ok := l.files[mac]
	if !ok {
		return nil, time.Time{}, nil
	}
	f, err := l.root.Open(name(mac))
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("read the log of %s: %w", mac, err)
	}
	defer f.Close()
	from := max(0, known.size-limit)
	text, err := io.ReadAll(io.NewSectionReader(f, from, limit))
	if from > 0 {
		if i := bytes.IndexByte(text, '\n'); i >= 0 {
			text = text[i+1:]
		}
	}
	return text, known.at, err
}

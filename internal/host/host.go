// Package host finds out what the doctor wants to know of the machine that it runs on, as far as
// the rights of whoever asks go.
package host

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"bty/internal/doctor"
	"bty/internal/owner"
)

// InContainer reports whether this is a container of Podman or Docker. One of systemd-nspawn is a
// host like others.
func InContainer() bool { return owner.InContainer() }

// IsApart reports whether this is a container with a network of its own. Sockets of files are listed by
// network: one that lists systemd's is the host's, whatever the container.
func IsApart() bool {
	if !InContainer() {
		return false
	}
	list, err := os.ReadFile(filepath.Join(proc, "self", "net", "unix"))
	return err != nil || !listsSystemd(string(list))
}

// listsSystemd looks for what systemd listens on as long as it runs: "Num RefCount Protocol Flags Type St Inode Path".
func listsSystemd(table string) bool {
	for line := range strings.Lines(table) {
		cells := strings.Fields(line)
		if len(cells) == 8 && (cells[7] == "/run/systemd/private" || cells[7] == "/run/systemd/journal/stdout") {
			return true
		}
	}
	return false
}

// Clock is this host's.
func Clock() doctor.Clock {
	c := doctor.Clock{Now: time.Now()}
	state, err := unix.Adjtimex(new(unix.Timex))
	if err != nil { // the sandbox of bty-web forbids it
		c.Unknown = true
		return c
	}
	c.Synchronised = state != unix.TIME_ERROR
	return c
}

// Disks looks at the file systems of folders, each once; what says what a folder is for. A folder
// that is not there yet is passed over.
func Disks(folders map[string]string, order ...string) (list []doctor.Disk) {
	seen := map[unix.Fsid]bool{}
	for _, folder := range order {
		d := doctor.Disk{Folder: folder, For: folders[folder]}
		var fs unix.Statfs_t
		switch err := unix.Statfs(folder, &fs); {
		case errors.Is(err, unix.ENOENT) && len(list) > 0:
			continue
		case err != nil:
			d.Err = err.Error()
		case seen[fs.Fsid]:
			continue
		default:
			seen[fs.Fsid] = true
			d.Free, d.Size = fs.Bavail*uint64(fs.Bsize), fs.Blocks*uint64(fs.Bsize)
		}
		list = append(list, d)
	}
	return list
}

package release

import (
	"path/filepath"
	"slices"
	"strings"
	"time"

	"bty/internal/boot"
	"bty/internal/nbp"
)

// File is one file of the boot folder.
type File struct {
	Name string
	Size int64
	At   time.Time // when it was made or put there
	Facts
	Known bool // whether Facts have been read; they are on their way otherwise
}

// List returns the regular files of the boot folder by name.
func (f *Files) List() ([]File, error) {
	names, err := readNames(f.shelf.Root)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	var files []File
	for _, name := range names {
		if file, ok := f.file(name); ok {
			files = append(files, file)
		}
	}
	return files, nil
}

func (f *Files) file(name string) (File, bool) {
	if IsOwn(name) {
		return File{}, false
	}
	info, err := f.shelf.Root.Stat(name)
	if err != nil || !info.Mode().IsRegular() {
		return File{}, false
	}
	file := File{Name: name, Size: info.Size(), At: info.ModTime()}
	file.Facts, file.Known = f.facts.of(contentID{name, file.Size, file.At})
	return file, true
}

// Status is what machines would get, and what they would not.
type Status struct {
	Live     []Live
	Programs []Program
}

// Live is the live environment that machines of one architecture would start.
type Live struct {
	Arch    string
	Maker   Maker
	Files   []File
	Kernel  string // its version, "" while nobody knows
	Missing string // the file that is to be there first, if none can be started
}

// Bytes is how much there is to load.
func (l Live) Bytes() (n int64) {
	for _, file := range l.Files {
		n += file.Size
	}
	return n
}

// At is when the newest of its files was put there.
func (l Live) At() (at time.Time) {
	for _, file := range l.Files {
		if file.At.After(at) {
			at = file.At
		}
	}
	return at
}

// Maker is whose live environment it is.
type Maker string

const (
	Nobody Maker = ""       // there is none
	Ours   Maker = "bty"    // bty-lab made it
	Debian Maker = "debian" // it came from a release
)

// Program is a boot program that firmware can ask for.
type Program struct {
	Name   string // as firmware asks for it
	For    string // which firmware that is
	Path   string // of the file that it gets, "" if there is none
	From   string // the folder it is in
	Size   int64
	Advice string // how to get it, if there is none
}

// IsReady reports whether a machine can get all the way into a live environment.
func (s Status) IsReady() bool {
	live := slices.ContainsFunc(s.Live, func(l Live) bool { return l.Maker != Nobody })
	program := slices.ContainsFunc(s.Programs, func(p Program) bool { return p.Path != "" })
	return live && program
}

// architectures are those that a live environment can be made for.
var architectures = []string{"x86_64", "arm64"}

// Status looks at the folders as they are now.
func (f *Files) Status() Status {
	var s Status
	for _, arch := range architectures {
		s.Live = append(s.Live, f.live(arch))
	}
	for _, p := range []Program{
		{Name: "undionly.kpxe", For: "BIOS over TFTP"},
		{Name: "ipxe.efi", For: "64-bit UEFI over TFTP and HTTP Boot"},
		{Name: "ipxe-arm64.efi", For: "arm64 UEFI over TFTP and HTTP Boot"},
	} {
		s.Programs = append(s.Programs, f.program(p))
	}
	return s
}

func (f *Files) live(arch string) Live {
	chosen, missing := f.folder.Live(arch)
	l := Live{Arch: arch, Missing: missing, Maker: makerOf(chosen)}
	for _, name := range []string{chosen.Kernel, chosen.Initrd, chosen.Squashfs} {
		if file, ok := f.file(name); name != "" && ok {
			l.Files = append(l.Files, file)
			if file.Kernel != "" {
				l.Kernel = file.Kernel
			}
		}
	}
	return l
}

func makerOf(files boot.LiveFiles) Maker {
	switch {
	case files.Kernel == "":
		return Nobody
	case strings.HasPrefix(files.Kernel, "bty-live-"):
		return Ours
	}
	return Debian
}

func (f *Files) program(p Program) Program {
	file, err := f.programs.Open(p.Name)
	if err != nil {
		p.Advice = nbp.Advice(p.Name)
		return p
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return p
	}
	p.Path, p.Size = file.Name(), info.Size()
	p.From = filepath.Dir(p.Path)
	return p
}

package tui

import (
	"time"

	"bty/internal/catalog"
	"bty/internal/disk"
	"bty/internal/flash"
)

// Source is a place where images are listed.
type Source struct {
	Title  string // for people; "" shows At
	At     string // a catalog's URL or path, or a folder's path
	Folder bool   // At is a folder of image files
}

// Image is one that can be chosen.
type Image struct {
	Name        string
	Ref         catalog.ImageRef // zero for one that is in no catalog
	At          string           // what the flasher opens
	Format      catalog.Format
	Arch        string
	Size        int64 // of the bytes as transferred, 0 while not known
	Digest      catalog.Digest
	Description string
	Grow        catalog.Choice // what its catalog says of the last partition
	Verify      catalog.Choice // and of reading back
	Problem     string         // why it cannot be chosen, "" if it can
}

// Disk is one that is shown. Its Uses and ReadOnly say whether it can be chosen, and Problem.
type Disk struct {
	disk.Device
	Holds   string // what is on it now, for people
	Problem string // why it cannot be chosen, "" if it can
}

// step is a screen of the wizard.
type step uint8

const (
	stepSource step = iota
	stepTyped       // a source is typed
	stepImage
	stepDisk
	stepConfirm
	stepFlash
	stepEnd
)

// Setup is what the wizard begins with.
type Setup struct {
	Version   string
	About     string   // what machine and which server, one line
	Note      string   // why a person is asked, "" if that is clear
	Sources   []Source // to choose from
	Start     *Source  // the first step is done: this one
	Arch      string   // of this machine, as images say it; "" = not known
	Next      string   // what comes after a flash, "" if that is clear
	Verify    bool     // a disk is read back, until an image or the person says otherwise
	VerifySet bool     // no image does: it was decided for this machine
	Grow      bool     // the last partition is grown, until an image or the person says otherwise
	GrowSet   bool     // the same of growing
	Booted    bool     // the machine runs for this alone: after a flash it is likely rebooted
	Width     int
	Height    int
	ASCII     bool
}

// Options are what is done beside writing.
type Options struct {
	Verify bool // read the disk back and compare
	Grow   bool // let the last partition end with the disk
}

// asked is what the person said of the Options.
type asked struct{ Verify, Grow catalog.Choice }

// Model is the state of the wizard.
type Model struct {
	setup Setup
	step  step
	note  string // one line or a few about what just happened
	wrong bool   // note is about a failure

	sources list
	typed   line

	source  Source
	images  []Image
	image   Image
	imageAt list

	disks  []Disk
	disk   Disk
	diskAt list

	work    int // counts what was begun, so that a late result of something given up is told apart
	waiting bool
	seconds int // since the work was begun

	word     line
	asked    asked
	progress flash.Progress
	stageFor int // seconds in this stage
	asking   bool
	ending   bool // the flash is being cancelled

	end   Ended
	after list
}

// NewModel is the wizard at its first screen, and what is to be done first.
func NewModel(s Setup) (Model, Effect) {
	m := Model{setup: s}
	if s.Start != nil {
		return m.open(*s.Start)
	}
	return m, nil
}

// Effect is something to be done; its result comes back as an Event. nil is nothing.
type Effect interface{ effect() }

// The effects.
type (
	// LoadImages asks for the images of a source.
	LoadImages struct {
		Work   int
		Source Source
	}
	// LoadDisks asks for the disks.
	LoadDisks struct{ Work int }
	// Flash writes, and tells the server how it went.
	Flash struct {
		Image   Image
		Disk    Disk
		Options Options
		Waiting func(attempt int, until time.Time, cause error) // is told of each pause of the transfer
	}
	// Cancel ends a flash that runs.
	Cancel struct{}
	// Redraw paints everything: something else wrote to the terminal.
	Redraw struct{}
	// Leave ends the wizard.
	Leave struct{ Reboot bool }
)

func (LoadImages) effect() {}
func (LoadDisks) effect()  {}
func (Flash) effect()      {}
func (Cancel) effect()     {}
func (Redraw) effect()     {}
func (Leave) effect()      {}

// Event is something that happened.
type Event interface{ event() }

// The events.
type (
	// Key is one key: Text if it writes something, else its name ("enter", "ctrl+c").
	Key struct{ Name, Text string }
	// Size is the terminal's.
	Size struct{ Width, Height int }
	// Second is sent each second while work is awaited.
	Second struct{}
	// Images is what a source listed.
	Images struct {
		Work int
		List []Image
		Err  error
	}
	// Disks is what the machine has.
	Disks struct {
		Work int
		List []Disk
		Err  error
	}
	// Progress is where the flash is.
	Progress flash.Progress
	// Waiting is a pause of the transfer: it broke, or did not begin.
	Waiting struct {
		Attempt int
		Cause   error
	}
	// Ended is how a flash ended.
	Ended struct {
		Result flash.Result
		Err    error
		Told   error // why the server does not know, nil if it does or there is none
	}
)

func (Key) event()      {}
func (Size) event()     {}
func (Second) event()   {}
func (Images) event()   {}
func (Disks) event()    {}
func (Progress) event() {}
func (Waiting) event()  {}
func (Ended) event()    {}

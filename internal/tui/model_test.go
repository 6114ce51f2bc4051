package tui

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"bty/internal/agent"
	"bty/internal/catalog"
	"bty/internal/disk"
	"bty/internal/flash"
	"bty/internal/golden"
)

// What the wizard has in these tests.
var (
	digest  = catalog.Digest{1}
	sources = []Source{{Title: "The server's catalog", At: "http://appliance:8080/catalog.toml"}, {Title: "Images on this machine", At: "/var/lib/bty/images", Folder: true}}
	images  = []Image{
		{Name: "Debian 13 headless (x86_64, rolling)", At: "oras://registry.example/debian-13:latest", Format: catalog.Gzip, Arch: "x86_64", Description: "Debian 13 without a desktop"},
		{Name: "small.img.zst", At: "http://images.example/small.img.zst?key=secret", Format: catalog.Zstd, Size: 123456789, Digest: digest},
		{Name: "netboot bundle", At: "http://images.example/x.tar.gz", Format: "tar.gz", Problem: "\"tar.gz\" is no format of a disk image"},
		{Name: "Größe 日本.img", At: "http://images.example/u.img", Format: catalog.Raw, Size: 900 << 30},
	}
	disks = []Disk{
		{Device: disk.Device{Name: "nvme0n1", Path: "/dev/nvme0n1", Size: 480103981056, Model: "EXAMPLE SSD 480", Serial: "S1ABC", Transport: "nvme"}, Holds: "nvme0n1p1 512M FAT \"EFI\", nvme0n1p2 446G ext2/3/4 \"root\""},
		{Device: disk.Device{Name: "sda", Path: "/dev/sda", Size: 8 << 30, Model: "Stick", Transport: "usb", Removable: true}, Holds: "nothing that is known"},
		{Device: disk.Device{Name: "sdb", Path: "/dev/sdb", Size: 1 << 40, Serial: "USED", Uses: []disk.Use{{Node: "sdb2", What: "mounted on /var"}, {Node: "sdb3", What: "swap"}}}},
		{Device: disk.Device{Name: "sdc", Path: "/dev/sdc", Size: 1 << 40, Serial: "LOCKED", ReadOnly: true}},
		{Device: disk.Device{Name: "sdd", Path: "/dev/sdd"}, Problem: "it has no medium: its size is 0"},
		{Device: disk.Device{Name: "zram0", Path: "/dev/zram0", Size: 1 << 30}, Problem: "compressed memory, not a disk"},
	}
)

func key(name string) Key {
	if len(name) == 1 || name == "space" {
		return Key{Name: name, Text: strings.Replace(name, "space", " ", 1)}
	}
	return Key{Name: name}
}

// walk is a wizard after some events. A string is typed letter by letter, or a key's name in <>.
func walk(s Setup, events ...any) Model {
	m, _ := NewModel(s)
	for _, e := range events {
		text, ok := e.(string)
		switch {
		case !ok:
			m, _ = m.Update(e.(Event))
		case strings.HasPrefix(text, "<"):
			m, _ = m.Update(key(strings.Trim(text, "<>")))
		default:
			for _, r := range text {
				m, _ = m.Update(key(string(r)))
			}
		}
		// Work that was begun answers at once, unless a test lets it wait.
		if m.waiting && e != wait {
			m, _ = m.Update(Images{Work: m.work, List: images})
			m, _ = m.Update(Disks{Work: m.work, List: disks})
		}
	}
	return m
}

const wait = "<f24>" // a key that nobody has: what is awaited stays so

var setup = Setup{Version: "0.9", About: "52:54:00:12:34:56  server http://appliance:8080", Sources: sources, Arch: "arm64", Next: "Started from the network again, this machine comes back here.", Booted: true, Width: 80, Height: 24, ASCII: true}

var failure = &flash.Error{Kind: flash.ErrOrigin, Disk: "/dev/nvme0n1", Touched: true, Err: errors.New("http://images.example/small.img.zst?key=secret: connection reset")}

// states are one of each screen.
func states(s Setup) []struct {
	name string
	m    Model
} {
	loading := walk(s)
	loading, _ = loading.Update(key("enter"))
	none, _ := loading.Update(Images{Work: 1, Err: errors.New("the catalog http://appliance:8080/catalog.toml cannot be had: connection refused")})
	noDisks := walk(s, "<enter>")
	noDisks, _ = noDisks.Update(key("enter"))
	flashing := []any{"<enter>", "<down>", "<enter>", "<enter>", "yes", "<enter>"}
	with := func(more ...any) Model { return walk(s, append(append([]any{}, flashing...), more...)...) }
	half := Progress{Stage: flash.StageWrite, Bytes: 50_000_000, Total: 123456789, Rate: 10 << 20}
	return []struct {
		name string
		m    Model
	}{
		{"source", walk(s)},
		{"source, searching", walk(s, "/", "mach")},
		{"typed", walk(s, "<end>", "<enter>", "http://Host/Catalog.toml")},
		{"typed, wrong", walk(s, "<end>", "<enter>", "catalog.toml", "<enter>")},
		{"images, awaited", loading},
		{"images", walk(s, "<enter>")},
		{"images, one that cannot be chosen", walk(s, "<enter>", "<down>", "<down>", "<enter>")},
		{"images, searching", walk(s, "<enter>", "/", "zst")},
		{"images, nothing found", walk(s, "<enter>", "/", "nothing", "<enter>")},
		{"images, none", none},
		{"images, not looked at again", walk(s, "<enter>", Images{Work: 1, Err: errors.New("the catalog http://appliance:8080/catalog.toml cannot be had: connection refused")})},
		{"disks, awaited", noDisks},
		{"disks", walk(s, "<enter>", "<enter>")},
		{"disks, one in use", walk(s, "<enter>", "<enter>", "<down>", "<down>", "<enter>")},
		{"disks, too small", walk(s, "<enter>", "<end>", "<enter>", "<enter>")},
		{"confirm", walk(s, "<enter>", "<down>", "<enter>", "<enter>")},
		{"confirm, another architecture", walk(s, "<enter>", "<enter>", "<enter>")},
		{"confirm, typed", walk(s, "<enter>", "<down>", "<enter>", "<enter>", "yes")},
		{"confirm, wrong word", walk(s, "<enter>", "<down>", "<enter>", "<enter>", "YES", "<enter>")},
		{"confirm, verified and grown", walk(s, "<enter>", "<down>", "<enter>", "<enter>", "ye", "<ctrl+v>", "<ctrl+g>", "s")},
		{"flash", with()},
		{"flash, half", with(half, Second{}, Second{})},
		{"flash, all has come", with(Progress{Stage: flash.StageWrite, Bytes: 123456789, Total: 123456789}, Second{}, Second{}, Second{})},
		{"flash, length not known", with(Progress{Stage: flash.StageWrite, Bytes: 50_000_000, Rate: 10 << 20})},
		{"flash, sync", with(Progress{Stage: flash.StageSync, Bytes: 123456789, Total: 123456789}, Second{}, Second{}, Second{}, Second{})},
		{"flash, verify", with(Progress{Stage: flash.StageVerify, Bytes: 1 << 30, Total: 4 << 30, Rate: 400 << 20})},
		{"flash, waiting", with(half, Waiting{3, errors.New("read http://images.example/small.img.zst?key=secret: connection refused")})},
		{"flash, come again", with(half, Waiting{3, errors.New("connection refused")}, Progress{Stage: flash.StageWrite, Bytes: 60_000_000, Total: 123456789, Rate: 10 << 20})},
		{"flash, asking", with(half, "<esc>")},
		{"flash, reporting", with(half, "<esc>", Progress{Stage: agent.StageReport})},
		{"flash, ending", with(half, "<ctrl+c>", "y")},
		{"done", with(Ended{Result: flash.Result{Transferred: 123456789, Written: 4 << 30, Verified: true, Duration: 75 * time.Second, Notes: []string{"a note"}}, Told: errors.New("http://appliance:8080/pxe/52:54:00:12:34:56/status: connection refused")})},
		{"done, told", with(Ended{Result: flash.Result{Transferred: 123456789, Written: 4 << 30, Duration: 75 * time.Second}})},
		{"done, read back", with(Ended{Result: flash.Result{Transferred: 123456789, Written: 4 << 30, ReadBack: true, Duration: 75 * time.Second}})},
		{"failed", with(Ended{Err: failure})},
		{"failed, not told", with(Ended{Err: failure, Told: errors.New("http://appliance:8080/pxe/52:54:00:12:34:56/status: connection refused")})},
		{"failed, a defect", with(Ended{Err: &agent.Defect{Panic: "index out of range"}})},
		{"failed, not what was written", with(Ended{Err: &flash.Error{Kind: flash.ErrVerify, Disk: "/dev/nvme0n1", Touched: true, Err: errors.New("the disk does not hold what was written")}})},
	}
}

// What is seen, at three sizes. Each line begins with its style.
func TestView(t *testing.T) {
	for _, size := range []Size{{80, 24}, {40, 15}, {132, 50}} {
		s := setup
		s.Width, s.Height = size.Width, size.Height
		s.ASCII = size.Width != 132
		s.Note = "no image and disk are bound to this machine"
		var out strings.Builder
		for _, state := range states(s) {
			fmt.Fprintf(&out, "=== %s\n%s", state.name, drawn(t, state.m, size))
		}
		golden.Check(t, fmt.Sprintf("%dx%d.txt", size.Width, size.Height), []byte(out.String()))
	}
}

// drawn is a screen as text. It must fit the terminal, whatever is shown.
func drawn(t *testing.T, m Model, size Size) string {
	t.Helper()
	screen := m.View()
	if len(screen.Lines) != size.Height {
		t.Errorf("%d lines on %v", len(screen.Lines), size)
	}
	var out strings.Builder
	for i, l := range screen.Lines {
		if cells(l.Text) > size.Width {
			t.Errorf("line %d has %d cells on %v: %q", i, cells(l.Text), size, l.Text)
		}
		out.WriteString(strings.TrimRight(string(" T>!-"[l.Style])+" "+l.Text, " ") + "\n")
	}
	if screen.Row >= 0 {
		fmt.Fprintf(&out, "typed at %d,%d\n", screen.Row, screen.Column)
	}
	return out.String()
}

// Every key in every state: the screen after it, what is done, what is said.
func TestKeys(t *testing.T) {
	keys := []string{"up", "down", "pgup", "pgdown", "home", "end", "enter", "esc", "tab", "backspace", "ctrl+c", "ctrl+l", "ctrl+u", "ctrl+v", "ctrl+g", "/", "r", "q", "y", "x", "space"}
	var out strings.Builder
	for _, state := range states(setup) {
		for _, k := range keys {
			after, effect := state.m.Update(key(k))
			fmt.Fprintf(&out, "%-35s %-9s %s", state.name, k, stepNames[after.step.number()])
			if effect != nil {
				fmt.Fprintf(&out, " %s", strings.TrimPrefix(fmt.Sprintf("%T", effect), "tui."))
			}
			if after.note != state.m.note {
				fmt.Fprintf(&out, " %q", after.note)
			}
			out.WriteByte('\n')
			if _, flashes := effect.(Flash); flashes && state.name != "confirm, typed" && state.name != "confirm, verified and grown" {
				t.Errorf("%s: %s flashes", state.name, k)
			}
		}
	}
	golden.Check(t, "keys.txt", []byte(out.String()))
}

// Only the word, only whole, and only then.
func TestOnlyYesFlashes(t *testing.T) {
	for _, word := range []string{"", "y", "ye", "YES", "Yes", "yes ", " yes", "yess", "yesyes", "no"} {
		m, effect := walk(setup, "<enter>", "<down>", "<enter>", "<enter>", word).Update(key("enter"))
		if effect != nil || m.step != stepConfirm || m.word.text != "" {
			t.Errorf("%q: %T, step %d, %q stays", word, effect, m.step, m.word.text)
		}
	}
	for _, size := range []Size{{39, 24}, {80, 14}} {
		if _, effect := walk(setup, "<enter>", "<down>", "<enter>", "<enter>", size, "yes").Update(key("enter")); effect != nil {
			t.Errorf("%v does not show the disk: %T", size, effect)
		}
	}
	_, effect := walk(setup, "<enter>", "<down>", "<enter>", "<enter>", "yes").Update(key("enter"))
	if got, ok := effect.(Flash); !ok || got.Image.Name != "small.img.zst" || got.Disk.Path != "/dev/nvme0n1" {
		t.Errorf("%+v", effect)
	}
}

// What is done beside writing is what the server says until a person changes it, and stays so for the
// next disk.
func TestOptions(t *testing.T) {
	s := setup
	s.Verify = true
	way := []any{"<enter>", "<down>", "<enter>", "<enter>"}
	for _, c := range []struct {
		keys []any
		want Options
	}{
		{nil, Options{Verify: true}},
		{[]any{"<ctrl+v>"}, Options{}},
		{[]any{"<ctrl+g>"}, Options{Verify: true, Grow: true}},
		{[]any{"<ctrl+g>", "<ctrl+g>"}, Options{Verify: true}},
		{[]any{"<ctrl+v>", "<ctrl+g>", "<esc>", "<enter>"}, Options{Grow: true}},
	} {
		_, effect := walk(s, append(append(append([]any{}, way...), c.keys...), "yes")...).Update(key("enter"))
		if got, ok := effect.(Flash); !ok || got.Options != c.want {
			t.Errorf("%v: %+v; want %+v", c.keys, effect, c.want)
		}
	}
}

// Of each option the person says first, then the machine, the image, and what goes for all.
func TestOptionsOfImages(t *testing.T) {
	const yes, no, none = catalog.Yes, catalog.No, catalog.Unsaid
	for _, c := range []struct {
		setting, set bool
		image        catalog.Choice
		pressed      bool
		want         bool
	}{
		{false, false, none, false, false}, {true, false, none, false, true},
		{false, false, yes, false, true}, {true, false, no, false, false},
		{false, true, yes, false, false}, {true, true, no, false, true},
		{false, false, yes, true, false}, {true, false, no, true, true},
		{false, true, yes, true, true}, {true, true, no, true, false},
	} {
		for _, option := range []string{"<ctrl+g>", "<ctrl+v>"} {
			s, i := setup, Image{Name: "i"}
			if option == "<ctrl+g>" {
				s.Grow, s.GrowSet, i.Grow = c.setting, c.set, c.image
			} else {
				s.Verify, s.VerifySet, i.Verify = c.setting, c.set, c.image
			}
			m := walk(s, "<enter>", "<down>", "<enter>", "<enter>")
			m.image = i
			if c.pressed {
				m, _ = m.Update(key(strings.Trim(option, "<>")))
			}
			for _, r := range "yes" {
				m, _ = m.Update(key(string(r)))
			}
			_, effect := m.Update(key("enter"))
			want := Options{Grow: c.want}
			if option == "<ctrl+v>" {
				want = Options{Verify: c.want}
			}
			if got, ok := effect.(Flash); !ok || got.Options != want {
				t.Errorf("%s %+v: %+v", option, c, effect)
			}
		}
	}
}

// At the least size that is drawn for, the confirmation shows the disk and where to type, whatever is
// said below.
func TestConfirmIsWhole(t *testing.T) {
	s := setup
	s.Width, s.Height = showsWidth, showsHeight
	for _, word := range []string{"", "no"} {
		m := walk(s, "<enter>", "<enter>", "<enter>", word, "<enter>")
		var shown strings.Builder
		for _, l := range m.View().Lines {
			shown.WriteString(l.Text + "\n")
		}
		for _, want := range []string{"EXAMPLE SSD 480", "S1ABC", "447.1G", "it is for x86_64", "Type yes", "Not yes"} {
			if !strings.Contains(shown.String(), want) {
				t.Errorf("%q is not shown:\n%s", want, shown.String())
			}
		}
		if row := m.View().Row; row < 0 {
			t.Error("no cursor")
		}
	}
}

// A disk that must not be written cannot be chosen, whichever it is.
func TestNoBadDiskIsChosen(t *testing.T) {
	for i, d := range disks {
		m := walk(setup, "<enter>", "<down>", "<enter>")
		m.diskAt.at = i
		m, _ = m.Update(key("enter"))
		if chosen := m.step == stepConfirm; chosen != (d.Why() == "") {
			t.Errorf("%s: chosen %v, %q", d.Path, chosen, d.Why())
		}
		if m.step == stepDisk && !strings.Contains(m.note, d.Path) {
			t.Errorf("%s: %q", d.Path, m.note)
		}
	}
}

// Esc leads from the confirmation to the first step, one step at a time.
func TestBack(t *testing.T) {
	m := walk(setup, "<enter>", "<down>", "<enter>", "<enter>")
	for _, want := range []step{stepDisk, stepImage, stepSource, stepSource} {
		if m, _ = m.Update(key("esc")); m.step != want {
			t.Fatalf("step %d; want %d", m.step, want)
		}
	}
	if m.imageAt.at != 1 {
		t.Error("the mark on the image is lost")
	}
}

// What was asked for and given up comes too late.
func TestLateResults(t *testing.T) {
	m := walk(setup)
	m, first := m.Update(key("enter"))
	m, _ = m.Update(key("esc"))
	m, _ = m.Update(key("down"))
	m, second := m.Update(key("enter"))
	m, _ = m.Update(Images{Work: first.(LoadImages).Work, List: images})
	if !m.waiting || len(m.images) > 0 {
		t.Error("the images of another source are shown")
	}
	m, _ = m.Update(Images{Work: second.(LoadImages).Work, List: images[:1]})
	if m.waiting || len(m.images) != 1 {
		t.Errorf("%v, %d images", m.waiting, len(m.images))
	}
}

// The search finds among many, by words in any order and any case.
func TestSearch(t *testing.T) {
	var many []Image
	for i := range 500 {
		many = append(many, Image{Name: fmt.Sprintf("Image %03d headless", i), Format: catalog.Gzip})
	}
	m := walk(setup, "<enter>")
	m.images = many
	for text, want := range map[string]int{"": 500, "321": 1, "HEADLESS 49": 15, "zst": 0} {
		found := list{search: line{text}}.matching(m.imageRows())
		if len(found) != want {
			t.Errorf("%q: %d found; want %d", text, len(found), want)
		}
	}
	for _, k := range []string{"/", "3", "2", "1", "enter"} {
		m, _ = m.Update(key(k))
	}
	if m, _ = m.Update(key("enter")); m.image.Name != "Image 321 headless" {
		t.Errorf("%q was chosen", m.image.Name)
	}
}

// A source is taken as it was typed: letter case once was lost.
func TestTypedSourceKeepsItsCase(t *testing.T) {
	for _, at := range []string{"http://Host/Path/Catalog.TOML?Key=A", "oras://ghcr.io/Safl/Nosi:Latest", "/mnt/Images"} {
		_, effect := walk(setup, "<end>", "<enter>", " "+at+" ").Update(key("enter"))
		if got, ok := effect.(LoadImages); !ok || got.Source.At != at {
			t.Errorf("%q: %+v", at, effect)
		}
	}
	for _, at := range []string{"", "catalog.toml", "ftp://h/c.toml", "file:///c.toml"} {
		if _, effect := walk(setup, "<end>", "<enter>", at).Update(key("enter")); effect != nil {
			t.Errorf("%q: %+v", at, effect)
		}
	}
}

// The share never stands at 100 while anything is left to do, and what is decoded has no part in it.
func TestProgress(t *testing.T) {
	for _, c := range []struct {
		p    flash.Progress
		done int
		says string
	}{
		{flash.Progress{Stage: flash.StageWrite, Bytes: 0, Total: 100}, 0, "0 B of 100 B"},
		{flash.Progress{Stage: flash.StageWrite, Bytes: 50 << 20, Total: 100 << 20, Rate: 1 << 20}, 50, "50.0 MiB of 100.0 MiB, 1.0 MiB/s, 50s left"},
		{flash.Progress{Stage: flash.StageWrite, Bytes: 100, Total: 100, Rate: 10}, 99, "100 B of 100 B, 10 B/s"},
		{flash.Progress{Stage: flash.StageWrite, Bytes: 200, Total: 100}, 99, "200 B of 100 B"},
		{flash.Progress{Stage: flash.StageSync, Bytes: 100, Total: 100, Rate: 10}, 99, "100 B of 100 B"},
		{flash.Progress{Stage: flash.StageWrite, Bytes: 5 << 20, Rate: 1 << 20}, 0, "5.0 MiB, the length is not known, 1.0 MiB/s"},
	} {
		done, known := percent(c.p)
		if done != c.done || known != (c.p.Total > 0) || transferred(c.p) != c.says {
			t.Errorf("%+v: %d %v %q", c.p, done, known, transferred(c.p))
		}
	}
}

// Whatever comes in whatever order, the screen fits and nothing is flashed without the word.
func FuzzModel(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20})
	names := []string{"up", "down", "pgdown", "end", "enter", "esc", "backspace", "ctrl+c", "/", "r", "q", "y", "e", "s", "n"}
	f.Fuzz(func(t *testing.T, steps []byte) {
		m := walk(setup)
		for _, b := range steps[:min(len(steps), 200)] {
			word := m.word.text
			var e Event
			switch i := int(b) % (len(names) + 6); {
			case i < len(names):
				e = key(names[i])
			default:
				e = []Event{Size{int(b), int(b) / 3}, Second{}, Images{Work: m.work, List: images}, Disks{Work: m.work, List: disks},
					Progress{Stage: flash.StageWrite, Bytes: int64(b), Total: 100}, Ended{Err: failure}}[i-len(names)]
			}
			var effect Effect
			m, effect = m.Update(e)
			if _, ok := effect.(Flash); ok && word != "yes" {
				t.Fatal("flashed without the word")
			}
			if s := m.View(); s.Row >= len(s.Lines) || s.Column >= max(m.width(), 1) {
				t.Fatalf("the cursor is at %d,%d", s.Row, s.Column)
			}
			for _, l := range m.View().Lines {
				if cells(l.Text) > m.width() {
					t.Fatalf("%d cells: %q", cells(l.Text), l.Text)
				}
			}
			if len(m.View().Lines) != m.height() {
				t.Fatalf("%d lines of %d", len(m.View().Lines), m.height())
			}
		}
	})
}

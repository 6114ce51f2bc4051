package flash

import (
	"errors"
	"io"

	"bty/internal/directio"
)

// holdMost is how much of an image is kept in memory, the disk's beginning included, to see what its boot record
// leads to before the disk is touched. Partitions begin at 1 to 32 MiB.
const holdMost = 36 << 20

// signLen is how much of a partition tells a file system: that of btrfs lies farthest in.
const signLen = 64<<10 + 4096

// signs tell what a boot record counts in, which it does not say: blocks of 512 bytes or of 4096. They are what
// lies where its partitions begin by either.
type signs struct {
	parts  []mbrPart
	places []place
}

type place struct {
	sector, off int64
	bytes       []byte
}

func newSigns(parts []mbrPart) *signs {
	s := &signs{}
	for _, p := range parts {
		if p.entry[mbrKind] == kindProtective {
			continue
		}
		s.parts = append(s.parts, p)
		for _, sector := range []int64{512, 4096} {
			s.places = append(s.places, place{sector, int64(p.first) * sector, make([]byte, signLen)})
		}
	}
	return s
}

// see takes what of p, which belongs at off, lies in one of the places.
func (s *signs) see(p []byte, off int64) {
	for _, at := range s.places {
		if from := max(off, at.off); from < min(off+int64(len(p)), at.off+signLen) {
			copy(at.bytes[from-at.off:], p[from-off:])
		}
	}
}

// has says whether a file system was seen where one would be in blocks of sector bytes.
func (s *signs) has(sector int64) bool {
	for _, at := range s.places {
		if at.sector == sector && hasFileSystem(at.bytes) {
			return true
		}
	}
	return false
}

// countIn512 decides by what was seen, and by the image's length, 0 = not known: all partitions lie within it
// in blocks of 512 bytes, and not in those of 4096.
func (s *signs) countIn512(length int64) bool {
	if s.has(4096) {
		return false
	}
	end := lastOf(s.parts).end()
	return s.has(512) || end > 0 && end*512 <= length && length < end*4096
}

// behind is the end of the places that lie within the first most bytes.
func (s *signs) behind(most int64) (end int64) {
	for _, at := range s.places {
		if e := at.off + signLen; e <= most {
			end = max(end, e)
		}
	}
	return end
}

// hasFileSystem looks for what a partition may begin with.
func hasFileSystem(p []byte) bool {
	is := func(off int, signature string) bool {
		end := off + len(signature)
		return end <= len(p) && string(p[off:end]) == signature
	}
	return is(510, "\x55\xaa") && (is(0, "\xeb") || is(0, "\xe9")) || // FAT, exFAT, NTFS
		is(1080, "\x53\xef") || is(0, "XFSB") || is(64<<10+64, "_BHRfS_M") || is(0, "hsqs") || is(512, "LABELONE") || is(0, "LUKS\xba\xbe") ||
		is(1024, "\x10\x20\xf5\xf2") || is(1024, "\xe2\xe1\xf5\xe0") || is(4086, "SWAPSPACE2") // F2FS, EROFS
}

// lookBehind refuses an image whose boot record counts in other blocks than the disk, as far as its first bytes and its
// length tell; the rest is for watch.
func (j *job) lookBehind(parts []mbrPart) error {
	j.signs = newSigns(parts)
	j.signs.see(j.edges.head[:min(int64(len(j.edges.head)), j.res.Written)], 0)
	if err := j.hold(j.signs.behind(holdMost)); err != nil {
		return err
	}
	length := j.image.Length()
	if j.ended {
		length = j.res.Written
	}
	if j.signs.countIn512(length) {
		return j.madeFor(512)
	}
	return nil
}

// hold reads on, into memory, until a file system was seen or the image's first bytes are there.
func (j *job) hold(bytes int64) error {
	for !j.ended && j.res.Written < bytes && !j.signs.has(512) && !j.signs.has(4096) {
		if j.held == nil {
			j.held = directio.Buffer(holdMost - headSize)[:0]
		}
		at := len(j.held)
		n, err := io.ReadFull(j.image, j.held[at:min(at+chunkSize, cap(j.held))])
		if j.ended = errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF); err != nil && !j.ended {
			return imageError(err)
		}
		j.held = j.held[:at+n]
		j.signs.see(j.held[at:], headSize+int64(at))
		j.res.Written += int64(n)
		if err := j.fits(j.res.Written); err != nil {
			return err
		}
	}
	return nil
}

// watch looks at what goes to the disk, and ends the flash before the disk boots with partitions that nobody finds.
func (j *job) watch(p []byte, off, end int64) error {
	if j.signs == nil {
		return nil
	}
	j.signs.see(p, off)
	if end < j.signs.behind(j.disk.Size) || !j.signs.has(512) {
		return nil
	}
	return j.counted(0)
}

// counted decides when all places were seen, or, with a length, when the image has ended.
func (j *job) counted(length int64) error {
	defer func() { j.signs = nil }()
	if j.signs != nil && j.signs.countIn512(length) {
		return j.madeFor(512)
	}
	return nil
}

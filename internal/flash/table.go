package flash

import (
	"fmt"

	"bty/internal/disk"
)

// lookAtTable refuses an image whose partitions do not fit on the disk before the disk is
// touched, whatever the length of the image.
func (j *job) lookAtTable() error {
	sector := int64(j.disk.Logical)
	g, err := parseGPT(j.edges.head, sector)
	if err == nil {
		return j.fits(g.needs())
	}
	if other := otherSector(sector); !hasGPT(j.edges.head, sector) {
		if _, err := parseGPT(j.edges.head, other); err == nil {
			return j.madeFor(other)
		}
	}
	parts := parseMBR(j.edges.head)
	if sector == 4096 && len(parts) > 0 {
		if err := j.lookBehind(parts); err != nil {
			return err
		}
	}
	if last := lastOf(parts); last.count > 0 && last.entry[mbrKind] != kindProtective {
		return j.fits(last.end() * sector)
	}
	return nil
}

func (j *job) madeFor(sector int64) error {
	return kind(ErrImage, fmt.Errorf("its partition table is made for disks with blocks of %d bytes, %s has blocks of %d: neither firmware nor kernel would find its partitions; use an image that is made for such disks",
		sector, j.disk.Path, j.disk.Logical))
}

// otherSector is the size of blocks that the image may be made for instead: published images are made for
// 512, rarely for 4096.
func otherSector(sector int64) int64 {
	if sector == 512 {
		return 4096
	}
	return 512
}

// fitTable makes the image's partition table that of the disk: its backup at the disk's end, and,
// if that was asked for, its last partition as large as the disk allows.
func (j *job) fitTable() {
	head, sector := j.edges.head, int64(j.disk.Logical)
	g, err := parseGPT(head, sector)
	switch {
	case err == nil:
		j.fitGPT(g)
	case hasGPT(head, sector):
		j.note("the image's partition table is damaged and was left as it is: %v", err)
	case j.req.Grow:
		j.growMBR(parseMBR(head))
	}
}

func (j *job) fitGPT(g *gpt) {
	if j.req.Grow {
		j.growGPT(g)
	}
	isMoved := g.alternate != uint64(j.disk.Size/g.sector)-1
	if !isMoved && j.res.Grown == 0 {
		return
	}
	moved := g.move(j.disk.Size)
	for _, p := range moved {
		if !j.edges.hold(p.off, int64(len(p.bytes))) {
			j.leaveTable(g)
			return
		}
	}
	for _, p := range moved {
		j.edges.keep(p.bytes, p.off)
	}
	protect(j.edges.head, j.disk.Size, g.sector)
	if isMoved {
		j.note("the backup of the partition table was moved to the end of the disk")
	}
	if j.res.Grown > 0 {
		j.noteGrown()
	}
}

func (j *job) leaveTable(g *gpt) {
	also := ""
	if j.res.Grown > 0 {
		j.res.Grown, also = 0, ", and no partition was grown"
	}
	j.note("the backup of the partition table, %s, was left where it was%s; it is too large to be moved to the end of the disk", disk.HumanSize(int64(len(g.entries))), also)
}

func (j *job) growGPT(g *gpt) {
	switch {
	case g.lastEntry == nil:
		j.note("no partition was grown: the image has none")
	case !isProtective(j.edges.head):
		j.note("no partition was grown: the image has a hybrid table, which describes its partitions twice")
	default:
		if j.res.Grown = g.grow(j.disk.Size); j.res.Grown == 0 {
			j.note("no partition was grown: the last one ends with the disk already")
		}
	}
}

func (j *job) growMBR(parts []mbrPart) {
	sector := int64(j.disk.Logical)
	last := lastOf(parts)
	switch {
	case last.count == 0:
		j.note("no partition was grown: the image has none")
	case last.isExtended():
		j.note("no partition was grown: the last one is an extended partition")
	case last.entry[mbrKind] == kindProtective:
		j.note("no partition was grown: the image's boot record belongs to a GPT that is not there")
	default:
		if j.res.Grown = last.grow(j.disk.Size/sector) * sector; j.res.Grown == 0 {
			j.note("no partition was grown: the last one ends with the disk already")
			return
		}
		j.noteGrown()
	}
}

func (j *job) noteGrown() {
	j.note("the last partition was grown by %s; its file system has the size that it had", disk.HumanSize(j.res.Grown))
}

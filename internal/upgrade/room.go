package upgrade

import (
	"fmt"
	"os"
	"path/filepath"
)

// spare is what stays free, so that who else writes there can go on.
const spare = 32 << 20

// rooms are what an upgrade writes: the snapshot, and beside the database what the new release keeps of it, a second
// one for the way back, and what a migration adds.
func rooms(dir string, look Look) []Room {
	database := sizeOf(look.Database)
	return append([]Room{
		{Snapshots(dir), database + configSize(look), "the snapshot"},
		{filepath.Dir(look.Database), 3 * database, "the database, kept, migrated and put back"},
	}, look.Room...)
}

func configSize(look Look) (sum int64) {
	_ = eachFile(look, func(_ string, info os.FileInfo) error { sum += info.Size(); return nil }) // Take reports it
	return sum
}

// checkRoom refuses what does not fit, disk by disk.
func checkRoom(wanted []Room) error {
	type disk struct {
		free, need int64
		room       Room
	}
	disks := map[uint64]disk{}
	for _, r := range wanted {
		free, device, err := freeAt(r.Folder)
		if err != nil {
			return err
		}
		d := disks[device]
		if d.need == 0 {
			d.need = spare
		}
		d.free, d.need = free, d.need+r.Bytes
		if r.Bytes > d.room.Bytes || d.room.Folder == "" {
			d.room = r
		}
		disks[device] = d
	}
	for _, d := range disks {
		if d.need > d.free {
			return refused("disk-full", fmt.Sprintf("the upgrade needs %s on the disk of %s (most of it for %s), and %s are free", mebibytes(d.need), d.room.Folder, d.room.For, mebibytes(d.free)),
				"Make room: old backups (bty-lab backups) and snapshots of earlier upgrades are what bty keeps there")
		}
	}
	return nil
}

func mebibytes(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

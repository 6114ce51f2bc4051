//go:build bty_faulty_release

package store

import bolt "go.etcd.io/bbolt"

// Built with this tag, bty-web is a later release whose migration loses a machine: tests of upgrades have
// to get back from it.
func init() {
	migrations = append(migrations, func(tx *bolt.Tx) error {
		machines := tx.Bucket(bucketMachines)
		first, _ := machines.Cursor().First()
		if first == nil {
			return nil
		}
		var errs error
		for _, name := range [][]byte{bucketMachines, bucketFacts, bucketHardware, bucketTrees} {
			if err := tx.Bucket(name).Delete(first); err != nil {
				errs = err
			}
		}
		return errs
	})
}

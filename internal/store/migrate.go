package store

import (
	"encoding/binary"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// migrations bring a file from one schema to the next; the schema is how many have run. One that
// was released is never edited: add another, and a golden file of the new schema in testdata.
var migrations = []func(*bolt.Tx) error{
	firstBuckets,    // to schema 1
	operatorBuckets, // to schema 2
	factsApart,      // to schema 3
	factsLogged,     // to schema 4
}

// buckets lists what a file of the newest schema must have.
var buckets = [][]byte{
	bucketMachines, bucketHardware, bucketTrees, bucketImages, bucketEvents,
	bucketSettings, bucketTokens, bucketRules, bucketDropped, bucketFacts, bucketLatest,
}

// operatorBuckets is for what the operator sets beside machines and images.
func operatorBuckets(tx *bolt.Tx) error {
	for _, name := range [][]byte{bucketSettings, bucketTokens, bucketRules, bucketDropped} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	return beforeRules(tx)
}

func firstBuckets(tx *bolt.Tx) error {
	for _, name := range [][]byte{bucketMachines, bucketHardware, bucketTrees, bucketImages, bucketEvents} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	return nil
}

// keepAndMigrate has a file kept that is not of the newest schema, and migrates it.
func keepAndMigrate(db *bolt.DB, keep func(have uint32) error) error {
	var have uint32
	err := db.View(func(tx *bolt.Tx) (err error) { have, err = (&Tx{tx: tx}).schema(); return err })
	if err == nil && int(have) < len(migrations) {
		err = keep(have)
	}
	if err != nil {
		return err
	}
	return migrate(db)
}

// migrate runs what the file has not been through, all in one transaction.
func migrate(db *bolt.DB) error {
	return db.Update(func(tx *bolt.Tx) error {
		t := &Tx{tx: tx}
		have, err := t.schema()
		if err != nil || int(have) == len(migrations) {
			return err
		}
		for i := int(have); i < len(migrations); i++ {
			if err := migrations[i](tx); err != nil {
				return fmt.Errorf("to schema %d: %w", i+1, err)
			}
		}
		return setSchema(tx, uint32(len(migrations)))
	})
}

func setSchema(tx *bolt.Tx, schema uint32) error {
	return tx.Bucket(bucketMeta).Put(keySchema, binary.BigEndian.AppendUint32(nil, schema))
}

func initialise(db *bolt.DB, version string) error {
	err := db.Update(func(tx *bolt.Tx) error {
		meta, err := tx.CreateBucketIfNotExists(bucketMeta)
		if err != nil {
			return err
		}
		if err := meta.Put(keyCreatedBy, []byte(version)); err != nil {
			return err
		}
		return setSchema(tx, 0)
	})
	if err != nil {
		return err
	}
	return migrate(db)
}

package store

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"bty/internal/machine"
	"bty/internal/rule"
)

// Tx is one transaction. What it returns stays valid after it ends.
type Tx struct {
	tx    *bolt.Tx
	store *Store
	wrote bool

	hardware *bolt.Cursor // of a transaction that only reads
	last     *rows        // the machine that was read last, in one that may write

	// Of a transaction that only reads, once they were asked for: a list asks for them with each machine.
	log   *bolt.Bucket
	rules *rule.Set

	first  uint64                 // row of the log of facts, once it was asked for
	latest map[machine.MAC][]byte // that log, of a snapshot that memory does not reach back to

	changes []change // of events
}

var (
	bucketMeta     = []byte("meta")
	bucketMachines = []byte("machines")
	bucketFacts    = []byte("facts")
	bucketLatest   = []byte("latest")
	bucketRecent   = []byte("recent") // of schema 3
	bucketHardware = []byte("hardware")
	bucketTrees    = []byte("trees")
	bucketImages   = []byte("images")
	bucketEvents   = []byte("events")
	bucketSettings = []byte("settings")
	bucketTokens   = []byte("tokens")
	bucketRules    = []byte("rules")
	bucketDropped  = []byte("dropped")

	keySchema    = []byte("schema")
	keyCreatedBy = []byte("created_by")
)

// valueVersion is the first byte of every value: JSON of today's types.
const valueVersion = 1

func (t *Tx) put(bucket, key []byte, value any) error {
	raw, err := encode(bucket, key, value)
	if err != nil {
		return err
	}
	return t.putRaw(bucket, key, raw)
}

// putIfChanged is put for what is large and mostly the same as before: a page that is not touched
// is not written.
func (t *Tx) putIfChanged(bucket, key []byte, value any) error {
	raw, err := encode(bucket, key, value)
	if err != nil || bytes.Equal(raw, t.tx.Bucket(bucket).Get(key)) {
		return err
	}
	return t.putRaw(bucket, key, raw)
}

func (t *Tx) putRaw(bucket, key, raw []byte) error {
	t.wrote = true
	if err := t.tx.Bucket(bucket).Put(key, raw); err != nil {
		return fmt.Errorf("put %s/%x: %w", bucket, key, err)
	}
	return nil
}

func encode(bucket, key []byte, value any) ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte(valueVersion)
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return nil, fmt.Errorf("encode %s/%x: %w", bucket, key, err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func (t *Tx) get(bucket, key []byte, value any) (bool, error) {
	raw := t.tx.Bucket(bucket).Get(key)
	if raw == nil {
		return false, nil
	}
	return true, decode(bucket, key, raw, value)
}

func (t *Tx) delete(bucket, key []byte) error {
	t.wrote = true
	if err := t.tx.Bucket(bucket).Delete(key); err != nil {
		return fmt.Errorf("delete %s/%x: %w", bucket, key, err)
	}
	return nil
}

func decode(bucket, key, raw []byte, value any) error {
	if len(raw) == 0 || raw[0] != valueVersion {
		return fmt.Errorf("%s/%x has a value version that this release does not know", bucket, key)
	}
	if err := json.Unmarshal(raw[1:], value); err != nil {
		return &ValueError{string(bucket), bytes.Clone(key), err}
	}
	return nil
}

// schema is the number of the last migration that the file went through, 0 before the first.
func (t *Tx) schema() (uint32, error) {
	meta := t.tx.Bucket(bucketMeta)
	if meta == nil {
		return 0, errors.New("it has no bucket meta")
	}
	raw := meta.Get(keySchema)
	if len(raw) != 4 {
		return 0, fmt.Errorf("meta/schema has %d bytes, want 4", len(raw))
	}
	return binary.BigEndian.Uint32(raw), nil
}

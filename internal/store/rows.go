package store

import (
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	bolt "go.etcd.io/bbolt"

	"bty/internal/machine"
)

// tables are what an upgrade must not lose a row of. Events are not among them: old ones go by themselves.
var tables = map[string]struct {
	bucket []byte
	name   func(key []byte) string
}{
	"machines": {bucketMachines, macText},
	"hardware": {bucketHardware, macText},
	"images":   {bucketImages, hex.EncodeToString},
	"settings": {bucketSettings, plainText},
	"tokens":   {bucketTokens, plainText},
	"rules":    {bucketRules, ruleText},
}

func macText(key []byte) string {
	var mac machine.MAC
	copy(mac[:], key)
	return mac.String()
}

func plainText(key []byte) string { return string(key) }

func ruleText(key []byte) string {
	if len(key) != 8 { // the default, and the mark
		return string(key)
	}
	return strings.TrimLeft(hex.EncodeToString(key), "0")
}

// Rows names each row of what was set and discovered, by table. A table that this schema lacks has none.
func (t *Tx) Rows() map[string][]string {
	rows := map[string][]string{}
	for _, table := range slices.Sorted(maps.Keys(tables)) {
		names := []string{}
		if b := t.tx.Bucket(tables[table].bucket); b != nil {
			names = namesIn(b, tables[table].name)
		}
		rows[table] = names
	}
	return rows
}

// Schema is the number of the last migration that the file went through.
func (t *Tx) Schema() (uint32, error) { return t.schema() }

func namesIn(b *bolt.Bucket, name func([]byte) string) []string {
	names := []string{}
	cursor := b.Cursor()
	for key, _ := cursor.First(); key != nil; key, _ = cursor.Next() {
		names = append(names, name(key))
	}
	return names
}

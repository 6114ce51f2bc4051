package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"bty/internal/catalog"
	"bty/internal/fault"
	"bty/internal/machine"
	"bty/internal/rule"
	"bty/internal/token"
)

// ValueError is a value that is not what was put there: the file was damaged where bbolt does not
// see it.
type ValueError struct {
	Bucket string
	Key    []byte
	Cause  error
}

func (e *ValueError) Error() string { return fmt.Sprintf("decode %s/%x: %v", e.Bucket, e.Key, e.Cause) }

func (e *ValueError) Unwrap() error { return e.Cause }

// named tells whoever asked that it is the database which is damaged, and what helps.
func (s *Store) named(err error) error {
	v, damaged := errors.AsType[*ValueError](err)
	if _, known := errors.AsType[*fault.Error](err); known || !damaged {
		return err
	}
	return fault.Wrap(fault.Unavailable, err, "the database %s is damaged: %s/%x cannot be read; restore a backup in its place with: bty-lab restore ID (bty-lab backups lists them)",
		s.Path(), v.Bucket, v.Key)
}

// typed makes what the values of a bucket are read into.
var typed = map[string]func(key []byte) any{
	string(bucketMachines): func([]byte) any { return new(machine.Machine) },
	string(bucketHardware): func([]byte) any { return new(machine.Hardware) },
	string(bucketImages):   func([]byte) any { return new(catalog.Entry) },
	string(bucketTokens):   func([]byte) any { return new(token.Token) },
	string(bucketSettings): func([]byte) any { return new(string) },
	string(bucketRules): func(key []byte) any {
		switch {
		case string(key) == string(keyRulesDefault):
			return new(rule.Assignment)
		case len(key) == 8:
			return new(rule.Rule)
		}
		return nil
	},
}

// legible reports a value that this release could not read later. Events and trees, of which there
// are many bytes, are only looked at as JSON.
func legible(bucket, key, raw []byte) error {
	switch string(bucket) {
	case string(bucketFacts):
		_, err := decodeFacts(key, raw)
		return err
	case string(bucketLatest):
		mac, facts, err := readLatest(key, raw)
		if err == nil && facts != nil {
			_, err = decodeFacts(mac[:], facts)
		}
		return err
	}
	if value, ok := typed[string(bucket)]; ok {
		into := value(key)
		if into == nil {
			return nil
		}
		return decode(bucket, key, raw, into)
	}
	isEvent := string(bucket) == string(bucketEvents)
	if !isEvent && string(bucket) != string(bucketTrees) {
		return nil
	}
	if len(raw) < 2 || raw[0] != valueVersion || isEvent && raw[1] != '{' || !json.Valid(raw[1:]) {
		return &ValueError{string(bucket), bytes.Clone(key), errors.New("it is no JSON")}
	}
	return nil
}

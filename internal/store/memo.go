package store

import (
	"bytes"
	"sync"
)

const (
	maxMemo      = 16 << 10 // values that are kept decoded; a machine takes about a kilobyte
	maxMemoValue = 4 << 10  // bytes of one; what a machine reports may be much more, and is decoded again
)

// memo keeps values decoded, beside the bytes that they were decoded from. A value counts only
// while the transaction that asks holds the same bytes, so nothing ever has to be invalidated:
// not after a rollback, not for a reader on an older snapshot. Who gets a value must not change
// what its slices point at.
type memo[K comparable, V any] struct {
	mu     sync.RWMutex
	values map[K]*decoded[V]
}

type decoded[V any] struct {
	raw   []byte
	value V
}

func (m *memo[K, V]) get(key K, raw []byte) (*decoded[V], bool) {
	m.mu.RLock()
	known, ok := m.values[key]
	m.mu.RUnlock()
	return known, ok && bytes.Equal(known.raw, raw)
}

func (m *memo[K, V]) put(key K, d *decoded[V]) {
	if len(d.raw) > maxMemoValue {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.values == nil {
		m.values = map[K]*decoded[V]{}
	}
	if _, known := m.values[key]; !known && len(m.values) >= maxMemo {
		for old := range m.values { // any: who reads all values in turn must not empty it each time
			delete(m.values, old)
			break
		}
	}
	m.values[key] = d
}

// recall returns the value under key, from the memo if it has it; nil if there is none.
func recall[K comparable, V any](t *Tx, m *memo[K, V], bucket []byte, key K, keyBytes []byte) (*decoded[V], error) {
	raw := t.tx.Bucket(bucket).Get(keyBytes)
	if raw == nil {
		return nil, nil
	}
	return remember(m, bucket, key, keyBytes, raw)
}

// remember returns what raw decodes to, from the memo if it has it.
func remember[K comparable, V any](m *memo[K, V], bucket []byte, key K, keyBytes, raw []byte) (*decoded[V], error) {
	if d, ok := m.get(key, raw); ok {
		return d, nil
	}
	d := new(decoded[V])
	if err := decode(bucket, keyBytes, raw, &d.value); err != nil {
		return nil, err
	}
	d.raw = bytes.Clone(raw)
	m.put(key, d)
	return d, nil
}

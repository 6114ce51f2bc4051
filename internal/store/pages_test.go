package store

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What bbolt would follow to where nothing is, or for ever, is seen before it does.
func TestPagesThatPointAstray(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bty.db")
	s := open(t, path)
	err := s.Update(t.Context(), func(tx *Tx) error {
		for i := range 2000 {
			if err := putMachine(i)(tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	size := os.Getpagesize()
	branch := pageWith(t, good, isBranch)
	leaf := int(binary.LittleEndian.Uint64(good[branch*size+pageHead+8:]))
	for name, one := range map[string]struct {
		at, bytes int
		value     uint64
		says      string
	}{
		"a child that is the page itself":  {branch*size + pageHead + 8, 8, uint64(branch), "two point to it"},
		"a child behind the end":           {branch*size + pageHead + 8, 8, 1 << 40, "is not one of"},
		"a child that is the head":         {branch*size + pageHead + 8, 8, 1, "is not one of"},
		"a key of a branch behind the end": {branch*size + pageHead + 4, 4, 1 << 31, "are not in it"},
		"no child":                         {branch*size + 10, 2, 0, "flags 0x1 and 0 keys"},
		"another number":                   {leaf * size, 8, 77, "it says that it is 77"},
		"no kind":                          {leaf*size + 8, 2, 64, "flags 0x40"},
		"more keys than fit":               {leaf*size + 10, 2, 60000, "do not fit"},
		"pages behind it":                  {leaf*size + 12, 4, 1 << 30, "the file ends"},
		"a value behind the end":           {leaf*size + pageHead + 12, 4, 1 << 31, "are not in it"},
	} {
		bad := append([]byte(nil), good...)
		b := binary.LittleEndian.AppendUint64(nil, one.value)
		copy(bad[one.at:], b[:one.bytes])
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		err := inspect(path, func() {})
		if _, damaged := errors.AsType[*DamagedError](err); !damaged || !strings.Contains(err.Error(), one.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func pageWith(t *testing.T, file []byte, flags uint16) int {
	t.Helper()
	for page := 2; page < len(file)/os.Getpagesize(); page++ {
		head := file[page*os.Getpagesize():]
		if binary.LittleEndian.Uint16(head[8:]) == flags && binary.LittleEndian.Uint64(head) == uint64(page) && binary.LittleEndian.Uint16(head[10:]) > 1 {
			return page
		}
	}
	t.Fatalf("no page has the flags %d", flags)
	return 0
}

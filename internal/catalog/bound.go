package catalog

import (
	"bytes"
	"fmt"

	"github.com/pelletier/go-toml/v2/unstable"
)

// maxKeys is how many keys an image may have, and how many there may be outside of all images.
const maxKeys = 1000

// checkKeys refuses a file with very many keys. The decoder compares each key with all before it
// but those of earlier images, so that a hostile file of a few megabytes would keep it busy for
// hours. What is no TOML is left to the decoder, which says so better.
func checkKeys(raw []byte) error {
	var p unstable.Parser
	p.Reset(raw)
	outside, inImage, isImage := 0, 0, false
	for p.NextExpression() {
		e := p.Expression()
		if e.Kind != unstable.KeyValue {
			name, parts := header(e)
			isImage = bytes.Equal(name, []byte("images"))
			if isImage && parts == 1 {
				inImage = 0 // the decoder forgets the keys of the image before
			}
		}
		if isImage {
			inImage += keysOf(e)
		} else {
			outside += keysOf(e)
		}
		if inImage > maxKeys || outside > maxKeys {
			return fmt.Errorf("catalog has more than %d keys in one image, or outside of all", maxKeys)
		}
	}
	return nil
}

// header is the first part of a table's name and how many it has.
func header(e *unstable.Node) (first []byte, parts int) {
	for key := e.Key(); key.Next(); parts++ {
		if parts == 0 {
			first = key.Node().Data
		}
	}
	return first, parts
}

// keysOf counts the keys of an expression: the parts of a dotted one, and those of inline tables.
func keysOf(e *unstable.Node) int {
	n := 0
	if e.Kind == unstable.KeyValue || e.Kind == unstable.Table || e.Kind == unstable.ArrayTable {
		for key := e.Key(); key.Next(); {
			n++
		}
	}
	if e.Kind == unstable.KeyValue {
		return n + keysOf(e.Value())
	}
	if e.Kind == unstable.Array || e.Kind == unstable.InlineTable {
		for child := e.Children(); child.Next(); {
			n += keysOf(child.Node())
		}
	}
	return n
}

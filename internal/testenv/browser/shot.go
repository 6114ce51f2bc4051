package browser

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"

	"github.com/chromedp/chromedp"
)

// Shot takes a picture of the page, as far down as it says something, and writes it as a PNG.
func (t *Tab) Shot(path string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.ctx, 2*patience)
	defer cancel()
	t.Until(`document.fonts.status === "loaded"`)
	raw, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatalf("picture %s: %v", path, err)
	}
	shot, err := png.Decode(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("picture %s: %v", path, err)
	}
	var b bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err = encoder.Encode(&b, fewColours(shot)); err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o755)
	}
	if err == nil {
		err = os.WriteFile(path, b.Bytes(), 0o644)
	}
	if err != nil {
		t.Fatalf("picture %s: %v", path, err)
	}
}

const (
	maxHeight  = 1500 // of a picture, in pixels
	maxColours = 128
)

// fewColours is the top of a picture in its most frequent colours: a page has few, and edges of
// letters in the shades between them. It makes the files a quarter as large.
func fewColours(from image.Image) image.Image {
	bounds := from.Bounds()
	bounds.Max.Y = min(bounds.Max.Y, bounds.Min.Y+maxHeight)
	counts := map[color.RGBA]int{}
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			counts[at(from, x, y)]++
		}
	}
	palette := frequent(counts)
	index := map[color.RGBA]uint8{}
	for c := range counts {
		index[c] = uint8(palette.Index(c))
	}
	to := image.NewPaletted(bounds, palette)
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			to.SetColorIndex(x, y, index[at(from, x, y)])
		}
	}
	return to
}

func at(m image.Image, x, y int) color.RGBA {
	r, g, b, _ := m.At(x, y).RGBA()
	return color.RGBA{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8), 0xff}
}

func frequent(counts map[color.RGBA]int) color.Palette {
	colours := make([]color.RGBA, 0, len(counts))
	for c := range counts {
		colours = append(colours, c)
	}
	slices.SortFunc(colours, func(a, b color.RGBA) int {
		if counts[a] != counts[b] {
			return counts[b] - counts[a]
		}
		return (int(a.R)<<16 | int(a.G)<<8 | int(a.B)) - (int(b.R)<<16 | int(b.G)<<8 | int(b.B))
	})
	var palette color.Palette
	for _, c := range colours { // first what is unlike all others, be it ever so small
		if counts[c] >= rare && len(palette) < maxColours/2 && isNew(palette, c) {
			palette = append(palette, c)
		}
	}
	for _, c := range colours { // then what there is most of
		if len(palette) < maxColours && !slices.Contains(palette, color.Color(c)) {
			palette = append(palette, c)
		}
	}
	return palette
}

const (
	rare    = 6  // pixels of a colour that make it worth a place of its own
	unalike = 28 // distance of colours that are told apart at a glance
)

func isNew(palette color.Palette, c color.RGBA) bool {
	for _, other := range palette {
		o := other.(color.RGBA)
		r, g, b := int(c.R)-int(o.R), int(c.G)-int(o.G), int(c.B)-int(o.B)
		if r*r+g*g+b*b < unalike*unalike {
			return false
		}
	}
	return true
}

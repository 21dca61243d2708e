package web

import (
	"fmt"
	"image/color"
	"strings"

	bar "github.com/boombuler/barcode/qr"
)

// quiet is the margin that readers need around a code, in modules (ISO/IEC
// 18004 section 9.1).
const quiet = 4

// qr is a QR code as a path of an SVG drawing.
type qr struct {
	Size int    // of the square, margin included
	Path string // of the dark modules
}

// newQR draws a text.
func newQR(text string) (*qr, error) {
	code, err := bar.Encode(text, bar.M, bar.Auto)
	if err != nil {
		return nil, fmt.Errorf("draw QR code: %w", err)
	}
	side := code.Bounds().Dx()
	var b strings.Builder
	for y := range side {
		for x := range side {
			if code.At(x, y) == color.Black {
				fmt.Fprintf(&b, "M%d %dh1v1h-1z", x+quiet, y+quiet)
			}
		}
	}
	return &qr{Size: side + 2*quiet, Path: b.String()}, nil
}

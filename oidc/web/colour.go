package web

import (
	"encoding/hex"
	"fmt"
	"math"
	"strings"
)

// minContrast is that of text (WCAG 2.2 success criterion 1.4.3).
const minContrast = 4.5

// colour is red, green and blue.
type colour [3]uint8

func parseColour(text string) (colour, error) {
	digits, ok := strings.CutPrefix(text, "#")
	raw, err := hex.DecodeString(digits)
	if !ok || err != nil || len(raw) != len(colour{}) {
		return colour{}, fmt.Errorf("%q is no colour such as %s", text, defaultColour)
	}
	return colour(raw), nil
}

// String is the colour as style sheets write it.
func (c colour) String() string { return "#" + hex.EncodeToString(c[:]) }

// luminance is relative luminance (WCAG 2.2).
func (c colour) luminance() float64 {
	linear := func(v uint8) float64 {
		s := float64(v) / 255
		if s <= 0.04045 {
			return s / 12.92
		}
		return math.Pow((s+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c[0]) + 0.7152*linear(c[1]) + 0.0722*linear(c[2])
}

// contrast is the contrast ratio of two colours, 1 to 21 (WCAG 2.2).
func contrast(a, b colour) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// ink is the colour of text on c: white or nearly black, whichever is read
// better.
func (c colour) ink() colour {
	white, black := colour{255, 255, 255}, colour{11, 15, 18}
	if contrast(c, white) >= contrast(c, black) {
		return white
	}
	return black
}

// readable is the colour, moved away from the surface as far as text in it
// needs.
func readable(text, surface string) (colour, error) {
	c, err := parseColour(text)
	if err != nil {
		return colour{}, err
	}
	on, err := parseColour(surface)
	if err != nil {
		return colour{}, err
	}
	target := on.ink()
	const steps = 32
	for i := range steps + 1 {
		mixed := mix(c, target, float64(i)/steps)
		if contrast(mixed, on) >= minContrast {
			return mixed, nil
		}
	}
	return target, nil
}

// mix goes from a to b by a share.
func mix(a, b colour, share float64) colour {
	var out colour
	for i := range a {
		out[i] = uint8(math.Round(float64(a[i]) + (float64(b[i])-float64(a[i]))*share))
	}
	return out
}

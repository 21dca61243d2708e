package web

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Branding is how the pages look to whom they belong. Empty members are ours.
type Branding struct {
	Name string
	// Logo is an SVG or PNG file.
	Logo string
	// Colour and ColourDark are "#rrggbb" for buttons and links on light and on
	// dark pages. Where text in that colour could not be read they are moved
	// towards black or white until it can.
	Colour, ColourDark string
}

// Defaults of Branding.
const (
	defaultName       = "Sallyport"
	defaultColour     = "#0f5c6e"
	defaultColourDark = "#74c7d6"
)

// Colours of the surfaces on which accents stand, as in style.css.
const (
	surfaceLight = "#ffffff"
	surfaceDark  = "#1d2227"
)

// maxLogo is the largest logo file, in bytes.
const maxLogo = 512 << 10

// themeFile holds the colours of the operator.
const themeFile = "theme.css"

// look is branding ready for pages.
type look struct {
	Name string
	Logo string // path; "": our own mark
}

// newLook checks branding and adds its files.
func newLook(b Branding, files *assets) (look, error) {
	light, err := readable(cmp.Or(b.Colour, defaultColour), surfaceLight)
	if err != nil {
		return look{}, fmt.Errorf("branding.colour: %w", err)
	}
	dark, err := readable(cmp.Or(b.ColourDark, b.Colour, defaultColourDark), surfaceDark)
	if err != nil {
		return look{}, fmt.Errorf("branding.colour_dark: %w", err)
	}
	files.add(themeFile, theme(light, dark))
	l := look{Name: cmp.Or(b.Name, defaultName)}
	if b.Logo == "" {
		return l, nil
	}
	if l.Logo, err = addLogo(b.Logo, files); err != nil {
		return look{}, fmt.Errorf("branding.logo: %w", err)
	}
	return l, nil
}

func addLogo(file string, files *assets) (string, error) {
	ext := strings.ToLower(filepath.Ext(file))
	if ext != ".svg" && ext != ".png" {
		return "", fmt.Errorf("%s is neither an .svg nor a .png file", file)
	}
	content, err := os.ReadFile(file) //nolint:gosec // the operator names the file
	if err != nil {
		return "", fmt.Errorf("read logo: %w", err)
	}
	if len(content) > maxLogo {
		return "", errors.New("the file is larger than 512 KiB")
	}
	files.add("logo"+ext, content)
	return files.path("logo" + ext), nil
}

// theme is the style sheet with the accents.
func theme(light, dark colour) []byte {
	return fmt.Appendf(nil, ":root{--accent:%s;--on-accent:%s}\n"+
		"@media (prefers-color-scheme:dark){:root{--accent:%s;--on-accent:%s}}\n",
		light, light.ink(), dark, dark.ink())
}

package oidc

import (
	"encoding/base64"
	"slices"
	"strings"
)

// maxLogo bounds a logo that is its own URL, in bytes of base64.
const maxLogo = 64 << 10

// DataImage reports whether a logo_uri is an image in itself (RFC 2397), which
// pages can show without asking another host for it.
func DataImage(uri string) bool {
	kind, data, ok := strings.Cut(uri, ";base64,")
	kinds := []string{"data:image/png", "data:image/jpeg", "data:image/webp", "data:image/gif", "data:image/svg+xml"}
	if !ok || len(data) > maxLogo || !slices.Contains(kinds, kind) {
		return false
	}
	_, err := base64.StdEncoding.DecodeString(data)
	return err == nil
}

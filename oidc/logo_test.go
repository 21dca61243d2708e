package oidc_test

import (
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/oidc"
)

// TestDataImage: only whole images of known kinds, of bounded size.
func TestDataImage(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]bool{
		"data:image/png;base64,iVBORw0KGgo=":                           true,
		"data:image/svg+xml;base64,PHN2Zy8+":                           true,
		"data:image/png;base64," + strings.Repeat("A", 64<<10):         true,
		"data:image/png;base64," + strings.Repeat("A", 64<<10+4):       false,
		"data:image/png;base64,iVBORw0KGgo":                            false,
		`data:image/png;base64,"><script>`:                             false,
		"data:image/png;charset=x;base64,iVBORw0KGgo=":                 false,
		"data:text/html;base64,PGI+":                                   false,
		"data:image/svg+xml,<svg/>":                                    false,
		"DATA:image/png;base64,iVBORw0KGgo=":                           false,
		"https://shop.example/logo.png#;base64,data:image/png;base64,": false,
		"": false,
	} {
		if got := oidc.DataImage(uri); got != want {
			t.Errorf("DataImage(%.60q) = %t, want %t", uri, got, want)
		}
	}
}

package web_test

import (
	"encoding/hex"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/sallyport-id/sallyport/oidc/web"
)

var assetPattern = regexp.MustCompile(`(?:href|src)="(/assets/[^"]+)"`)

// TestAssets: what a page names is there, kept for ever under a name that is of
// its content, and nothing else is served.
func TestAssets(t *testing.T) {
	t.Parallel()
	f := newFake()
	b := newBrowser(t, newWeb(t, f))
	b.begin()
	found := assetPattern.FindAllStringSubmatch(b.get("/login/t1").Body, -1)
	if len(found) != 4 {
		t.Fatalf("the page names %v", found)
	}
	for _, m := range found {
		p := b.get(m[1])
		if p.Status != http.StatusOK || p.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" || p.Body == "" {
			t.Errorf("%s = %d %v", m[1], p.Status, p.Header)
		}
		kind := map[string]string{".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}[filepath.Ext(m[1])]
		if !strings.HasPrefix(p.Header.Get("Content-Type"), kind) {
			t.Errorf("%s is %q, want %q", m[1], p.Header.Get("Content-Type"), kind)
		}
		if head := b.do(http.MethodHead, m[1], nil); head.Status != http.StatusOK || head.Body != "" {
			t.Errorf("HEAD %s = %d with %d bytes", m[1], head.Status, len(head.Body))
		}
	}
	for _, path := range []string{"/assets/style.css", "/assets/../web.go", "/assets/%2e%2e%2fweb.go", "/assets/", "/assets/style-000000000000.css"} {
		if p := b.get(path); p.Status != http.StatusNotFound {
			t.Errorf("%s = %d, want 404", path, p.Status)
		}
	}
}

// TestIssuerWithPath: links and redirects stand below the path of the issuer.
func TestIssuerWithPath(t *testing.T) {
	t.Parallel()
	f := newFake()
	b := newBrowser(t, newWeb(t, f, func(c *web.Config) { c.Issuer = issuer + "/sso/" }))
	if p := b.get("/oauth/authorize"); p.Header.Get("Location") != "/sso/login/t1" {
		t.Errorf("Location = %q", p.Header.Get("Location"))
	}
	body := b.get("/login/t1").Body
	for _, want := range []string{`href="/sso/assets/style-`, `action="/sso/login/t1/login"`} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// TestLogo: the file of the operator stands in for our mark, and may not run
// anything when it is opened by itself.
func TestLogo(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "logo.svg")
	if err := os.WriteFile(file, []byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`), 0o600); err != nil {
		t.Fatal(err)
	}
	f := newFake()
	b := newBrowser(t, newWeb(t, f, func(c *web.Config) { c.Branding = web.Branding{Name: "A & B", Logo: file} }))
	b.begin()
	body := b.get("/login/t1").Body
	m := regexp.MustCompile(`<img src="(/assets/logo-[0-9a-f]{12}\.svg)" alt="A &amp; B"`).FindStringSubmatch(body)
	if m == nil {
		t.Fatalf("no logo on the page:\n%s", body)
	}
	if csp := b.get(m[1]).Header.Get("Content-Security-Policy"); csp != "default-src 'none'; style-src 'unsafe-inline'; sandbox" {
		t.Errorf("Content-Security-Policy of the logo = %q", csp)
	}
}

// TestClientLogo: only an image that travels with the page is shown.
func TestClientLogo(t *testing.T) {
	t.Parallel()
	for uri, shown := range map[string]bool{
		"data:image/png;base64,iVBORw0KGgo=": true,
		"https://shop.example/logo.png":      false,
		"data:text/html;base64,PGI+":         false,
		"javascript:alert(1)":                false,
		`data:image/png;base64,"><script>`:   false,
		"":                                   false,
	} {
		f := newFake()
		f.client.LogoURI = uri
		b := newBrowser(t, newWeb(t, f))
		b.begin()
		body := b.get("/login/t1").Body
		if got := strings.Contains(body, `<img class="app-logo"`); got != shown || strings.Contains(body, "<script>") {
			t.Errorf("logo %q shown: %t, want %t", uri, got, shown)
		}
	}
}

// TestClientLinks: links of a client lead to the web and nowhere else.
func TestClientLinks(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.client.URI, f.client.PolicyURI, f.client.TOSURI = "javascript:alert(1)", "https://shop.example/p", "data:text/html,x"
	b := newBrowser(t, newWeb(t, f))
	b.begin()
	f.step, f.ready, f.consent = readyStep(), nil, consentView()
	body := b.get("/login/t1").Body
	if strings.Contains(body, "alert") || strings.Contains(body, "data:text") || !strings.Contains(body, `href="https://shop.example/p"`) {
		t.Errorf("links:\n%s", body)
	}
}

// TestBadBranding names the setting that is wrong.
func TestBadBranding(t *testing.T) {
	t.Parallel()
	for want, b := range map[string]web.Branding{
		"branding.colour:":      {Colour: "red"},
		"branding.colour_dark:": {ColourDark: "#12345"},
		"branding.logo:":        {Logo: "logo.gif"},
		"read logo":             {Logo: filepath.Join(t.TempDir(), "absent.png")},
	} {
		_, err := web.New(web.Config{Engine: newFake(), Provider: newFake(), Issuer: issuer, Key: make([]byte, 32), Branding: b})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", b, err, want)
		}
	}
}

// TestNewChecks: what is missing is said at the start.
func TestNewChecks(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]web.Config{
		"no engine":  {Provider: newFake(), Issuer: issuer, Key: make([]byte, 32)},
		"short key":  {Engine: newFake(), Provider: newFake(), Issuer: issuer, Key: make([]byte, 31)},
		"no issuer":  {Engine: newFake(), Provider: newFake(), Key: make([]byte, 32)},
		"bad public": {Engine: newFake(), Provider: newFake(), Issuer: issuer, PublicURLs: []string{"x"}, Key: make([]byte, 32)},
	} {
		if _, err := web.New(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

var themePattern = regexp.MustCompile(`--accent:(#[0-9a-f]{6});--on-accent:(#[0-9a-f]{6})`)

// TestContrast: whatever the colours of the operator, text in them and on them
// can be read (WCAG 2.2 success criterion 1.4.3).
func TestContrast(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		colour := rapid.StringMatching(`#[0-9a-f]{6}`)
		look := web.Branding{Colour: colour.Draw(rt, "light"), ColourDark: colour.Draw(rt, "dark")}
		b := newBrowser(t, newWeb(t, newFake(), func(c *web.Config) { c.Branding = look }))
		b.begin()
		path := regexp.MustCompile(`/assets/theme-[^"]+`).FindString(b.get("/login/t1").Body)
		found := themePattern.FindAllStringSubmatch(b.get(path).Body, -1)
		if len(found) != 2 {
			rt.Fatalf("theme: %v", found)
		}
		for i, surface := range []string{"#ffffff", "#1d2227"} {
			for _, pair := range [][2]string{{found[i][1], surface}, {found[i][1], found[i][2]}} {
				if c := contrastOf(rt, pair[0], pair[1]); c < 4.5 {
					rt.Errorf("%+v: %s on %s has contrast %.2f", look, pair[0], pair[1], c)
				}
			}
		}
	})
}

// contrastOf is the contrast ratio as WCAG 2.2 defines it.
func contrastOf(t interface{ Fatal(...any) }, a, b string) float64 {
	luminance := func(text string) float64 {
		raw, err := hex.DecodeString(text[1:])
		if err != nil {
			t.Fatal(err)
		}
		var sum float64
		for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
			v := float64(raw[i]) / 255
			if v <= 0.04045 {
				v /= 12.92
			} else {
				v = math.Pow((v+0.055)/1.055, 2.4)
			}
			sum += weight * v
		}
		return sum
	}
	x, y := luminance(a), luminance(b)
	return (math.Max(x, y) + 0.05) / (math.Min(x, y) + 0.05)
}

// TestStyleSheetContrast: the fixed colours of text on their surfaces, light
// and dark.
func TestStyleSheetContrast(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join("assets", "style.css"))
	if err != nil {
		t.Fatal(err)
	}
	light, rest, _ := strings.Cut(string(raw), "@media (prefers-color-scheme: dark)")
	dark, _, _ := strings.Cut(rest, "\n}\n")
	for scheme, part := range map[string]string{"light": light, "dark": dark} {
		colour := map[string]string{}
		for _, m := range regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6});`).FindAllStringSubmatch(part, -1) {
			colour[m[1]] = m[2]
		}
		for _, pair := range [][2]string{
			{"ink", "surface"},
			{"ink", "page"},
			{"ink", "tint"},
			{"soft", "surface"},
			{"soft", "page"},
			{"soft", "tint"},
			{"bad", "bad-tint"},
			{"note", "note-tint"},
		} {
			if c := contrastOf(t, colour[pair[0]], colour[pair[1]]); c < 4.5 {
				t.Errorf("%s: %s on %s has contrast %.2f", scheme, pair[0], pair[1], c)
			}
		}
		// Edges of fields must be seen (1.4.11).
		if c := contrastOf(t, colour["edge"], colour["surface"]); c < 3 {
			t.Errorf("%s: edges have contrast %.2f", scheme, c)
		}
	}
}

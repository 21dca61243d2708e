package server

import (
	_ "embed"
	"html/template"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

//go:embed startpage.html
var startPageHTML string

// startPage shows what to do next, to whoever opens the base URL.
type startPage struct {
	page *template.Template
	base string
}

func newStartPage(issuer string) *startPage {
	return &startPage{page: template.Must(template.New("start").Parse(startPageHTML)), base: issuer + scimPath}
}

func (p *startPage) show(c echo.Context) error {
	if !strings.Contains(c.Request().Header.Get(echo.HeaderAccept), "text/html") {
		return c.String(http.StatusOK, "Sallyport runs. SCIM 2.0 is at "+p.base+
			"\nMake a token with: sallyport token create --name NAME\n")
	}
	var b strings.Builder
	if err := p.page.Execute(&b, struct{ Base string }{p.base}); err != nil {
		return err
	}
	return c.HTML(http.StatusOK, b.String())
}

package server

import (
	_ "embed"
	"html/template"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

// discoveryPath is where applications find what they need, below the issuer.
const discoveryPath = "/.well-known/openid-configuration"

//go:embed startpage.html
var startPageHTML string

// startPage shows what to do next, to whoever opens the base URL.
type startPage struct {
	page         *template.Template
	Issuer, Base string
	Discovery    string
}

func newStartPage(issuer string) *startPage {
	return &startPage{
		page:   template.Must(template.New("start").Parse(startPageHTML)),
		Issuer: issuer, Base: issuer + scimPath, Discovery: issuer + discoveryPath,
	}
}

func (p *startPage) show(c echo.Context) error {
	if !strings.Contains(c.Request().Header.Get(echo.HeaderAccept), "text/html") {
		return c.String(http.StatusOK, "Sallyport runs. SCIM 2.0 is at "+p.Base+
			"\nMake a token with: sallyport token create --name NAME"+
			"\nOpenID Connect: "+p.Discovery+
			"\nRegister an application with: sallyport client create --redirect-uri URL\n")
	}
	var b strings.Builder
	if err := p.page.Execute(&b, p); err != nil {
		return err
	}
	return c.HTML(http.StatusOK, b.String())
}

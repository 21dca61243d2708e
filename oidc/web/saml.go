package web

import (
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/authn/federated"
)

// serviceProvider is an upstream that has metadata of ours for its provider.
type serviceProvider interface {
	Metadata() ([]byte, error)
}

// contentSAMLMetadata is the media type of SAML 2.0 Metadata, appendix A.
const contentSAMLMetadata = "application/samlmetadata+xml"

// registerSAML adds our side of the SAML providers. There is neither a service
// for artifacts nor one for single logout.
func (w *Web) registerSAML(e *echo.Echo) {
	e.GET("/federation/:provider/metadata", w.handleForeign(w.samlMetadata))
	// The identity provider posts from its own site, without our cookies.
	e.POST("/federation/:provider/acs", w.handleForeign(w.samlAnswer))
}

// samlProvider finds the provider of the path. One that is disabled has metadata
// still: it may be about to be set up.
func (w *Web) samlProvider(r *request) (serviceProvider, error) {
	if w.cfg.Providers != nil {
		for _, p := range w.cfg.Providers.Providers() {
			if ours, ok := p.Upstream.(serviceProvider); ok && p.ID == r.echo.Param("provider") {
				return ours, nil
			}
		}
	}
	return nil, refuse(http.StatusNotFound, "error.not_found", nil)
}

// samlMetadata serves what an administrator of the identity provider loads.
func (w *Web) samlMetadata(r *request) error {
	p, err := w.samlProvider(r)
	if err != nil {
		return err
	}
	text, err := p.Metadata()
	if err != nil {
		return fmt.Errorf("SAML metadata: %w", err)
	}
	return r.echo.Blob(http.StatusOK, contentSAMLMetadata, text)
}

// samlAnswer is the assertion consumer service (SAML 2.0 Profiles section
// 4.1.4.2). It judges nothing: the answer is read where the cookies arrive.
func (w *Web) samlAnswer(r *request) error {
	if _, err := w.samlProvider(r); err != nil {
		return err
	}
	form, err := r.form(maxHeldForm)
	if err != nil {
		return err
	}
	return w.holdAnswer(r, federated.Answer{State: ourState(form.Get("RelayState")), Params: form})
}

// ourState returns a RelayState of ours. Providers that begin a login put there
// what they like, which is none.
func ourState(relay string) string {
	const length = 43 // of 256 bits in base64url
	if len(relay) != length {
		return ""
	}
	for _, c := range relay {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return ""
		}
	}
	return relay
}

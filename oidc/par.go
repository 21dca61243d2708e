package oidc

import (
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"
)

// parAnswer is the answer of RFC 9126 section 2.2.
type parAnswer struct {
	RequestURI string `json:"request_uri"`
	ExpiresIn  int64  `json:"expires_in"`
}

// handlePAR takes a pushed authorization request (RFC 9126 section 2). Every
// check of the authorization endpoint is made here, so that a client learns of
// its mistakes without a browser.
func (p *Provider) handlePAR(c echo.Context) error {
	form, err := readForm(c)
	if err != nil {
		return err
	}
	client, err := p.authenticateClient(c, form)
	if err != nil {
		return err
	}
	answer, err := p.push(c, client, form)
	if err != nil {
		return err
	}
	noStore(c)
	return c.JSON(http.StatusCreated, answer)
}

func (p *Provider) push(c echo.Context, client Client, form params) (parAnswer, error) {
	ctx := c.Request().Context()
	if form["request_uri"] != "" {
		return parAnswer{}, &Error{Code: InvalidRequest, Description: "request_uri cannot be pushed."}
	}
	q := requestParams(form)
	if q["request"] != "" {
		inner, err := p.objectParams(ctx, client, q["request"])
		if err != nil {
			return parAnswer{}, err
		}
		q = inner
	}
	key, err := p.verifyDPoP(ctx, p.proof(c, PathPAR))
	if err != nil {
		return parAnswer{}, err
	}
	if !redirectRegistered(client, q["redirect_uri"]) {
		return parAnswer{}, &Error{Code: InvalidRequest, Description: "The redirect_uri is missing or is not registered for this client."}
	}
	q["client_id"] = client.ID
	if err := p.validate(ctx, client, q, &request{KeyThumbprint: key}); err != nil {
		return parAnswer{}, err
	}
	id, _ := newSecret()
	life := p.cfg.Lifetimes.Pushed
	err = p.cfg.Pushed.InsertPushed(ctx, Pushed{
		ID: id, ClientID: client.ID, Params: q, KeyThumbprint: key, ExpiresAt: p.now().Add(life),
	})
	if err != nil {
		return parAnswer{}, fmt.Errorf("store pushed request: %w", err)
	}
	return parAnswer{RequestURI: requestURN + id, ExpiresIn: int64(life.Seconds())}, nil
}

// requestParams leaves out of a form what authenticates the client.
func requestParams(form params) params {
	out := make(params, len(form))
	for name, value := range form {
		switch name {
		case "client_secret", "client_assertion", "client_assertion_type":
		default:
			out[name] = value
		}
	}
	return out
}

// proof is the DPoP proof of a request to an endpoint of ours.
func (p *Provider) proof(c echo.Context, path string) dpopCheck {
	return dpopCheck{
		Proofs: c.Request().Header.Values("DPoP"), Method: c.Request().Method, URL: p.cfg.Issuer + path,
	}
}

package flow

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/session"
	"github.com/sallyport-id/sallyport/oidc"
	"github.com/sallyport-id/sallyport/scim"
)

// Bounds of a flow key: 256 bits in base64url, at least.
const (
	leastKey = 43
	mostKey  = 128
)

// begin takes an authorization request of a native app that keeps a flow key in
// place of cookies, as a form, and answers where its login begins.
func (f *Flows) begin(c echo.Context) error {
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	m, err := f.began(c)
	if err != nil {
		return f.fail(c, err)
	}
	return answer(c, m)
}

func (f *Flows) began(c echo.Context) (map[string]any, error) {
	header := c.Request().Header
	key := header.Get(KeyHeader)
	switch {
	case header.Get(echo.HeaderOrigin) != "" || header.Get("Sec-Fetch-Site") != "":
		// A page could keep the key of its own login and have somebody else finish it.
		return nil, scim.NewError(http.StatusForbidden, "", "Browsers begin logins at /oauth/authorize.")
	case len(key) < leastKey || len(key) > mostKey || strings.ContainsFunc(key, notInKey):
		return nil, scim.Errorf(http.StatusBadRequest, scim.TypeInvalidValue,
			"The header %s must hold 256 random bits or more, in base64url without padding.", KeyHeader)
	}
	params, err := form(c)
	if err != nil {
		return nil, err
	}
	client, err := f.native(c, params)
	if err != nil {
		return nil, err
	}
	v, err := f.browsers.Visitor(c)
	if err != nil {
		return nil, err
	}
	keyed := &keyed{Hash: session.Hash(key)}
	v.Browser, v.Sessions, v.Known, v.Devices = key, nil, nil, nil
	reply, _, err := f.cfg.Provider.Authorize(c.Request().Context(), v, params)
	if page, ok := errors.AsType[*oidc.PageError](err); ok {
		return map[string]any{"error": string(page.Code), "error_description": page.Description}, nil
	}
	if err != nil {
		return nil, err
	}
	switch a := reply.(type) {
	case oidc.Redirect: // tells the app what is wrong with its request
		return map[string]any{"continue_redirect_uri": a.URL}, nil
	case oidc.Interact:
		r := &request{flows: f, echo: c, kind: kindLogin, client: client, v: v, place: place{Txn: a.Txn, Client: client.ID, Key: keyed}}
		return r.first()
	}
	return nil, scim.NewError(http.StatusBadRequest, scim.TypeInvalidValue, "An app with a flow key cannot use this response_mode.")
}

// first says where a login begins.
func (r *request) first() (map[string]any, error) {
	if err := r.reload(); err != nil {
		return nil, err
	}
	step, err := r.next()
	if err != nil {
		return nil, err
	}
	k := kindOf(r.txn, step)
	if k == "" {
		k = kindContinue
	}
	uri, err := r.uri(k, nil)
	if err != nil {
		return nil, err
	}
	if k == kindContinue {
		return map[string]any{"continue_redirect_uri": uri}, nil
	}
	return map[string]any{"flow_uri": uri}, nil
}

// native finds the application, which must be a first-party one on a device:
// others have browsers, which they must not speak for.
func (f *Flows) native(c echo.Context, params url.Values) (oidc.Client, error) {
	refused := scim.NewError(http.StatusForbidden, "", "Only first-party applications of type native may begin a login without a browser.")
	client, err := f.cfg.Provider.ClientOf(c.Request().Context(), authn.Txn{ClientID: params.Get("client_id")})
	if errors.Is(err, oidc.ErrNotFound) {
		return oidc.Client{}, refused
	}
	if err != nil {
		return oidc.Client{}, err
	}
	if !client.FirstParty || client.Type != oidc.Native || client.Disabled {
		return oidc.Client{}, refused
	}
	return client, nil
}

// form reads the parameters of the body; those of the URL do not count.
func form(c echo.Context) (url.Values, error) {
	req := c.Request()
	req.Body = http.MaxBytesReader(c.Response(), req.Body, maxMessage)
	if err := req.ParseForm(); err != nil {
		return nil, scim.NewError(http.StatusBadRequest, scim.TypeInvalidSyntax, "Send the authorization request as a form.").Because(err)
	}
	return req.PostForm, nil
}

func notInKey(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

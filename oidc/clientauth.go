package oidc

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/authn/audit"
)

// assertionType is the only client_assertion_type (RFC 7523 section 2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// maxClientID bounds a client id, in bytes.
const maxClientID = 256

// credentials are what a request says about who its client is.
type credentials struct {
	id, secret, assertion string
	method                AuthMethod
}

// credentials reads the one way in which a client authenticates itself (RFC
// 6749 section 2.3): more than one at once is refused.
func (p *Provider) credentials(c echo.Context, f params) (credentials, error) {
	var found []credentials
	if header := c.Request().Header.Values(echo.HeaderAuthorization); len(header) > 0 {
		basic, err := basicCredentials(header)
		if err != nil {
			return credentials{}, err
		}
		found = append(found, basic)
	}
	if f["client_secret"] != "" {
		found = append(found, credentials{id: f["client_id"], secret: f["client_secret"], method: SecretPost})
	}
	if f["client_assertion"] != "" || f["client_assertion_type"] != "" {
		assertion, err := p.assertionCredentials(f)
		if err != nil {
			return credentials{}, err
		}
		found = append(found, assertion)
	}
	switch {
	case len(found) > 1:
		return credentials{}, &Error{Code: InvalidRequest, Description: "Authenticate the client in one way only."}
	case len(found) == 0 && f["client_id"] == "":
		return credentials{}, refusedClient(c)
	case len(found) == 0:
		return credentials{id: f["client_id"], method: NoAuth}, nil
	case f["client_id"] != "" && f["client_id"] != found[0].id:
		return credentials{}, &Error{Code: InvalidRequest, Description: "client_id is not that of the authenticated client."}
	}
	return found[0], nil
}

// basicCredentials reads HTTP Basic, whose parts are form-urlencoded (RFC 6749
// section 2.3.1).
func basicCredentials(header []string) (credentials, error) {
	refused := &Error{
		Code: InvalidClient, Status: http.StatusUnauthorized,
		Description: "The Authorization header is not HTTP Basic with form-urlencoded parts.",
		Header:      map[string]string{echo.HeaderWWWAuthenticate: basicChallenge},
	}
	scheme, text, _ := strings.Cut(header[0], " ")
	if len(header) > 1 || !strings.EqualFold(scheme, "Basic") {
		return credentials{}, refused
	}
	plain, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil {
		return credentials{}, refused.Because(err)
	}
	name, secret, ok := strings.Cut(string(plain), ":")
	if !ok {
		return credentials{}, refused
	}
	id, err1 := url.QueryUnescape(name)
	pass, err2 := url.QueryUnescape(secret)
	if err := errors.Join(err1, err2); err != nil || id == "" || !isText(id) || !isText(pass) {
		return credentials{}, refused.Because(err)
	}
	return credentials{id: id, secret: pass, method: SecretBasic}, nil
}

func (p *Provider) assertionCredentials(f params) (credentials, error) {
	if f["client_assertion_type"] != assertionType || f["client_assertion"] == "" {
		return credentials{}, &Error{
			Code: InvalidClient, Status: http.StatusUnauthorized,
			Description: "client_assertion and client_assertion_type jwt-bearer belong together.",
		}
	}
	id, err := p.assertionClient(f["client_assertion"])
	if err != nil {
		return credentials{}, err
	}
	return credentials{id: id, assertion: f["client_assertion"], method: PrivateKeyJWT}, nil
}

// authenticateClient finds out which client makes a request, by exactly the
// method that it is registered with. Failures are counted for the client and
// the address together: a stranger never locks a client out.
func (p *Provider) authenticateClient(c echo.Context, f params) (Client, error) {
	ctx := c.Request().Context()
	cred, err := p.credentials(c, f)
	if err != nil {
		return Client{}, err
	}
	if len(cred.id) > maxClientID {
		return Client{}, refusedClient(c)
	}
	client, err := p.cfg.Clients.Client(ctx, cred.id)
	if errors.Is(err, ErrNotFound) {
		return Client{}, p.clientFailed(c, cred.id, nil)
	}
	if err != nil {
		return Client{}, fmt.Errorf("look up client: %w", err)
	}
	switch {
	case client.Disabled:
		return Client{}, p.refuseClient(c, client, "disabled", nil)
	case client.AuthMethod != cred.method:
		return Client{}, p.refuseClient(c, client, "method", nil)
	case cred.method == NoAuth:
	case cred.method == PrivateKeyJWT:
		err = p.verifyClientAssertion(ctx, client, cred.assertion)
	case !secretMatches(client.Secrets, cred.secret, p.now()):
		return Client{}, p.refuseClient(c, client, "secret", nil)
	}
	if e, refused := errors.AsType[*Error](err); refused {
		return Client{}, p.refuseClient(c, client, "assertion", e)
	}
	return client, err
}

// refuseClient records that a client could not prove who it is, for its
// operator, and counts it. Names that are no client's are only counted: the
// trail is not for what strangers type.
func (p *Provider) refuseClient(c echo.Context, client Client, reason string, why *Error) error {
	e := clientEvent(audit.ClientRefused, audit.Party{Type: "client", ID: client.ID, Name: client.Name}, client)
	e.Outcome, e.Reason = audit.Refused, reason
	e.RequestID, e.IP, e.UserAgent = c.Response().Header().Get(echo.HeaderXRequestID), c.RealIP(), c.Request().UserAgent()
	if err := p.audit(context.WithoutCancel(c.Request().Context()), e, nil); err != nil {
		return err
	}
	return p.clientFailed(c, client.ID, why)
}

// secretMatches compares a secret with all that are good now, in constant time.
func secretMatches(secrets []ClientSecret, secret string, now time.Time) bool {
	hash, found := hashOf(secret), 0
	for _, s := range secrets {
		if s.ExpiresAt.IsZero() || now.Before(s.ExpiresAt) {
			found |= subtle.ConstantTimeCompare(s.Hash, hash)
		}
	}
	return found == 1
}

// basicChallenge is the WWW-Authenticate of RFC 6749 section 5.2.
const basicChallenge = `Basic realm="sallyport"`

// refusedClient is the answer to a client that is not authenticated: unknown,
// disabled and wrong look alike.
func refusedClient(c echo.Context) *Error {
	e := &Error{Code: InvalidClient, Status: http.StatusUnauthorized, Description: "The client is not authenticated."}
	if c.Request().Header.Get(echo.HeaderAuthorization) != "" {
		e.Header = map[string]string{echo.HeaderWWWAuthenticate: basicChallenge}
	}
	return e
}

// clientFailed counts a failure and returns the refusal; why tells more than
// that the client is not authenticated, if it may be told.
func (p *Provider) clientFailed(c echo.Context, id string, why *Error) error {
	e := refusedClient(c)
	if why != nil {
		e.Description, e.cause = why.Description, why
	}
	if p.cfg.Tries == nil {
		return e
	}
	ip, err := netip.ParseAddr(c.RealIP())
	if err != nil {
		ip = netip.Addr{}
	}
	wait, err := p.cfg.Tries.ClientFailed(c.Request().Context(), id, ip)
	if err != nil {
		return fmt.Errorf("count failure of client: %w", err)
	}
	e.RetryAfter = wait
	return e
}

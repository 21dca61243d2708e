package oidc

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/sallyport-id/sallyport/authn"
)

// LogoutView is what has come of a logout request.
type LogoutView struct {
	// Done says that nobody is logged in any more; otherwise the page asks.
	Done bool
	// Redirect is where to send the browser, by 303, when Done; "": show a page.
	Redirect string
	// User is who would be logged out, for the question.
	User *authn.User
	// ClientName is the application that asks, "" when that is not proved.
	ClientName string
	// Ticket goes back to ConfirmLogout with a yes.
	Ticket string
	// FormAction is the origin that the answer to a yes may redirect to; "": it
	// does not redirect.
	FormAction string
}

// logoutRequest is a logout request whose hint was looked at.
type logoutRequest struct {
	hint     idTokenHint
	client   Client // of the hint; zero without a valid one
	proved   bool   // the hint is an ID token of ours, of that client
	badURI   bool   // it names a URI that is not registered
	redirect string // registered, with state; "": none
}

// Logout takes a request to the end_session_endpoint (OpenID Connect
// RP-Initiated Logout 1.0 section 2). With an ID token of ours for a session of
// this browser, and without a redirect URI or with a registered one, the
// session ends and the browser goes back. Anything else asks first and never
// redirects (section 6): the request may have been made by anybody.
func (p *Provider) Logout(ctx context.Context, v authn.Visitor, values url.Values) (LogoutView, authn.Grants, error) {
	q, bad := parseParams(values)
	if len(bad) > 0 {
		return LogoutView{}, authn.Grants{}, &PageError{Code: InvalidRequest, Description: badParams(bad).Description}
	}
	accounts, err := p.cfg.Engine.Accounts(ctx, v)
	if err != nil {
		return LogoutView{}, authn.Grants{}, fmt.Errorf("read accounts of browser: %w", err)
	}
	r, err := p.logoutRequest(ctx, q)
	if err != nil {
		return LogoutView{}, authn.Grants{}, err
	}
	switch session, known, err := p.hintedSession(ctx, r, accounts); {
	case err != nil:
		return LogoutView{}, authn.Grants{}, err
	case r.proved && !r.badURI && known:
		return p.endSession(ctx, v, session, r.redirect)
	case len(accounts) == 0 && r.proved && !r.badURI:
		// The session of the hint is over already.
		return LogoutView{Done: true, Redirect: r.redirect}, authn.Grants{}, nil
	case len(accounts) == 0:
		return LogoutView{Done: true}, authn.Grants{}, nil
	}
	view := LogoutView{User: &accounts[0].User, Ticket: accounts[0].SessionID}
	if r.proved {
		view.ClientName = r.client.Name
	}
	return view, authn.Grants{}, nil
}

// ConfirmLogout ends the session that Logout has asked about. The caller has
// checked that the answer comes from our page; the ticket only names one of the
// sessions of this browser, and what is not among them is over already.
func (p *Provider) ConfirmLogout(ctx context.Context, v authn.Visitor, ticket string) (LogoutView, authn.Grants, error) {
	accounts, err := p.cfg.Engine.Accounts(ctx, v)
	if err != nil {
		return LogoutView{}, authn.Grants{}, fmt.Errorf("read accounts of browser: %w", err)
	}
	for _, a := range accounts {
		if a.SessionID == ticket {
			return p.endSession(ctx, v, a.SessionID, "")
		}
	}
	return LogoutView{Done: true}, authn.Grants{}, nil
}

func (p *Provider) endSession(ctx context.Context, v authn.Visitor, id, redirect string) (LogoutView, authn.Grants, error) {
	grants, err := p.cfg.Engine.Logout(ctx, v, id)
	if err != nil {
		return LogoutView{}, authn.Grants{}, fmt.Errorf("log out: %w", err)
	}
	return LogoutView{Done: true, Redirect: redirect}, grants, nil
}

// logoutRequest reads the parameters. What is not proved is left out.
func (p *Provider) logoutRequest(ctx context.Context, q params) (logoutRequest, error) {
	var r logoutRequest
	if q["id_token_hint"] == "" {
		return r, nil
	}
	hint, err := p.verifyIDTokenHint(ctx, q["id_token_hint"])
	if errors.Is(err, errHint) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	// Section 2: client_id, when sent, must be one the token was issued to.
	if id := q["client_id"]; len(hint.Audience) != 1 || id != "" && !slices.Contains(hint.Audience, id) {
		return r, nil
	}
	client, err := p.cfg.Clients.Client(ctx, hint.Audience[0])
	if errors.Is(err, ErrNotFound) || err == nil && client.Disabled {
		return r, nil
	}
	if err != nil {
		return r, fmt.Errorf("read client of id_token_hint: %w", err)
	}
	r.hint, r.client, r.proved = hint, client, true
	uri := q["post_logout_redirect_uri"]
	if uri == "" {
		return r, nil
	}
	if !slices.Contains(client.PostLogoutRedirectURIs, uri) {
		r.badURI = true
		return r, nil
	}
	r.redirect, err = withState(uri, q["state"])
	return r, err
}

// hintedSession returns which session of this browser the hint is of: by sid
// if it has one, else by its user, if one account is.
func (p *Provider) hintedSession(ctx context.Context, r logoutRequest, accounts []authn.Account) (string, bool, error) {
	if !r.proved {
		return "", false, nil
	}
	var wanted string
	if r.hint.SID != "" {
		session, _, err := p.cfg.Grants.SessionOfSID(ctx, r.hint.SID, r.client.ID)
		if errors.Is(err, ErrNotFound) {
			return "", false, nil
		}
		if err != nil {
			return "", false, fmt.Errorf("read session of id_token_hint: %w", err)
		}
		wanted = session
	}
	for _, a := range accounts {
		if a.User.ID == r.hint.Subject && (wanted == "" || a.SessionID == wanted) {
			return a.SessionID, true, nil
		}
	}
	return "", false, nil
}

// withState adds state to a registered URI and changes nothing else of it.
func withState(uri, state string) (string, error) {
	if state == "" {
		return uri, nil
	}
	u, err := url.Parse(uri)
	if err != nil {
		return "", fmt.Errorf("parse post_logout_redirect_uri: %w", err)
	}
	pair := "state=" + url.QueryEscape(state)
	if u.RawQuery == "" {
		u.RawQuery = pair
	} else {
		u.RawQuery += "&" + pair
	}
	return u.String(), nil
}

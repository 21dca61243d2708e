package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// callback takes the answer of the provider.
func (a *App) callback(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	id := sessionOf(r)
	p, ok := a.sessions.take(id, q.Get("state"))
	if !ok {
		a.fail(w, r, http.StatusBadRequest, problem{
			Title: "This answer was not asked for.",
			Text:  "Its state fits no login that this browser began here, or it was used before. Begin again below.",
		})
		return
	}
	// RFC 9207 section 2.4: an answer of another provider is not ours.
	if iss := q.Get("iss"); iss != a.cfg.Issuer {
		a.fail(w, r, http.StatusBadRequest, problem{
			Title: "This answer came from another provider.", Text: "Its iss is not " + a.cfg.Issuer + ".",
		})
		return
	}
	if code := q.Get("error"); code != "" {
		a.fail(w, r, http.StatusOK, explain(code, q.Get("error_description")))
		return
	}
	raw, claims, err := a.redeem(r.Context(), p, q.Get("code"))
	if err != nil {
		a.cfg.Logger.WarnContext(r.Context(), "demo: login not finished", "error", err)
		a.fail(w, r, http.StatusBadGateway, problem{
			Title: "The code could not be redeemed.", Text: "The token endpoint refused it, or the ID token is not right.",
			Code: plain(err),
		})
		return
	}
	a.finish(w, r, p, raw, claims)
}

// redeem gets the tokens and verifies the ID token: signature, issuer,
// audience, times, and the nonce that this login has sent.
func (a *App) redeem(ctx context.Context, p pending, code string) (string, map[string]any, error) {
	provider, err := a.discovered(ctx)
	if err != nil {
		return "", nil, err
	}
	ctx = oidc.ClientContext(ctx, a.client)
	config := a.oauth(provider)
	token, err := config.Exchange(ctx, code, oauth2.VerifierOption(p.Verifier))
	if err != nil {
		return "", nil, fmt.Errorf("redeem code: %w", err)
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return "", nil, errors.New("there is no ID token in the answer")
	}
	idToken, err := provider.Verifier(&oidc.Config{ClientID: ClientID, Now: a.cfg.Now}).Verify(ctx, raw)
	if err != nil {
		return "", nil, fmt.Errorf("verify ID token: %w", err)
	}
	if idToken.Nonce != p.Nonce {
		return "", nil, errors.New("the nonce of the ID token is not that of this login")
	}
	claims := map[string]any{}
	if err := idToken.Claims(&claims); err != nil {
		return "", nil, fmt.Errorf("read claims: %w", err)
	}
	return raw, claims, nil
}

// finish logs the browser in and makes the transfer that waits, if the ID token
// says what was asked for: that it was asked for proves nothing.
func (a *App) finish(w http.ResponseWriter, r *http.Request, p pending, raw string, claims map[string]any) {
	sent := 0
	v := view{Claims: rows(claims)}
	switch {
	case p.Wanted != "" && claims["acr"] != p.Wanted:
		v.Problem = &problem{
			Title: "The login does not have the level that was asked for.",
			Text:  fmt.Sprintf("Asked for acr %q, got %q. An application must check this itself.", p.Wanted, claims["acr"]),
		}
	case p.Transfer && a.cfg.Now().Sub(authTime(claims)) > transferAge+fetchTimeout:
		v.Problem = &problem{
			Title: "The login is too old for a transfer.", Text: "auth_time is more than a minute ago.",
		}
	case p.Transfer:
		sent, v.Done = 1, "100 € are on their way to Bob: both factors were shown within the last minute."
	default:
		v.Done = "You are logged in."
	}
	id, total := a.sessions.renew(sessionOf(r), raw, claims, sent)
	setSession(w, id)
	v.Sent = total
	a.show(w, http.StatusOK, v)
}

// authTime is when the oldest proof was shown; without the claim long ago.
func authTime(claims map[string]any) time.Time {
	seconds, ok := claims["auth_time"].(float64)
	if !ok {
		return time.Time{}
	}
	return time.Unix(int64(seconds), 0)
}

// logout forgets the browser here and then at the provider.
func (a *App) logout(w http.ResponseWriter, r *http.Request) {
	_, idToken, _ := a.sessions.get(sessionOf(r))
	a.sessions.end(sessionOf(r))
	provider, err := a.discovered(r.Context())
	var metadata struct {
		EndSession string `json:"end_session_endpoint"`
	}
	if err != nil || provider.Claims(&metadata) != nil || metadata.EndSession == "" || idToken == "" {
		http.Redirect(w, r, HomePath, http.StatusSeeOther)
		return
	}
	q := url.Values{"id_token_hint": {idToken}, "post_logout_redirect_uri": {a.cfg.Base + HomePath}, "client_id": {ClientID}}
	http.Redirect(w, r, metadata.EndSession+"?"+q.Encode(), http.StatusSeeOther)
}

// plain is what a token endpoint said, without the rest of its answer.
func plain(err error) string {
	if e, ok := errors.AsType[*oauth2.RetrieveError](err); ok && e.ErrorCode != "" {
		return e.ErrorCode + ": " + e.ErrorDescription
	}
	return ""
}

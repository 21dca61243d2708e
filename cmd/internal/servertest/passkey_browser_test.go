package servertest_test

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/oidc"
)

// passkeyVerifier is the verifier of the challenge that authorizeURL sends (RFC
// 7636 appendix B).
const passkeyVerifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

// withPasskeys is a server for which browsers make passkeys: an IP address is no
// relying party. Both asks for a password and for a passkey on top.
func withPasskeys(c *config.Config) {
	c.Listen = "localhost:0"
	c.ACRs = append(c.ACRs, config.ACR{Name: "Both", Distinct: true, Needs: []config.Need{
		{AnyOf: []string{"password"}}, {AnyOf: []string{"passkey"}},
	}})
}

// addAuthenticator plugs a virtual authenticator into the browser, one that
// verifies its user and is touched when asked.
func (b *tab) addAuthenticator() webauthn.AuthenticatorID {
	b.t.Helper()
	var id webauthn.AuthenticatorID
	b.run(webauthn.Enable(), chromedp.ActionFunc(func(ctx context.Context) (err error) {
		id, err = webauthn.AddVirtualAuthenticator(&webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
			HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
		}).Do(ctx)
		return err
	}))
	return id
}

// forget removes the cookies: another visit, as after a restart.
func (b *tab) forget() { b.t.Helper(); b.run(network.ClearBrowserCookies()) }

// redeem takes the code that came back to the application, by the library of a
// real client, which verifies the ID token.
func (w *pagesWorld) redeem(answers []url.Values) (acr string, amr []string, subject string) {
	w.t.Helper()
	if len(answers) != 1 || answers[0].Get("code") == "" {
		w.t.Fatalf("the application got %v", answers)
	}
	provider, err := gooidc.NewProvider(w.t.Context(), w.URL())
	if err != nil {
		w.t.Fatal(err)
	}
	client := oauth2.Config{ClientID: "desk", Endpoint: provider.Endpoint(), RedirectURL: w.client.srv.URL + "/cb"}
	client.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	tokens, err := client.Exchange(w.t.Context(), answers[0].Get("code"), oauth2.VerifierOption(passkeyVerifier))
	if err != nil {
		w.t.Fatalf("redeem code: %v", err)
	}
	raw, _ := tokens.Extra("id_token").(string)
	token, err := provider.Verifier(&gooidc.Config{ClientID: "desk", Now: w.clock.Now}).Verify(w.t.Context(), raw)
	if err != nil {
		w.t.Fatalf("verify ID token: %v", err)
	}
	var claims struct {
		ACR string   `json:"acr"`
		AMR []string `json:"amr"`
	}
	if err := token.Claims(&claims); err != nil {
		w.t.Fatal(err)
	}
	slices.Sort(claims.AMR)
	return claims.ACR, claims.AMR, token.Subject
}

// TestPasskeyInChromium registers a passkey on the account page and logs in with
// it at a client: as the only factor, by the button and out of the list of the
// browser, and as the second one on top of a password.
func TestPasskeyInChromium(t *testing.T) {
	t.Parallel()
	w := newPagesWorld(t, withPasskeys)
	w.register("desk", "Front Desk", func(c *oidc.Client) { c.Trusted = true })
	b := newBrowser(t)
	id := b.addAuthenticator()

	b.open(w.URL() + "/account/security/passkey")
	b.signIn(`form[data-passkey=create]:not([hidden])`)
	b.judge("own_passkey")
	b.fill("#name", "Desk drawer")
	b.press(`form[data-passkey=create] button.primary`, `h1`)
	b.wait(`code.secret, .codes, ol, ul`) // recovery codes, with the first second factor
	// From now on the account asks for two factors.
	b.open(w.URL() + "/account/security")
	b.press(`button[name=factor][value^=passkey]`, `form[data-passkey=get]:not([hidden])`)
	b.press(`form[data-passkey=get] button.primary`, `#part-passkey`)
	if got := b.text(`section[aria-labelledby=part-passkey]`); !strings.Contains(got, "Desk drawer") {
		t.Fatalf("the page of the account lists %q", got)
	}

	b.run(webauthn.SetAutomaticPresenceSimulation(id, false))
	b.forget()
	b.open(w.authorizeURL("client_id", "desk"))
	b.wait(`form[data-passkey=get]:not([hidden])`)
	b.judge("login_passkey")
	b.run(webauthn.SetAutomaticPresenceSimulation(id, true))
	b.press(`form[data-passkey=get] button`, "#arrived")
	acr, amr, subject := w.redeem(w.client.answers())
	if acr != "MFA" || !slices.Equal(amr, []string{"hwk", "mfa", "user"}) || subject != w.user {
		t.Errorf("only factor: acr %q, amr %v, sub %q", acr, amr, subject)
	}

	b.forget()
	b.open(w.authorizeURL("client_id", "desk")) // the browser offers it, and it is touched at once
	b.wait("#arrived")
	if acr, amr, _ = w.redeem(w.client.answers()); acr != "MFA" || !slices.Contains(amr, "hwk") {
		t.Errorf("out of the list of the browser: acr %q, amr %v", acr, amr)
	}

	b.forget()
	b.run(webauthn.SetAutomaticPresenceSimulation(id, false))
	b.open(w.authorizeURL("client_id", "desk", "acr_values", "Both"))
	b.signIn(`form[data-passkey=get]:not([hidden])`)
	b.judge("passkey")
	b.run(webauthn.SetAutomaticPresenceSimulation(id, true))
	b.press(`form[data-passkey=get] button.primary`, "#arrived")
	acr, amr, subject = w.redeem(w.client.answers())
	if acr != "Both" || !slices.Equal(amr, []string{"hwk", "mfa", "pwd", "user"}) || subject != w.user {
		t.Errorf("second factor: acr %q, amr %v, sub %q", acr, amr, subject)
	}
	b.noComplaints()
}

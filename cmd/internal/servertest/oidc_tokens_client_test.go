package servertest_test

import (
	"context"
	"net/http"
	"testing"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
)

// TestGoOIDC is a relying party with a library of others: discovery, the code
// flow with PKCE, the ID token with its at_hash, UserInfo, plain and signed.
func TestGoOIDC(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		who := w.NewPerson(t, "ann", `"displayName":"Ann A."`, `"emails":[{"value":"ann@example.com","primary":true}]`)
		for _, alg := range []string{"", "ES256", "EdDSA", "PS256"} {
			app := w.Application(t, oidc.Client{IDTokenAlg: alg, UserInfoAlg: alg})
			verifiedLogin(t, w, app, who)
		}
	})
}

func verifiedLogin(t *testing.T, w town, app *servertest.Application, who servertest.Person) {
	t.Helper()
	ctx := gooidc.ClientContext(context.Background(), w.HTTP())
	provider, err := gooidc.NewProvider(ctx, w.Issuer())
	if err != nil {
		t.Fatalf("discovery: %v", err)
	}
	conf := oauth2.Config{
		ClientID: app.ID, ClientSecret: app.Secret, Endpoint: provider.Endpoint(),
		RedirectURL: app.RedirectURIs[0], Scopes: []string{"openid", "profile", "email"},
	}
	verifier := oauth2.GenerateVerifier()
	b := w.Browser(t)
	p := b.LogIn(b.Open(conf.AuthCodeURL("s", oauth2.S256ChallengeOption(verifier), gooidc.Nonce("n1"))), who)
	token, err := conf.Exchange(ctx, p.Code(t), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatalf("exchange: %v", err)
	}
	raw, _ := token.Extra("id_token").(string)
	check := provider.VerifierContext(ctx, &gooidc.Config{ClientID: app.ID, Now: w.clock.Now})
	id, err := check.Verify(ctx, raw)
	if err != nil {
		t.Fatalf("ID token with alg %q: %v", app.IDTokenAlg, err)
	}
	if id.Subject != who.ID || id.Nonce != "n1" {
		t.Errorf("ID token of %s with nonce %q, want %s and n1", id.Subject, id.Nonce, who.ID)
	}
	if err := id.VerifyAccessToken(token.AccessToken); err != nil {
		t.Errorf("at_hash with alg %q: %v", app.IDTokenAlg, err)
	}
	info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		t.Fatalf("UserInfo with alg %q: %v", app.UserInfoAlg, err)
	}
	var claims struct {
		Name      string `json:"name"`
		UpdatedAt int64  `json:"updated_at"`
	}
	if err := info.Claims(&claims); err != nil {
		t.Fatal(err)
	}
	if info.Subject != who.ID || info.Email != "ann@example.com" || info.EmailVerified || claims.Name != "Ann A." || claims.UpdatedAt == 0 {
		t.Errorf("UserInfo = %+v %+v", info, claims)
	}
	// Of an access token it is no ID token, whatever the library.
	if _, err := check.Verify(ctx, token.AccessToken); err == nil {
		t.Error("the access token passes as an ID token")
	}
	if r := w.Do(t, http.MethodGet, "/oauth/userinfo", raw, ""); r.Status != http.StatusUnauthorized {
		t.Errorf("the ID token at UserInfo: %d, want 401", r.Status)
	}
}

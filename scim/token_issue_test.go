package scim_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/scim"
)

func TestIssueToken(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	by := audit.Party{Type: "command", ID: "token create", Name: "root"}
	end := s.clock.Now().Add(24 * time.Hour)
	secret, token, err := s.tokens().Issue(t.Context(), scim.NewToken{
		Name: "entra", Domain: "emea", IgnorePasswords: true, ExpiresAt: end, By: by,
		Overrides: map[string]string{"createOnMiss": "false"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^spt_[A-Za-z0-9_-]{43}$`).MatchString(secret.Reveal()) {
		t.Errorf("secret %q has no 256 bits in base64url behind spt_", secret.Reveal())
	}
	if diff := cmp.Diff([]string{scim.ScopeRead, scim.ScopeWrite}, token.Scopes); diff != "" || token.Profile != scim.ProfileCompat {
		t.Errorf("defaults: profile %q, scopes (-want +got):\n%s", token.Profile, diff)
	}
	stored, err := s.db.TokenByHash(t.Context(), secret.Hash())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(token, stored); diff != "" {
		t.Errorf("stored token (-returned +stored):\n%s", diff)
	}
	events := s.events(token.ID)
	if len(events) != 1 || events[0].Name != audit.TokenIssued || events[0].Actor != by || events[0].Target.Name != "entra" {
		t.Fatalf("events = %+v, want token.issued by the command", events)
	}
	var detail map[string]any
	if err := json.Unmarshal(events[0].Detail, &detail); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"scopes": []any{scim.ScopeRead, scim.ScopeWrite}, "profile": "compat", "domain": "emea", "ignore_passwords": true,
		"overrides": map[string]any{"createOnMiss": "false"}, "expires_at": end.Format(time.RFC3339Nano),
	}
	if diff := cmp.Diff(want, detail); diff != "" {
		t.Errorf("detail (-want +got):\n%s", diff)
	}
	if raw, err := json.Marshal(events); err != nil || bytes.Contains(raw, []byte(secret.Reveal())) {
		t.Errorf("the secret is in the audit log (%v)", err)
	}

	// A name is taken while its token lives.
	again := scim.NewToken{Name: "entra"}
	var conflict *scim.ConflictError
	if _, _, err := s.tokens().Issue(t.Context(), again); !errors.As(err, &conflict) || conflict.Attribute != "name" {
		t.Errorf("Issue of a taken name = %v, want *ConflictError{name}", err)
	}
	if _, err := s.tokens().Revoke(t.Context(), "entra", by); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.tokens().Issue(t.Context(), again); err != nil {
		t.Errorf("Issue of a name that is free again = %v", err)
	}
}

func TestIssueTokenRefuses(t *testing.T) {
	t.Parallel()
	f := newAuth(t, scim.NewToken{})
	for name, tt := range map[string]struct {
		token scim.NewToken
		want  string
	}{
		"no name":           {scim.NewToken{}, "name"},
		"control in name":   {scim.NewToken{Name: "a\nb"}, "name"},
		"long name":         {scim.NewToken{Name: strings.Repeat("x", 129)}, "name"},
		"long client":       {scim.NewToken{Name: "a", ClientID: strings.Repeat("x", 129)}, "client"},
		"control in client": {scim.NewToken{Name: "a", ClientID: "a\nb"}, "client"},
		"unknown scope":     {scim.NewToken{Name: "a", Scopes: []string{"scim:reed"}}, `"scim:reed"`},
		"unknown profile":   {scim.NewToken{Name: "a", Profile: "entra"}, `"entra"`},
		"unknown override":  {scim.NewToken{Name: "a", Overrides: map[string]string{"x": "true"}}, `"x"`},
		"expired":           {scim.NewToken{Name: "a", ExpiresAt: f.clock.Now()}, "expire"},
	} {
		if _, _, err := f.issuer.Issue(t.Context(), tt.token); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want an error that names %s", name, err, tt.want)
		}
	}
	if _, _, err := f.issuer.Issue(t.Context(), scim.NewToken{Profile: "x", Scopes: []string{"y"}}); err == nil ||
		!strings.Contains(err.Error(), "name") || !strings.Contains(err.Error(), `"x"`) || !strings.Contains(err.Error(), `"y"`) {
		t.Errorf("Issue = %v, want all faults at once", err)
	}
	broken := f.issuer
	broken.Rand = strings.NewReader("short")
	if _, _, err := broken.Issue(t.Context(), scim.NewToken{Name: "a"}); err == nil {
		t.Error("a token was made without enough random bytes")
	}
	if len(f.store.tokens) != 1 || len(f.events.events) != 1 {
		t.Errorf("%d tokens and %d events, want those of the fixture only", len(f.store.tokens), len(f.events.events))
	}
}

func TestRevokeToken(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	by := audit.Party{Type: "command", Name: "root"}
	first, err := s.tokens().Revoke(t.Context(), s.token.ID, by)
	if err != nil || !first.RevokedAt.Equal(s.clock.Now()) {
		t.Fatalf("Revoke = %+v, %v", first, err)
	}
	s.clock.advance(time.Hour)
	again, err := s.tokens().Revoke(t.Context(), s.token.ID, by)
	if err != nil || !again.RevokedAt.Equal(first.RevokedAt) {
		t.Errorf("Revoke again = %v, %v; want nothing changed", again.RevokedAt, err)
	}
	if diff := cmp.Diff([]string{"token.issued", "token.revoked"}, s.eventNames(s.token.ID)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if _, err := s.tokens().Revoke(t.Context(), "nobody", by); !errors.Is(err, scim.ErrNotFound) {
		t.Errorf("Revoke of an unknown token = %v, want ErrNotFound", err)
	}
	s.refuse(401, "", "GET", "/Users", nil)
}

func TestTokenSecretRedactsItself(t *testing.T) {
	t.Parallel()
	secret, err := scim.NewTokenSecret(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("test", "token", secret)
	marshalled, err := json.Marshal(map[string]any{"secret": secret})
	if err != nil {
		t.Fatal(err)
	}
	out := fmt.Sprintf("%v %+v %#v %s %q %x", secret, secret, secret, secret, secret, secret) + log.String() + string(marshalled)
	if strings.Contains(out, secret.Reveal()[4:]) || strings.Contains(out, fmt.Sprintf("%x", secret.Reveal())) {
		t.Errorf("the secret shows: %s", out)
	}
}

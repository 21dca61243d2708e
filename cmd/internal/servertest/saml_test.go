package servertest_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
)

// TestSAMLLogin logs somebody in at the identity provider of crewjam/saml, by
// both bindings of requests: the first login makes the user, the second finds it
// again, and the provider's word is one factor.
func TestSAMLLogin(t *testing.T) {
	t.Parallel()
	for _, binding := range []string{"redirect", "post"} {
		t.Run(binding, func(t *testing.T) {
			t.Parallel()
			w := newSAMLTown(t, func(p *config.IdentityProvider) { p.SAML.Binding = binding; p.SAML.WantEncrypted = true })
			first := w.browser(t)
			tokens := w.tokens(t, first, first.Submit(w.answered(t, first), "acs"))
			sub, _ := tokens.Claims["sub"].(string)
			user := w.Do(t, http.MethodGet, "/scim/v2/Users/"+sub, w.Token(t, "compat"), "")
			for _, want := range []string{`"userName":"alice"`, `"displayName":"Alice Anders"`, `"value":"alice@corp.example"`} {
				if !strings.Contains(user.Body, want) {
					t.Errorf("the user lacks %s:\n%s", want, user.Body)
				}
			}
			if amr, _ := tokens.Claims["amr"].([]any); slices.Contains(amr, any("mfa")) || slices.Contains(amr, any("pwd")) {
				t.Errorf("amr = %v, which nobody here has seen", amr)
			}
			second := w.browser(t)
			again := w.tokens(t, second, second.Submit(w.answered(t, second), "acs"))
			if again.Claims["sub"] != sub {
				t.Errorf("sub = %v the second time, want %s", again.Claims["sub"], sub)
			}
			if n := len(w.events(t, audit.FederationLinked)); n != 1 {
				t.Errorf("%d links, want 1", n)
			}
			if got := w.refusals(t); len(got) != 0 {
				t.Errorf("refusals = %v", got)
			}
		})
	}
}

// TestSAMLSecondFactorStays: a login elsewhere does not skip the second factor
// here.
func TestSAMLSecondFactorStays(t *testing.T) {
	t.Parallel()
	w := newSAMLTown(t)
	b := w.browser(t)
	p := b.Submit(w.answered(t, b, "acr_values", "MFA"), "acs")
	if p.Away != nil && p.Answer(t).Get("code") != "" {
		t.Errorf("a login elsewhere gave %v, which asks for a second factor", p.Answer(t))
	}
}

// TestSAMLIdPInitiated: a login that begins at the identity provider is refused
// unless the operator wants it.
func TestSAMLIdPInitiated(t *testing.T) {
	t.Parallel()
	w := newSAMLTown(t)
	w.put(t, "/shortcuts/us", `{"name":"us","service_provider":"`+w.Issuer()+`/federation/corp/metadata"}`)
	b := w.browser(t)
	// With a session there, the provider begins by itself.
	w.answered(t, b)
	p := b.Open(w.url + "/login/us")
	if _, ok := p.Value("acs", "SAMLResponse"); !ok {
		t.Fatalf("the identity provider sent no answer:\n%s", p.Body)
	}
	wantRefused(t, "unsolicited", b.Submit(p, "acs"), http.StatusBadRequest)
	if got := w.refusals(t); !slices.Equal(got, []string{"not_asked"}) {
		t.Errorf("refusals = %v, want not_asked", got)
	}
}

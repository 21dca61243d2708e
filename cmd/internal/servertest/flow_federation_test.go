package servertest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
	jsonflow "github.com/sallyport-id/sallyport/oidc/flow"
)

// walk opens an address and where it leads, until that is a page of the
// application.
func walk(t *testing.T, ui *servertest.LoginUI, address string) *url.URL {
	t.Helper()
	for range 20 {
		to := ui.Redirect(address)
		if strings.HasPrefix(to.String(), "https://") {
			return to
		}
		address = to.String()
	}
	t.Fatalf("%s leads nowhere", address)
	return nil
}

// A login at a provider elsewhere begins in a message and ends where the flow
// goes on.
func TestFlowFederated(t *testing.T) {
	t.Parallel()
	eachAbroad(t, func(t *testing.T, w abroad) {
		who := w.withTOTP(t, w.NewPerson(t, "ann", mailbox("zoe")))
		w.says(verified("zoe"))
		app := ownPages(t, w.Server)
		ui, m := w.begun(t, app, "acr_values", "MFA")
		if got := m.Member(jsonflow.ExternalIdentityURN, "providers"); !strings.Contains(got, `"name":"corp"`) || !strings.Contains(got, `"description":"Corp"`) {
			t.Fatalf("providers = %s", got)
		}
		wantFault(t, "an unknown provider", ui.Put(m.With(jsonflow.ExternalIdentityURN, "provider", "nobody")), http.StatusBadRequest, "invalidValue", "")
		m = ui.Get(m.Location())
		m = ui.Put(m.With(jsonflow.ExternalIdentityURN, "provider", map[string]any{"name": "corp"}))
		wantFlow(t, m, "login", false)
		to := m.Member(jsonflow.ExternalIdentityURN, "providerRedirectUrl")
		if !strings.HasPrefix(to, w.idp.URL) {
			t.Fatalf("providerRedirectUrl = %q", to)
		}
		back := walk(t, ui, to)
		if !strings.HasPrefix(back.String(), uiOrigin) {
			t.Fatalf("the provider's answer leads to %s", back)
		}
		m = ui.Get(back.Query().Get("flow"))
		wantFlow(t, m, "secondFactor", false)
		m = ui.Put(m.With(jsonflow.TOTPURN, "password", who.Code(t)))
		if tokens := app.Redeem(t, ui.Finish(ui.Follow(m)).Get("code")); tokens.Subject() != who.ID {
			t.Errorf("sub %q", tokens.Subject())
		}

		// An app without a browser is offered none.
		native := ownPages(t, w.Server, func(c *oidc.Client) {
			c.Type, c.LoginURI, c.RedirectURIs = oidc.Native, "", []string{"com.example.phone:/callback"}
		})
		_, challenge := pkcePair()
		phone := w.LoginUI(t, "")
		phone.Key = jsonflow.NewKey()
		m = phone.Begin(native.Request("code_challenge", challenge, "code_challenge_method", "S256"))
		m = phone.Get(m.Doc["flow_uri"].(string))
		wantFlow(t, m, "login", false)
		if m.Has(jsonflow.ExternalIdentityURN) {
			t.Errorf("providers are offered: %s", m.Body)
		}
	}, byAddress)
}

package servertest_test

import (
	"testing"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
)

// TestPagesSAML logs in at an identity provider of another site in Chromium, by
// both bindings: the pages that lead there and back obey the policies of ours,
// and the cookies of the login come back after the answer was posted across
// sites.
func TestPagesSAML(t *testing.T) {
	t.Parallel()
	for _, binding := range []string{"redirect", "post"} {
		t.Run(binding, func(t *testing.T) {
			t.Parallel()
			idp := newCrewjamIDP(t, "localhost")
			w := newPagesWorld(t, samlProvider(idp.url+"/metadata", func(p *config.IdentityProvider) { p.SAML.Binding = binding }))
			idp.put(t, "/services/sallyport", samlMetadata(t, w.Server))
			b := newBrowser(t)
			b.open(w.authorizeURL())
			b.wait(`button[name="upstream"]`)
			b.judge("login-federated")
			b.press(`button[name="upstream"]`, `input[name="user"]`)
			b.fill(`input[name="user"]`, "alice")
			b.fill(`input[name="password"]`, "violet-lantern-73")
			b.press(`input[type="submit"]`, "#consent")
			b.press(`button[value="allow"]`, "#arrived")
			if got := w.client.answers(); len(got) != 1 || got[0].Get("code") == "" {
				t.Errorf("answers: %v", got)
			}
			b.noComplaints()
		})
	}
}

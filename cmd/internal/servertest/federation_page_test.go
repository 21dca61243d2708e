package servertest_test

import (
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/authn/audit"
)

// TestLinkOnTheAccountPage links an account elsewhere on the page of one's own
// security, and logs in with it. The answer belongs to that browser, and is good
// once.
func TestLinkOnTheAccountPage(t *testing.T) {
	t.Parallel()
	eachAbroad(t, func(t *testing.T, w abroad) {
		who := w.NewPerson(t, "ann")
		w.says(map[string]any{"sub": "zoe", "name": "Zoë"})
		b := w.Browser(t) // goes to the provider, but does not come back by itself
		p := b.LogIn(b.Open("/account/security"), who)
		away := b.Submit(p, "link")
		back := w.comeBack(t, away.Away)
		other := w.Browser(t)
		other.LogIn(other.Open("/account/security"), w.NewPerson(t, "bob"))
		wantRefused(t, "in another browser", other.Open(back), 400)
		if got := w.events(t, audit.FederationLinked); len(got) != 0 {
			t.Fatalf("linked: %+v", got)
		}
		if p := b.Open(back); p.Status != 200 || !strings.HasSuffix(p.URL.Path, "/account/security") {
			t.Fatalf("after linking: %d at %s:\n%s", p.Status, p.URL, p.Text())
		}
		wantRefused(t, "a second time", b.Open(back), 400)
		if got := w.app.Redeem(t, w.travel(t, w.traveller(t)).Code(t)).Subject(); got != who.ID {
			t.Errorf("logged in as %q, want ann", got)
		}
		b.Submit(b.Open("/account/security"), "unlink")
		wantRefused(t, "unlinked", w.travel(t, w.traveller(t)), 422)
		if got := w.events(t, audit.FederationUnlinked); len(got) != 1 || got[0].Target.ID != who.ID {
			t.Errorf("federation.unlinked = %+v", got)
		}
	})
}

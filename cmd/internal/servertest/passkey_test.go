package servertest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
	"github.com/sallyport-id/sallyport/scim"
)

// keyWorld is somebody with an authenticator that a test drives.
type keyWorld struct {
	*world
	b    *servertest.Browser
	app  *servertest.Application
	who  servertest.Person
	rp   virtualwebauthn.RelyingParty
	auth virtualwebauthn.Authenticator
	key  virtualwebauthn.Credential
}

func newKeyWorld(t *testing.T) *keyWorld {
	t.Helper()
	return newKeyWorldOn(t, "sqlite")
}

func newKeyWorldOn(t *testing.T, kind string, edits ...func(*config.Config)) *keyWorld {
	t.Helper()
	w := &keyWorld{world: newWorld(t, kind, append([]func(*config.Config){withPasskeys}, edits...)...)}
	w.b = w.Browser(t)
	w.who = w.NewPerson(t, "ida.flint")
	w.app = w.Application(t, oidc.Client{Trusted: true, Scopes: append(scim.OwnScopes(), "openid")})
	w.rp = virtualwebauthn.RelyingParty{ID: "localhost", Name: "Sallyport", Origin: w.URL()}
	w.auth = virtualwebauthn.NewAuthenticatorWithOptions(virtualwebauthn.AuthenticatorOptions{UserHandle: []byte(w.who.ID)})
	w.key = newKey()
	return w
}

// creation asks for the options of a registration on its page.
func (w *keyWorld) creation() (servertest.Page, *virtualwebauthn.AttestationOptions) {
	w.t.Helper()
	p := w.b.LogIn(w.b.Open("/account/security/passkey"), w.who)
	csrf, _ := p.Value("passkey", "csrf")
	reply := w.b.Post("/account/security/passkey/options", url.Values{"csrf": {csrf}})
	o, err := virtualwebauthn.ParseAttestationOptions(reply.Body)
	if err != nil {
		w.t.Fatalf("options (%d): %v\n%s", reply.Status, err, reply.Body)
	}
	return p, o
}

// register makes a passkey on the page of the account.
func (w *keyWorld) register() {
	w.t.Helper()
	p, o := w.creation()
	p = w.b.Submit(p, "passkey", "name", "Key ring", "answer", virtualwebauthn.CreateAttestationResponse(w.rp, w.auth, w.key, *o))
	if p.Status != http.StatusOK {
		w.t.Fatalf("register: %d\n%s", p.Status, p.Text())
	}
}

// challenge asks for the options of a login on its page.
func (w *keyWorld) challenge(b *servertest.Browser, p servertest.Page) *virtualwebauthn.AssertionOptions {
	w.t.Helper()
	csrf, ok := p.Value("passkey", "csrf")
	if !ok {
		w.t.Fatalf("no passkey is asked for:\n%s", p.Text())
	}
	reply := b.Post(p.URL.Path+"/passkey/options", url.Values{"csrf": {csrf}})
	o, err := virtualwebauthn.ParseAssertionOptions(reply.Body)
	if err != nil {
		w.t.Fatalf("options (%d): %v\n%s", reply.Status, err, reply.Body)
	}
	return o
}

// assertion is what the authenticator answers.
func (w *keyWorld) assertion(o *virtualwebauthn.AssertionOptions) string {
	w.key.Counter++
	return virtualwebauthn.CreateAssertionResponse(w.rp, w.auth, w.key, *o)
}

// show shows the passkey on a page that asks for it.
func (w *keyWorld) show(b *servertest.Browser, p servertest.Page) servertest.Page {
	w.t.Helper()
	return b.Submit(p, "passkey", "answer", w.assertion(w.challenge(b, p)))
}

// A challenge answers once, in its transaction, and what is refused is refused
// with the same words whatever was wrong.
func TestPasskeyLogin(t *testing.T) {
	t.Parallel()
	w := newKeyWorld(t)
	w.register()

	b := w.Browser(t)
	p := b.Open(w.app.AuthURL())
	if o := w.challenge(b, p); len(o.AllowCredentials) > 0 {
		t.Errorf("the options name credentials of somebody: %v", o.AllowCredentials)
	}
	tokens := w.app.Redeem(t, w.show(b, p).Code(t))
	if tokens.Subject() != w.who.ID || tokens.ACR() != "MFA" {
		t.Errorf("sub %q, acr %q", tokens.Subject(), tokens.ACR())
	}

	other := w.Browser(t)
	p = other.Open(w.app.AuthURL())
	answer := w.assertion(w.challenge(other, p))
	thief := w.Browser(t)
	stolen := thief.Open(w.app.AuthURL())
	w.challenge(thief, stolen)
	refusal := w.refused(thief.Submit(stolen, "passkey", "answer", answer), "in another transaction")

	spoilt := w.assertion(w.challenge(other, p))
	w.rp.Origin = "https://evil.example"
	w.refused(other.Submit(p, "passkey", "answer", w.assertion(w.challenge(other, p))), "phished")
	w.rp.Origin = w.URL()
	if again := other.Submit(p, "passkey", "answer", spoilt); again.Away != nil || !strings.Contains(again.Text(), "took too long") {
		t.Errorf("a challenge that was used up: %d\n%s", again.Status, again.Text())
	}
	unknown := w.key
	w.key = newKey()
	if got := w.refused(w.show(other, p), "unknown passkey"); got != refusal {
		t.Errorf("an unknown passkey is told from one that is wrong:\n%s\n%s", got, refusal)
	}
	w.key = unknown
	late := w.assertion(w.challenge(other, p))
	w.clock.advance(5 * time.Minute)
	if again := other.Submit(p, "passkey", "answer", late); again.Away != nil || !strings.Contains(again.Text(), "took too long") {
		t.Errorf("too late: %d\n%s", again.Status, again.Text())
	}
	if w.show(other, p).Away == nil {
		t.Error("after refusals the right answer is refused too")
	}

	w.key.Counter = 0 // as a copy would
	copied := w.Browser(t)
	w.refused(w.show(copied, copied.Open(w.app.AuthURL())), "copied key")
	w.recorded(audit.LoginRefused, "counter_went_back")
}

// refused checks that a passkey was not accepted and returns what is said.
func (w *keyWorld) refused(p servertest.Page, what string) string {
	w.t.Helper()
	if p.Away != nil || p.Status != http.StatusUnprocessableEntity || !strings.Contains(p.Text(), "This passkey could not be used") {
		w.t.Fatalf("%s: %d at %v\n%s", what, p.Status, p.Away, p.Text())
	}
	return p.Text()
}

// recorded checks that the audit log has an event with this reason.
func (w *keyWorld) recorded(name audit.Name, reason string) {
	w.t.Helper()
	events, err := w.Directory().History.Events(w.t.Context(), audit.Filter{Target: w.who.ID})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range events {
		if e.Name == name && e.Reason == reason {
			return
		}
	}
	w.t.Errorf("no %s with reason %q in %+v", name, reason, events)
}

// TestPeer_31_Passkey: a disabled user is refused in every place that takes a
// passkey.
func TestPeer_31_Passkey(t *testing.T) {
	t.Parallel()
	w := newKeyWorld(t)
	w.register()
	first, second := w.Browser(t), w.Browser(t)
	p := first.Open(w.app.AuthURL())
	q := password(second, second.Open(w.app.AuthURL("acr_values", "Both")), w.who)
	answer, further := w.assertion(w.challenge(first, p)), w.challenge(second, q)
	w.PatchPerson(t, w.who, `{"op":"replace","path":"active","value":false}`)
	w.refused(first.Submit(p, "passkey", "answer", answer), "first factor")
	if got := second.Submit(q, "passkey", "answer", w.assertion(further)); got.Away != nil && got.Away.Query().Has("code") {
		t.Error("second factor: got a code")
	}
}

// The sub-resource lists and removes; what hung on a removed passkey ends with
// it, and removing asks for a recent second factor of the session.
func TestPasskeySubResource(t *testing.T) {
	t.Parallel()
	w := newKeyWorld(t)
	scope := "openid " + scim.OwnScope("manage_passkeys")
	b := w.Browser(t) // before there is a second factor
	weak := w.app.Redeem(t, password(b, b.Open(w.app.AuthURL("scope", scope)), w.who).Code(t))
	w.register()
	list := w.must(http.StatusOK, http.MethodGet, "/scim/v2/Users/"+w.who.ID+"/passkeys", "")
	if !strings.Contains(list.Body, `"name":"Key ring"`) || !strings.Contains(list.Body, `"resourceType":"Passkey"`) || strings.Contains(list.Body, "publicKey") {
		t.Fatalf("list: %s", list.Body)
	}
	id := between(t, list.Body, `"id":"`, `"`)

	own := "/scim/v2/Me/passkeys/" + id
	if r := w.Do(t, http.MethodDelete, own, weak.AccessToken, ""); r.Status != http.StatusUnauthorized ||
		!strings.Contains(r.Header.Get("WWW-Authenticate"), "insufficient_user_authentication") {
		t.Errorf("with a password only: %d %s", r.Status, r.Header.Get("WWW-Authenticate"))
	}
	strong := w.Browser(t)
	tokens := w.app.Redeem(t, w.show(strong, strong.Open(w.app.AuthURL("scope", scope))).Code(t))
	if r := w.Do(t, http.MethodGet, own, tokens.AccessToken, ""); r.Status != http.StatusOK || !strings.Contains(r.Body, `"lastUsed"`) {
		t.Errorf("item: %d %s", r.Status, r.Body)
	}
	if r := w.Do(t, http.MethodDelete, own, tokens.AccessToken, ""); r.Status != http.StatusNoContent {
		t.Fatalf("remove: %d %s", r.Status, r.Body)
	}
	if r := w.Do(t, http.MethodDelete, "/scim/v2/Users/"+w.who.ID+"/passkeys/"+id, w.admin, ""); r.Status != http.StatusNotFound {
		t.Errorf("remove again: %d", r.Status)
	}
	w.recordedOK(audit.FactorRemoved)
	gone := w.Browser(t)
	w.refused(w.show(gone, gone.Open(w.app.AuthURL())), "removed passkey")
	if p := b.Open(w.app.AuthURL("prompt", "none", "acr_values", "Default")); !strings.Contains(p.Away.String(), "login_required") {
		t.Errorf("the other session lives on: %s", p.Away)
	}
}

func (w *keyWorld) recordedOK(name audit.Name) { w.t.Helper(); w.recorded(name, "") }

// A registration counts in its session and once, and a key is registered once.
func TestPasskeyRegistration(t *testing.T) {
	t.Parallel()
	w := newKeyWorld(t)
	w.register()
	page, o := w.creationAgain()
	if len(o.ExcludeCredentials) != 1 {
		t.Errorf("excluded: %v", o.ExcludeCredentials)
	}
	answer := virtualwebauthn.CreateAttestationResponse(w.rp, w.auth, w.key, *o)
	if p := w.b.Submit(page, "passkey", "name", "Twice", "answer", answer); p.Status != http.StatusUnprocessableEntity || !strings.Contains(p.Text(), "registered already") {
		t.Errorf("the same key again: %d\n%s", p.Status, p.Text())
	}
	w.key = newKey()
	answer = virtualwebauthn.CreateAttestationResponse(w.rp, w.auth, w.key, *o)
	if p := w.b.Submit(page, "passkey", "name", "Late", "answer", answer); p.Status != http.StatusUnprocessableEntity || !strings.Contains(p.Text(), "No passkey was made") {
		t.Errorf("a challenge that was used up: %d\n%s", p.Status, p.Text())
	}
}

// creationAgain is creation for somebody who shows the passkey for it.
func (w *keyWorld) creationAgain() (servertest.Page, *virtualwebauthn.AttestationOptions) {
	w.t.Helper()
	p := w.b.Open("/account/security/passkey")
	if p.Kind() == servertest.KindFactor {
		p = w.b.Submit(p, "factor", "factor", "passkey")
	}
	if strings.HasPrefix(p.URL.Path, "/login/") {
		w.show(w.b, p)
	}
	return w.creation()
}

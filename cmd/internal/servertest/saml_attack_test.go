package servertest_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	crewjam "github.com/crewjam/saml"
	dsig "github.com/russellhaering/goxmldsig"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
)

// wantSAMLRefusal wants the login page back with the other ways in, no session,
// and one audit event with this reason.
func (w *samlTown) wantSAMLRefusal(t *testing.T, b *servertest.Browser, p servertest.Page, reason string) {
	t.Helper()
	wantRefused(t, reason, p, http.StatusUnprocessableEntity, http.StatusBadRequest)
	if p.Status == http.StatusUnprocessableEntity && p.Kind() != servertest.KindLogin {
		t.Errorf("the login does not go on by other ways:\n%s", p.Text())
	}
	if got := w.refusals(t); !slices.Equal(got, []string{reason}) {
		t.Errorf("refusals = %v, want %s", got, reason)
	}
	if n := len(w.events(t, audit.FederationLinked)); n != 0 {
		t.Errorf("%d identities were linked by an answer that was refused", n)
	}
	if next := b.Open(w.app.AuthURL("prompt", "none")); next.Answer(t).Get("error") != "login_required" {
		t.Errorf("after the refusal: %v, want login_required", next.Answer(t))
	}
}

// Row 34 through the server: the answer of a provider with each of audience,
// time bounds and InResponseTo wrong or missing is refused and audited, and the
// login goes on by other means.
func TestPeer_34(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		twist  func(*crewjam.IdpAuthnRequest)
		reason string
	}{
		"audience of another": {func(r *crewjam.IdpAuthnRequest) {
			r.Assertion.Conditions.AudienceRestrictions[0].Audience.Value = "https://other.example"
		}, "wrong_audience"},
		"no audience": {func(r *crewjam.IdpAuthnRequest) { r.Assertion.Conditions.AudienceRestrictions = nil }, "wrong_audience"},
		"over": {func(r *crewjam.IdpAuthnRequest) {
			r.Assertion.Conditions.NotBefore, r.Assertion.Conditions.NotOnOrAfter = time.Now().Add(-time.Hour), time.Now().Add(-61*time.Second)
		}, "expired"},
		"no conditions": {func(r *crewjam.IdpAuthnRequest) { r.Assertion.Conditions = nil }, "expired"},
		"not yet":       {func(r *crewjam.IdpAuthnRequest) { r.Assertion.Conditions.NotBefore = time.Now().Add(time.Hour) }, "expired"},
		"confirmation over": {func(r *crewjam.IdpAuthnRequest) {
			r.Assertion.Subject.SubjectConfirmations[0].SubjectConfirmationData.NotOnOrAfter = time.Now().Add(-61 * time.Second)
		}, "expired"},
		"issued long ago": {func(r *crewjam.IdpAuthnRequest) { r.Assertion.IssueInstant = time.Now().Add(-10 * time.Minute) }, "expired"},
		"another request": {func(r *crewjam.IdpAuthnRequest) {
			r.Assertion.Subject.SubjectConfirmations[0].SubjectConfirmationData.InResponseTo = "_other"
		}, "wrong_nonce"},
		"no request": {func(r *crewjam.IdpAuthnRequest) {
			r.Assertion.Subject.SubjectConfirmations[0].SubjectConfirmationData.InResponseTo = ""
		}, "not_asked"},
		"recipient of another": {func(r *crewjam.IdpAuthnRequest) {
			r.Assertion.Subject.SubjectConfirmations[0].SubjectConfirmationData.Recipient = "https://other.example/acs"
		}, "wrong_destination"},
		"issuer of another": {func(r *crewjam.IdpAuthnRequest) { r.Assertion.Issuer.Value = "https://evil.example" }, "wrong_issuer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newSAMLTown(t)
			w.idp.IDP.AssertionMaker = twisted{c.twist}
			b := w.browser(t)
			w.wantSAMLRefusal(t, b, b.Submit(w.answered(t, b), "acs"), c.reason)
		})
	}
}

// openTown has an identity provider that does not encrypt, so that its answers
// can be altered on the way.
func openTown(t *testing.T) *samlTown {
	t.Helper()
	w := newSAMLTown(t)
	encryption := regexp.MustCompile(`(?s)<KeyDescriptor[^>]*use="encryption">.*?</KeyDescriptor>`)
	plain := encryption.ReplaceAllString(samlMetadata(t, w.Server), "")
	w.put(t, "/services/sallyport", plain)
	return w
}

// Row 44 through the server: what was not signed as it stands, twice over, or in
// another shape, is refused and audited.
func TestPeer_44(t *testing.T) {
	t.Parallel()
	signature := regexp.MustCompile(`(?s)<ds:Signature .*?</ds:Signature>`)
	assertion := regexp.MustCompile(`(?s)<saml:Assertion .*?</saml:Assertion>`)
	forged := func(text string) string {
		return strings.ReplaceAll(strings.ReplaceAll(signature.ReplaceAllString(assertion.FindString(text), ""), ">alice<", ">admin<"), `ID="id-`, `ID="id-f`)
	}
	for name, c := range map[string]struct {
		alter  func(text string) string
		reason string
	}{
		"another name":           {func(s string) string { return strings.ReplaceAll(s, ">alice<", ">admin<") }, "bad_signature"},
		"unsigned":               {func(s string) string { return signature.ReplaceAllString(s, "") }, "bad_signature"},
		"forged assertion first": {func(s string) string { return strings.Replace(s, "<saml:Assertion ", forged(s)+"<saml:Assertion ", 1) }, "malformed"},
		"forged assertion last": {func(s string) string {
			return strings.Replace(s, "</saml:Assertion>", "</saml:Assertion>"+forged(s), 1)
		}, "malformed"},
		"original inside the forged one": {func(s string) string {
			original := assertion.FindString(s)
			return strings.Replace(s, original, strings.Replace(forged(s), "</saml:Assertion>", original+"</saml:Assertion>", 1), 1)
		}, "malformed"},
		"comment in the name": {func(s string) string { return strings.Replace(s, ">alice<", ">al<!-- -->ice<", 1) }, "malformed"},
		"document type":       {func(s string) string { return `<!DOCTYPE x [<!ENTITY a "admin">]>` + s }, "malformed"},
		"logout request, unsigned": {func(string) string {
			return `<samlp:LogoutRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_x" Version="2.0"/>`
		}, "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := openTown(t)
			b := w.browser(t)
			p := w.answered(t, b)
			encoded, _ := p.Value("acs", "SAMLResponse")
			text, err := base64.StdEncoding.DecodeString(encoded)
			if err != nil {
				t.Fatal(err)
			}
			altered := c.alter(string(text))
			if altered == string(text) {
				t.Fatal("nothing was altered")
			}
			p = b.Submit(p, "acs", "SAMLResponse", base64.StdEncoding.EncodeToString([]byte(altered)))
			w.wantSAMLRefusal(t, b, p, c.reason)
		})
	}
}

// TestSAMLWeakSignature: SHA-1 does not count, even by the right key.
func TestSAMLWeakSignature(t *testing.T) {
	t.Parallel()
	w := newSAMLTown(t)
	w.idp.IDP.SignatureMethod = dsig.RSASHA1SignatureMethod
	b := w.browser(t)
	w.wantSAMLRefusal(t, b, b.Submit(w.answered(t, b), "acs"), "wrong_algorithm")
}

// TestSAMLReplay: an answer counts once, in the browser that asked, whoever
// brings it.
func TestSAMLReplay(t *testing.T) {
	t.Parallel()
	w := newSAMLTown(t)
	b := w.browser(t)
	p := w.answered(t, b)
	response, _ := p.Value("acs", "SAMLResponse")
	relay, _ := p.Value("acs", "RelayState")

	// Stolen before it is used: it fits no other browser.
	thief := w.browser(t)
	thief.Open(w.app.AuthURL())
	wantRefused(t, "another browser", thief.Post("/federation/corp/acs", url.Values{"SAMLResponse": {response}, "RelayState": {relay}}), http.StatusBadRequest)

	w.tokens(t, b, b.Submit(p, "acs"))
	wantRefused(t, "again", b.Post("/federation/corp/acs", url.Values{"SAMLResponse": {response}, "RelayState": {relay}}), http.StatusBadRequest)
	// With the state of a new request it answers the wrong one.
	fresh := w.browser(t)
	next := w.answered(t, fresh)
	newRelay, _ := next.Value("acs", "RelayState")
	wantRefused(t, "for a new request", fresh.Post("/federation/corp/acs", url.Values{"SAMLResponse": {response}, "RelayState": {newRelay}}),
		http.StatusUnprocessableEntity)
	if got, want := w.refusals(t), []string{"other_browser", "replayed", "wrong_nonce"}; !sameSet(got, want) {
		t.Errorf("refusals = %v, want %v", got, want)
	}
}

func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// TestSAMLProviderDown: one that cannot be reached is said so, and the other
// ways to log in stay.
func TestSAMLProviderDown(t *testing.T) {
	t.Parallel()
	w := &samlTown{}
	w.Server = servertest.SQLite(t, samlProvider("http://"+freeAddress(t)+"/metadata"))
	ann := w.NewPerson(t, "ann")
	app := w.Application(t, oidc.Client{RedirectURIs: []string{"https://shop.example/cb"}})
	b := w.Browser(t)
	p := b.Submit(b.Open(app.AuthURL()), "federate", "upstream", "corp")
	wantRefused(t, "down", p, http.StatusUnprocessableEntity)
	if got := w.refusals(t); !slices.Equal(got, []string{"unavailable"}) {
		t.Errorf("refusals = %v, want unavailable", got)
	}
	app.Redeem(t, b.LogIn(p, ann).Code(t))
}

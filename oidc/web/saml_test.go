package web_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/authn/federated"
	"github.com/sallyport-id/sallyport/oidc/web"
)

// samlUpstream has metadata, and nothing else that these tests call.
type samlUpstream struct{ fault error }

func (samlUpstream) Begin(context.Context, federated.Request) (federated.Redirect, []byte, error) {
	return federated.Redirect{}, nil, errors.New("not asked here")
}

func (samlUpstream) Finish(context.Context, []byte, federated.Answer) (federated.Identity, error) {
	return federated.Identity{}, errors.New("not asked here")
}

func (u samlUpstream) Metadata() ([]byte, error) { return []byte("<md/>"), u.fault }

// otherUpstream is no SAML provider.
type otherUpstream struct{ federated.Upstream }

func samlProviders() federated.List {
	return federated.List{
		{ID: "corp", Kind: federated.SAML, Upstream: samlUpstream{}},
		{ID: "later", Kind: federated.SAML, Upstream: samlUpstream{}, Disabled: true},
		{ID: "broken", Kind: federated.SAML, Upstream: samlUpstream{fault: errors.New("secret fault")}},
		{ID: "google", Kind: federated.Google, Upstream: otherUpstream{}},
	}
}

// atIDP is a browser on the pages of an identity provider.
func atIDP(t *testing.T) (*fake, *browser) {
	t.Helper()
	f := newFake()
	b := newBrowser(t, newWeb(t, f, func(c *web.Config) { c.Providers = samlProviders() }))
	b.header = http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {"https://corp.example"}}
	return f, b
}

func TestSAMLMetadata(t *testing.T) {
	t.Parallel()
	_, b := atIDP(t)
	for id, status := range map[string]int{
		"corp": http.StatusOK, "later": http.StatusOK, "broken": http.StatusInternalServerError,
		"google": http.StatusNotFound, "nobody": http.StatusNotFound,
	} {
		p := b.get("/federation/" + id + "/metadata")
		if p.Status != status || strings.Contains(p.Body, "secret fault") {
			t.Errorf("%s: %d:\n%s", id, p.Status, p.Body)
		}
		if status != http.StatusOK {
			continue
		}
		if got := p.Header.Get("Content-Type"); got != "application/samlmetadata+xml" || p.Body != "<md/>" {
			t.Errorf("%s: %q, %q", id, got, p.Body)
		}
		if len(p.Header.Values("Set-Cookie")) != 0 {
			t.Errorf("%s: metadata set a cookie", id)
		}
	}
}

// The assertion consumer service reads and sets no cookie, judges nothing, and
// goes on at the call-back with the handle of what it keeps.
func TestSAMLAnswerIsHeld(t *testing.T) {
	t.Parallel()
	ours := strings.Repeat("aZ0-_", 8) + "abc"
	for name, c := range map[string]struct{ relay, state string }{
		"ours":                  {ours, ours},
		"of a provider":         {"https://shop.example/", ""},
		"none":                  {"", ""},
		"a character too many":  {ours + "a", ""},
		"of another alphabet":   {ours[:42] + "+", ""},
		"of another length yet": {ours[:42], ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, b := atIDP(t)
			p := b.post("/federation/corp/acs", url.Values{"SAMLResponse": {"PHg+"}, "RelayState": {c.relay}})
			if p.Status != http.StatusSeeOther || !strings.HasPrefix(p.Header.Get("Location"), "/federation/corp/callback?answer=") {
				t.Fatalf("answer = %d, %v", p.Status, p.Header)
			}
			if len(p.Header.Values("Set-Cookie")) != 0 {
				t.Error("a cookie was set for another site")
			}
			held := f.answers["h1"]
			if held.State != c.state || !held.Posted || held.Provider != "corp" || held.Params.Get("SAMLResponse") != "PHg+" {
				t.Errorf("held = %+v", held)
			}
		})
	}
}

func TestSAMLAnswerToNobody(t *testing.T) {
	t.Parallel()
	f, b := atIDP(t)
	for _, id := range []string{"google", "nobody"} {
		if p := b.post("/federation/"+id+"/acs", url.Values{"SAMLResponse": {"PHg+"}}); p.Status != http.StatusNotFound {
			t.Errorf("%s: %d", id, p.Status)
		}
	}
	if p := b.post("/federation/corp/acs", url.Values{"SAMLResponse": {strings.Repeat("A", 300<<10)}}); p.Status != http.StatusBadRequest {
		t.Errorf("too large: %d", p.Status)
	}
	if held := f.answers["h1"]; held.Provider != "" {
		t.Errorf("held = %+v, want nothing", held)
	}
	for _, path := range []string{"/federation/corp/slo", "/federation/corp/logout", "/federation/corp/artifact"} {
		if p := b.post(path, url.Values{"SAMLRequest": {"PHg+"}}); p.Status != http.StatusNotFound && p.Status != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", path, p.Status)
		}
	}
}

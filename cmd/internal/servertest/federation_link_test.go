package servertest_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
	"github.com/sallyport-id/sallyport/scim"
)

const linkCallback = "https://account.example.com/linked"

// linking is an application that links accounts elsewhere by SCIM.
type linking struct {
	abroad
	account *servertest.Application
}

func newLinking(t *testing.T, w abroad) linking {
	t.Helper()
	scopes := append(scim.OwnScopes(), "openid")
	return linking{w, w.Application(t, oidc.Client{Name: "Account", Trusted: true, Scopes: scopes, RedirectURIs: []string{linkCallback}})}
}

// token is of a fresh login.
func (l linking) token(t *testing.T, b *servertest.Browser, who servertest.Person, pairs ...string) string {
	t.Helper()
	pairs = append([]string{"scope", strings.Join(append(scim.OwnScopes(), "openid"), " ")}, pairs...)
	return l.account.Redeem(t, b.LogIn(b.Open(l.account.AuthURL(pairs...)), who).Code(t)).AccessToken
}

func startBody(callback string) string {
	return `{"schemas":["urn:pingidentity:scim:api:messages:2.0:ExternalIdentity"],"provider":{"name":"Corp"},"callbackUrl":"` + callback + `"}`
}

// identity is what the sub-resource answers.
type identity struct {
	ID   string `json:"id"`
	Meta struct {
		Location string `json:"location"`
	} `json:"meta"`
	Provider struct {
		Name string `json:"name"`
		Type string `json:"type"`
	} `json:"provider"`
	UserID   string `json:"providerUserId"`
	Redirect string `json:"providerRedirectUrl"`
}

func identityOf(t *testing.T, r servertest.Reply) identity {
	t.Helper()
	var out identity
	if err := json.Unmarshal([]byte(r.Body), &out); err != nil {
		t.Fatalf("%d %s: %v", r.Status, r.Body, err)
	}
	return out
}

// start begins a link and follows the browser to the provider and back: the path
// of the state, and the body of the PUT.
func (l linking) start(t *testing.T, token string) (path, body string) {
	t.Helper()
	r := l.Do(t, http.MethodPost, "/scim/v2/Me/externalIdentities", token, startBody(linkCallback))
	begun := identityOf(t, r)
	if r.Status != http.StatusCreated || r.Header.Get("Location") != begun.Meta.Location || begun.Redirect == "" {
		t.Fatalf("POST = %d %s", r.Status, r.Body)
	}
	to, err := url.Parse(begun.Redirect)
	if err != nil {
		t.Fatal(err)
	}
	back, err := url.Parse(l.comeBack(t, to))
	if err != nil || !strings.HasPrefix(back.String(), linkCallback+"?") {
		t.Fatalf("the provider leads to %s", back)
	}
	params := map[string]string{}
	for name := range back.Query() {
		params[name] = back.Query().Get(name)
	}
	text, err := json.Marshal(map[string]any{"callbackParameters": params})
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(begun.Meta.Location, l.Issuer()), string(text)
}

// TestExternalIdentities links, shows, uses and unlinks an account elsewhere by
// SCIM, as an account application does.
func TestExternalIdentities(t *testing.T) {
	t.Parallel()
	eachAbroad(t, func(t *testing.T, w abroad) {
		l := newLinking(t, w)
		who := l.NewPerson(t, "ann")
		l.says(map[string]any{"sub": "zoe", "name": "Zoë"})
		wantRefused(t, "not linked yet", l.travel(t, l.traveller(t)), http.StatusUnprocessableEntity)
		token := l.token(t, l.Browser(t), who)
		list := l.Do(t, http.MethodGet, "/scim/v2/Me/externalIdentities", token, "")
		if list.Status != http.StatusOK || !strings.Contains(list.Body, `"id":"corp"`) || strings.Contains(list.Body, "providerUserId") {
			t.Errorf("list = %d %s", list.Status, list.Body)
		}
		path, body := l.start(t, token)
		done := l.Do(t, http.MethodPut, path, token, body)
		if got := identityOf(t, done); done.Status != http.StatusOK || got.UserID != "zoe" || got.ID != "corp" || got.Provider.Type != "oidc" {
			t.Fatalf("PUT = %d %s", done.Status, done.Body)
		}
		if got := l.app.Redeem(t, l.travel(t, l.traveller(t)).Code(t)).Subject(); got != who.ID {
			t.Errorf("logged in as %q, want ann", got)
		}
		b := l.traveller(t)
		l.app.Redeem(t, l.travel(t, b).Code(t))
		gone := l.Do(t, http.MethodDelete, "/scim/v2/Me/externalIdentities/corp", token, "")
		if gone.Status != http.StatusNoContent {
			t.Errorf("DELETE = %d %s", gone.Status, gone.Body)
		}
		wantSilent(t, b, l.app, "login_required")
		wantRefused(t, "unlinked", l.travel(t, l.traveller(t)), http.StatusUnprocessableEntity)
		for _, name := range []audit.Name{audit.FederationLinked, audit.FederationUnlinked} {
			if got := l.events(t, name); len(got) != 1 || got[0].Target.ID != who.ID || got[0].Actor.Client != l.account.ID {
				t.Errorf("%s = %+v", name, got)
			}
		}
	})
}

// TestExternalIdentitiesRefuse: what an application may not do.
func TestExternalIdentitiesRefuse(t *testing.T) {
	t.Parallel()
	w := newAbroad(t, "sqlite", func(p *config.IdentityProvider) { p.Callbacks = []string{"https://tool.example/cb"} })
	l := newLinking(t, w)
	token := l.token(t, l.Browser(t), l.NewPerson(t, "ann"))
	admin := l.Token(t, "rfc")
	other := l.NewPerson(t, "bob")
	for name, c := range map[string]struct {
		method, path, token, body string
		want                      int
	}{
		"foreign address":      {"POST", "/scim/v2/Me/externalIdentities", token, startBody("https://evil.example/"), 400},
		"nearly the address":   {"POST", "/scim/v2/Me/externalIdentities", token, startBody(linkCallback + "/"), 400},
		"no address":           {"POST", "/scim/v2/Me/externalIdentities", token, `{"provider":{"name":"Corp"}}`, 400},
		"no provider":          {"POST", "/scim/v2/Me/externalIdentities", token, `{"callbackUrl":"` + linkCallback + `"}`, 400},
		"unknown provider":     {"POST", "/scim/v2/Me/externalIdentities", token, strings.Replace(startBody(linkCallback), "Corp", "Other", 1), 400},
		"of another user":      {"POST", "/scim/v2/Users/" + other.ID + "/externalIdentities", token, startBody(linkCallback), 404},
		"no client, foreign":   {"POST", "/scim/v2/Users/" + other.ID + "/externalIdentities", admin, startBody(linkCallback), 400},
		"no client, listed":    {"POST", "/scim/v2/Users/" + other.ID + "/externalIdentities", admin, startBody("https://tool.example/cb"), 201},
		"an id from outside":   {"PUT", "/scim/v2/Me/externalIdentities/corp", token, `{"providerUserId":"zoe","callbackParameters":{"code":"x"}}`, 400},
		"forged state":         {"PUT", "/scim/v2/Me/externalIdentities/a.b.c.d.e", token, `{"callbackParameters":{"code":"x"}}`, 400},
		"absent":               {"GET", "/scim/v2/Me/externalIdentities/other", token, "", 404},
		"nothing to unlink":    {"DELETE", "/scim/v2/Me/externalIdentities/corp", token, "", 204},
		"unlink at no one":     {"DELETE", "/scim/v2/Me/externalIdentities/other", token, "", 404},
		"no filter":            {"GET", "/scim/v2/Me/externalIdentities?filter=id+eq+%22corp%22", token, "", 400},
		"not a text":           {"PUT", "/scim/v2/Me/externalIdentities/x", token, `{"callbackParameters":{"code":1}}`, 400},
		"without a credential": {"GET", "/scim/v2/Me/externalIdentities", "", "", 401},
	} {
		if r := l.Do(t, c.method, c.path, c.token, c.body); r.Status != c.want {
			t.Errorf("%s: %d %s, want %d", name, r.Status, r.Body, c.want)
		}
	}
}

func pathEnd(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// TestPeer_6: Keycloak CVE-2026-9087. What a provider confirmed for one user, in
// one session, for one account there, links nothing else.
func TestPeer_6(t *testing.T) {
	t.Parallel()
	eachAbroad(t, func(t *testing.T, w abroad) {
		l := newLinking(t, w)
		ann, bob := l.NewPerson(t, "ann"), l.NewPerson(t, "bob")
		l.says(map[string]any{"sub": "zoe"})
		annToken, bobToken := l.token(t, l.Browser(t), ann), l.token(t, l.Browser(t), bob)
		path, body := l.start(t, annToken)
		otherPath, otherBody := l.start(t, annToken)
		second := l.token(t, l.Browser(t), ann) // another session of the same user
		for name, c := range map[string][3]string{
			"by another user":            {bobToken, "/scim/v2/Me/externalIdentities/" + pathEnd(path), body},
			"in another session":         {second, path, body},
			"the answer to another":      {annToken, path, otherBody},
			"the state of another":       {annToken, otherPath, body},
			"at the call-back of logins": {annToken, path, `{"callbackParameters":{"state":"x","code":"y"}}`},
		} {
			if r := l.Do(t, http.MethodPut, c[1], c[0], c[2]); r.Status != http.StatusBadRequest {
				t.Errorf("%s: %d %s, want 400", name, r.Status, r.Body)
			}
		}
		if got := l.events(t, audit.FederationLinked); len(got) != 0 {
			t.Fatalf("linked: %+v", got)
		}
		if r := l.Do(t, http.MethodPut, path, annToken, body); r.Status != http.StatusOK {
			t.Fatalf("PUT = %d %s", r.Status, r.Body)
		}
		if r := l.Do(t, http.MethodPut, path, annToken, body); r.Status != http.StatusBadRequest {
			t.Errorf("a second time: %d %s, want 400", r.Status, r.Body)
		}
		// The account there is ann's, whoever asks.
		path, body = l.start(t, bobToken)
		if r := l.Do(t, http.MethodPut, path, bobToken, body); r.Status != http.StatusConflict || !strings.Contains(r.Body, "uniqueness") {
			t.Errorf("the account of another: %d %s, want 409", r.Status, r.Body)
		}
		// A password that changed meanwhile ends what was begun before.
		l.says(map[string]any{"sub": "bob-there"})
		path, body = l.start(t, bobToken)
		if r := l.Do(t, http.MethodPut, "/scim/v2/Me/password", bobToken, passwordBody(bob.Password, "quite another long password")); r.Status != http.StatusOK {
			t.Fatalf("password: %d %s", r.Status, r.Body)
		}
		if r := l.Do(t, http.MethodPut, path, bobToken, body); r.Status == http.StatusOK {
			t.Errorf("a state from before the change: %d %s", r.Status, r.Body)
		}
	})
}

// TestLinkNeedsStepUp: whoever has a second factor shows it before an account
// elsewhere is linked or unlinked.
func TestLinkNeedsStepUp(t *testing.T) {
	t.Parallel()
	w := newAbroad(t, "sqlite")
	l := newLinking(t, w)
	who := l.NewPerson(t, "ann")
	weak := l.token(t, l.Browser(t), who)
	who = l.withTOTP(t, who)
	for _, c := range [][3]string{
		{"POST", "/scim/v2/Me/externalIdentities", startBody(linkCallback)}, {"DELETE", "/scim/v2/Me/externalIdentities/corp", ""},
	} {
		r := l.Do(t, c[0], c[1], weak, c[2])
		if r.Status != http.StatusUnauthorized || !strings.Contains(r.Header.Get("WWW-Authenticate"), "insufficient_user_authentication") {
			t.Errorf("%s: %d %s, want 401 and the challenge of RFC 9470", c[0], r.Status, r.Body)
		}
	}
	if got := l.idp.Requests(); len(got) != 0 {
		t.Errorf("the provider was asked: %v", got)
	}
	strong := l.token(t, l.Browser(t), who, "acr_values", "MFA")
	path, body := l.start(t, strong)
	if r := l.Do(t, http.MethodPut, path, strong, body); r.Status != http.StatusOK {
		t.Errorf("PUT = %d %s", r.Status, r.Body)
	}
}

// TestExternalIdentitiesOfSAML: a SAML provider answers to one address, which is
// ours, so an application is told at once that it cannot link there.
func TestExternalIdentitiesOfSAML(t *testing.T) {
	t.Parallel()
	s := servertest.SQLite(t, samlProvider("http://127.0.0.1:1/metadata", func(p *config.IdentityProvider) {
		p.Callbacks = []string{linkCallback}
	}))
	who, token := s.NewPerson(t, "ann"), s.Token(t, "rfc")
	r := s.Do(t, http.MethodPost, "/scim/v2/Users/"+who.ID+"/externalIdentities", token, startBody(linkCallback))
	if r.Status != http.StatusBadRequest || !strings.Contains(r.Body, "security page") {
		t.Errorf("POST = %d %s, want 400 and the way out", r.Status, r.Body)
	}
	r = s.Do(t, http.MethodGet, "/scim/v2/Users/"+who.ID+"/externalIdentities/corp", token, "")
	if r.Status != http.StatusOK || !strings.Contains(r.Body, `"type":"saml"`) || !strings.Contains(r.Body, `"samlResponseBinding":"post"`) {
		t.Errorf("GET = %d %s", r.Status, r.Body)
	}
}

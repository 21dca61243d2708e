package servertest_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
)

const opIssuer = "https://id.example.com"

// plan is a server that a test plan of the OpenID Foundation is run against:
// with an https issuer and a user who has every claim.
type plan struct {
	*testing.T
	s     *servertest.Server
	clock *clock
	user  servertest.Person
	other servertest.Person // another user
}

// module is one module of a plan: an application and a browser of its own.
type module struct {
	plan
	app *servertest.Application
	b   *servertest.Browser
}

func newPlan(t *testing.T, edits ...func(*config.Config)) plan {
	t.Helper()
	p := plan{T: t, clock: newClock()}
	edits = append([]func(*config.Config){servertest.WithIssuer(t, opIssuer)}, edits...)
	p.s = servertest.StartAt(t, p.clock.Now, servertest.Settings(t), edits...)
	p.user = p.s.NewPerson(t, "jane", `"displayName":"Jane Doe","nickName":"JJ","profileUrl":"https://example.com/jane","locale":"en-GB",
		"timezone":"Europe/Paris","name":{"formatted":"Jane Q. Doe","givenName":"Jane","familyName":"Doe","middleName":"Q."},
		"photos":[{"value":"https://example.com/jane.png"}],"emails":[{"value":"jane@example.com","primary":true}],
		"phoneNumbers":[{"value":"tel:+1-512-555-0100","primary":true}],
		"addresses":[{"formatted":"1 Main Street","streetAddress":"1 Main Street","locality":"Austin","region":"TX","postalCode":"78701","country":"US","primary":true}]`)
	p.other = p.s.NewPerson(t, "john")
	return p
}

// module runs one. Modules of a plan run one after the other, since they share
// the clock.
func (p plan) module(name string, run func(m module), edits ...func(*oidc.Client)) {
	p.Run(name, func(t *testing.T) {
		p.T = t
		c := oidc.Client{Name: "Conformance", PostLogoutRedirectURIs: []string{"https://app.example.com/out"}}
		for _, edit := range edits {
			edit(&c)
		}
		run(module{p, p.s.Application(t, c), p.s.Browser(t)})
	})
}

// flow is a finished code flow.
type flow struct {
	request, answer url.Values
	tokens          servertest.Tokens
}

// flow makes a request with the parameters, logs in where that is asked, and
// exchanges the code; everything that each module asserts is checked.
func (m module) flow(pairs ...string) flow {
	m.Helper()
	f := flow{request: m.app.Request(pairs...)}
	return m.finish(f, m.b.Open("/oauth/authorize?"+f.request.Encode()))
}

func (m module) finish(f flow, p servertest.Page) flow {
	m.Helper()
	p = m.b.LogIn(p, m.user)
	f.answer = p.Answer(m)
	m.checkAnswer(f.request, f.answer)
	f.tokens = m.app.Redeem(m, p.Code(m))
	m.checkTokens(f)
	return f
}

// silent makes a request that must be answered without a page.
func (m module) silent(pairs ...string) flow {
	m.Helper()
	before := len(m.b.Asked)
	f := m.flow(append([]string{"prompt", "none"}, pairs...)...)
	if len(m.b.Asked) != before {
		m.Errorf("prompt=none asked %v", m.b.Asked[before:])
	}
	return f
}

// wantError makes a request that must be answered with one of these errors, by
// redirect and without a page.
func (m module) wantError(request url.Values, codes ...string) {
	m.Helper()
	p := m.b.Open("/oauth/authorize?" + request.Encode())
	answer := p.Answer(m)
	m.checkAnswer(request, answer)
	if !slices.Contains(codes, answer.Get("error")) || answer.Has("code") {
		m.Errorf("answer %v, want error of %v", answer, codes)
	}
}

// wantNotLoggedIn proves that no session is left.
func (m module) wantNotLoggedIn() {
	m.Helper()
	m.wantError(m.app.Request("prompt", "none"), "login_required")
}

// errorText is what error_description may consist of (RFC 6749 section 5.2).
var errorText = regexp.MustCompile(`^[\x20-\x21\x23-\x5B\x5D-\x7E]*$`)

func (m module) checkAnswer(request, answer url.Values) {
	m.Helper()
	if answer.Get("iss") != opIssuer {
		m.Errorf("iss %q, want %q (RFC 9207)", answer.Get("iss"), opIssuer)
	}
	if !slices.Equal(answer["state"], request["state"]) {
		m.Errorf("state %q, want %q", answer["state"], request["state"])
	}
	if !errorText.MatchString(answer.Get("error_description")) {
		m.Errorf("error_description %q has characters that may not stand there", answer.Get("error_description"))
	}
	for name, values := range answer {
		if len(values) != 1 {
			m.Errorf("%s is there %d times", name, len(values))
		}
	}
}

func (m module) checkTokens(f flow) {
	m.Helper()
	t := f.tokens
	if len(f.answer.Get("code")) < 22 || len(f.answer.Get("code")) > 512 {
		m.Errorf("code %q, want 128 random bits", f.answer.Get("code"))
	}
	if got := t.Header.Get("Content-Type"); !strings.HasPrefix(got, "application/json") {
		m.Errorf("media type %q, want JSON", got)
	}
	if t.Header.Get("Cache-Control") != "no-store" || t.Header.Get("Pragma") != "no-cache" {
		m.Errorf("Cache-Control %q, Pragma %q of tokens", t.Header.Get("Cache-Control"), t.Header.Get("Pragma"))
	}
	if t.TokenType != "Bearer" || t.AccessToken == "" || t.ExpiresIn <= 0 {
		m.Errorf("token answer %s", t.Body)
	}
	if t.IDToken == "" {
		m.Fatalf("no ID token in %s", t.Body)
	}
	m.checkIDToken(t.IDToken, f.request.Get("nonce"))
	m.checkUserInfo(m.app.UserInfo(m, t.AccessToken), t.Subject())
}

// checkIDToken checks what OpenID Connect Core 1.0 section 3.1.3.7 does, with
// the published keys.
func (m module) checkIDToken(raw, nonce string) {
	m.Helper()
	token, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		m.Fatalf("ID token: %v", err)
	}
	if token.Headers[0].KeyID == "" {
		m.Error("ID token without kid")
	}
	keys := m.keys().Key(token.Headers[0].KeyID)
	if len(keys) != 1 {
		m.Fatalf("%d keys are called %q", len(keys), token.Headers[0].KeyID)
	}
	var c struct {
		jwt.Claims
		Nonce    *string `json:"nonce"`
		ACR      string  `json:"acr"`
		AuthTime int64   `json:"auth_time"`
		AZP      string  `json:"azp"`
	}
	if err := token.Claims(keys[0].Key, &c); err != nil {
		m.Fatalf("ID token: %v", err)
	}
	now := m.clock.Now()
	if c.Issuer != opIssuer || !c.Audience.Contains(m.app.ID) || c.Subject == "" || len(c.Subject) > 255 || c.AZP != "" && c.AZP != m.app.ID {
		m.Errorf("ID token %+v, want issuer, subject and audience %s", c, m.app.ID)
	}
	if iat := c.IssuedAt.Time(); iat.After(now) || now.Sub(iat) > 5*time.Minute || !c.Expiry.Time().After(now) {
		m.Errorf("ID token of %v until %v, now %v", iat, c.Expiry.Time(), now)
	}
	if (c.Nonce != nil) != (nonce != "") || c.Nonce != nil && *c.Nonce != nonce {
		m.Errorf("nonce %v, want %q", c.Nonce, nonce)
	}
	if c.ACR == "" || c.AuthTime <= 0 || c.AuthTime > now.Unix() {
		m.Errorf("acr %q, auth_time %d at %d", c.ACR, c.AuthTime, now.Unix())
	}
}

// keys reads the published keys, which hold nothing private and no name twice.
func (m module) keys() *jose.JSONWebKeySet {
	m.Helper()
	r := m.s.Do(m, http.MethodGet, "/oauth/jwks", "", "")
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(r.Body), &set); err != nil || r.Status != http.StatusOK || len(set.Keys) == 0 {
		m.Fatalf("keys: %d %s: %v", r.Status, r.Body, err)
	}
	seen := map[string]bool{}
	for _, k := range set.Keys {
		if !k.Valid() || !k.IsPublic() || k.KeyID == "" || seen[k.KeyID] {
			m.Errorf("key %q: valid %t, public %t, seen before %t", k.KeyID, k.Valid(), k.IsPublic(), seen[k.KeyID])
		}
		seen[k.KeyID] = true
	}
	if regexp.MustCompile(`"(d|p|q|dp|dq|qi|oth|k)"\s*:`).MatchString(r.Body) {
		m.Errorf("keys have private members: %s", r.Body)
	}
	return &set
}

// checkUserInfo checks an answer of the UserInfo endpoint and returns its
// claims.
func (m module) checkUserInfo(r servertest.Reply, sub string) map[string]any {
	m.Helper()
	if r.Status != http.StatusOK || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		m.Fatalf("userinfo: %d %s %s", r.Status, r.Header.Get("Content-Type"), r.Body)
	}
	claims := object(m.T, r.Body)
	if claims["sub"] != sub {
		m.Errorf("userinfo of %v, want %s", claims["sub"], sub)
	}
	for name, value := range claims {
		ok := false
		switch name {
		case "email_verified", "phone_number_verified":
			_, ok = value.(bool)
		case "updated_at":
			_, ok = value.(float64)
		case "address":
			_, ok = value.(map[string]any)
		case "groups":
			_, ok = value.([]any)
		default:
			var text string
			text, ok = value.(string)
			ok = ok && text != ""
		}
		if !ok {
			m.Errorf("claim %s is %#v", name, value)
		}
	}
	return claims
}

// oauthError checks a refusal of the token endpoint.
func (m module) oauthError(r servertest.Reply, status int, code string) {
	m.Helper()
	o := object(m.T, r.Body)
	description, _ := o["error_description"].(string)
	if r.Status != status || o["error"] != code || !errorText.MatchString(description) || r.Header.Get("Cache-Control") != "no-store" {
		m.Errorf("answer %d %s, Cache-Control %q, want %d %s and no-store", r.Status, r.Body, r.Header.Get("Cache-Control"), status, code)
	}
}

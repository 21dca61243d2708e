package oidc_test

import (
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/oidc"
	"github.com/sallyport-id/sallyport/storage/storagetest"
)

// one runs a test on the embedded database alone: what it is about is decided
// before anything is stored.
func one(t *testing.T, edits ...func(*oidc.Config)) *world {
	t.Helper()
	t.Parallel()
	w := newWorld(t, storagetest.SQLite(t), edits...)
	w.client(nil)
	return w
}

// The texts of the original, byte for byte.
const (
	unreachable  = "Second factor authentication is not enabled by the user."
	contextUnmet = "The authentication context does not satisfy the requested level."
	notPermitted = "None of the requested authentication contexts is permitted."
)

// Rows 4 and 5: until client and redirect URI are certain, nothing redirects.
func TestUncertainRequestsAreNeverRedirected(t *testing.T) {
	w := one(t)
	for name, q := range map[string]url.Values{
		"no client":              request("client_id", ""),
		"unknown client":         request("client_id", "nobody"),
		"repeated client":        merge(request(), pairs("client_id", "app", "client_id", "app")),
		"no redirect_uri":        request("redirect_uri", ""),
		"unregistered":           request("redirect_uri", "https://evil.example.com/cb"),
		"query added":            request("redirect_uri", "https://app.example.com/cb?x=1"),
		"path added":             request("redirect_uri", "https://app.example.com/cb/../x"),
		"percent-encoded":        request("redirect_uri", "https%3A%2F%2Fapp.example.com%2Fcb"),
		"repeated redirect_uri":  merge(request(), pairs("redirect_uri", "https://app.example.com/cb", "redirect_uri", "https://app.example.com/cb")),
		"capitals":               request("redirect_uri", "https://APP.example.com/cb"),
		"user name":              request("redirect_uri", "https://app.example.com@evil.example.com/cb"),
		"request_uri alone":      pairs("client_id", "app", "request_uri", "https://app.example.com/object"),
		"unsigned object, alone": pairs("client_id", "app", "request", "eyJhbGciOiJub25lIn0.e30."),
	} {
		if reply, _, err := w.nodes[0].Authorize(t.Context(), authn.Visitor{}, q); !isPageError(err) {
			t.Errorf("%s: %v %v, want a page", name, reply, err)
		}
	}
	w.edit(func(c *oidc.Client) { c.Disabled = true })
	if _, _, err := w.nodes[0].Authorize(t.Context(), authn.Visitor{}, request()); !isPageError(err) {
		t.Errorf("disabled client: %v, want a page", err)
	}
}

func merge(a, b url.Values) url.Values {
	maps.Copy(a, b)
	return a
}

// Rows 2, 3, 8, 13, 17, 22, 24, 30 to 32, 35 and 36.
func TestAuthorizationRequest(t *testing.T) {
	w := one(t)
	w.login(acr.Password)
	for _, c := range []struct {
		name string
		more []string
		want string // error; "": a code
	}{
		{"plain", nil, ""},
		{"unknown parameter", []string{"extra", "foobar"}, ""},
		{"empty parameter", []string{"prompt", ""}, ""},
		{"order of scopes", []string{"scope", "email openid"}, ""},
		{"unknown scope beside others", []string{"scope", "openid nonsense"}, ""},
		{"only unknown scopes", []string{"scope", "nonsense"}, "invalid_scope"},
		{"no response_type", []string{"response_type", ""}, "invalid_request"},
		{"response_type token", []string{"response_type", "token"}, "unsupported_response_type"},
		{"response_type code id_token", []string{"response_type", "code id_token"}, "unsupported_response_type"},
		{"response_mode query", []string{"response_mode", "query"}, ""},
		{"response_mode fragment", []string{"response_mode", "fragment"}, "invalid_request"},
		{"unknown prompt", []string{"prompt", "maybe"}, "invalid_request"},
		{"prompt in capitals", []string{"prompt", "NONE"}, "invalid_request"},
		{"prompt none and another", []string{"prompt", "none login"}, "invalid_request"},
		{"negative max_age", []string{"max_age", "-1"}, "invalid_request"},
		{"max_age no number", []string{"max_age", "abc"}, "invalid_request"},
		{"fractional max_age", []string{"max_age", "1.5"}, "invalid_request"},
		{"long max_age", []string{"max_age", strings.Repeat("9", 40)}, ""},
		{"display, locales, hint", []string{"display", "wap", "ui_locales", "xx de", "claims_locales", "de", "login_hint", "ann"}, ""},
		{"long login_hint", []string{"login_hint", strings.Repeat("a", 4000)}, ""},
		{"malformed claims", []string{"claims", "{"}, "invalid_request"},
		{"claims null", []string{"claims", "null"}, "invalid_request"},
		{"claims with more behind", []string{"claims", "{} {}"}, "invalid_request"},
		{"acr of wrong type", []string{"claims", `{"id_token":{"acr":{"essential":true,"values":[1]}}}`}, "invalid_request"},
		{"unknown voluntary claims", []string{"claims", `{"id_token":{"nonsense":null},"x":1}`}, ""},
		{"hint of nobody", []string{"id_token_hint", "x.y.z"}, "invalid_request"},
		{"unsigned object", []string{"request", "eyJhbGciOiJub25lIn0.e30."}, "invalid_request_object"},
		{"foreign request_uri", []string{"request_uri", "https://app.example.com/object"}, "request_uri_not_supported"},
		{"unknown request_uri", []string{"request_uri", "urn:ietf:params:oauth:request_uri:x"}, "invalid_request_uri"},
		{"registration", []string{"registration", "{}"}, "registration_not_supported"},
		{"unknown resource", []string{"resource", "https://nowhere.example.com"}, "invalid_target"},
		{"state of 4 KiB", []string{"state", strings.Repeat("s", 4096)}, ""},
		{"state of 130 kB", []string{"state", strings.Repeat("s", 130_000)}, "invalid_request"},
		{"another user", []string{"claims", `{"id_token":{"sub":{"value":"somebody"}}}`, "prompt", "none"}, "login_required"},
		{"dpop_jkt no thumbprint", []string{"dpop_jkt", "x"}, "invalid_request"},
	} {
		got := w.authorize(request(c.more...))
		if got.Get("error") != c.want || (c.want == "") != (got.Get("code") != "") {
			t.Errorf("%s: %v, want error %q", c.name, short(got), c.want)
		}
		wantState := request(c.more...).Get("state")
		if len(wantState) > 8192 {
			wantState = ""
		}
		if got.Get("state") != wantState || got.Get("iss") != issuer {
			t.Errorf("%s: state or iss missing in %v", c.name, short(got))
		}
	}
	for _, name := range []string{"state", "nonce", "prompt", "scope", "extra"} {
		q := request()
		q[name] = []string{"a", "b"}
		if got := w.authorize(q); got.Get("error") != "invalid_request" {
			t.Errorf("repeated %s: %v, want invalid_request", name, got)
		}
	}
	if got := w.authorize(request("state", "")); got.Has("state") {
		t.Errorf("absent state came back: %v", got)
	}
}

func short(q url.Values) url.Values {
	if len(q.Get("state")) > 20 {
		q.Set("state", q.Get("state")[:20])
	}
	return q
}

func TestFormPost(t *testing.T) {
	w := one(t)
	w.login(acr.Password)
	reply, _, err := w.nodes[0].Authorize(t.Context(), authn.Visitor{}, request("response_mode", "form_post"))
	post, ok := reply.(oidc.FormPost)
	if !ok || post.URI != "https://app.example.com/cb" || post.Params["code"] == "" || post.Params["state"] != "xyz" {
		t.Errorf("reply = %#v, %v, want a form with code and state", reply, err)
	}
}

// A registered URI with a query keeps it (RFC 6749 section 3.1.2).
func TestRedirectKeepsQuery(t *testing.T) {
	w := one(t)
	const uri = "https://app.example.com/cb?tenant=a%20b"
	w.edit(func(c *oidc.Client) { c.RedirectURIs = []string{uri} })
	w.login(acr.Password)
	reply, _, err := w.nodes[0].Authorize(t.Context(), authn.Visitor{}, request("redirect_uri", uri))
	to, ok := reply.(oidc.Redirect)
	if !ok || !strings.HasPrefix(to.URL, uri+"&code=") {
		t.Errorf("reply = %#v, %v, want %s&code=…", reply, err, uri)
	}
}

// setting is one of the three ways to answer that an ACR cannot be had.
type setting struct {
	name            string
	unmet, errorSet string
	code            string
}

// Each row of the specification's table about an ACR that cannot be had, under
// three settings (of the server and of the client) and in both modes.
func TestUnmetMatrix(t *testing.T) {
	t.Parallel()
	rows := []struct {
		name, acr, text string
		proofs          []acr.Factor
	}{
		{"no factor for it", "MFA", unreachable, []acr.Factor{acr.Password}},
		{"conditions fail", "Nowhere", contextUnmet, []acr.Factor{acr.Password}},
		{"not known", "Gold", notPermitted, []acr.Factor{acr.Password}},
		{"not known, no session", "Gold", notPermitted, nil},
	}
	settings := []setting{
		{"original", "", "", "interaction_required"},
		{"standard code", "", "unmet_authentication_requirements", "unmet_authentication_requirements"},
		{"downgrade", "downgrade", "", ""},
	}
	for _, s := range settings {
		for _, perClient := range []bool{false, true} {
			t.Run(s.name+map[bool]string{false: " by server", true: " by client"}[perClient], func(t *testing.T) {
				w := one(t, func(c *oidc.Config) {
					if !perClient {
						c.Policy.ACRUnmet, c.Policy.ACRUnmetError = s.unmet, oidc.Code(s.errorSet)
					}
				})
				if perClient {
					w.edit(func(c *oidc.Client) { c.ACRUnmet, c.ACRUnmetError = s.unmet, s.errorSet })
				}
				for _, row := range rows {
					for _, mode := range []string{"", "none"} {
						w.unmet(t, s, row.name+" prompt="+mode, row.acr, row.text, mode, row.proofs)
					}
				}
			})
		}
	}
}

func (w *world) unmet(t *testing.T, s setting, name, acrName, text, mode string, proofs []acr.Factor) {
	t.Helper()
	w.nodes[0].desk.session = nil
	if proofs != nil {
		w.login(proofs...)
	}
	essential := `{"id_token":{"acr":{"essential":true,"value":"` + acrName + `"}}}`
	for _, more := range [][]string{{"acr_values", acrName}, {"claims", essential}} {
		voluntary := more[0] == "acr_values"
		want := s.code
		if want == "" && !voluntary {
			want = "interaction_required" // an essential claim never goes down
		}
		if want == "" && proofs == nil {
			continue // a login page, or login_required: nothing is unmet yet
		}
		got := w.authorize(request(append(more, "prompt", mode)...))
		if want == "" {
			if got.Get("code") == "" {
				t.Errorf("%s %s: %v, want a code", name, more[0], got)
			}
			continue
		}
		if got.Get("error") != want || got.Get("error_description") != text || got.Get("state") != "xyz" || got.Get("iss") != issuer {
			t.Errorf("%s %s: %v, want %s %q with state and iss", name, more[0], got, want, text)
		}
	}
}

// The seed's redirect, byte for byte.
func TestUnmetRedirect(t *testing.T) {
	w := one(t)
	w.login(acr.Password)
	reply, _, err := w.nodes[0].Authorize(t.Context(), authn.Visitor{}, request("acr_values", "MFA"))
	const want = "https://app.example.com/cb?error=interaction_required" +
		"&error_description=Second+factor+authentication+is+not+enabled+by+the+user." +
		"&iss=https%3A%2F%2Fid.example.com&state=xyz"
	if to, ok := reply.(oidc.Redirect); !ok || to.URL != want {
		t.Errorf("reply = %#v, %v, want %s", reply, err, want)
	}
}

// goiabada #240: a URL never leaves what the client permits.
func TestAcrValuesCannotLeavePermitted(t *testing.T) {
	w := one(t, func(c *oidc.Config) { c.Policy.UserFloorOff = true })
	w.edit(func(c *oidc.Client) { c.PermittedACRs = []string{"MFA"} })
	w.enrol(acr.TOTP)
	w.login(acr.Password)
	if got := w.authorize(request("acr_values", "Default", "prompt", "none")); got.Get("error_description") != notPermitted {
		t.Errorf("acr_values=Default: %v, want %q", got, notPermitted)
	}
	if got := w.authorize(request("acr_values", "Default MFA", "prompt", "none")); got.Get("error") != "interaction_required" {
		t.Errorf("acr_values=Default MFA: %v, want interaction_required for MFA", got)
	}
	w.edit(func(c *oidc.Client) { c.PermittedFallback = true })
	if got := w.authorize(request("acr_values", "Default", "prompt", "none")); got.Get("code") == "" {
		t.Errorf("permitted_acrs_mode fallback: %v, want a code as the original gave", got)
	}
	w.edit(func(c *oidc.Client) { c.RequiredACR = "MFA" })
	if got := w.authorize(request("acr_values", "Default", "prompt", "none")); got.Get("error") != "interaction_required" {
		t.Errorf("required_acr beside it: %v, want interaction_required: floors hold", got)
	}
}

func TestAcrValuesCannotLowerUserFloor(t *testing.T) {
	t.Parallel()
	for _, off := range []bool{false, true} {
		t.Run(map[bool]string{false: "floor", true: "floor off"}[off], func(t *testing.T) {
			w := one(t, func(c *oidc.Config) { c.Policy.UserFloorOff = off })
			w.enrol(acr.TOTP)
			w.login(acr.Password)
			got := w.authorize(request("acr_values", "Default", "prompt", "none"))
			if asked := got.Get("error") == "interaction_required"; asked == off {
				t.Errorf("acr_values=Default of a user with an app: %v, asked %t", got, asked)
			}
		})
	}
}

func TestEssentialBeatsAcrValues(t *testing.T) {
	w := one(t)
	w.enrol(acr.TOTP)
	w.login(acr.Password)
	for name, claim := range map[string]string{
		"value":  `{"id_token":{"acr":{"essential":true,"value":"MFA"}}}`,
		"values": `{"id_token":{"acr":{"essential":true,"values":["MFA","Gold"]}}}`,
	} {
		got := w.authorize(request("acr_values", "Default", "claims", claim, "prompt", "none"))
		if got.Get("error") != "interaction_required" {
			t.Errorf("%s: %v, want interaction_required", name, got)
		}
	}
	w.login(acr.Password, acr.TOTP)
	code := w.code("acr_values", "Default", "claims", `{"id_token":{"acr":{"essential":true,"value":"MFA"}}}`)
	secret, err := w.nodes[0].RotateSecret(t.Context(), command, "app", 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := claims(t, w.wantTokens("code", w.nodes[0].redeem(secret, code)).text("id_token"))["acr"]; got != "MFA" {
		t.Errorf("acr = %v, want MFA", got)
	}
}

// Rows 18 and 20: what prompt=none may answer.
func TestPromptNone(t *testing.T) {
	w := one(t)
	ask := func(more ...string) string {
		return w.authorize(request(append(more, "prompt", "none")...)).Get("error")
	}
	if got := ask(); got != "login_required" {
		t.Errorf("no session: %s, want login_required", got)
	}
	w.login(acr.Password)
	if got := ask(); got != "" {
		t.Errorf("session: %s, want a code", got)
	}
	if got := ask("max_age", "0"); got != "login_required" {
		t.Errorf("max_age=0: %s, want login_required", got)
	}
	w.nodes[0].desk.several = true
	if got := ask(); got != "account_selection_required" {
		t.Errorf("several accounts: %s, want account_selection_required", got)
	}
	w.nodes[0].desk.several = false
	w.edit(func(c *oidc.Client) { c.Trusted = false })
	if got := ask(); got != "consent_required" {
		t.Errorf("no consent: %s, want consent_required", got)
	}
}

// Row 28: an ID token of ours is a hint, and names the only user to answer for.
func TestIDTokenHint(t *testing.T) {
	each(t, nil, func(t *testing.T, w *world, secret string) {
		id := w.tokens(secret).text("id_token")
		if got := w.authorize(request("id_token_hint", id, "prompt", "none")); got.Get("code") == "" {
			t.Errorf("hint: %v, want a code", got)
		}
		both := request("id_token_hint", id, "claims", `{"id_token":{"sub":{"value":"somebody"}}}`)
		if got := w.authorize(both); got.Get("error") != "invalid_request" {
			t.Errorf("two users: %v, want invalid_request", got)
		}
		w.o.Clock.Advance(2 * time.Hour)
		if got := w.authorize(request("id_token_hint", id, "prompt", "none")); got.Get("code") == "" {
			t.Errorf("expired hint: %v, want a code", got)
		}
	})
}

// known are the errors that prompt=none may answer with.
func knownErrors() []string {
	return []string{
		"invalid_request", "unsupported_response_type", "invalid_scope", "login_required", "interaction_required",
		"account_selection_required", "consent_required", "invalid_request_object", "request_uri_not_supported",
		"invalid_request_uri", "registration_not_supported", "invalid_target", "unmet_authentication_requirements",
	}
}

// Whatever is sent with prompt=none, no page follows: a redirect to the client
// with a code or a known error, or a page error where nothing is certain.
func FuzzPromptNoneNeverRenders(f *testing.F) {
	for _, seed := range []string{
		"acr_values=MFA", "max_age=0", "claims=%7B%7D", "scope=openid+offline_access", "prompt=none&prompt=login",
		"request=x", "request_uri=y", "state=%00", "nonce=1&nonce=2", "response_mode=form_post", "id_token_hint=a.b.c",
		"resource=x&resource=y", "dpop_jkt=z", "code_challenge=x", "redirect_uri=//evil", "ui_locales=de",
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	w := newWorld(f, storagetest.SQLite(f))
	w.client(func(c *oidc.Client) { c.Trusted = false })
	w.login(acr.Password)
	w.nodes[1].desk.session = nil
	f.Fuzz(func(t *testing.T, query string, loggedIn bool) {
		q, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		base := request("prompt", "none")
		for name, values := range q {
			if name != "prompt" {
				base[name] = values
			}
		}
		n := w.nodes[0]
		if !loggedIn {
			n = w.nodes[1]
		}
		reply, _, err := n.Authorize(t.Context(), authn.Visitor{}, base)
		checkSilent(t, query, reply, err)
	})
}

func checkSilent(t *testing.T, query string, reply oidc.Reply, err error) {
	t.Helper()
	if errors.As(err, new(*oidc.PageError)) {
		return
	}
	if err != nil {
		t.Fatalf("%q: %v", query, err)
	}
	got := url.Values{}
	switch r := reply.(type) {
	case oidc.Redirect:
		u, err := url.Parse(r.URL)
		if err != nil || !strings.HasPrefix(r.URL, "https://app.example.com/cb?") {
			t.Fatalf("%q: redirect to %q (%v)", query, r.URL, err)
		}
		got = u.Query()
	case oidc.FormPost:
		for name, value := range r.Params {
			got.Set(name, value)
		}
	default:
		t.Fatalf("%q: %#v, want an answer to the client", query, reply)
	}
	if got.Get("iss") != issuer || (got.Get("code") == "") == (got.Get("error") == "") {
		t.Fatalf("%q: %v, want iss and one of code and error", query, got)
	}
	if e := got.Get("error"); e != "" && !slices.Contains(knownErrors(), e) {
		t.Fatalf("%q: unknown error %q", query, e)
	}
}

// TestPromptNoneNeverRenders runs the seeds of the fuzz test, for those who look
// for it by this name.
func TestPromptNoneNeverRenders(t *testing.T) {
	w := one(t)
	w.edit(func(c *oidc.Client) { c.Trusted = false })
	for _, session := range [][]acr.Factor{nil, {acr.Password}, {acr.Password, acr.TOTP}} {
		w.nodes[0].desk.session = nil
		if session != nil {
			w.login(session...)
		}
		for _, several := range []bool{false, true} {
			w.nodes[0].desk.several = several
			for _, more := range [][]string{
				nil,
				{"acr_values", "MFA"},
				{"acr_values", "Gold"},
				{"max_age", "0"},
				{"scope", "openid profile"},
				{"claims", `{"id_token":{"acr":{"essential":true,"value":"MFA"}}}`},
				{"response_mode", "form_post"},
			} {
				reply, _, err := w.nodes[0].Authorize(t.Context(), authn.Visitor{}, request(append(more, "prompt", "none")...))
				checkSilent(t, strings.Join(more, " "), reply, err)
			}
		}
	}
}

package servertest_test

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/authn/federated/fakeidp"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
)

// abroad is a town with a provider elsewhere, and an application.
type abroad struct {
	town
	idp *fakeidp.Server
	app *servertest.Application
}

// corp are the settings of the provider of the tests.
func corp(idp string) config.IdentityProvider {
	return config.IdentityProvider{
		ID: "corp", Type: "oidc", Name: "Corp", Issuer: idp, ClientID: fakeidp.ClientID, ClientSecret: fakeidp.ClientSecret, AllowPrivate: true,
	}
}

// eachAbroad runs a test on every kind of database, with a provider that edit
// changes.
func eachAbroad(t *testing.T, run func(t *testing.T, w abroad), edits ...func(*config.IdentityProvider)) {
	t.Helper()
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			run(t, newAbroad(t, kind, edits...))
		})
	}
}

func newAbroad(t *testing.T, kind string, edits ...func(*config.IdentityProvider)) abroad {
	t.Helper()
	idp := fakeidp.New(time.Now)
	t.Cleanup(idp.Close)
	p := corp(idp.URL)
	for _, edit := range edits {
		edit(&p)
	}
	w := abroad{idp: idp}
	w.town = newTown(t, kind, func(c *config.Config) { c.IdentityProviders = []config.IdentityProvider{p} })
	idp.Set(func(s *fakeidp.Settings) { s.Now = w.clock.Now })
	w.app = w.Application(t, oidc.Client{Name: "App", Trusted: true})
	return w
}

// traveller is a browser that also goes to the provider.
func (w abroad) traveller(t *testing.T) *servertest.Browser {
	t.Helper()
	b := w.Browser(t)
	b.Visits(w.idp.URL)
	return b
}

// travel presses the button of the provider on a login page.
func (w abroad) travel(t *testing.T, b *servertest.Browser, pairs ...string) servertest.Page {
	t.Helper()
	return b.Submit(b.Open(w.app.AuthURL(pairs...)), "federate", "upstream", "corp")
}

// says sets the claims of the next ID tokens.
func (w abroad) says(claims map[string]any) {
	w.idp.Set(func(s *fakeidp.Settings) { s.Claims = claims })
}

// refusals are the reasons of refused logins elsewhere.
func (w abroad) refusals(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, e := range w.events(t, audit.FederationLoginRefused) {
		out = append(out, e.Reason)
	}
	return out
}

// byAddress links by verified addresses of one domain.
func byAddress(p *config.IdentityProvider) {
	p.TrustEmail, p.Domains, p.Link = true, []string{"corp.example"}, "verified_email"
}

func verified(name string) map[string]any {
	return map[string]any{"sub": name, "email": name + "@corp.example", "email_verified": true, "name": strings.ToUpper(name)}
}

func mailbox(name string) string { return `"emails":[{"value":"` + name + `@corp.example"}]` }

// TestFederatedLogin: whoever logs in at a provider that the operator trusts for
// addresses is the one user who has the address; the link stays, whatever
// becomes of the address, and its user is told.
func TestFederatedLogin(t *testing.T) {
	t.Parallel()
	eachAbroad(t, func(t *testing.T, w abroad) {
		who := w.NewPerson(t, "ann", mailbox("zoe"))
		w.says(verified("zoe"))
		b := w.traveller(t)
		tokens := w.app.Redeem(t, w.travel(t, b).Code(t))
		if sub := tokens.Claims["sub"]; sub != who.ID {
			t.Errorf("sub = %v, want that of ann", sub)
		}
		if amr, ok := tokens.Claims["amr"]; ok && len(amr.([]any)) > 0 {
			t.Errorf("amr = %v, want none of a provider that is not trusted for it", amr)
		}
		if got := w.events(t, audit.FederationLinked); len(got) != 1 || got[0].Target.ID != who.ID {
			t.Errorf("federation.linked = %+v", got)
		}
		// The subject counts from now on, not the address.
		w.says(map[string]any{"sub": "zoe", "email": "somebody@else.example"})
		w.app.Redeem(t, w.travel(t, w.traveller(t)).Code(t))
		w.says(map[string]any{"sub": "another", "email": "zoe@corp.example", "email_verified": true})
		wantRefused(t, "another account with the address", w.travel(t, w.traveller(t)), http.StatusUnprocessableEntity)
		if got := w.refusals(t); !slices.Equal(got, []string{"taken"}) {
			t.Errorf("refusals = %q", got)
		}
	}, byAddress)
}

// TestFederatedAddressRules: an address counts only if it is verified, of a
// domain of the settings, and one user's.
func TestFederatedAddressRules(t *testing.T) {
	t.Parallel()
	eachAbroad(t, func(t *testing.T, w abroad) {
		w.NewPerson(t, "ann", mailbox("zoe"))
		w.NewPerson(t, "kim", mailbox("kim"))
		w.NewPerson(t, "sam", mailbox("sam"))
		w.NewPerson(t, "twin1", mailbox("twin"))
		w.NewPerson(t, "twin2", mailbox("twin"))
		w.NewPerson(t, "named@corp.example")
		for name, claims := range map[string]map[string]any{
			"not verified":       {"email": "zoe@corp.example", "email_verified": false},
			"not said":           {"email": "zoe@corp.example"},
			"another domain":     {"email": "zoe@corp.example.evil.example", "email_verified": true},
			"a Kelvin sign":      {"email": "\u212aim@corp.example", "email_verified": true},
			"a long s":           {"email": "\u017fam@corp.example", "email_verified": true},
			"fullwidth":          {"email": "\uff4bim@corp.example", "email_verified": true},
			"Cyrillic":           {"email": "s\u0430m@corp.example", "email_verified": true},
			"another mailbox":    {"email": "kim+x@corp.example", "email_verified": true},
			"two signs":          {"email": "kim@corp.example@evil.example", "email_verified": true},
			"quoted":             {"email": "\"kim\"@corp.example", "email_verified": true},
			"a blank":            {"email": "kim@corp.example ", "email_verified": true},
			"of two users":       {"email": "twin@corp.example", "email_verified": true},
			"a user name":        {"email": "named@corp.example", "email_verified": true},
			"of nobody":          {"email": "nobody@corp.example", "email_verified": true},
			"preferred_username": {"preferred_username": "ann", "email_verified": true},
		} {
			w.says(claims)
			p := w.travel(t, w.traveller(t))
			wantRefused(t, name, p, http.StatusUnprocessableEntity)
			if !strings.Contains(p.Text(), "not connected") {
				t.Errorf("%s: the page says:\n%s", name, p.Text())
			}
		}
		if got := w.events(t, audit.FederationLinked); len(got) != 0 {
			t.Errorf("linked: %+v", got)
		}
	}, byAddress)
}

// TestFederatedCreation: the first login of somebody unknown makes a user by the
// settings; what is somebody's already makes none.
func TestFederatedCreation(t *testing.T) {
	t.Parallel()
	eachAbroad(t, func(t *testing.T, w abroad) {
		w.NewPerson(t, "taken")
		w.says(map[string]any{"sub": "1", "preferred_username": "zoe", "email": "zoe@corp.example", "given_name": "Zoë", "groups": []string{"a"}})
		tokens := w.app.Redeem(t, w.travel(t, w.traveller(t)).Code(t))
		id, _ := tokens.Claims["sub"].(string)
		made := w.Do(t, http.MethodGet, "/scim/v2/Users/"+id, w.Token(t, "rfc"), "")
		for _, want := range []string{`"userName":"zoe"`, `"givenName":"Zoë"`, `"value":"zoe@corp.example"`, `"primary":true`} {
			if !strings.Contains(made.Body, want) {
				t.Errorf("the user lacks %s:\n%s", want, made.Body)
			}
		}
		w.says(map[string]any{"sub": "1", "preferred_username": "renamed"})
		if again := w.app.Redeem(t, w.travel(t, w.traveller(t)).Code(t)).Claims["sub"]; again != id {
			t.Errorf("the second login is of %v, want %v", again, id)
		}
		for name, claims := range map[string]map[string]any{
			"name of another": {"sub": "2", "preferred_username": "taken"},
			"no name":         {"sub": "3"},
			"bad name":        {"sub": "4", "preferred_username": "\u0000"},
		} {
			w.says(claims)
			wantRefused(t, name, w.travel(t, w.traveller(t)), http.StatusUnprocessableEntity)
		}
		if got := w.refusals(t); !slices.Equal(got, []string{"not_created", "not_created", "not_created"}) {
			t.Errorf("refusals = %q", got)
		}
	}, func(p *config.IdentityProvider) {
		p.Create = config.Create{Enabled: true, Attributes: map[string]string{
			"userName": "preferred_username", "emails": "email", "name.givenName": "given_name",
		}}
	})
}

// TestFederatedCreationClaims: nobody gets an account of their own that goes by
// the name or address of another, who would be locked out by it, or whose next
// login elsewhere would end up in it.
func TestFederatedCreationClaims(t *testing.T) {
	t.Parallel()
	eachAbroad(t, func(t *testing.T, w abroad) {
		w.NewPerson(t, "ann", `"emails":[{"value":"ann@home.example"}]`)
		w.NewPerson(t, "bob@home.example")
		for name, claims := range map[string]map[string]any{
			"address of another":       {"preferred_username": "eve1", "email": "Ann@Home.example"},
			"name is an address":       {"preferred_username": "ann@home.example"},
			"address is a name":        {"preferred_username": "eve2", "email": "bob@home.example"},
			"address that others link": {"preferred_username": "eve3", "email": "zoe@corp.example"},
			"said to be not verified":  {"preferred_username": "eve4", "email": "zoe@corp.example", "email_verified": false},
			"in other letters":         {"preferred_username": "eve5", "email": "zoe@CORP.example", "email_verified": "no"},
		} {
			claims["sub"] = name
			w.says(claims)
			wantRefused(t, name, w.travel(t, w.traveller(t)), http.StatusUnprocessableEntity)
		}
		if got := w.refusals(t); !slices.Equal(slices.Compact(got), []string{"not_created"}) {
			t.Errorf("refusals = %q", got)
		}
		w.says(map[string]any{"sub": "zoe", "preferred_username": "zoe", "email": "zoe@corp.example", "email_verified": true})
		w.app.Redeem(t, w.travel(t, w.traveller(t)).Code(t))
		w.says(map[string]any{"sub": "uma", "preferred_username": "uma", "email": "uma@home.example"})
		w.app.Redeem(t, w.travel(t, w.traveller(t)).Code(t))
	}, byAddress, func(p *config.IdentityProvider) {
		p.Create = config.Create{Enabled: true, Attributes: map[string]string{"userName": "preferred_username", "emails": "email"}}
	})
}

// TestFederatedOddTexts: what no database takes as a text is refused or cleaned,
// and is no fault of the server.
func TestFederatedOddTexts(t *testing.T) {
	t.Parallel()
	eachAbroad(t, func(t *testing.T, w abroad) {
		w.NewPerson(t, "zoe", mailbox("zoe"))
		w.NewPerson(t, "ann", mailbox("ann"))
		for name, claims := range map[string]map[string]any{
			"subject":  {"sub": "z\u0000e", "email": "zoe@corp.example", "email_verified": true},
			"acr":      {"sub": "1", "acr": "\u0000", "amr": []string{"\u0000"}, "email": "nobody@corp.example", "email_verified": true},
			"address":  {"sub": "2", "email": "zo\u0000e@corp.example", "email_verified": true},
			"long sub": {"sub": strings.Repeat("x", 256), "email": "zoe@corp.example", "email_verified": true},
		} {
			w.says(claims)
			wantRefused(t, name, w.travel(t, w.traveller(t)), http.StatusUnprocessableEntity)
		}
		for _, name := range []string{"A\u0000\u202e<b>\n", strings.Repeat("x", 199) + "ööö"} {
			w.says(map[string]any{"sub": "3", "name": name, "email": "ann@corp.example", "email_verified": true})
			b := w.traveller(t)
			w.app.Redeem(t, w.travel(t, b).Code(t))
			b.Submit(b.Open("/account/security"), "unlink")
		}
	}, byAddress)
}

// TestFederatedCreationRace: one account elsewhere that arrives in many browsers
// at once makes one user, in whom all of them end up or nowhere.
func TestFederatedCreationRace(t *testing.T) {
	t.Parallel()
	eachAbroad(t, func(t *testing.T, w abroad) {
		w.says(map[string]any{"sub": "zoe", "preferred_username": "zoe", "email": "zoe@corp.example", "email_verified": true})
		const browsers = 12
		pages := make([]servertest.Page, browsers)
		var backs [browsers]string
		all := make([]*servertest.Browser, browsers)
		for i := range browsers {
			all[i] = w.Browser(t)
			backs[i] = w.comeBack(t, w.travel(t, all[i]).Away)
		}
		var wg sync.WaitGroup
		for i := range browsers {
			wg.Go(func() { pages[i] = all[i].Open(backs[i]) })
		}
		wg.Wait()
		in := 0
		for _, p := range pages {
			if p.Away != nil && p.Away.Query().Has("code") {
				in++
			} else if p.Status != http.StatusUnprocessableEntity && p.Status != http.StatusServiceUnavailable {
				t.Errorf("%d at %s: %s", p.Status, p.URL, p.Text())
			}
		}
		r := w.Do(t, http.MethodGet, `/scim/v2/Users?filter=emails.value+eq+"zoe@corp.example"`, w.Token(t, "compat"), "")
		if in == 0 || !strings.Contains(r.Body, `"totalResults":1`) || len(w.events(t, audit.FederationLinked)) != 1 {
			t.Errorf("%d browsers are in; users: %s", in, r.Body)
		}
	}, byAddress, func(p *config.IdentityProvider) {
		p.Create = config.Create{Enabled: true, Attributes: map[string]string{"userName": "preferred_username", "emails": "email"}}
	})
}

// TestFederatedBadProvider: a provider that lies, is down or says no leads to a
// clear page and an event, and the password still logs in on that page.
func TestFederatedBadProvider(t *testing.T) {
	t.Parallel()
	eachAbroad(t, func(t *testing.T, w abroad) {
		who := w.NewPerson(t, "ann", mailbox("zoe"))
		for _, c := range []struct {
			reason, text string
			lie          func(*fakeidp.Settings)
		}{
			{"wrong_issuer", "could not be accepted", func(s *fakeidp.Settings) { s.Claims = map[string]any{"iss": "https://evil.example"} }},
			{"wrong_algorithm", "could not be accepted", func(s *fakeidp.Settings) {
				s.Sign = func(_ *fakeidp.Server, c map[string]any) string { return fakeidp.Unsigned(c) }
			}},
			{"bad_signature", "could not be accepted", func(s *fakeidp.Settings) {
				s.Sign = func(i *fakeidp.Server, c map[string]any) string {
					return fakeidp.SignedBy("ES256", fakeidp.NewKey(), i.Kid(), c)
				}
			}},
			{"wrong_nonce", "could not be accepted", func(s *fakeidp.Settings) { s.Claims = map[string]any{"nonce": "x"} }},
			{"denied", "did not sign in", func(s *fakeidp.Settings) { s.Deny = "access_denied" }},
			{"unavailable", "does not answer", func(s *fakeidp.Settings) { s.TokenStatus = http.StatusServiceUnavailable }},
			{"refused", "could not be accepted", func(s *fakeidp.Settings) {
				s.TokenStatus, s.TokenBody = http.StatusUnauthorized, `{"error":"invalid_client"}`
			}},
		} {
			now := w.clock.Now
			w.idp.Set(func(s *fakeidp.Settings) { *s = fakeidp.Settings{Now: now}; c.lie(s) })
			b := w.traveller(t)
			p := w.travel(t, b)
			wantRefused(t, c.reason, p, http.StatusUnprocessableEntity)
			if !strings.Contains(p.Text(), c.text) || !strings.Contains(p.Text(), "Corp") {
				t.Errorf("%s: the page says:\n%s", c.reason, p.Text())
			}
			if got := w.refusals(t); len(got) == 0 || !slices.Contains(got, c.reason) {
				t.Errorf("refusals = %q, want %q among them", got, c.reason)
			}
			w.app.Redeem(t, b.LogIn(p, who).Code(t)) // by the password, from that very page
		}
		w.idp.Close()
		restarted := w.node(t, func(*config.Config) {}) // nothing is known of the provider
		b := w.traveller(t)
		b.Through(restarted)
		p := w.travel(t, b)
		wantRefused(t, "down", p, http.StatusUnprocessableEntity)
		w.app.Redeem(t, b.LogIn(p, who).Code(t))
	})
}

// node is another node on the same data, with other settings.
func (w abroad) node(t *testing.T, edit func(*config.Config)) *servertest.Server {
	t.Helper()
	cfg := w.Config
	cfg.Issuer, cfg.Listen = w.Issuer(), "127.0.0.1:0"
	cfg.IdentityProviders = slices.Clone(cfg.IdentityProviders)
	return servertest.StartAt(t, w.clock.Now, cfg, edit)
}

// TestPeer_7: Keycloak CVE-2026-3009, Zitadel CVE-2025-64717. A provider that was
// switched off, or set up anew, between the request and the answer logs nobody in.
func TestPeer_7(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		edit   func(*config.IdentityProvider)
		reason string
	}{
		"switched off": {func(p *config.IdentityProvider) { p.Disabled = true }, "disabled"},
		"set up anew":  {func(p *config.IdentityProvider) { p.ClientID = "another" }, "not_asked"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachAbroad(t, func(t *testing.T, w abroad) {
				who := w.NewPerson(t, "ann", mailbox("zoe"))
				w.says(verified("zoe"))
				b := w.traveller(t)
				w.app.Redeem(t, w.travel(t, b).Code(t)) // linked
				fresh := w.Browser(t)                   // goes to the provider, but does not come back
				away := w.travel(t, fresh)
				if away.Away == nil {
					t.Fatalf("not sent to the provider:\n%s", away.Text())
				}
				next := w.node(t, func(cfg *config.Config) { c.edit(&cfg.IdentityProviders[0]) })
				fresh.Through(next)
				fresh.Visits(w.idp.URL)
				p := fresh.Open(away.Away.String())
				wantRefused(t, name, p, http.StatusUnprocessableEntity)
				if got := w.refusals(t); !slices.Equal(got, []string{c.reason}) {
					t.Errorf("refusals = %q, want %q", got, c.reason)
				}
				w.app.Through(next)
				w.app.Redeem(t, fresh.LogIn(p, who).Code(t))
				// What was shown at a provider that is off counts no more.
				b.Through(next)
				if c.reason == "disabled" {
					wantSilent(t, b, w.app, "login_required")
				}
			}, byAddress)
		})
	}
}

// TestPeer_18: Zitadel CVE-2025-46815. An answer is taken once; a second time it
// logs nobody in, and harms no session.
func TestPeer_18(t *testing.T) {
	t.Parallel()
	eachAbroad(t, func(t *testing.T, w abroad) {
		w.NewPerson(t, "ann", mailbox("zoe"))
		w.says(verified("zoe"))
		b := w.Browser(t)
		back := w.comeBack(t, w.travel(t, b).Away)
		other := w.Browser(t)
		other.Open(w.app.AuthURL())
		wantRefused(t, "in another browser", other.Open(back), http.StatusBadRequest)
		w.app.Redeem(t, b.Open(back).Code(t))
		wantRefused(t, "a second time", b.Open(back), http.StatusBadRequest)
		wantRefused(t, "a second time, elsewhere", other.Open(back), http.StatusBadRequest)
		wantRefused(t, "at another provider", b.Open(strings.Replace(back, "/corp/", "/other/", 1)), http.StatusBadRequest)
		wantRefused(t, "forged state", b.Open(strings.Replace(back, "state=", "state=x", 1)), http.StatusBadRequest)
		wantRefused(t, "no state", b.Open("/federation/corp/callback?code=x"), http.StatusBadRequest)
		if answer := b.Open(w.app.AuthURL("prompt", "none")).Answer(t); !answer.Has("code") {
			t.Errorf("the first session was harmed: %v", answer)
		}
		if got := w.refusals(t); !slices.Contains(got, "replayed") || !slices.Contains(got, "other_browser") || !slices.Contains(got, "not_asked") {
			t.Errorf("refusals = %q", got)
		}
	}, byAddress)
}

// comeBack visits the provider by hand and returns where it leads back.
func (w abroad) comeBack(t *testing.T, to *url.URL) string {
	t.Helper()
	if to == nil {
		t.Fatal("not sent to the provider")
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, to.String(), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.Header.Get("Location")
}

// TestPeer_31_Upstream is the upstream branch of row 31 (authentik CVE-2025-53942,
// MISP CVE-2026-95754): a disabled user is refused there too, and no session is.
func TestPeer_31_Upstream(t *testing.T) {
	t.Parallel()
	eachAbroad(t, func(t *testing.T, w abroad) {
		who := w.NewPerson(t, "ann", mailbox("zoe"))
		w.says(verified("zoe"))
		b := w.traveller(t)
		w.app.Redeem(t, w.travel(t, b).Code(t))
		w.Do(t, http.MethodPatch, "/scim/v2/Users/"+who.ID, w.Token(t, "rfc"), patchBody(`"op":"replace","path":"active","value":false`))
		wantRefused(t, "linked", w.travel(t, w.traveller(t)), http.StatusUnprocessableEntity)
		wantSilent(t, b, w.app, "login_required")
		off := w.NewPerson(t, "off", mailbox("off"))
		w.Do(t, http.MethodPatch, "/scim/v2/Users/"+off.ID, w.Token(t, "rfc"), patchBody(`"op":"replace","path":"active","value":false`))
		w.says(verified("off"))
		wantRefused(t, "by address", w.travel(t, w.traveller(t)), http.StatusUnprocessableEntity)
		if got := w.refusals(t); !slices.Equal(got, []string{"inactive", "inactive"}) {
			t.Errorf("refusals = %q", got)
		}
		if got := w.events(t, audit.FederationLinked); len(got) != 1 {
			t.Errorf("%d links, want that of ann", len(got))
		}
	}, byAddress)
}

// TestFederatedSecondFactor: without trust a login elsewhere is one factor, and
// the person's own second factor is asked for; trusted, what was shown there
// counts, for the values of the settings.
func TestFederatedSecondFactor(t *testing.T) {
	t.Parallel()
	trusted := func(p *config.IdentityProvider) {
		byAddress(p)
		p.TrustACR, p.AMRMap, p.ACRMap = true, map[string][]string{"otp": {"totp"}, "pwd": {}}, map[string][]string{"loa3": {"totp"}}
	}
	for name, c := range map[string]struct {
		claims map[string]any
		edit   func(*config.IdentityProvider)
		asked  []string
		amr    []any
	}{
		"not trusted":    {map[string]any{"amr": []string{"pwd", "otp"}}, byAddress, []string{"code"}, []any{"otp"}},
		"trusted by amr": {map[string]any{"amr": []string{"pwd", "otp"}}, trusted, nil, []any{"mfa", "otp", "pwd"}},
		"trusted by acr": {map[string]any{"acr": "loa3"}, trusted, nil, []any{"mfa", "otp"}},
		"another value":  {map[string]any{"amr": []string{"face"}, "acr": "loa1"}, trusted, []string{"code"}, []any{"otp"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newAbroad(t, "sqlite", c.edit)
			who := w.withTOTP(t, w.NewPerson(t, "ann", mailbox("zoe")))
			claims := verified("zoe")
			maps.Copy(claims, c.claims)
			w.says(claims)
			b := w.traveller(t)
			p := b.LogIn(w.travel(t, b, "acr_values", "MFA"), who)
			if !slices.Equal(b.Asked, c.asked) {
				t.Errorf("asked for %q, want %q", b.Asked, c.asked)
			}
			id := w.app.Redeem(t, p.Code(t)).Claims
			amr, _ := id["amr"].([]any)
			if id["acr"] != "MFA" || !slices.Equal(amr, c.amr) && name != "not trusted" && name != "another value" {
				t.Errorf("acr = %v, amr = %v, want MFA and %v", id["acr"], amr, c.amr)
			}
		})
	}
}

// TestFederatedFreshness: where the application asks for a recent login, the one
// at the provider must be, and its time must be told.
//
//nolint:tparallel // its parts share a browser or a provider
func TestFederatedFreshness(t *testing.T) {
	t.Parallel()
	w := newAbroad(t, "sqlite", byAddress)
	w.NewPerson(t, "ann", mailbox("zoe"))
	claims := func(at any) map[string]any {
		c := verified("zoe")
		c["auth_time"] = at
		return c
	}
	for name, c := range map[string]struct {
		pairs []string
		at    any
		ok    bool
	}{
		"max_age, fresh":         {[]string{"max_age", "60"}, w.clock.Now().Unix(), true},
		"max_age, old":           {[]string{"max_age", "60"}, w.clock.Now().Add(-time.Hour).Unix(), false},
		"max_age, not told":      {[]string{"max_age", "60"}, nil, false},
		"prompt=login, fresh":    {[]string{"prompt", "login"}, w.clock.Now().Unix(), true},
		"prompt=login, old":      {[]string{"prompt", "login"}, w.clock.Now().Add(-time.Hour).Unix(), false},
		"prompt=login, not told": {[]string{"prompt", "login"}, nil, false},
		"nothing asked, old":     {nil, w.clock.Now().Add(-time.Hour).Unix(), true},
		"nothing asked":          {nil, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			w.says(claims(c.at))
			p := w.travel(t, w.traveller(t), c.pairs...)
			if !c.ok {
				wantRefused(t, name, p, http.StatusUnprocessableEntity)
				return
			}
			w.app.Redeem(t, p.Code(t))
		})
	}
	asked := w.idp.Requests()
	if !slices.ContainsFunc(asked, func(q url.Values) bool { return q.Get("max_age") == "60" }) ||
		!slices.ContainsFunc(asked, func(q url.Values) bool { return q.Get("prompt") == "login" }) {
		t.Errorf("the provider was asked %v", asked)
	}
}

// TestFederatedOtherUser: whoever must log in again is not let in as somebody
// else, and nothing is linked on the way.
func TestFederatedOtherUser(t *testing.T) {
	t.Parallel()
	eachAbroad(t, func(t *testing.T, w abroad) {
		ann := w.NewPerson(t, "ann", mailbox("zoe"))
		w.NewPerson(t, "bob", mailbox("bob"))
		w.says(verified("bob"))
		w.app.Redeem(t, w.travel(t, w.traveller(t)).Code(t)) // bob's is linked
		w.says(verified("zoe"))
		b := w.traveller(t)
		w.app.Redeem(t, w.travel(t, b).Code(t))
		w.says(verified("bob"))
		p := w.travel(t, b, "prompt", "login")
		wantRefused(t, "as bob", p, http.StatusUnprocessableEntity)
		claims := verified("zoe")
		claims["auth_time"] = w.clock.Now().Unix()
		claims["sub"] = "unknown"
		w.says(claims)
		wantRefused(t, "as nobody", w.travel(t, b, "prompt", "login"), http.StatusUnprocessableEntity)
		if answer := b.Open(w.app.AuthURL("prompt", "none")).Answer(t); !answer.Has("code") {
			t.Errorf("the session of ann was harmed: %v", answer)
		}
		_ = ann
	}, byAddress)
}

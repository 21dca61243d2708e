package web_test

import (
	"flag"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/oidc"
)

var update = flag.Bool("update", false, "rewrite the golden pages")

// scene is one page in one state.
type scene struct {
	name string
	set  func(*fake)
	// show gets the page.
	show func(*browser) page
	want int
}

func showTxn(b *browser) page { return b.get("/login/t1") }

// answerWith posts a form of the page that the transaction shows.
func answerWith(action string, form url.Values) func(*browser) page {
	return func(b *browser) page {
		form.Set("csrf", b.get("/login/t1").token(b.t))
		return b.post("/login/t1/"+action, form)
	}
}

func refusing(step authn.Step, reason authn.RefusalReason, wait time.Duration) func(*fake) {
	return func(f *fake) { f.step, f.refusal = step, &authn.Refusal{Reason: reason, RetryAfter: wait} }
}

func choices() []authn.Choice {
	return []authn.Choice{
		{Factor: acr.TOTP},
		{Factor: acr.EmailOTP, Credential: "secondFactorEmail", Masked: "a***@example.org"},
		{Factor: acr.SMSOTP, Credential: "secondFactorPhoneNumber", Masked: "+49 *** **12", LockedFor: 5 * time.Minute},
	}
}

func emailCode() authn.AskCode {
	return authn.AskCode{
		User: ann(), Choice: choices()[1], ResendAt: now.Add(25 * time.Second), Digits: 8,
		Others: []authn.Choice{choices()[0], choices()[2]}, Reason: acr.Missing,
	}
}

func totpCode() authn.AskCode {
	return authn.AskCode{User: ann(), Choice: choices()[0], Digits: 6, Others: choices()[1:2], Reason: acr.Missing}
}

func passwordLogin() authn.AskLogin {
	return authn.AskLogin{Factors: []acr.Factor{acr.Password}, Reason: acr.Missing}
}

func consentView() oidc.ConsentView {
	return oidc.ConsentView{Scopes: []oidc.ConsentScope{
		{Name: "openid", Required: true},
		{Name: "email"},
		{Name: "payments", Prompt: "Pay on your behalf", Description: "Up to 100 euros a day", LockedACR: "MFA", Reachable: true},
		{Name: "contracts", Prompt: "Sign contracts", LockedACR: "MFA"},
	}}
}

func described(c *oidc.Client) {
	c.URI, c.PolicyURI, c.TOSURI = "https://shop.example/", "https://shop.example/privacy", "https://shop.example/terms"
}

func scenes() []scene {
	user := ann()
	return append([]scene{
		{"login", func(f *fake) { f.step = passwordLogin() }, showTxn, 200},
		{"login_hint", func(f *fake) {
			f.step = authn.AskLogin{Hint: "ann@example.org", Factors: []acr.Factor{acr.Password, acr.EmailOTP}}
		}, showTxn, 200},
		{"login_code_only", func(f *fake) {
			f.step = authn.AskLogin{Factors: []acr.Factor{acr.EmailOTP, acr.SMSOTP}}
		}, showTxn, 200},
		{"login_again", func(f *fake) {
			f.step = authn.AskLogin{User: &user, Factors: []acr.Factor{acr.Password}, Reason: acr.Fresh}
		}, showTxn, 200},
		{"login_stale_fixed", func(f *fake) {
			f.step = authn.AskLogin{User: &user, Fixed: true, Factors: []acr.Factor{acr.Password}, Reason: acr.Stale}
		}, showTxn, 200},
		{
			"login_refused", refusing(passwordLogin(), authn.BadCredentials, 0),
			answerWith("login", url.Values{"username": {"ann"}, "password": {"wrong"}}), 422,
		},
		{"login_empty", func(f *fake) { f.step = passwordLogin() }, answerWith("login", url.Values{}), 422},
		{"account", func(f *fake) {
			f.step = authn.AskAccount{Accounts: []authn.Account{
				{SessionID: "s1", User: user}, {SessionID: "s2", User: authn.User{ID: "u2", UserName: "bob"}},
			}}
		}, showTxn, 200},
		{"factor", func(f *fake) { f.step = authn.AskFactor{User: user, Choices: choices()} }, showTxn, 200},
		{"factor_all_locked", func(f *fake) {
			f.step = authn.AskFactor{User: user, Choices: choices()[2:]}
		}, showTxn, 200},
		{"code_totp", func(f *fake) { f.step = totpCode() }, showTxn, 200},
		{"code_email", func(f *fake) { f.step = emailCode() }, showTxn, 200},
		{"code_blind", func(f *fake) {
			f.step = authn.AskCode{Choice: authn.Choice{Factor: acr.EmailOTP}, ResendAt: now, Digits: 8}
		}, showTxn, 200},
		{"code_wrong", refusing(totpCode(), authn.WrongCode, 0), answerWith("code", url.Values{"code": {"123456"}}), 422},
		{"code_limited", refusing(emailCode(), authn.SendLimited, 25*time.Second), answerWith("send", url.Values{}), 429},
		{"code_verifying", func(f *fake) {
			f.step, f.txn.Progress.Verify = totpCode(), []string{"MFA"}
		}, showTxn, 200},
	}, append(passkeyScenes(user), laterScenes(user)...)...)
}

func passkeyScenes(user authn.User) []scene {
	login := authn.AskLogin{Factors: []acr.Factor{acr.Password, acr.Passkey}, Reason: acr.Missing}
	further := authn.AskPasskey{
		User: user, Choice: authn.Choice{Factor: acr.Passkey}, Others: choices()[:1], MaySkip: true, MayRemember: true, Reason: acr.Missing,
	}
	answer := answerWith("passkey", url.Values{"answer": {`{"id":"AAAA"}`}})
	return []scene{
		{"login_passkey", func(f *fake) { f.step = login }, showTxn, 200},
		{"login_passkey_only", func(f *fake) {
			f.step = authn.AskLogin{User: &user, Factors: []acr.Factor{acr.Passkey}, Reason: acr.Fresh}
		}, showTxn, 200},
		{"login_passkey_refused", refusing(login, authn.WrongPasskey, 0), answer, 422},
		{"passkey", func(f *fake) { f.step = further }, showTxn, 200},
		{"passkey_expired", refusing(further, authn.PasskeyExpired, 0), answer, 422},
	}
}

func laterScenes(user authn.User) []scene {
	rules := authn.AskNewPassword{User: user, MinLength: 8, MaxLength: 256}
	return []scene{
		{"password", func(f *fake) { f.step = rules }, showTxn, 200},
		{
			"password_refused", refusing(rules, authn.PasswordRules, 0),
			answerWith("password", url.Values{"new_password": {"password"}}), 422,
		},
		{"consent", func(f *fake) {
			f.step, f.ready, f.consent = authn.Ready{User: user}, nil, consentView()
			described(&f.client)
		}, showTxn, 200},
		{"consent_device", func(f *fake) {
			f.step, f.ready, f.consent = authn.Ready{User: user}, nil, consentView()
			f.consent.Scopes, f.txn.Purpose = f.consent.Scopes[:2], oidc.PurposeDevice
		}, showTxn, 200},
		{"device", func(*fake) {}, func(b *browser) page { return b.get("/device?user_code=WDJB-MJHT") }, 200},
		{"device_wrong", func(f *fake) { f.refusal = &authn.Refusal{Reason: authn.WrongCode} }, func(b *browser) page {
			csrf := b.get("/device").token(b.t)
			return b.post("/device", url.Values{"csrf": {csrf}, "user_code": {"WDJB-MJHX"}})
		}, 422},
		{"done_approved", func(f *fake) {
			f.step, f.ready = authn.Ready{User: user}, oidc.Done{Message: oidc.DoneApproved}
		}, showTxn, 200},
		{"done_denied", func(f *fake) {
			f.step, f.ready = authn.Ready{User: user}, oidc.Done{Message: oidc.DoneDenied}
		}, showTxn, 200},
		{"logout", func(f *fake) {
			f.logout = oidc.LogoutView{User: &user, ClientName: "Shop", Ticket: "ticket-1"}
		}, func(b *browser) page { return b.get("/oauth/logout") }, 200},
		{"loggedout", func(f *fake) { f.logout = oidc.LogoutView{Done: true} }, func(b *browser) page {
			return b.get("/oauth/logout")
		}, 200},
		{"formpost", func(f *fake) {
			f.begin = oidc.FormPost{URI: "https://shop.example/cb", Params: map[string]string{"code": "c", "state": `"><script>`}}
		}, func(b *browser) page { return b.get("/oauth/authorize") }, 200},
		{"error_request", func(f *fake) {
			f.failure = &oidc.PageError{Code: oidc.InvalidRequest, Description: "The redirect_uri is not registered."}
		}, func(b *browser) page { return b.get("/oauth/authorize") }, 400},
		{"error_txn", func(f *fake) { f.load = authn.ErrTxnExpired }, showTxn, 410},
		{"error_form", func(*fake) {}, func(b *browser) page { return b.post("/login/t1/login", nil) }, 403},
		{"error_internal", func(f *fake) { f.load = http.ErrAbortHandler }, showTxn, 500},
	}
}

var (
	hashPattern  = regexp.MustCompile(`-[0-9a-f]{12}\.`)
	goldenTokens = csrfPattern
)

// TestGoldenPages compares every page, in every state that changes it, with
// the file that was reviewed.
func TestGoldenPages(t *testing.T) {
	t.Parallel()
	for _, s := range scenes() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			f := newFake()
			b := newBrowser(t, newWeb(t, f))
			if s.name != "formpost" && s.name != "error_request" {
				b.begin()
			}
			s.set(f)
			if s.name == "formpost" || s.name == "error_request" {
				f.browser = ""
			}
			p := s.show(b)
			if p.Status != s.want {
				t.Errorf("status = %d, want %d", p.Status, s.want)
			}
			got := hashPattern.ReplaceAllString(p.Body, "-HASH.")
			got = goldenTokens.ReplaceAllString(got, `name="csrf" value="TOKEN"`)
			golden(t, filepath.Join("testdata", "pages", s.name+".html"), got)
		})
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("page differs from %s (-want +got):\n%s", file, diff)
	}
}

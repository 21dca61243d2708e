package flow_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/federated"
	"github.com/sallyport-id/sallyport/oidc"
	"github.com/sallyport-id/sallyport/oidc/flow"
)

var now = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// fake is an engine and a provider of one transaction, in one browser. It asks
// for the steps in turn, the next after every answer that it takes, and records
// what it was asked for.
type fake struct {
	steps   []authn.Step
	refusal error
	txn     authn.Txn
	client  oidc.Client
	calls   []string
}

func newFake(steps ...authn.Step) *fake {
	return &fake{
		steps:  steps,
		txn:    authn.Txn{ID: "t1", ClientID: "shop", Purpose: oidc.PurposeAuthorize},
		client: oidc.Client{ID: "shop", Name: "Shop", FirstParty: true, LoginURI: "https://login.example/"},
	}
}

// took records an answer and goes on, unless it is refused.
func (f *fake) took(what ...string) (authn.Grants, error) {
	f.calls = append(f.calls, strings.Join(what, " "))
	if f.refusal != nil {
		return authn.Grants{}, f.refusal
	}
	if len(f.steps) > 1 {
		f.steps = f.steps[1:]
	}
	return authn.Grants{}, nil
}

func (f *fake) took1(what ...string) error { _, err := f.took(what...); return err }

func (f *fake) Load(context.Context, authn.Visitor, string) (authn.Txn, error) { return f.txn, nil }

func (f *fake) Next(context.Context, authn.Visitor, authn.Txn) (authn.Step, authn.Grants, error) {
	return f.steps[0], authn.Grants{}, nil
}

func (f *fake) Advance(_ context.Context, _ authn.Visitor, _ authn.Txn, number int64) (authn.Txn, error) {
	if number != f.txn.Progress.Message {
		return authn.Txn{}, &authn.Refusal{Reason: authn.OutOfStep}
	}
	f.txn.Progress.Message++
	return f.txn, nil
}

func (f *fake) Account(_ context.Context, _ authn.Visitor, _ authn.Txn, id string) (authn.Grants, error) {
	return f.took("account", id)
}

func (f *fake) Another(context.Context, authn.Visitor, authn.Txn) error { return f.took1("another") }

func (f *fake) Verify(_ context.Context, _ authn.Visitor, _ authn.Txn, name string) error {
	return f.took1("verify", name)
}

func (f *fake) Skip(context.Context, authn.Visitor, authn.Txn) error { return f.took1("skip") }

func (f *fake) SkipStep(context.Context, authn.Visitor, authn.Txn) error { return f.took1("skip step") }

func (f *fake) Remember(_ context.Context, _ authn.Visitor, _ authn.Txn, on bool) error {
	f.calls = append(f.calls, map[bool]string{true: "remember", false: "do not remember"}[on])
	return nil
}

func (f *fake) Login(_ context.Context, _ authn.Visitor, _ authn.Txn, name, password string) (authn.Grants, error) {
	return f.took("login", name, password)
}

func (f *fake) Choose(_ context.Context, _ authn.Visitor, _ authn.Txn, login string, factor acr.Factor, credential string) error {
	return f.took1("choose", login, string(factor), credential)
}

func (f *fake) Send(context.Context, authn.Visitor, authn.Txn) error { return f.took1("send") }

func (f *fake) Code(_ context.Context, _ authn.Visitor, _ authn.Txn, code string) (authn.Grants, error) {
	return f.took("code", code)
}

func (f *fake) NewPassword(_ context.Context, _ authn.Visitor, _ authn.Txn, text string) (authn.Grants, error) {
	return f.took("new password", text)
}

func (f *fake) Federate(_ context.Context, _ authn.Visitor, _ authn.Txn, upstream string) (federated.Redirect, error) {
	f.calls = append(f.calls, "federate "+upstream)
	return federated.Redirect{URL: "https://idp.example/sso", Form: url.Values{"SAMLRequest": {"x"}}}, f.refusal
}

func (f *fake) PasskeyOptions(context.Context, authn.Visitor, authn.Txn) (json.RawMessage, error) {
	f.calls = append(f.calls, "options")
	return json.RawMessage(`{"challenge":"abc"}`), f.refusal
}

func (f *fake) Passkey(_ context.Context, _ authn.Visitor, _ authn.Txn, answer json.RawMessage) (authn.Grants, error) {
	return f.took("passkey", string(answer))
}

func (f *fake) Authorize(context.Context, authn.Visitor, url.Values) (oidc.Reply, authn.Grants, error) {
	return oidc.Interact{Txn: "t1"}, authn.Grants{}, nil
}

func (f *fake) ClientOf(context.Context, authn.Txn) (oidc.Client, error) { return f.client, nil }

func (f *fake) Ask(context.Context, authn.Visitor, authn.Txn, authn.Ready) (*oidc.ConsentView, error) {
	return nil, nil
}

func (f *fake) Continue(context.Context, authn.Visitor, authn.Txn, authn.Ready) (oidc.Reply, *oidc.ConsentView, error) {
	return oidc.Redirect{URL: "https://shop.example/cb?code=c"}, nil, nil
}

func (f *fake) Consent(context.Context, authn.Visitor, authn.Txn, []string) (oidc.Reply, error) {
	return oidc.Redirect{URL: "https://shop.example/cb?code=c"}, nil
}

func (f *fake) Deny(context.Context, authn.Visitor, authn.Txn) (oidc.Reply, error) {
	return oidc.Redirect{URL: "https://shop.example/cb?error=access_denied"}, nil
}

func (f *fake) Fail(_ context.Context, _ authn.Visitor, _ authn.Txn, reason acr.Reason) (oidc.Reply, error) {
	return oidc.Redirect{URL: "https://shop.example/cb?error=" + string(reason)}, nil
}

// browsers knows one browser.
type browsers struct{}

func (browsers) Visitor(echo.Context) (authn.Visitor, error) {
	return authn.Visitor{Browser: "b"}, nil
}

func (browsers) Grant(echo.Context, authn.Grants) {}

func (browsers) Finish(c echo.Context, reply oidc.Reply, err error) error {
	switch a := reply.(type) {
	case oidc.Redirect:
		return c.Redirect(http.StatusSeeOther, a.URL)
	case oidc.Interact:
		return c.Redirect(http.StatusSeeOther, "/login/"+a.Txn)
	}
	return c.String(http.StatusTeapot, err.Error())
}

// page is a login page at the flows of the fake.
type page struct {
	t *testing.T
	e *echo.Echo
	f *fake
}

func newPage(t *testing.T, f *fake) page {
	t.Helper()
	flows, err := flow.New(flow.Config{
		Engine: f, Provider: f, Passkeys: f, Issuer: "https://id.example", Key: bytes.Repeat([]byte{7}, 32),
		Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	p := page{t, echo.New(), f}
	flows.Register(p.e, browsers{})
	return p
}

func (p page) do(method, uri string, body any) (*httptest.ResponseRecorder, map[string]any) {
	p.t.Helper()
	var data []byte
	if body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			p.t.Fatal(err)
		}
	}
	req := httptest.NewRequestWithContext(p.t.Context(), method, strings.TrimPrefix(uri, "https://id.example"), bytes.NewReader(data))
	req.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	p.e.ServeHTTP(rec, req)
	var doc map[string]any
	if strings.Contains(rec.Header().Get("Content-Type"), "json") {
		if err := json.Unmarshal(rec.Body.Bytes(), &doc); err != nil {
			p.t.Fatalf("%s %s: %v in %s", method, uri, err, rec.Body)
		}
	}
	return rec, doc
}

// first reads the flow that the application is sent to.
func (p page) first() map[string]any {
	p.t.Helper()
	flows, err := flow.New(flow.Config{Engine: p.f, Provider: p.f, Issuer: "https://id.example", Key: bytes.Repeat([]byte{7}, 32)})
	if err != nil {
		p.t.Fatal(err)
	}
	entry, err := flows.Entry(p.t.Context(), p.f.txn, p.f.steps[0])
	if err != nil {
		p.t.Fatal(err)
	}
	u, err := url.Parse(entry)
	if err != nil || u.Host != "login.example" {
		p.t.Fatalf("Entry = %q, %v", entry, err)
	}
	rec, doc := p.do(http.MethodGet, u.Query().Get("flow"), nil)
	if rec.Code != http.StatusOK {
		p.t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	return doc
}

// put sends the message back with one member.
func (p page) put(doc map[string]any, urn string, value any) map[string]any {
	p.t.Helper()
	doc[urn] = value
	rec, out := p.do(http.MethodPut, doc["meta"].(map[string]any)["location"].(string), doc)
	if rec.Code != http.StatusOK {
		p.t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	return out
}

type object = map[string]any

func passkeyStep() authn.AskPasskey {
	return authn.AskPasskey{
		User: authn.User{ID: "u1", UserName: "ann"}, Choice: authn.Choice{Factor: acr.Passkey},
		Others: []authn.Choice{{Factor: acr.TOTP, Credential: "totp:1"}}, MaySkip: true, MayRemember: true,
	}
}

func TestPasskeyIsSecondFactor(t *testing.T) {
	t.Parallel()
	p := newPage(t, newFake(passkeyStep(), authn.Ready{}))
	doc := p.first()
	if doc["maySkip"] != true || doc["mayRemember"] != true || doc["remember"] != false {
		t.Errorf("switches: %v", doc)
	}
	doc["remember"] = true
	doc = p.put(doc, flow.PasskeyURN, object{"optionsRequested": true})
	want := object{"status": "ready", "options": object{"challenge": "abc"}}
	if diff := cmp.Diff(want, doc[flow.PasskeyURN]); diff != "" || doc["success"] != false {
		t.Fatalf("options (-want +got):\n%s", diff)
	}
	delete(doc, "remember")
	doc = p.put(doc, flow.PasskeyURN, object{"credential": object{"id": "k"}})
	if doc["success"] != true {
		t.Errorf("after the passkey: %v", doc)
	}
	if diff := cmp.Diff([]string{"remember", "options", `passkey {"id":"k"}`}, p.f.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestPasskeyIsFirstFactor(t *testing.T) {
	t.Parallel()
	f := newFake(authn.AskLogin{Factors: []acr.Factor{acr.Password, acr.Passkey}}, authn.Ready{})
	f.refusal = &authn.Refusal{Reason: authn.BadCredentials}
	p := newPage(t, f)
	doc := p.put(p.first(), flow.PasskeyURN, object{"credential": object{"id": "k"}})
	want := object{"status": "failure", "error": "invalidCredentials", "errorDetail": "The answer is wrong."}
	if diff := cmp.Diff(want, doc[flow.PasskeyURN]); diff != "" {
		t.Errorf("a wrong passkey (-want +got):\n%s", diff)
	}
}

func TestStepIsSkipped(t *testing.T) {
	t.Parallel()
	p := newPage(t, newFake(passkeyStep(), authn.Ready{}))
	if doc := p.put(p.first(), "skip", true); doc["success"] != true {
		t.Errorf("after the skip: %v", doc)
	}
	if diff := cmp.Diff([]string{"skip step"}, p.f.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

// One of several numbers is named; a pause closes one of them.
func TestDestinations(t *testing.T) {
	t.Parallel()
	p := newPage(t, newFake(authn.AskFactor{Choices: []authn.Choice{
		{Factor: acr.SMSOTP, Credential: "phone:a", Masked: "+1***1", Name: "Mobile", LockedFor: 90 * time.Second},
		{Factor: acr.VoiceOTP, Credential: "phone:b", Masked: "+1***2"},
		{Factor: acr.TOTP, Credential: "totp:1", LockedFor: time.Minute},
	}}))
	doc := p.first()
	want := object{
		"status": "ready", "codeSent": false, "attributeValue": "+1***1", "destinations": []any{
			object{"id": "sms_otp:phone:a", "method": "sms_otp", "status": "unavailable", "retryAfter": 90.0, "attributeValue": "+1***1", "name": "Mobile"},
			object{"id": "voice_otp:phone:b", "method": "voice_otp", "status": "ready", "attributeValue": "+1***2"},
		},
	}
	if diff := cmp.Diff(want, doc[flow.TelephonyCodeURN]); diff != "" {
		t.Errorf("telephony (-want +got):\n%s", diff)
	}
	if got := doc[flow.TOTPURN].(object)["status"]; got != "unavailable" {
		t.Errorf("a paused app is %v", got)
	}
	doc = p.put(doc, flow.TelephonyCodeURN, object{"codeRequested": true, "destination": "voice_otp:phone:b"})
	if diff := cmp.Diff([]string{"choose  voice_otp phone:b"}, p.f.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	doc[flow.TelephonyCodeURN] = object{"codeRequested": true, "destination": "sms_otp:phone:z"}
	rec, _ := p.do(http.MethodPut, doc["meta"].(object)["location"].(string), doc)
	if rec.Code != http.StatusBadRequest || !strings.Contains(rec.Body.String(), "not one that was offered") {
		t.Errorf("another destination: %d %s", rec.Code, rec.Body)
	}
}

func TestResendAndRefusals(t *testing.T) {
	t.Parallel()
	for reason, want := range map[authn.RefusalReason]string{
		authn.SendLimited: "tooManyMessages", authn.SendFailed: "deliveryFailed", authn.FactorLocked: "tooManyAttempts",
		authn.Unavailable: "notAvailable", authn.CodeExpired: "codeExpired", authn.Waiting: "waiting", authn.Missing: "invalidCredentials",
	} {
		f := newFake(authn.AskCode{Choice: authn.Choice{Factor: acr.EmailOTP, Credential: "email:a"}, ResendAt: now.Add(20 * time.Second), Digits: 8})
		f.refusal = &authn.Refusal{Reason: reason, RetryAfter: 1500 * time.Millisecond}
		p := newPage(t, f)
		doc := p.first()
		if member := doc[flow.EmailCodeURN].(object); member["resendAfter"] != 20.0 || member["digits"] != 8.0 || member["codeSent"] != true {
			t.Errorf("member: %v", member)
		}
		doc[flow.EmailCodeURN] = object{"codeRequested": true}
		rec, out := p.do(http.MethodPut, doc["meta"].(object)["location"].(string), doc)
		if rec.Code != http.StatusOK || rec.Header().Get("Retry-After") != "2" {
			t.Fatalf("%s: %d %v %s", reason, rec.Code, rec.Header(), rec.Body)
		}
		if member := out[flow.EmailCodeURN].(object); member["status"] != "failure" || member["error"] != want {
			t.Errorf("%s: %v, want %s", reason, member, want)
		}
		if diff := cmp.Diff([]string{"send"}, f.calls); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
	}
	f := newFake(authn.AskLogin{Factors: []acr.Factor{acr.Password}})
	f.refusal = &authn.Refusal{Reason: authn.Busy, RetryAfter: 2 * time.Second}
	p := newPage(t, f)
	doc := p.first()
	doc[flow.PasswordURN] = object{"username": "ann", "password": "x"}
	rec, _ := p.do(http.MethodPut, doc["meta"].(object)["location"].(string), doc)
	if rec.Code != http.StatusServiceUnavailable || rec.Header().Get("Retry-After") != "2" {
		t.Errorf("busy: %d %v", rec.Code, rec.Header())
	}
}

// A plugged-in factor that waits is started and asked again and again.
func TestPluggedInFactor(t *testing.T) {
	t.Parallel()
	const urn = "urn:sallyport:params:scim:api:messages:2.0:PluggedInAuthenticationRequest:push"
	choice := authn.Choice{Factor: "push", Credential: "push:1"}
	p := newPage(t, newFake(
		authn.AskFactor{Choices: []authn.Choice{choice, {Factor: acr.TOTP, Credential: "totp:1"}}},
		authn.AskCode{Choice: choice, Waits: true, Prompt: "Press 7."}, authn.Ready{},
	))
	doc := p.put(p.first(), urn, object{"startRequested": true})
	want := object{"status": "ready", "waits": true, "prompt": "Press 7."}
	if diff := cmp.Diff(want, doc[urn]); diff != "" {
		t.Errorf("started (-want +got):\n%s", diff)
	}
	if doc = p.put(doc, urn, object{"pollRequested": true}); doc["success"] != true {
		t.Errorf("after the poll: %v", doc)
	}
	if diff := cmp.Diff([]string{"choose  push push:1", "code "}, p.f.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestProviderElsewhereThatWantsAForm(t *testing.T) {
	t.Parallel()
	p := newPage(t, newFake(authn.AskLogin{
		Factors: []acr.Factor{acr.Federated}, Upstreams: []authn.Upstream{{ID: "corp", Name: "Corp", Kind: "saml"}},
	}))
	doc := p.put(p.first(), flow.ExternalIdentityURN, object{"provider": "corp"})
	want := object{
		"status": "ready", "providers": []any{object{"name": "corp", "description": "Corp", "type": "saml"}},
		"providerRedirectUrl": "https://idp.example/sso", "providerRedirectForm": object{"SAMLRequest": "x"},
	}
	if diff := cmp.Diff(want, doc[flow.ExternalIdentityURN]); diff != "" {
		t.Errorf("member (-want +got):\n%s", diff)
	}
}

// What cannot be met is told to the application, and what no flow asks for is
// done on the pages of the server.
func TestEndOfAFlow(t *testing.T) {
	t.Parallel()
	for name, one := range map[string]struct {
		step authn.Step
		to   string
	}{
		"ready":       {authn.Ready{}, "https://shop.example/cb?code=c"},
		"unreachable": {authn.Failed{Reason: acr.Unreachable}, "https://shop.example/cb?error=" + string(acr.Unreachable)},
	} {
		p := newPage(t, newFake(authn.AskLogin{Factors: []acr.Factor{acr.Password}}, one.step))
		doc := p.put(p.first(), flow.PasswordURN, object{"username": "ann", "password": "x"})
		rec, next := p.do(http.MethodGet, doc["followUp"].(object)["$ref"].(string), nil)
		uri, _ := next["continue_redirect_uri"].(string)
		if rec.Code != http.StatusOK || len(next) != 1 || uri == "" {
			t.Fatalf("%s: followUp %d %s", name, rec.Code, rec.Body)
		}
		rec, _ = p.do(http.MethodGet, uri, nil)
		if got := rec.Header().Get("Location"); rec.Code != http.StatusSeeOther || got != one.to {
			t.Errorf("%s leads to %d %q, want %q", name, rec.Code, got, one.to)
		}
		// A login that is asked for again meanwhile goes back to its page.
		p.f.steps = []authn.Step{authn.AskLogin{Factors: []acr.Factor{acr.Password}}}
		if rec, _ = p.do(http.MethodGet, uri, nil); !strings.HasPrefix(rec.Header().Get("Location"), "https://login.example/?flow=") {
			t.Errorf("%s, too early: %d %q", name, rec.Code, rec.Header().Get("Location"))
		}
	}
}

func TestNewChecksItsConfiguration(t *testing.T) {
	t.Parallel()
	f, key := newFake(authn.Ready{}), bytes.Repeat([]byte{1}, 32)
	for name, cfg := range map[string]flow.Config{
		"no engine":   {Provider: f, Issuer: "https://id.example", Key: key},
		"no provider": {Engine: f, Issuer: "https://id.example", Key: key},
		"no issuer":   {Engine: f, Provider: f, Key: key},
		"short key":   {Engine: f, Provider: f, Issuer: "https://id.example", Key: key[:16]},
	} {
		if _, err := flow.New(cfg); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

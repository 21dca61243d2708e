package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/federated"
	"github.com/sallyport-id/sallyport/oidc"
	"github.com/sallyport-id/sallyport/oidc/web"
	"github.com/sallyport-id/sallyport/schema"
)

// now is the time of every test.
var now = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// ann is the user of the tests.
func ann() authn.User {
	return authn.User{
		ID: "u1", UserName: "ann", Active: true,
		Object: schema.Object{"displayName": "Ann Example"},
	}
}

// fake is an engine and a provider of one transaction. It answers with the
// step it is set to and records what it was asked for.
type fake struct {
	mu sync.Mutex
	// step is what comes next; refusal what the next answer is refused with.
	step    authn.Step
	refusal error
	grants  authn.Grants
	txn     authn.Txn
	load    error
	// ready is what Continue gives: a reply or, when it is nil, the consent page.
	ready   oidc.Reply
	consent oidc.ConsentView
	begin   oidc.Reply
	failure error // of Authorize
	logout  oidc.LogoutView
	client  oidc.Client
	browser string // that owns the transaction
	held    map[string]url.Values
	calls   []string
	visitor authn.Visitor
	// away is where Federate leads, linked what an answer has linked.
	away    federated.Redirect
	linked  *federated.Link
	answers map[string]federated.Answer
}

func newFake() *fake {
	return &fake{
		txn:    authn.Txn{ID: "t1", Purpose: oidc.PurposeAuthorize},
		client: oidc.Client{ID: "shop", Name: "Shop", RedirectURIs: []string{"https://shop.example/cb"}},
		begin:  oidc.Interact{Txn: "t1"}, held: map[string]url.Values{}, answers: map[string]federated.Answer{},
		ready: oidc.Redirect{URL: "https://shop.example/cb?code=c&state=s"},
		step:  authn.AskLogin{Factors: []acr.Factor{acr.Password}, Reason: acr.Missing},
	}
}

func (f *fake) called(v authn.Visitor, what ...string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, strings.Join(what, " "))
	f.visitor = v
	return f.refusal
}

// Calls returns what was asked for since the last time.
func (f *fake) Calls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := f.calls
	f.calls = nil
	return out
}

func (f *fake) Load(_ context.Context, v authn.Visitor, id string) (authn.Txn, error) {
	if f.load != nil {
		return authn.Txn{}, f.load
	}
	if id != f.txn.ID && id != "t2" || f.browser != "" && v.Browser != f.browser {
		return authn.Txn{}, authn.ErrTxnUnknown
	}
	t := f.txn
	t.ID = id
	return t, nil
}

func (f *fake) Next(_ context.Context, v authn.Visitor, _ authn.Txn) (authn.Step, authn.Grants, error) {
	f.visitor = v
	return f.step, authn.Grants{}, nil
}

func (f *fake) Account(_ context.Context, v authn.Visitor, _ authn.Txn, id string) (authn.Grants, error) {
	return f.grants, f.called(v, "account", id)
}

func (f *fake) Another(_ context.Context, v authn.Visitor, _ authn.Txn) error {
	return f.called(v, "another")
}

func (f *fake) Login(_ context.Context, v authn.Visitor, _ authn.Txn, login, password string) (authn.Grants, error) {
	return f.grants, f.called(v, "login", login, password)
}

func (f *fake) Choose(_ context.Context, v authn.Visitor, _ authn.Txn, login string, factor acr.Factor, credential string) error {
	return f.called(v, "choose", login, string(factor), credential)
}

func (f *fake) Send(_ context.Context, v authn.Visitor, _ authn.Txn) error {
	return f.called(v, "send")
}

func (f *fake) Code(_ context.Context, v authn.Visitor, _ authn.Txn, code string) (authn.Grants, error) {
	return f.grants, f.called(v, "code", code)
}

func (f *fake) PasskeyOptions(_ context.Context, v authn.Visitor, _ authn.Txn) (json.RawMessage, error) {
	return json.RawMessage(`{"publicKey":{"challenge":"AAAA"}}`), f.called(v, "passkey options")
}

func (f *fake) Passkey(_ context.Context, v authn.Visitor, _ authn.Txn, answer json.RawMessage) (authn.Grants, error) {
	return f.grants, f.called(v, "passkey", string(answer))
}

func (f *fake) NewPassword(_ context.Context, v authn.Visitor, _ authn.Txn, password string) (authn.Grants, error) {
	return f.grants, f.called(v, "password", password)
}

func (f *fake) Verify(_ context.Context, v authn.Visitor, _ authn.Txn, name string) error {
	return f.called(v, "verify", name)
}

func (f *fake) Skip(_ context.Context, v authn.Visitor, _ authn.Txn) error {
	return f.called(v, "skip")
}

func (f *fake) Remember(_ context.Context, v authn.Visitor, _ authn.Txn, on bool) error {
	f.txn.Progress.Remember = on
	return f.called(v, "remember", strconv.FormatBool(on))
}

func (f *fake) SkipStep(_ context.Context, v authn.Visitor, _ authn.Txn) error {
	return f.called(v, "skipstep")
}

func (f *fake) Authorize(_ context.Context, v authn.Visitor, params url.Values) (oidc.Reply, authn.Grants, error) {
	_ = f.called(v, "authorize", params.Encode())
	if f.browser == "" {
		f.browser = v.Browser
	}
	return f.begin, authn.Grants{}, f.failure
}

func (f *fake) DeviceBegin(_ context.Context, v authn.Visitor, code string) (authn.Txn, error) {
	f.browser = v.Browser
	return f.txn, f.called(v, "device", code)
}

func (f *fake) Hold(_ context.Context, params url.Values) (string, error) {
	f.held["h1"] = params
	return "h1", nil
}

func (f *fake) Held(_ context.Context, handle string) (url.Values, error) {
	params, ok := f.held[handle]
	if !ok {
		return nil, oidc.ErrNotFound
	}
	return params, nil
}

func (f *fake) ClientOf(context.Context, authn.Txn) (oidc.Client, error) { return f.client, nil }

func (f *fake) FormAction(context.Context, authn.Txn) (string, error) {
	return "https://shop.example", nil
}

func (f *fake) Continue(_ context.Context, v authn.Visitor, _ authn.Txn, _ authn.Ready) (oidc.Reply, *oidc.ConsentView, error) {
	if err := f.called(v, "continue"); err != nil {
		return nil, nil, err
	}
	if f.ready == nil {
		return nil, &f.consent, nil
	}
	return f.ready, nil, nil
}

func (f *fake) Consent(_ context.Context, v authn.Visitor, _ authn.Txn, granted []string) (oidc.Reply, error) {
	return f.end(), f.called(v, append([]string{"consent"}, granted...)...)
}

func (f *fake) Deny(_ context.Context, v authn.Visitor, _ authn.Txn) (oidc.Reply, error) {
	return f.end(), f.called(v, "deny")
}

func (f *fake) end() oidc.Reply {
	if f.ready == nil {
		return oidc.Redirect{URL: "https://shop.example/cb?code=c"}
	}
	return f.ready
}

func (f *fake) Fail(_ context.Context, v authn.Visitor, _ authn.Txn, reason acr.Reason) (oidc.Reply, error) {
	return oidc.Redirect{URL: "https://shop.example/cb?error=interaction_required"}, f.called(v, "fail", string(reason))
}

func (f *fake) Cancel(_ context.Context, v authn.Visitor, _ authn.Txn) (oidc.Reply, error) {
	return oidc.Redirect{URL: "https://shop.example/cb?error=access_denied"}, f.called(v, "cancel")
}

func (f *fake) Logout(_ context.Context, v authn.Visitor, params url.Values) (oidc.LogoutView, authn.Grants, error) {
	return f.logout, f.grants, f.called(v, "logout", params.Encode())
}

func (f *fake) ConfirmLogout(_ context.Context, v authn.Visitor, ticket string) (oidc.LogoutView, authn.Grants, error) {
	return f.logout, f.grants, f.called(v, "confirm", ticket)
}

// issuer is that of the tests; requests come to its host.
const issuer = "https://id.example"

// newWeb makes the pages over a fake.
func newWeb(t testing.TB, f *fake, edits ...func(*web.Config)) *echo.Echo {
	t.Helper()
	cfg := web.Config{
		Engine: f, Provider: f, Issuer: issuer, Key: []byte("0123456789abcdef0123456789abcdef"),
		Now: func() time.Time { return now },
	}
	for _, edit := range edits {
		edit(&cfg)
	}
	w, err := web.New(cfg)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	e := echo.New()
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			c.Response().Header().Set(echo.HeaderXRequestID, "req-1")
			return next(c)
		}
	})
	w.Register(e)
	return e
}

// browser is a browser with cookies in front of the router. It follows no
// redirect.
type browser struct {
	t   testing.TB
	e   *echo.Echo
	jar http.CookieJar
	// header is sent along, as a browser of today does.
	header http.Header
	base   string  // of requests
	host   *string // another Host header
}

func newBrowser(t testing.TB, e *echo.Echo) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t: t, e: e, jar: jar, base: issuer, header: http.Header{"Sec-Fetch-Site": {"same-origin"}}}
}

// page is an answer, read to its end.
type page struct {
	Status int
	Header http.Header
	Body   string
}

func (b *browser) do(method, path string, form url.Values) page {
	b.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req := httptest.NewRequest(method, b.base+path, body)
	if b.host != nil {
		req.Host = *b.host
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	maps.Copy(req.Header, b.header)
	for _, c := range b.jar.Cookies(req.URL) {
		req.AddCookie(c)
	}
	rec := httptest.NewRecorder()
	b.e.ServeHTTP(rec, req)
	res := rec.Result()
	b.jar.SetCookies(req.URL, res.Cookies())
	text, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return page{Status: res.StatusCode, Header: res.Header, Body: string(text)}
}

func (b *browser) get(path string) page { b.t.Helper(); return b.do(http.MethodGet, path, nil) }

func (b *browser) post(path string, form url.Values) page {
	b.t.Helper()
	if form == nil {
		form = url.Values{}
	}
	return b.do(http.MethodPost, path, form)
}

// begin starts the transaction, so that the browser has its cookie.
func (b *browser) begin() {
	b.t.Helper()
	if p := b.get("/oauth/authorize?client_id=shop"); p.Status != http.StatusSeeOther || p.Header.Get("Location") != "/login/t1" {
		b.t.Fatalf("authorize = %d %q, want 303 to /login/t1", p.Status, p.Header.Get("Location"))
	}
}

var csrfPattern = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

// token is the form token of a page.
func (p page) token(t testing.TB) string {
	t.Helper()
	m := csrfPattern.FindStringSubmatch(p.Body)
	if m == nil {
		t.Fatalf("page has no form token:\n%s", p.Body)
	}
	return m[1]
}

// Federate implements web.Federation.
func (f *fake) Federate(_ context.Context, v authn.Visitor, _ authn.Txn, upstream string) (federated.Redirect, error) {
	return f.away, f.called(v, "federate", upstream)
}

// Returned implements web.Federation.
func (f *fake) Returned(_ context.Context, v authn.Visitor, a federated.Answer) (authn.Return, authn.Grants, error) {
	err := f.called(v, "returned", a.Provider, a.State, a.Params.Encode())
	if errors.Is(err, errNoRequest) {
		return authn.Return{}, authn.Grants{}, &authn.Refusal{Reason: authn.UpstreamInvalid}
	}
	return authn.Return{Txn: f.txn, Linked: f.linked}, f.grants, err
}

// errNoRequest is a refusal to which there is no transaction.
var errNoRequest = errors.New("no request")

// HoldAnswer implements web.Federation.
func (f *fake) HoldAnswer(_ context.Context, _ authn.Visitor, a federated.Answer) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers["h1"] = a
	return "h1", nil
}

// HeldAnswer implements web.Federation.
func (f *fake) HeldAnswer(_ context.Context, handle string) (federated.Answer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a, ok := f.answers[handle]
	delete(f.answers, handle)
	if !ok {
		return a, authn.ErrTxnUnknown
	}
	return a, nil
}

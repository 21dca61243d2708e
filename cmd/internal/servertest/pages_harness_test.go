package servertest_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/oidc"
)

// shots is where pictures of the pages are kept, for people to look at.
var shots = flag.String("shots", "", "folder to write pictures of the pages to")

// axeFile is the accessibility checker; `npm ci` in testdata/pages installs it.
const axeFile = "../../../testdata/pages/node_modules/axe-core/axe.min.js"

// patience bounds what a test of pages waits for.
const patience = 60 * time.Second

// loginPassword is the password of the users of these tests.
const loginPassword = "marsh lantern sevenfold"

// pagesWorld is a server with a client, whose user logs in on pages.
type pagesWorld struct {
	*world
	client *relyingParty
	secret string // of the authenticator app, base32
}

// relyingParty is the application: it keeps what comes back.
type relyingParty struct {
	srv *httptest.Server
	mu  sync.Mutex
	got []url.Values
	how []string // method of each answer
}

func newRelyingParty(t *testing.T) *relyingParty {
	t.Helper()
	rp := &relyingParty{}
	rp.srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/cb" {
			if err := r.ParseForm(); err != nil {
				t.Error(err)
			}
			rp.mu.Lock()
			rp.got, rp.how = append(rp.got, r.Form), append(rp.how, r.Method)
			rp.mu.Unlock()
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprint(w, `<!doctype html><html lang="en"><title>Application</title><link rel="icon" href="data:,"><h1 id="arrived">Arrived</h1>`)
	}))
	t.Cleanup(rp.srv.Close)
	return rp
}

// answers returns what came back since the last time.
func (rp *relyingParty) answers() []url.Values {
	rp.mu.Lock()
	defer rp.mu.Unlock()
	out := rp.got
	rp.got, rp.how = nil, nil
	return out
}

// newPagesWorld makes a server whose mail goes to the development inbox.
func newPagesWorld(t *testing.T, edits ...func(*config.Config)) *pagesWorld {
	t.Helper()
	edits = append([]func(*config.Config){payments, func(c *config.Config) { c.Delivery.SMTP.URL, c.Delivery.SMTP.From = "", "" }}, edits...)
	w := &pagesWorld{world: newWorld(t, "sqlite", edits...), client: newRelyingParty(t)}
	w.register("shop", "Garden Shop", nil)
	w.patch(`"op":"replace","value":{"password":"`+loginPassword+`","displayName":"Veil Example"}`, w.user)
	return w
}

// payments is a scope that is open only to a factor shown at consent.
func payments(c *config.Config) {
	c.Scopes = map[string]config.Scope{"payments": {
		ConsentPrompt: "Pay on your behalf", Description: "Up to 100 euros a day", RequiredACR: "MFA", FreshAtConsent: true,
	}}
}

// register makes a public client of the application.
func (w *pagesWorld) register(id, name string, edit func(*oidc.Client)) {
	w.t.Helper()
	c := oidc.Client{
		ID: id, Name: name, Type: oidc.SPA, AuthMethod: oidc.NoAuth, RedirectURIs: []string{w.client.srv.URL + "/cb"},
		PostLogoutRedirectURIs: []string{w.client.srv.URL + "/bye"}, GrantTypes: []string{oidc.GrantCode, oidc.GrantDevice},
		Scopes: []string{"openid", "profile", "email", "payments"},
		URI:    "https://shop.example/", PolicyURI: "https://shop.example/privacy", TOSURI: "https://shop.example/terms",
	}
	if edit != nil {
		edit(&c)
	}
	if _, _, err := w.Directory().Provider.CreateClient(w.t.Context(), audit.Party{Type: "command", Name: "test"}, c); err != nil {
		w.t.Fatalf("register client: %v", err)
	}
}

func (w *pagesWorld) patch(operation, user string) {
	w.t.Helper()
	w.must(http.StatusOK, http.MethodPatch, "/scim/v2/Users/"+user,
		`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{`+operation+`}]}`)
}

// enrolBoth gives the user a mailed code and an authenticator app.
func (w *pagesWorld) enrolBoth() {
	w.t.Helper()
	r := w.must(http.StatusCreated, "POST", w.path("validatedEmailAddresses"), emailBody(address))
	w.must(http.StatusOK, "PUT", w.path("validatedEmailAddresses/"+str(w.t, r.Body, "id")), with(w.t, r.Body, "verifyCode", w.inboxCode()))
	r = w.must(http.StatusCreated, "POST", w.path("totp"), "")
	w.secret = str(w.t, r.Body, "sharedSecret")
	w.must(http.StatusOK, "PUT", w.path("totp"), with(w.t, r.Body, "verifyTotp", w.appCode()))
	w.patch(`"op":"replace","path":"secondFactorEnabled","value":true`, w.user)
}

// appCode is what the authenticator app shows, by oathtool. The clock moves on
// first, since no code is good twice.
func (w *pagesWorld) appCode() string {
	w.t.Helper()
	w.clock.advance(30 * time.Second)
	path, err := exec.LookPath("oathtool")
	if err != nil {
		missing(w.t, "oathtool is not installed")
	}
	out, err := exec.CommandContext(w.t.Context(), path, "--totp", "-b", "--now", w.clock.Now().Format("2006-01-02 15:04:05 UTC"), w.secret).Output()
	if err != nil {
		w.t.Fatalf("oathtool: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// inboxCode reads the newest code for the user from the development inbox.
func (w *pagesWorld) inboxCode() string {
	w.t.Helper()
	var inbox struct {
		Recipients []struct {
			To       string `json:"to"`
			Messages []struct {
				Code string `json:"code"`
			} `json:"messages"`
		} `json:"recipients"`
	}
	r := w.Do(w.t, http.MethodGet, "/dev/inbox.json", "", "")
	if err := json.Unmarshal([]byte(r.Body), &inbox); err != nil {
		w.t.Fatalf("%v in %s", err, r.Body)
	}
	for _, recipient := range inbox.Recipients {
		if recipient.To != address {
			continue
		}
		for _, m := range recipient.Messages {
			if m.Code != "" {
				return m.Code
			}
		}
	}
	w.t.Fatalf("no code for %s in %s", address, r.Body)
	return ""
}

// authorizeURL is an authorization request of the client, with PKCE.
func (w *pagesWorld) authorizeURL(more ...string) string {
	q := url.Values{
		"client_id": {"shop"}, "response_type": {"code"}, "redirect_uri": {w.client.srv.URL + "/cb"}, "scope": {"openid email"},
		"state": {"s1"}, "code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
	}
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	return w.URL() + "/oauth/authorize?" + q.Encode()
}

// missing says that something to test with is not there.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// tab is a tab of a headless Chromium with cookies of its own.
type tab struct {
	t   *testing.T
	ctx context.Context //nolint:containedctx // chromedp keeps the tab in its context
	mu  sync.Mutex
	bad []string // what the browser complained about
}

// newBrowser starts Chromium.
func newBrowser(t *testing.T) *tab {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		missing(t, "chromium is not installed")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.WindowSize(1280, 900), chromedp.Flag("lang", "en"), chromedp.WSURLReadTimeout(patience))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, stop := chromedp.NewContext(ctx)
	t.Cleanup(stop)
	return openTab(ctx, t)
}

func openTab(ctx context.Context, t *testing.T) *tab {
	t.Helper()
	b := &tab{t: t, ctx: ctx}
	// What breaks the content policy is logged as an entry of its own kind, a
	// script that fails as an exception.
	chromedp.ListenTarget(ctx, func(event any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch e := event.(type) {
		case *log.EventEntryAdded:
			if e.Entry.Source != log.SourceNetwork {
				b.bad = append(b.bad, fmt.Sprintf("%s: %s", e.Entry.Source, e.Entry.Text))
			}
		case *runtime.EventExceptionThrown:
			b.bad = append(b.bad, e.ExceptionDetails.Error())
		}
	})
	// The first run makes the tab, which lives as long as the context of that.
	if err := chromedp.Run(ctx); err != nil {
		t.Fatalf("open tab: %v", err)
	}
	b.run(network.SetExtraHTTPHeaders(network.Headers{"Accept-Language": "en"})) //nolint:contextcheck // the tab keeps it
	return b
}

// run runs actions and fails the test when one fails.
func (b *tab) run(actions ...chromedp.Action) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		var where, text string
		_ = chromedp.Run(b.ctx, chromedp.Location(&where), chromedp.Text("body", &text, chromedp.AtLeast(0)))
		b.t.Fatalf("browser at %s: %v\n%s", where, err, text)
	}
}

// open goes to an address.
func (b *tab) open(address string) { b.t.Helper(); b.run(chromedp.Navigate(address)) }

// wait waits until the page shows what a selector names.
func (b *tab) wait(selector string) {
	b.t.Helper()
	b.run(chromedp.WaitVisible(selector, chromedp.ByQuery))
}

// fill types into a field; press clicks and waits for the next page.
func (b *tab) fill(field, text string) {
	b.t.Helper()
	b.run(chromedp.Evaluate(`document.querySelector(`+quoted(field)+`).value = ""`, nil), chromedp.SendKeys(field, text, chromedp.ByQuery))
}

func (b *tab) press(selector, next string) {
	b.t.Helper()
	// The next page may look like this one, so this one is marked first.
	b.run(
		chromedp.Evaluate(`document.documentElement.dataset.old = "yes"`, nil),
		chromedp.Click(selector, chromedp.ByQuery),
		chromedp.WaitVisible(`html:not([data-old]) `+next, chromedp.ByQuery),
	)
}

func (b *tab) text(selector string) string {
	b.t.Helper()
	var out string
	b.run(chromedp.Text(selector, &out, chromedp.ByQuery))
	return out
}

func (b *tab) location() string {
	b.t.Helper()
	var out string
	b.run(chromedp.Location(&out))
	return out
}

// noComplaints checks that the browser saw no breach of the content policy and
// no failing script.
func (b *tab) noComplaints() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.bad) > 0 {
		b.t.Errorf("the browser complains: %s", strings.Join(b.bad, "\n"))
	}
}

// signIn fills the login page.
func (b *tab) signIn(next string) {
	b.t.Helper()
	b.wait("#username")
	b.fill("#username", "dr.veil")
	b.fill("#password", loginPassword)
	b.press(`button.primary`, next)
}

// judge has axe-core look at the page, small and large, light and dark, and
// keeps pictures when they are asked for.
func (b *tab) judge(name string) {
	b.t.Helper()
	source, err := os.ReadFile(axeFile)
	if err != nil {
		missing(b.t, "axe-core is missing; run npm ci in testdata/pages")
	}
	for _, width := range []int64{360, 1280} {
		for _, scheme := range []string{"light", "dark"} {
			b.run(
				emulation.SetDeviceMetricsOverride(width, 800, 1, width < 700),
				emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}),
				chromedp.Evaluate(string(source), nil),
			)
			var found string
			b.run(chromedp.Evaluate(`axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]})
				.then(r => r.violations.map(v => v.id + ": " + v.help + " " + v.nodes.map(n => n.html + " " + n.failureSummary).join(" | ")).join("\n"))`,
				&found, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
			if found != "" {
				b.t.Errorf("%s at %d px, %s: %s", name, width, scheme, found)
			}
			b.reflows(name, width)
			b.picture(fmt.Sprintf("%s-%d-%s.png", name, width, scheme))
		}
	}
	b.run(emulation.ClearDeviceMetricsOverride(), emulation.SetEmulatedMedia())
}

// reflows checks that nothing has to be scrolled sideways (WCAG 2.2 success
// criterion 1.4.10) and that what can be pressed is large enough (2.5.8).
func (b *tab) reflows(name string, width int64) {
	b.t.Helper()
	var found string
	b.run(chromedp.Evaluate(`(() => {
		const out = [];
		if (document.documentElement.scrollWidth > innerWidth) out.push("is " + document.documentElement.scrollWidth + " px wide");
		for (const e of document.querySelectorAll("button, input:not([type=hidden]):not(.away), .button")) {
			const box = e.getBoundingClientRect();
			if (box.width < 24 || box.height < 24) out.push(e.outerHTML + " is " + box.width + " x " + box.height);
		}
		return out.join("; ");
	})()`, &found))
	if found != "" {
		b.t.Errorf("%s at %d px: %s", name, width, found)
	}
}

func (b *tab) picture(name string) {
	b.t.Helper()
	if *shots == "" {
		return
	}
	var png []byte
	b.run(chromedp.ActionFunc(func(ctx context.Context) (err error) {
		png, err = page.CaptureScreenshot().WithCaptureBeyondViewport(true).Do(ctx)
		return err
	}))
	if err := os.MkdirAll(*shots, 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(*shots, name), png, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// scripts switches JavaScript of pages on or off.
func (b *tab) scripts(on bool) { b.t.Helper(); b.run(emulation.SetScriptExecutionDisabled(!on)) }

// keys types, without pointing anywhere.
func (b *tab) keys(keys ...string) {
	b.t.Helper()
	for _, k := range keys {
		b.run(chromedp.KeyEvent(k))
	}
}

// tabTo presses Tab until the focus is where the selector says, and checks on
// the way that it can be seen (WCAG 2.2 success criterion 2.4.7).
func (b *tab) tabTo(selector string) {
	b.t.Helper()
	for range 30 {
		var there bool
		var hidden string
		b.run(chromedp.Evaluate(`document.activeElement.matches(`+quoted(selector)+`)`, &there))
		if there {
			return
		}
		b.keys("\t")
		b.run(chromedp.Evaluate(`(() => {
			const e = document.activeElement, s = getComputedStyle(e);
			return e === document.body || s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2 ? "" : e.outerHTML;
		})()`, &hidden))
		if hidden != "" {
			b.t.Errorf("focus cannot be seen on %s", hidden)
		}
	}
	b.t.Fatalf("Tab does not reach %s", selector)
}

func quoted(text string) string {
	return strconv.QuoteToASCII(text)
}

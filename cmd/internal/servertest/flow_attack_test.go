package servertest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
	jsonflow "github.com/sallyport-id/sallyport/oidc/flow"
)

// wantLost fails unless the flow is lost to whoever asks: no difference tells
// why.
func wantLost(t *testing.T, what string, m servertest.Message) {
	t.Helper()
	if m.Status != http.StatusBadRequest || m.Doc["scimType"] != "invalidValue" || m.Doc["detail"] != "The request has timed out. Begin again at the application." {
		t.Errorf("%s: %d %s, want it lost", what, m.Status, m.Body)
	}
}

func wantFault(t *testing.T, what string, m servertest.Message, status int, scimType, part string) {
	t.Helper()
	got, _ := m.Doc["scimType"].(string)
	if m.Status != status || got != scimType || !strings.Contains(m.Body, part) {
		t.Errorf("%s: %d %s, want %d %q %q", what, m.Status, m.Body, status, scimType, part)
	}
}

// begun is a login on the page of an application that has just begun.
func (w *world) begun(app *servertest.Application, pairs ...string) (*servertest.LoginUI, servertest.Message) {
	w.t.Helper()
	ui := w.LoginUI(w.t, uiOrigin)
	m := ui.Get(ui.Open(app.AuthURL(pairs...)))
	wantFlow(w.t, m, "login", false)
	return ui, m
}

func TestFlowOfSomebodyElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite")
	ann, app := w.NewPerson(t, "ann"), w.ownPages()
	ui, m := w.begun(app)
	m = m.With(jsonflow.PasswordURN, "username", "ann", "password", ann.Password)
	body, err := json.Marshal(m.Doc)
	if err != nil {
		t.Fatal(err)
	}

	// A browser without the cookie, and one with another.
	other, _ := w.begun(app)
	for name, thief := range map[string]*servertest.LoginUI{"no cookie": w.LoginUI(t, uiOrigin), "another cookie": other} {
		wantLost(t, name+": GET", thief.Get(m.Location()))
		wantLost(t, name+": PUT", thief.Put(m))
	}

	// Places that this server has not made, or made for something else.
	place := m.Location()[strings.LastIndex(m.Location(), "/")+1:]
	flipped := []byte(place)
	flipped[len(flipped)/2] ^= 1
	base := w.Issuer() + "/authentication/"
	for name, uri := range map[string]string{
		"garbage": base + "login/AAAA", "empty": base + "login/%20", "flipped": base + "login/" + string(flipped),
		"cut": base + "login/" + place[:len(place)-4], "of another kind": base + "secondFactor/" + place,
		"as consent": base + "approve/" + place, "as followUp": w.Issuer() + "/oauth/authorize/" + place,
		"long": base + "login/" + strings.Repeat("A", 9000),
	} {
		wantLost(t, name+": GET", ui.Get(uri))
		if name != "as followUp" {
			wantLost(t, name+": PUT", ui.PutTo(uri, string(body)))
		}
	}
	if m = ui.Put(m); !m.Success() {
		t.Errorf("the owner: %d %s", m.Status, m.Body)
	}
}

func TestFlowOfAnotherOrigin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite")
	ann := w.NewPerson(t, "ann")
	app := w.ownPages(func(c *oidc.Client) { c.Origins = []string{"https://spa.example.com"} })
	w.ownPages(func(c *oidc.Client) { c.LoginURI = "https://other.example.com/login" })
	ui, m := w.begun(app)
	m = m.With(jsonflow.PasswordURN, "username", "ann", "password", ann.Password)

	for _, origin := range []string{"https://evil.example", "https://other.example.com", "null", "http://login.example.com", "https://login.example.com.evil.example"} {
		ui.Origin = origin
		for name, r := range map[string]servertest.Message{
			"GET": ui.Get(m.Location()), "PUT": ui.Put(m), "preflight": ui.Preflight(m.Location(), http.MethodPut),
		} {
			if r.Status != http.StatusForbidden || r.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s from %s: %d %v %s", name, origin, r.Status, r.Header, r.Body)
			}
		}
	}
	// A browser that names no origin has not been asked by a script of ours.
	ui.Origin = ""
	for _, site := range []string{"cross-site", "same-site"} {
		ui.Header = http.Header{"Sec-Fetch-Site": {site}}
		wantFault(t, site+" without origin", ui.Put(m), http.StatusForbidden, "", "origin")
	}
	ui.Header, ui.Origin = http.Header{}, uiOrigin

	// What a form can send is not read.
	for _, media := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""} {
		if r := ui.PutAs(m, media); r.Status != http.StatusUnsupportedMediaType {
			t.Errorf("%q: %d %s", media, r.Status, r.Body)
		}
	}
	for _, origin := range []string{uiOrigin, "https://spa.example.com"} {
		ui.Origin = origin
		r := ui.Preflight(m.Location(), http.MethodPut)
		if r.Status != http.StatusNoContent || r.Header.Get("Access-Control-Allow-Origin") != origin ||
			r.Header.Get("Access-Control-Allow-Credentials") != "true" || !strings.Contains(r.Header.Get("Access-Control-Allow-Methods"), "PUT") {
			t.Errorf("preflight from %s: %d %v", origin, r.Status, r.Header)
		}
	}
	if m = ui.Put(m); !m.Success() { // nothing before has taken the message
		t.Errorf("from the registered origin: %d %s", m.Status, m.Body)
	}
}

func TestFlowFirstPartyOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite")
	ann, app := w.NewPerson(t, "ann"), w.ownPages()
	ui, m := w.begun(app)
	by := audit.Party{Type: "command", Name: "test"}
	edit := func(edit func(*oidc.Client)) {
		t.Helper()
		_, err := w.Directory().Provider.UpdateClient(t.Context(), by, app.ID, func(c *oidc.Client) error { edit(c); return nil })
		if err != nil {
			t.Fatal(err)
		}
	}
	edit(func(c *oidc.Client) { c.FirstParty, c.LoginURI = false, "" })
	m = m.With(jsonflow.PasswordURN, "username", "ann", "password", ann.Password)
	for name, r := range map[string]servertest.Message{
		"GET": ui.Get(m.Location()), "PUT": ui.Put(m), "preflight": ui.Preflight(m.Location(), http.MethodPut),
	} {
		wantFault(t, name+" when no longer first-party", r, http.StatusForbidden, "", "first-party")
	}
	// Its users come to the pages of the server.
	if to := ui.Redirect(app.AuthURL()); !strings.HasPrefix(to.Path, "/login/") {
		t.Errorf("a login leads to %s", to)
	}
	edit(func(c *oidc.Client) { c.FirstParty, c.LoginURI = true, uiPage })
	if m = ui.Put(m); !m.Success() {
		t.Errorf("first-party again: %d %s", m.Status, m.Body)
	}

	// Nobody makes himself first-party.
	for name, c := range map[string]oidc.Client{
		"login_uri alone": {LoginURI: uiPage}, "not https": {FirstParty: true, LoginURI: "http://login.example.com"},
		"private scheme": {FirstParty: true, Type: oidc.Native, LoginURI: "com.example.app:/login"},
		"fragment":       {FirstParty: true, LoginURI: uiPage + "#x"}, "without users": {FirstParty: true, Type: oidc.Machine},
	} {
		if c.Type != oidc.Machine {
			c.RedirectURIs = []string{"https://app.example.com/cb"}
		}
		if _, _, err := w.Directory().Provider.CreateClient(t.Context(), by, c); err == nil {
			t.Errorf("%s was registered", name)
		}
	}
}

func TestFlowMessageCountsOnce(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		ann, app := w.NewPerson(t, "ann"), w.ownPages()
		ui, first := w.begun(app)
		bad := ui.Put(first.With(jsonflow.PasswordURN, "username", "ann", "password", "wrong"))
		wantFlow(t, bad, "login", false)
		right := first.With(jsonflow.PasswordURN, "username", "ann", "password", ann.Password)
		wantFault(t, "a message that was sent before", ui.Put(right), http.StatusBadRequest, "invalidValue", "out of date")
		again := ui.Get(first.Location())
		wantFlow(t, again, "login", false)

		// Of many at once one counts.
		right = again.With(jsonflow.PasswordURN, "username", "ann", "password", ann.Password)
		var wg sync.WaitGroup
		statuses := make([]int, 6)
		for i := range statuses {
			wg.Go(func() { statuses[i] = ui.Put(right).Status })
		}
		wg.Wait()
		counted := 0
		for _, status := range statuses {
			if status == http.StatusOK {
				counted++
			} else if status != http.StatusBadRequest {
				t.Errorf("status %d", status)
			}
		}
		if counted != 1 {
			t.Errorf("%d of %d equal messages counted: %v", counted, len(statuses), statuses)
		}
		// What a flow says once it is satisfied leads on, and takes nothing.
		m := ui.Get(first.Location())
		wantFlow(t, m, "login", true)
		wantFault(t, "an answer to a satisfied flow", ui.Put(m.With(jsonflow.PasswordURN, "password", "x")), http.StatusBadRequest, "invalidValue", "out of date")
		next := ui.Follow(m)
		ui.Finish(next)
		wantLost(t, "after the answer", ui.Get(first.Location()))
		if p := w.Browser(t).Open(next.URI); p.Status != http.StatusBadRequest {
			t.Errorf("continue_redirect_uri in another browser: %d %s", p.Status, p.Text())
		}
	})
}

// easyACR adds an ACR of one factor, a password or a mailed code.
func easyACR(c *config.Config) {
	c.ACRs = append(c.ACRs, config.ACR{Name: "Easy", Needs: []config.Need{{AnyOf: []string{"password", "email_otp"}}}})
}

func TestFlowSecondFactorIsNotSkipped(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite")
	ann := w.WithTOTP(t, w.NewPerson(t, "ann"), w.clock.Now)
	w.clock.advance(30 * time.Second)
	app := w.ownPages()
	ui, start := w.begun(app, "acr_values", "MFA")
	m := ui.Put(start.With(jsonflow.PasswordURN, "username", "ann", "password", ann.Password))
	wantFlow(t, m, "login", true)
	next := ui.Follow(m)
	if !strings.Contains(next.URI, "/secondFactor/") {
		t.Fatalf("followUp = %v", next)
	}
	second := ui.Get(next.URI)
	for name, forged := range map[string]servertest.Message{
		"success":  second.With("", "success", true),
		"skip":     second.With("", "skip", true),
		"approved": second.With("", "approved", true),
		"status":   second.With(jsonflow.TOTPURN, "status", "success"),
		"left out": second.With("", jsonflow.TOTPURN, map[string]any{}),
	} {
		r := ui.Put(forged)
		if r.Success() {
			t.Errorf("%s: %s", name, r.Body)
		}
		if r.Status == http.StatusOK {
			second = r
		} else {
			second = ui.Get(second.Location())
		}
		if next := ui.Follow(second); next.Name != "flow_uri" || !strings.Contains(next.URI, "/secondFactor/") {
			t.Errorf("%s: followUp = %v", name, next)
		}
	}
	// The pages send the browser back to the application's, and give no answer.
	txn := strings.TrimPrefix(ui.Redirect(app.AuthURL("acr_values", "MFA")).Path, "/login/")
	if to := ui.Redirect(w.Issuer() + "/login/" + txn); !strings.HasPrefix(to.String(), uiOrigin) || to.Query().Get("lang") != "en" {
		t.Errorf("/login leads to %s", to)
	}
	if m = ui.Put(second.With(jsonflow.TOTPURN, "password", ann.Code(t))); !m.Success() {
		t.Fatalf("the right code: %d %s", m.Status, m.Body)
	}

	// A login that has ended meanwhile gives no answer, whatever was said before.
	end := ui.Follow(m)
	w.must(http.StatusOK, http.MethodPatch, "/scim/v2/Users/"+ann.ID,
		`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"password","value":"quite another pass phrase 77"}]}`)
	if to := ui.Redirect(end.URI); !strings.HasPrefix(to.String(), uiOrigin) || to.Query().Get("flow") == "" {
		t.Errorf("continue_redirect_uri after the password has changed leads to %s", to)
	}
}

func TestFlowMembersOutOfPlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite")
	ann := w.NewPerson(t, "ann")
	ui, m := w.begun(w.ownPages())
	member := func(urn, body string) string {
		return fmt.Sprintf(`{"schemas":[%q],%q:%s}`, jsonflow.AuthenticationURN, urn, body)
	}
	for name, one := range map[string]struct {
		body           string
		status         int
		scimType, part string
	}{
		"a second factor before the first": {member(jsonflow.TOTPURN, `{"password":"123456"}`), 400, "invalidValue", "not part of this step"},
		"an unknown authenticator":         {member("urn:example:x", `{}`), 400, "invalidValue", "not part of this step"},
		"no object":                        {member(jsonflow.PasswordURN, `"x"`), 400, "invalidValue", "must be an object"},
		"a number as password":             {member(jsonflow.PasswordURN, `{"username":"ann","password":1}`), 400, "invalidValue", "must be a string"},
		"a list as password":               {member(jsonflow.PasswordURN, `{"password":["x"]}`), 400, "invalidValue", "must be a string"},
		"another schema":                   {`{"schemas":["` + jsonflow.ConsentURN + `"],"approved":true}`, 400, "invalidValue", "schemas"},
		"duplicate members":                {`{"` + jsonflow.PasswordURN + `":{},"` + jsonflow.PasswordURN + `":{"password":"x"}}`, 400, "invalidSyntax", "twice"},
		"duplicates in another case":       {member(jsonflow.PasswordURN, `{"password":"x","PASSWORD":"y"}`), 400, "invalidSyntax", "twice"},
		"trailing data":                    {member(jsonflow.PasswordURN, `{}`) + `{}`, 400, "invalidSyntax", "after the JSON object"},
		"no JSON":                          {`username=ann`, 400, "invalidSyntax", "JSON"},
		"empty":                            {``, 400, "invalidSyntax", "empty"},
		"too deep":                         {`{"x":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, 400, "invalidSyntax", "deep"},
		"too long":                         {`{"x":"` + strings.Repeat("x", 70<<10) + `"}`, 413, "", "longer than"},
		"not UTF-8":                        {"{\"x\":\"\xff\"}", 400, "invalidSyntax", "UTF-8"},
		"skip of what is needed":           {`{"skip":true}`, 400, "invalidValue", "cannot be skipped"},
	} {
		wantFault(t, name, ui.PutTo(m.Location(), one.body), one.status, one.scimType, one.part)
		m = ui.Get(m.Location())
	}
	if strings.Contains(w.Log.String(), ann.Password) || strings.Contains(w.Log.String(), "level=ERROR") {
		t.Error("the log holds a password or an internal error")
	}
	if m = ui.Put(m.With(jsonflow.PasswordURN, "username", "ann", "password", ann.Password)); !m.Success() {
		t.Errorf("the right answer afterwards: %d %s", m.Status, m.Body)
	}
	next := ui.Follow(m)
	if q, err := url.Parse(next.URI); err != nil || strings.Contains(q.String(), ann.ID) {
		t.Errorf("%s tells who logs in", next.URI)
	}
}

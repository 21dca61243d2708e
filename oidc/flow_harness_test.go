package oidc_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/authn/session"
	"github.com/sallyport-id/sallyport/oidc"
	"github.com/sallyport-id/sallyport/oidc/keys"
	"github.com/sallyport-id/sallyport/storage"
	"github.com/sallyport-id/sallyport/storage/storagetest"
)

const issuer = "https://id.example.com"

// desk is a login engine without pages: the browser's session and what the user
// could show are set by the test, and acr.Decide judges them.
type desk struct {
	db       *storage.DB
	provider *oidc.Provider
	now      func() time.Time

	mu      sync.Mutex
	session *session.Session
	user    authn.User
	has     []acr.Enrolment
	several bool
}

func (d *desk) Begin(_ authn.Visitor, n authn.NewTxn) (authn.Txn, error) {
	id, err := uuid.NewV7()
	now := d.now().UTC().Truncate(time.Microsecond)
	return authn.Txn{
		ID: id.String(), Purpose: n.Purpose, ClientID: n.ClientID, Request: n.Request, BrowserHash: session.Hash("browser"),
		LoginHint: n.LoginHint, Languages: n.Languages,
		CreatedAt: now, IdleUntil: now.Add(authn.TxnIdle), ExpiresAt: now.Add(authn.TxnAbsolute),
	}, err
}

func (d *desk) Keep(ctx context.Context, t authn.Txn) error { return d.db.InsertTxn(ctx, t) }

func (d *desk) decide(ctx context.Context, t authn.Txn) (authn.Step, error) {
	r, err := d.provider.Requirement(ctx, t)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.several {
		return authn.AskAccount{}, nil
	}
	c := acr.Context{Now: d.now()}
	var ledger []acr.Proof
	if d.session != nil {
		c.User, ledger = d.user.ID, d.session.Ledger()
	}
	switch decision := acr.Decide(r, ledger, d.has, c).(type) {
	case acr.Issue:
		return authn.Ready{User: d.user, Session: *d.session, Issue: decision}, nil
	case acr.Fail:
		return authn.Failed{Reason: decision.Reason}, nil
	case acr.Prompt:
		if decision.Steps[0].First {
			return authn.AskLogin{}, nil
		}
	}
	return authn.AskFactor{}, nil
}

func (d *desk) Next(ctx context.Context, _ authn.Visitor, t authn.Txn) (authn.Step, authn.Grants, error) {
	step, err := d.decide(ctx, t)
	return step, authn.Grants{}, err
}

func (d *desk) Issue(ctx context.Context, _ authn.Visitor, t authn.Txn, fn func(context.Context, authn.Ready) error) error {
	return d.db.InTx(ctx, func(ctx context.Context) error {
		if kept, err := d.db.Txn(ctx, t.ID); err == nil {
			t = kept
			if err := d.db.SpendTxn(ctx, t.ID, d.now()); err != nil {
				return err
			}
		}
		step, err := d.decide(ctx, t)
		if err != nil {
			return err
		}
		ready, ok := step.(authn.Ready)
		if !ok {
			return authn.ErrNotReady
		}
		return fn(ctx, ready)
	})
}

func (d *desk) Accounts(context.Context, authn.Visitor) ([]authn.Account, error) { return nil, nil }

func (d *desk) Logout(context.Context, authn.Visitor, string) (authn.Grants, error) {
	return authn.Grants{}, nil
}

func (d *desk) Enrolments(context.Context, authn.User) ([]acr.Enrolment, []authn.Choice, error) {
	return d.has, nil, nil
}

// node is one server on a database that others may share.
type node struct {
	*oidc.Provider
	desk *desk
	e    *echo.Echo
}

// world is a database with a user who is logged in, and nodes on it.
type world struct {
	t     testing.TB
	o     *storagetest.Opener
	db    *storage.DB
	user  authn.User
	nodes []*node
}

type users struct{ *storage.DB }

func (u users) Groups(context.Context, string) ([]oidc.Group, error) { return nil, nil }

func hours(n int) *time.Duration { d := time.Duration(n) * time.Hour; return &d }

// policy has the ACRs of the documentation.
func policy() oidc.Policy {
	first := acr.Need{AnyOf: []acr.Factor{acr.Password}, MaxAge: hours(12)}
	second := acr.Need{AnyOf: []acr.Factor{acr.TOTP, acr.EmailOTP}, MaxAge: hours(6)}
	return oidc.Policy{
		ACRs: []acr.ACR{
			{Name: "Default", Needs: []acr.Need{first}},
			{Name: "MFA", Distinct: true, Needs: []acr.Need{first, second}},
			{Name: "Nowhere", Needs: []acr.Need{first}, When: []acr.Condition{{IP: &acr.IPCondition{}}}},
		},
		DefaultACRs: []string{"MFA", "Default"},
	}
}

// newWorld has two nodes on one database.
func newWorld(t testing.TB, o *storagetest.Opener, edits ...func(*oidc.Config)) *world {
	t.Helper()
	w := &world{t: t, o: o}
	w.db = o.Open(t)
	rec := storagetest.Add(t, w.db, o.Type(t, "User"), o.User(t, "ann"))
	w.user = authn.User{ID: rec.ID, UserName: "ann", Active: true}
	for i := range 2 {
		db := w.db
		if i > 0 {
			db = o.Open(t)
		}
		w.nodes = append(w.nodes, w.node(db, edits...))
	}
	return w
}

func (w *world) node(db *storage.DB, edits ...func(*oidc.Config)) *node {
	w.t.Helper()
	ring, err := keys.New(keys.Config{Store: db, Tx: db, Now: w.o.Clock.Now})
	if err == nil {
		err = ring.Start(w.t.Context())
	}
	if err != nil {
		w.t.Fatalf("keys: %v", err)
	}
	d := &desk{db: db, now: w.o.Clock.Now, user: w.user, has: []acr.Enrolment{{Factor: acr.Password}}}
	cfg := oidc.Config{
		Issuer: issuer, Engine: d, Clients: db, Services: db, Grants: db, Consents: db, Pushed: db, Devices: db,
		Replays: db, Logouts: db, Sessions: db, Txns: db, Users: users{db}, Keys: ring, Tx: db, Audit: db,
		Policy: policy(), Now: w.o.Clock.Now,
	}
	for _, edit := range edits {
		edit(&cfg)
	}
	p, err := oidc.New(cfg)
	if err != nil {
		w.t.Fatalf("New: %v", err)
	}
	d.provider = p
	e := echo.New()
	e.HTTPErrorHandler = p.ErrorHandler(e.DefaultHTTPErrorHandler)
	e.Use(p.CORS)
	p.Register(e)
	return &node{Provider: p, desk: d, e: e}
}

// login starts a session with these proofs, made now, in the browser of every
// node.
func (w *world) login(factors ...acr.Factor) {
	w.t.Helper()
	now := w.o.Clock.Now()
	s := session.Session{
		ID: storagetest.NewID(w.t), UserID: w.user.ID, CreatedAt: now, ExpiresAt: now.Add(24 * time.Hour),
		SecretHash: session.Hash(storagetest.NewID(w.t)),
	}
	for _, f := range factors {
		s.Proofs = append(s.Proofs, session.Proof{Second: f != acr.Password, Proof: acr.Proof{
			ID: storagetest.NewID(w.t), Session: s.ID, User: w.user.ID, Credential: string(f), Factor: f, AMR: f.AMR(), At: now,
		}})
	}
	if err := w.db.StartSession(w.t.Context(), s); err != nil {
		w.t.Fatalf("StartSession: %v", err)
	}
	for _, n := range w.nodes {
		n.desk.mu.Lock()
		n.desk.session = &s
		n.desk.mu.Unlock()
	}
}

// enrol says what the user could show besides the password.
func (w *world) enrol(factors ...acr.Factor) {
	for _, n := range w.nodes {
		n.desk.has = []acr.Enrolment{{Factor: acr.Password, Credential: string(acr.Password)}}
		for _, f := range factors {
			n.desk.has = append(n.desk.has, acr.Enrolment{Factor: f, Credential: string(f)})
		}
	}
}

var command = audit.Party{Type: "command", Name: "test"}

// client registers a trusted client; its secret is returned.
func (w *world) client(edit func(*oidc.Client)) string {
	w.t.Helper()
	c := oidc.Client{
		ID: "app", Name: "App", Type: oidc.Web, RedirectURIs: []string{"https://app.example.com/cb"}, Trusted: true,
	}
	if edit != nil {
		edit(&c)
	}
	_, secret, err := w.nodes[0].CreateClient(w.t.Context(), command, c)
	if err != nil {
		w.t.Fatalf("CreateClient: %v", err)
	}
	return secret
}

// edit changes the client "app".
func (w *world) edit(edit func(*oidc.Client)) {
	w.t.Helper()
	_, err := w.nodes[0].UpdateClient(w.t.Context(), command, "app", func(c *oidc.Client) error { edit(c); return nil })
	if err != nil {
		w.t.Fatalf("UpdateClient: %v", err)
	}
}

// pairs makes parameters of name, value, name, value.
func pairs(list ...string) url.Values {
	out := make(url.Values)
	for i := 0; i < len(list); i += 2 {
		out.Add(list[i], list[i+1])
	}
	return out
}

// request is a plain authorization request of the client "app" with more
// parameters; an empty one is left out.
func request(more ...string) url.Values {
	q := pairs("response_type", "code", "client_id", "app", "redirect_uri", "https://app.example.com/cb",
		"scope", "openid", "state", "xyz")
	for name, values := range pairs(more...) {
		q[name] = values
		if values[0] == "" {
			delete(q, name)
		}
	}
	return q
}

// authorize sends a request to the first node and wants a redirect; its query
// is returned.
func (w *world) authorize(q url.Values) url.Values {
	w.t.Helper()
	reply, _, err := w.nodes[0].Authorize(w.t.Context(), authn.Visitor{}, q)
	if err != nil {
		w.t.Fatalf("Authorize(%v): %v", q, err)
	}
	return w.queryOf(reply)
}

func (w *world) queryOf(reply oidc.Reply) url.Values {
	w.t.Helper()
	to, ok := reply.(oidc.Redirect)
	if !ok {
		w.t.Fatalf("reply = %#v, want a redirect", reply)
	}
	u, err := url.Parse(to.URL)
	if err != nil {
		w.t.Fatalf("redirect %q: %v", to.URL, err)
	}
	return u.Query()
}

// code logs in and returns a code of a request.
func (w *world) code(more ...string) string {
	w.t.Helper()
	got := w.authorize(request(more...))
	if got.Get("code") == "" {
		w.t.Fatalf("Authorize answered %v, want a code", got)
	}
	return got.Get("code")
}

// answer is what an endpoint said.
type answer struct {
	Status int
	Header http.Header
	Body   map[string]any
}

func (a answer) text(name string) string { s, _ := a.Body[name].(string); return s }

// post sends a form to an endpoint; id "" sends no Basic credentials.
func (n *node) post(path, id, secret string, form url.Values, headers ...string) answer {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set(echo.HeaderContentType, echo.MIMEApplicationForm)
	if id != "" {
		r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return n.do(r)
}

func (n *node) do(r *http.Request) answer {
	rec := httptest.NewRecorder()
	n.e.ServeHTTP(rec, r)
	a := answer{Status: rec.Code, Header: rec.Header()}
	_ = json.Unmarshal(rec.Body.Bytes(), &a.Body) // an answer without JSON has no members
	return a
}

// redeem exchanges a code at a node.
func (n *node) redeem(secret, code string, more ...string) answer {
	form := pairs("grant_type", "authorization_code", "code", code, "redirect_uri", "https://app.example.com/cb")
	maps.Copy(form, pairs(more...))
	return n.post(oidc.PathToken, "app", secret, form)
}

func (n *node) refresh(secret, token string, more ...string) answer {
	form := pairs("grant_type", "refresh_token", "refresh_token", token)
	maps.Copy(form, pairs(more...))
	return n.post(oidc.PathToken, "app", secret, form)
}

// userinfo asks with an access token and returns the status.
func (n *node) userinfo(token string) int {
	r := httptest.NewRequest(http.MethodGet, oidc.PathUserInfo, http.NoBody)
	r.Header.Set(echo.HeaderAuthorization, "Bearer "+token)
	return n.do(r).Status
}

// wantTokens fails unless the answer has tokens.
func (w *world) wantTokens(what string, a answer) answer {
	w.t.Helper()
	if a.Status != http.StatusOK || a.text("access_token") == "" {
		w.t.Fatalf("%s: %d %v, want tokens", what, a.Status, a.Body)
	}
	if got := a.Header.Get("Cache-Control"); got != "no-store" {
		w.t.Errorf("%s: Cache-Control = %q, want no-store", what, got)
	}
	return a
}

// wantRefused fails unless the answer is that error.
func (w *world) wantRefused(what string, a answer, status int, code oidc.Code) {
	w.t.Helper()
	if a.Status != status || a.text("error") != string(code) {
		w.t.Errorf("%s: %d %v, want %d %s", what, a.Status, a.Body, status, code)
	}
	if got := a.Header.Get("Cache-Control"); got != "no-store" {
		w.t.Errorf("%s: Cache-Control = %q, want no-store", what, got)
	}
}

// parallel runs n calls at once, spread over the nodes.
func (w *world) parallel(n int, call func(*node) answer) []answer {
	out := make([]answer, n)
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			out[i] = call(w.nodes[i%len(w.nodes)])
		})
	}
	close(start)
	wg.Wait()
	return out
}

func successes(answers []answer) []answer {
	return slices.DeleteFunc(slices.Clone(answers), func(a answer) bool { return a.Status != http.StatusOK })
}

// claims are those of a JWT, unverified.
func claims(t *testing.T, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no JWT", token)
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatalf("JWT: %v", err)
	}
	var out map[string]any
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatalf("JWT: %v", err)
	}
	return out
}

// events are the names of the audit events of a group.
func (w *world) events(name audit.Name) []audit.Event {
	w.t.Helper()
	out, err := w.db.Events(w.t.Context(), audit.Filter{Name: name})
	if err != nil {
		w.t.Fatalf("Events: %v", err)
	}
	return out
}

const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636 appendix B

// challenge is the S256 code_challenge of verifier.
func challenge() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func isPageError(err error) bool { return errors.As(err, new(*oidc.PageError)) }

func basic(id, secret string) string {
	return base64.StdEncoding.EncodeToString([]byte(id + ":" + secret))
}

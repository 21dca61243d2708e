package scim_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/storage"
	"github.com/sallyport-id/sallyport/storage/storagetest"
)

// URNs that tests spell often.
const (
	userURN       = schema.UserURN
	groupURN      = schema.GroupURN
	enterpriseURN = schema.EnterpriseUserURN
	patchURN      = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
	testBase      = "https://id.example.com/scim/v2"
)

// clock is the time of a test; it moves when told to.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// options of a test server; the zero value is the default.
type options struct {
	schemas, types fs.FS // further schemas and resource types
	bases          []string
	limits         scim.Limits
	brake          scim.BrakeConfig
	authority      func(*http.Request) string
	profile        string // default profile of the server
	onDeactivate   func(ctx context.Context, id string) error
	acceptUnknown  bool // members that do not exist
	freeNames      bool // group names need not be unique
}

// server is a SCIM service over a real database, behind the real router.
type server struct {
	t      testing.TB
	db     *storage.DB
	svc    *scim.Service
	echo   *echo.Echo
	clock  *clock
	reg    *schema.Registry
	hasher *fakeHasher
	trace  *trace
	logs   *lockedBuffer
	infos  *infos

	mu      sync.Mutex
	clients map[string]*client
	*client // a compat token with scim:admin
}

// fakeHasher hashes quickly and remembers what was stored.
type fakeHasher struct {
	scim.PasswordStore
	mu     sync.Mutex
	hashed int
	stored map[string]string // by user id
}

func (h *fakeHasher) Hash(_ context.Context, password string, _ schema.Object) (string, error) {
	if len(password) < 8 {
		return "", scim.NewError(http.StatusBadRequest, scim.TypeInvalidValue, "password must have at least 8 characters.")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.hashed++
	return "$test$" + fmt.Sprintf("%x", sha256.Sum256([]byte(password))), nil
}

func (h *fakeHasher) SetPassword(ctx context.Context, userID, hash string, at time.Time) error {
	if err := h.PasswordStore.SetPassword(ctx, userID, hash, at); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stored[userID] = hash
	return nil
}

// hash returns the hash stored for a user, "" when there is none.
func (h *fakeHasher) hash(id string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.stored[id]
}

// trace keeps the statements that the database ran.
type trace struct {
	mu  sync.Mutex
	sql []string
}

func (tr *trace) add(sql string) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.sql = append(tr.sql, sql)
}

// during returns the statements run by fn.
func (tr *trace) during(fn func()) []string {
	tr.mu.Lock()
	start := len(tr.sql)
	tr.mu.Unlock()
	fn()
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return slices.Clone(tr.sql[start:])
}

// infos keeps what each request said for the access log.
type infos struct {
	mu   sync.Mutex
	last scim.RequestInfo
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// onPostgres begins the name of tests that run on PostgreSQL.
const onPostgres = "TestPostgres/"

// newServer starts a service on a fresh SQLite database, or on a fresh
// PostgreSQL schema within TestPostgres.
func newServer(t testing.TB, o options) *server {
	t.Helper()
	reg, err := schema.Load(o.schemas, o.types)
	if err != nil {
		t.Fatalf("load schemas: %v", err)
	}
	s := &server{
		t: t, reg: reg, trace: &trace{}, logs: &lockedBuffer{}, infos: &infos{},
		clock: &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)}, clients: map[string]*client{},
	}
	opener := storagetest.SQLite
	if strings.HasPrefix(t.Name(), onPostgres) {
		opener = storagetest.Postgres
	}
	s.db = opener(t).Open(t, func(cfg *storage.Config) {
		cfg.Registry, cfg.Now, cfg.Trace = reg, s.clock.Now, s.trace.add
		cfg.AcceptUnknownMembers, cfg.FreeGroupNames = o.acceptUnknown, o.freeNames
	})
	s.hasher = &fakeHasher{PasswordStore: s.db, stored: map[string]string{}}
	s.start(o)
	s.client = s.as(scim.NewToken{Name: "admin", Scopes: []string{scim.ScopeAdmin}})
	return s
}

// start wires the service and the router over the database.
func (s *server) start(o options) {
	s.t.Helper()
	logger := slog.New(slog.NewJSONHandler(s.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	auth, err := scim.NewTokenAuthenticator(scim.TokenAuthenticatorConfig{Store: s.db, Logger: logger, Now: s.clock.Now})
	if err != nil {
		s.t.Fatalf("make authenticator: %v", err)
	}
	s.t.Cleanup(auth.Close)
	if o.bases == nil {
		o.bases = []string{testBase}
	}
	if o.limits.Rate == 0 {
		o.limits.Rate = -1 // rate limiting is a test of its own
	}
	s.svc, err = scim.New(scim.Config{
		Registry: s.reg, Resources: s.db, Members: s.db, Passwords: s.hasher,
		Audit: s.db, History: s.db, Removals: s.db, Auth: auth,
		BaseURLs: o.bases, Authority: o.authority, DefaultProfile: o.profile, Limits: o.limits,
		CursorKey: bytes.Repeat([]byte{7}, 32), Brake: o.brake, OnDeactivate: o.onDeactivate,
		Logger: logger, Now: s.clock.Now,
	})
	if err != nil {
		s.t.Fatalf("make service: %v", err)
	}
	s.echo = echo.New()
	s.echo.Logger.SetOutput(s.logs)
	s.echo.HTTPErrorHandler = scim.ErrorHandler(logger, s.echo.DefaultHTTPErrorHandler)
	s.svc.Register(s.echo, s.noteInfo)
}

// noteInfo stands for the access log of the real server.
func (s *server) noteInfo(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		err := next(c)
		if info := scim.InfoOf(c); info != nil {
			s.infos.mu.Lock()
			s.infos.last = *info
			s.infos.mu.Unlock()
		}
		return err
	}
}

// tokens issues and edits tokens as the commands do.
func (s *server) tokens() scim.Tokens {
	return scim.Tokens{Store: s.db, Tx: s.db, Audit: s.db, Now: s.clock.Now, Rand: rand.Reader}
}

// as returns a client with a new token.
func (s *server) as(n scim.NewToken) *client {
	s.t.Helper()
	if n.Name == "" {
		n.Name = fmt.Sprintf("token %d", len(s.clients)+1)
	}
	if n.Profile == "" {
		n.Profile = scim.ProfileCompat
	}
	if n.Scopes == nil {
		n.Scopes = []string{scim.ScopeRead, scim.ScopeWrite}
	}
	secret, token, err := s.tokens().Issue(s.t.Context(), n)
	if err != nil {
		s.t.Fatalf("issue token: %v", err)
	}
	c := &client{s: s, bearer: secret.Reveal(), token: token}
	s.mu.Lock()
	s.clients[n.Name] = c
	s.mu.Unlock()
	return c
}

// profile returns a client with a token of that profile.
func (s *server) profile(name string) *client {
	s.t.Helper()
	s.mu.Lock()
	c := s.clients["profile "+name]
	s.mu.Unlock()
	if c != nil {
		return c
	}
	return s.as(scim.NewToken{Name: "profile " + name, Profile: name})
}

// fixedCaller is an Authenticator that takes every token for one caller, as a
// user's own access token will be.
type fixedCaller struct{ caller scim.Caller }

func (f fixedCaller) Authenticate(context.Context, string) (scim.Caller, error) { return f.caller, nil }

// asUser returns a client on the same database whose token belongs to a user.
func (s *server) asUser(id string) *client {
	s.t.Helper()
	profile, _ := scim.ProfileByName(scim.ProfileCompat)
	svc, err := scim.New(scim.Config{
		Registry: s.reg, Resources: s.db, Members: s.db, Passwords: s.hasher, Audit: s.db, Removals: s.db,
		Auth: fixedCaller{scim.Caller{
			TokenID: "user token", UserID: id, ActorType: "user", Profile: &profile,
			Scopes: []string{scim.ScopeRead, scim.ScopeWrite},
		}},
		BaseURLs: []string{testBase}, CursorKey: bytes.Repeat([]byte{7}, 32), Limits: scim.Limits{Rate: -1}, Now: s.clock.Now,
	})
	if err != nil {
		s.t.Fatalf("make service: %v", err)
	}
	twin := &server{t: s.t, db: s.db, svc: svc, echo: echo.New(), clock: s.clock}
	twin.echo.HTTPErrorHandler = scim.ErrorHandler(slog.New(slog.DiscardHandler), twin.echo.DefaultHTTPErrorHandler)
	svc.Register(twin.echo)
	return &client{s: twin, bearer: "user"}
}

// events returns the audit events of a resource, oldest first.
func (s *server) events(id string) []audit.Event {
	s.t.Helper()
	events, err := s.db.Events(s.t.Context(), audit.Filter{Target: id, Limit: 1000})
	if err != nil {
		s.t.Fatalf("read audit events: %v", err)
	}
	return events
}

// eventNames returns the names of the audit events of a resource.
func (s *server) eventNames(id string) []string {
	s.t.Helper()
	var out []string
	for _, e := range s.events(id) {
		out = append(out, string(e.Name))
	}
	return out
}

// client sends requests with one token.
type client struct {
	s      *server
	bearer string // "": none
	token  *scim.Token
}

// response is the answer to a request.
type response struct {
	Status int
	Header http.Header
	Body   []byte
	JSON   map[string]any // of Body; nil without
}

// Do sends a request through the router. path is relative to /scim/v2 unless
// it begins with http. body is a string, nil, or a value to marshal. headers
// are pairs of name and value.
func (c *client) Do(method, path string, body any, headers ...string) *response {
	c.s.t.Helper()
	var text []byte
	switch b := body.(type) {
	case nil:
	case string:
		text = []byte(b)
	case []byte:
		text = b
	default:
		var err error
		if text, err = json.Marshal(b); err != nil {
			c.s.t.Fatalf("encode body: %v", err)
		}
	}
	if !strings.HasPrefix(path, "http") && !strings.HasPrefix(path, "/scim") {
		path = scim.Root + path
	}
	r := httptest.NewRequestWithContext(c.s.t.Context(), method, path, bytes.NewReader(text))
	if !strings.HasPrefix(path, "http") {
		r.Host = "id.example.com"
	}
	if text != nil {
		r.Header.Set("Content-Type", scim.MediaType)
	}
	if c.bearer != "" {
		r.Header.Set("Authorization", "Bearer "+c.bearer)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Del(headers[i])
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if strings.EqualFold(headers[i], "Host") {
			r.Host = headers[i+1]
			continue
		}
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	c.s.echo.ServeHTTP(w, r)
	res := &response{Status: w.Code, Header: w.Header(), Body: w.Body.Bytes()}
	if len(res.Body) > 0 {
		decoder := json.NewDecoder(bytes.NewReader(res.Body))
		decoder.UseNumber()
		if err := decoder.Decode(&res.JSON); err != nil {
			c.s.t.Fatalf("%s %s answered no JSON object: %v\n%s", method, path, err, res.Body)
		}
	}
	return res
}

// want sends a request and fails the test unless the status is as given.
func (c *client) want(status int, method, path string, body any, headers ...string) *response {
	c.s.t.Helper()
	res := c.Do(method, path, body, headers...)
	if res.Status != status {
		c.s.t.Fatalf("%s %s = %d, want %d\n%s", method, path, res.Status, status, res.Body)
	}
	return res
}

// refuse sends a request and fails unless it is refused with status and
// scimType in a SCIM error whose detail holds all the words.
func (c *client) refuse(status int, scimType, method, path string, body any, words ...string) *response {
	c.s.t.Helper()
	res := c.want(status, method, path, body)
	checkError(c.s.t, res, status, scimType, words...)
	return res
}

func checkError(t testing.TB, res *response, status int, scimType string, words ...string) {
	t.Helper()
	if got := res.str("scimType"); got != scimType {
		t.Errorf("scimType = %q, want %q\n%s", got, scimType, res.Body)
	}
	if got := res.str("status"); got != fmt.Sprint(status) {
		t.Errorf("status = %q, want %q as a string\n%s", got, fmt.Sprint(status), res.Body)
	}
	if got := fmt.Sprint(res.JSON["schemas"]); got != "["+scim.ErrorURN+"]" {
		t.Errorf("schemas = %s, want the Error schema\n%s", got, res.Body)
	}
	for _, word := range words {
		if !strings.Contains(res.str("detail"), word) {
			t.Errorf("detail %q does not mention %q", res.str("detail"), word)
		}
	}
}

// user creates a user and returns the answer. more are members of the body.
func (c *client) user(name string, more ...any) *response {
	c.s.t.Helper()
	return c.want(http.StatusCreated, http.MethodPost, "/Users", merge(map[string]any{
		"schemas": []string{userURN}, "userName": name,
	}, more))
}

// group creates a group with members and returns the answer.
func (c *client) group(name string, members ...string) *response {
	c.s.t.Helper()
	body := map[string]any{"schemas": []string{groupURN}, "displayName": name}
	if len(members) > 0 {
		body["members"] = memberList(members...)
	}
	return c.want(http.StatusCreated, http.MethodPost, "/Groups", body)
}

func memberList(ids ...string) []any {
	var out []any
	for _, id := range ids {
		out = append(out, map[string]any{"value": id})
	}
	return out
}

// merge adds pairs of key and value to a body.
func merge(body map[string]any, more []any) map[string]any {
	for i := 0; i+1 < len(more); i += 2 {
		key := more[i].(string)
		body[key] = more[i+1]
		if strings.HasPrefix(key, "urn:") {
			body["schemas"] = append(slices.Clone(body["schemas"].([]string)), key)
		}
	}
	return body
}

// patchOp builds a PATCH body from operations, each op, path and value; a
// missing path or value is "" or nil.
func patchOp(ops ...[3]any) map[string]any {
	list := []any{}
	for _, op := range ops {
		o := map[string]any{"op": op[0]}
		if op[1] != "" {
			o["path"] = op[1]
		}
		if op[2] != nil {
			o["value"] = op[2]
		}
		list = append(list, o)
	}
	return map[string]any{"schemas": []string{patchURN}, "Operations": list}
}

// str returns a string member by dotted path.
func (r *response) str(path string) string {
	s, _ := r.at(path).(string)
	return s
}

// at returns a member by dotted path; nil when it is absent.
func (r *response) at(path string) any {
	var v any = r.JSON
	for name := range strings.SplitSeq(path, ".") {
		o, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = o[name]
	}
	return v
}

// id, etag and total are what tests ask for most.
func (r *response) id() string   { return r.str("id") }
func (r *response) etag() string { return r.Header.Get("ETag") }

func (r *response) total(t testing.TB) int {
	t.Helper()
	n, ok := r.JSON["totalResults"].(json.Number)
	if !ok {
		t.Fatalf("no totalResults in %s", r.Body)
	}
	i, err := n.Int64()
	if err != nil {
		t.Fatalf("totalResults %s: %v", n, err)
	}
	return int(i)
}

// resources returns the resources of a list.
func (r *response) resources() []map[string]any {
	list, _ := r.JSON["Resources"].([]any)
	out := make([]map[string]any, 0, len(list))
	for _, item := range list {
		o, _ := item.(map[string]any)
		out = append(out, o)
	}
	return out
}

// column returns one string attribute of each resource of a list.
func (r *response) column(name string) []string {
	out := []string{}
	for _, o := range r.resources() {
		s, _ := o[name].(string)
		out = append(out, s)
	}
	return out
}

// keys returns the sorted attribute names of a resource.
func keys(o map[string]any) []string { return slices.Sorted(maps.Keys(o)) }

// unused is a well-formed id that no resource has.
const unused = "01890000-0000-7000-8000-000000000000"

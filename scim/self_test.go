package scim_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
)

// owners is an OwnerStore that says what a test wants.
type owners struct {
	live bool
	err  error
	asks int
}

func (o *owners) OwnerLive(context.Context, string, string, time.Time) (bool, error) {
	o.asks++
	return o.live, o.err
}

// A user's own token is held against its session and user at every request,
// never remembered, and refused where nobody can tell.
func TestOwnTokenIsAskedForEveryTime(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	secret, _, err := s.tokens().Issue(t.Context(), scim.NewToken{
		Name: "own", UserID: "u", SessionID: "s", ClientID: "app", PublicClient: true,
		Scopes: scim.OwnScopes(), ExpiresAt: s.clock.Now().Add(time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	o := &owners{live: true}
	auth := func(store scim.OwnerStore) *scim.TokenAuthenticator {
		a, err := scim.NewTokenAuthenticator(scim.TokenAuthenticatorConfig{
			Store: s.db, Owners: store, Logger: slog.New(slog.DiscardHandler), Now: s.clock.Now,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(a.Close)
		return a
	}
	a := auth(o)
	for n := 1; n <= 3; n++ {
		caller, err := a.Authenticate(t.Context(), secret.Reveal())
		if err != nil || o.asks != n {
			t.Fatalf("request %d: %v after %d questions", n, err, o.asks)
		}
		if caller.UserID != "u" || caller.SessionID != "s" || caller.ClientID != "app" || !caller.PublicClient || caller.ActorType != "user" || caller.Client() != "app" {
			t.Errorf("caller %+v", caller)
		}
	}
	o.live = false
	if _, err := a.Authenticate(t.Context(), secret.Reveal()); scim.AsError(err).Status != http.StatusUnauthorized {
		t.Errorf("session ended: %v, want 401", err)
	}
	o.err = errors.New("database is gone")
	if _, err := a.Authenticate(t.Context(), secret.Reveal()); err == nil || scim.AsError(err).Status != http.StatusInternalServerError {
		t.Errorf("no answer about the session: %v, want a failure", err)
	}
	if _, err := auth(nil).Authenticate(t.Context(), secret.Reveal()); scim.AsError(err).Status != http.StatusUnauthorized {
		t.Errorf("nobody to ask: %v, want 401", err)
	}
}

// What a user's own token must have, and what only it may carry.
func TestIssueOwnToken(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	end := s.clock.Now().Add(time.Hour)
	for name, n := range map[string]scim.NewToken{
		"no session":                 {UserID: "u", ExpiresAt: end},
		"no user":                    {SessionID: "s", ExpiresAt: end},
		"no end":                     {UserID: "u", SessionID: "s"},
		"own scope without a user":   {Scopes: []string{scim.ScopeManageProfile}},
		"unknown scope":              {UserID: "u", SessionID: "s", ExpiresAt: end, Scopes: []string{scim.OwnScope("everything")}},
		"account is no own business": {UserID: "u", SessionID: "s", ExpiresAt: end, Scopes: []string{scim.OwnScope("account_state")}},
	} {
		n.Name = "t " + name
		if _, _, err := s.tokens().Issue(t.Context(), n); err == nil {
			t.Errorf("%s: a token was made", name)
		}
	}
	n := scim.NewToken{Name: "support", Scopes: scim.AdminScopes()}
	if _, _, err := s.tokens().Issue(t.Context(), n); err != nil {
		t.Errorf("administrator's scopes without a user: %v", err)
	}
}

// guard refuses or remembers.
type guard struct {
	refuse error
	seen   []scim.Change
}

func (g *guard) Allow(_ context.Context, _ scim.Caller, c scim.Change) error {
	g.seen = append(g.seen, c)
	return g.refuse
}

// guarded is a service with a Guard and a caller of its own.
func (s *server) guarded(caller scim.Caller, g scim.Guard, ended *[]string) (*client, *scim.Service) {
	s.t.Helper()
	profile, _ := scim.ProfileByName(scim.ProfileCompat)
	caller.Profile, caller.TokenID = &profile, "token"
	svc, err := scim.New(scim.Config{
		Registry: s.reg, Resources: s.db, Members: s.db, Passwords: s.hasher, Audit: s.db, Removals: s.db,
		Auth: fixedCaller{caller}, Guard: g,
		OnPassword: func(_ context.Context, _ scim.Caller, id string, _ schema.Object) error {
			*ended = append(*ended, id)
			return nil
		},
		BaseURLs: []string{testBase}, CursorKey: bytes.Repeat([]byte{7}, 32), Limits: scim.Limits{Rate: -1}, Now: s.clock.Now,
	})
	if err != nil {
		s.t.Fatalf("make service: %v", err)
	}
	twin := &server{t: s.t, db: s.db, svc: svc, echo: echo.New(), clock: s.clock}
	twin.echo.HTTPErrorHandler = scim.ErrorHandler(slog.New(slog.DiscardHandler), twin.echo.DefaultHTTPErrorHandler)
	svc.Register(twin.echo)
	return &client{s: twin, bearer: "x"}, svc
}

// The Guard sees what a request changes of a user before anything is written,
// and only if something changes; its refusal undoes all.
func TestGuard(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	id := s.user("guarded", "title", "Dr").id()
	group := s.group("a group").id()
	g, ended := &guard{}, []string{}
	c, svc := s.guarded(scim.Caller{Scopes: []string{scim.ScopeAdmin}, ActorType: "token"}, g, &ended)

	c.want(http.StatusOK, http.MethodPatch, "/Users/"+id, patchOp([3]any{"replace", "title", "Dr"}))
	c.Do(http.MethodPatch, "/Groups/"+group, patchOp([3]any{"replace", "displayName", "another"}))
	if len(g.seen) != 0 {
		t.Errorf("asked about %v", g.seen)
	}
	c.want(http.StatusOK, http.MethodPatch, "/Users/"+id, patchOp([3]any{"replace", "title", "Prof"}, [3]any{"replace", "password", "a new password"}))
	if len(g.seen) != 1 || g.seen[0].ID != id || !g.seen[0].Password || g.seen[0].Before["title"] != "Dr" || g.seen[0].After["title"] != "Prof" {
		t.Errorf("asked about %+v", g.seen)
	}
	if len(ended) != 1 || ended[0] != id {
		t.Errorf("logins ended of %v, want of the user once", ended)
	}

	g.refuse = scim.NewError(http.StatusUnauthorized, "", "A recent second factor is required.")
	events := len(s.events(id))
	c.want(http.StatusUnauthorized, http.MethodPatch, "/Users/"+id, patchOp([3]any{"replace", "title", "Emeritus"}))
	c.want(http.StatusUnauthorized, http.MethodPut, "/Users/"+id, map[string]any{"schemas": []string{userURN}, "userName": "guarded", "password": "yet a new password"})
	if got := s.want(http.StatusOK, http.MethodGet, "/Users/"+id, nil).str("title"); got != "Prof" || len(s.events(id)) != events || len(ended) != 1 {
		t.Errorf("a refused change left traces: title %q, %d events, ended %v", got, len(s.events(id))-events, ended)
	}
	// What was proved before is not asked again.
	_, err := svc.EditUser(t.Context(), scim.Caller{}, id, func(o schema.Object) error { o["title"] = "Dean"; return nil })
	if err != nil {
		t.Errorf("EditUser: %v", err)
	}
}

// Called directly, past every route, the service still holds a user's own
// token to the own record and the attributes that are theirs.
func TestSelfServiceBelowTheRoutes(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	id, other := s.user("own").id(), s.user("other").id()
	rt := s.reg.ByName("User")
	caller := scim.Caller{UserID: id, SessionID: "s", Scopes: scim.OwnScopes(), ActorType: "user"}
	patchTo := func(path string, value any) schema.Object {
		return schema.Object{"schemas": []any{patchURN}, "Operations": []any{schema.Object{"op": "replace", "path": path, "value": value}}}
	}
	if _, err := s.svc.Patch(t.Context(), caller, rt, id, patchTo("displayName", "x"), scim.Request{}); err != nil {
		t.Errorf("own record: %v", err)
	}
	if _, err := s.svc.Patch(t.Context(), caller, rt, other, patchTo("displayName", "x"), scim.Request{}); !errors.Is(err, scim.ErrNotFound) {
		t.Errorf("another record: %v, want not found", err)
	}
	if _, err := s.svc.Patch(t.Context(), caller, rt, id, patchTo("title", "x"), scim.Request{}); err == nil || scim.AsError(err).Status != http.StatusForbidden {
		t.Errorf("title: %v, want 403", err)
	}
	caller.Scopes = []string{scim.OwnScope("manage_totp")}
	if _, err := s.svc.Patch(t.Context(), caller, rt, id, patchTo("displayName", "y"), scim.Request{}); err == nil || scim.AsError(err).Status != http.StatusForbidden {
		t.Errorf("without manage_profile: %v, want 403", err)
	}
	s.want(http.StatusOK, http.MethodPatch, "/Users/"+id, patchOp([3]any{"replace", "active", false}))
	caller.Scopes = scim.OwnScopes()
	if _, err := s.svc.Patch(t.Context(), caller, rt, id, patchTo("displayName", "z"), scim.Request{}); err == nil || scim.AsError(err).Status != http.StatusUnauthorized {
		t.Errorf("inactive: %v, want 401", err)
	}
}

// A user who may read others learns that a change is not permitted; one who
// may not learns nothing.
func TestSelfServiceVisibility(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{})
	id, other := s.user("own").id(), s.user("other").id()
	var ended []string
	reader, _ := s.guarded(scim.Caller{UserID: id, Scopes: append(scim.OwnScopes(), scim.ScopeRead)}, nil, &ended)
	reader.want(http.StatusOK, http.MethodGet, "/Users/"+other, nil)
	reader.want(http.StatusForbidden, http.MethodPatch, "/Users/"+other, patchOp([3]any{"replace", "displayName", "x"}))
	reader.want(http.StatusOK, http.MethodPatch, "/Me", patchOp([3]any{"replace", "displayName", "x"}))
	plain, _ := s.guarded(scim.Caller{UserID: id, Scopes: scim.OwnScopes()}, nil, &ended)
	for _, path := range []string{"/Users/" + other, "/Users/" + unused, "/Users/%2e%2e"} {
		plain.want(http.StatusNotFound, http.MethodGet, path, nil)
		plain.want(http.StatusNotFound, http.MethodPatch, path, patchOp([3]any{"replace", "displayName", "x"}))
	}
}

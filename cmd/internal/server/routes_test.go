package server_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
)

// open is a group of routes that answer without a bearer token.
type open struct {
	// why is why they may, and what protects what is behind them.
	why string
	// answers are the statuses of a request that carries nothing: no cookie, form
	// token, state or client.
	answers []int
	// to begins the address of a redirect, where that is the answer.
	to     string
	routes []string // method and path; GET stands for HEAD too
}

// openRoutes are all routes that do not answer 401 to whoever shows nothing.
func openRoutes() []open {
	return []open{
		{
			why: "tells only what everybody may know", answers: []int{http.StatusOK, http.StatusNotFound},
			routes: []string{
				"GET /", "GET /healthz", "GET /readyz", "GET /metrics", "GET /assets/:name",
				"GET /.well-known/openid-configuration", "GET /.well-known/oauth-authorization-server", "GET /oauth/jwks",
				"GET /scim/v2/ServiceProviderConfig", "GET /scim/v2/Schemas", "GET /scim/v2/Schemas/:id",
				"GET /scim/v2/ResourceTypes", "GET /scim/v2/ResourceTypes/:id",
			},
		},
		{
			why: "is there on a loopback issuer without a mail server only", answers: []int{http.StatusOK},
			routes: []string{"GET /dev/inbox", "GET /dev/inbox.css", "GET /dev/inbox.json"},
		},
		{
			why: "begins logins, judged by client, redirect URI and request", answers: []int{http.StatusBadRequest},
			routes: []string{"GET /oauth/authorize", "GET /oauth/authorize/held/:handle", "GET /oauth/logout/held/:handle", "POST /authentication/begin"},
		},
		{
			why: "keeps the form that another site posts and reads it where cookies arrive", answers: []int{http.StatusSeeOther}, to: "/oauth/",
			routes: []string{"POST /oauth/authorize", "POST /oauth/logout"},
		},
		{
			why: "ends nothing before a button with a form token", answers: []int{http.StatusOK},
			routes: []string{"GET /oauth/logout"},
		},
		{
			why: "asks for client authentication, or the client's name of a public one", answers: []int{http.StatusBadRequest},
			routes: []string{"POST /oauth/token", "POST /oauth/par", "POST /oauth/revoke", "POST /oauth/device_authorization", "POST /oauth/introspect"},
		},
		{
			why: "belongs to a login: bound to its browser by a cookie, forms by a token", answers: []int{http.StatusBadRequest, http.StatusNotFound},
			routes: []string{"GET /login/:txn", "POST /login/:txn/:action", "POST /login/:txn/passkey/options"},
		},
		{
			why: "is a form that anybody may open, for it asks for a name or code", answers: []int{http.StatusOK},
			routes: []string{"GET /device", "GET /recover", "GET /recover/username", "GET /verify"},
		},
		{
			why: "takes forms of our own pages only, by the form token and the cookie of the browser", answers: []int{http.StatusForbidden},
			routes: []string{
				"POST /device", "POST /recover", "POST /recover/username", "POST /verify", "POST /continue/link", "POST /password-meter",
				"POST /oauth/logout/confirm",
			},
		},
		{
			why: "is off by default", answers: []int{http.StatusNotFound},
			routes: []string{"GET /signup", "POST /signup"},
		},
		{
			why: "needs the secret of a mailed link, or the cookie of the browser that began", answers: []int{http.StatusGone},
			routes: []string{"GET /continue/:flow", "GET /continue/link", "POST /continue/:flow/:action"},
		},
		{
			why: "moves the secret of a link into a cookie and changes nothing", answers: []int{http.StatusSeeOther}, to: "/continue/link",
			routes: []string{"GET /continue/link/:token"},
		},
		{
			why: "takes answers of providers elsewhere, bound to a login of this browser by state", answers: []int{http.StatusBadRequest},
			routes: []string{"GET /federation/:provider/callback", "POST /federation/:provider/callback"},
		},
		{
			why: "is metadata, or holds a signed answer for the login that asked for it; there is no SAML provider here", answers: []int{http.StatusNotFound},
			routes: []string{"GET /federation/:provider/metadata", "POST /federation/:provider/acs"},
		},
		{
			why: "is the own account: whoever is not logged in is sent to the login", answers: []int{http.StatusSeeOther}, to: "/login/",
			routes: []string{
				"GET /account", "GET /account/security", "GET /account/sessions", "POST /account/sessions/:action",
				"GET /account/security/app", "POST /account/security/app", "POST /account/security/app/code",
				"GET /account/security/email", "POST /account/security/email", "POST /account/security/email/code",
				"GET /account/security/phone", "POST /account/security/phone", "POST /account/security/phone/code",
				"GET /account/security/passkey", "POST /account/security/passkey", "POST /account/security/passkey/options",
				"GET /account/security/password", "POST /account/security/password",
				"GET /account/security/second-password", "POST /account/security/second-password",
				"GET /account/security/recovery", "POST /account/security/recovery",
				"GET /account/security/credential/:id", "POST /account/security/credential/:id/:action",
				"POST /account/security/identity/:provider/link", "POST /account/security/identity/:provider/unlink",
				"POST /account/security/on", "POST /account/security/second-factor",
			},
		},
		{
			why: "is the JSON login: a sealed state, and the cookie of its browser or the flow key", answers: []int{http.StatusBadRequest},
			routes: []string{
				"GET /oauth/authorize/:state", "OPTIONS /oauth/authorize/:state",
				"GET /authentication/login/:state", "PUT /authentication/login/:state", "OPTIONS /authentication/login/:state",
				"GET /authentication/secondFactor/:state", "PUT /authentication/secondFactor/:state", "OPTIONS /authentication/secondFactor/:state",
				"GET /authentication/approve/:state", "PUT /authentication/approve/:state", "OPTIONS /authentication/approve/:state",
				"GET /authentication/continue/:state",
				"GET /authentication/account/Password Recovery/:state", "PUT /authentication/account/Password Recovery/:state",
				"OPTIONS /authentication/account/Password Recovery/:state",
				"GET /authentication/account/Username Recovery/:state", "PUT /authentication/account/Username Recovery/:state",
				"OPTIONS /authentication/account/Username Recovery/:state",
				"GET /authentication/account/Verify Account/:state", "PUT /authentication/account/Verify Account/:state",
				"OPTIONS /authentication/account/Verify Account/:state",
				"GET /authentication/account/Registration/:state", "PUT /authentication/account/Registration/:state",
				"OPTIONS /authentication/account/Registration/:state",
			},
		},
	}
}

// Every route but those above answers 401 without a credential, so that none is
// added without authentication; and those above answer a stranger as they say.
func TestEveryRouteNeedsACredential(t *testing.T) {
	t.Parallel()
	s := servertest.SQLite(t)
	router, ok := s.Handler().(*echo.Echo)
	if !ok {
		t.Fatalf("the handler is a %T", s.Handler())
	}
	known := map[string]open{}
	for _, group := range openRoutes() {
		for _, route := range group.routes {
			known[route] = group
		}
	}
	stranger := &http.Client{
		Transport:     s.HTTP().Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	met := map[string]bool{}
	tested := 0
	for _, r := range router.Routes() {
		if r.Method == echo.RouteNotFound {
			continue
		}
		path := strings.NewReplacer(":id", "x", "*", "x", " ", "%20").Replace(r.Path)
		req, err := http.NewRequestWithContext(t.Context(), r.Method, s.URL()+path, http.NoBody)
		if err != nil {
			t.Fatalf("%s %s: %v", r.Method, r.Path, err)
		}
		got := servertest.Send(t, stranger, req)
		name := strings.Replace(r.Method, http.MethodHead, http.MethodGet, 1) + " " + r.Path
		group, public := known[name]
		met[name] = true
		switch {
		case !public:
			tested++
			if got.Status != http.StatusUnauthorized {
				t.Errorf("%s %s without a credential = %d, want 401", r.Method, r.Path, got.Status)
			}
		case !slices.Contains(group.answers, got.Status), group.to != "" && !strings.HasPrefix(got.Header.Get("Location"), group.to):
			t.Errorf("%s %s, which %s = %d to %q, want %v %s", r.Method, r.Path, group.why, got.Status, got.Header.Get("Location"), group.answers, group.to)
		}
	}
	for name := range known {
		if !met[name] {
			t.Errorf("%s is listed and not there", name)
		}
	}
	if tested < 20 {
		t.Errorf("only %d routes tested", tested)
	}
}

// Without a credential a client is told so, whatever else is missing.
func TestClientEndpointsNeedACredential(t *testing.T) {
	t.Parallel()
	s := servertest.SQLite(t)
	for _, path := range []string{"token", "par", "revoke", "device_authorization", "introspect"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/oauth/"+path, http.NoBody)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		rec := httptest.NewRecorder()
		s.Handler().ServeHTTP(rec, r)
		if rec.Code != http.StatusUnauthorized {
			t.Errorf("POST /oauth/%s without a credential = %d, want 401", path, rec.Code)
		}
	}
}

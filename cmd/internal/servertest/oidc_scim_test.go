package servertest_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
	"github.com/sallyport-id/sallyport/scim"
)

// logIn takes a person through the pages to an application and returns the
// tokens.
func logIn(t *testing.T, s *servertest.Server, app *servertest.Application, who servertest.Person, scope string) servertest.Tokens {
	t.Helper()
	b := s.Browser(t)
	p := b.LogIn(b.Open(app.AuthURL("scope", scope)), who)
	return app.Redeem(t, p.Code(t))
}

// The self-service scopes of a user's access token reach that user at /scim/v2,
// and nobody else; the session behind it counts at once.
func TestSCIMTakesAccessTokens(t *testing.T) {
	t.Parallel()
	servertest.EachDatabase(t, func(t *testing.T, s *servertest.Server) {
		ann, bob := s.NewPerson(t, "ann"), s.NewPerson(t, "bob")
		scopes := append(scim.OwnScopes(), "openid", "scim:read", "scim:write", "scim:admin", scim.AdminScope("sessions"))
		app := s.Application(t, oidc.Client{Name: "Account", Scopes: scopes})
		tokens := logIn(t, s, app, ann, strings.Join(scopes, " "))
		if strings.Contains(tokens.Scope, "scim:") || strings.Contains(tokens.Scope, ":admin:") {
			t.Fatalf("scope = %q: a user cannot give away the directory", tokens.Scope)
		}
		me := s.Do(t, http.MethodGet, "/scim/v2/Me", tokens.AccessToken, "")
		if me.Status != http.StatusOK || !strings.Contains(me.Body, ann.ID) {
			t.Errorf("GET /Me = %d %s, want ann", me.Status, me.Body)
		}
		for path, want := range map[string]int{
			"/scim/v2/Users":                            http.StatusForbidden,
			"/scim/v2/Users/" + ann.ID + "/sessions":    http.StatusOK,
			"/scim/v2/Users/" + bob.ID + "/sessions":    http.StatusNotFound,
			"/scim/v2/Users/" + ann.ID + "/consents":    http.StatusOK,
			"/scim/v2/Me/passwordQualityRequirements":   http.StatusOK,
			"/scim/v2/Users/" + ann.ID + "/nonexisting": http.StatusNotFound,
		} {
			if got := s.Do(t, http.MethodGet, path, tokens.AccessToken, ""); got.Status != want {
				t.Errorf("GET %s = %d %s, want %d", path, got.Status, got.Body, want)
			}
		}
		// An ID token is no access token (RFC 9068 section 4).
		if got := s.Do(t, http.MethodGet, "/scim/v2/Me", tokens.IDToken, ""); got.Status != http.StatusUnauthorized {
			t.Errorf("an ID token = %d, want 401", got.Status)
		}
		s.PatchPerson(t, ann, `{"op":"replace","path":"active","value":false}`)
		if got := s.Do(t, http.MethodGet, "/scim/v2/Me", tokens.AccessToken, ""); got.Status != http.StatusUnauthorized {
			t.Errorf("an inactive user = %d, want 401", got.Status)
		}
	})
}

// Provisioning by client credentials: profile and scopes are those of the
// client.
func TestProvisioningByClientCredentials(t *testing.T) {
	t.Parallel()
	servertest.EachDatabase(t, func(t *testing.T, s *servertest.Server) {
		app := s.Application(t, oidc.Client{
			Name: "HR", Type: oidc.Machine, Scopes: []string{"scim:read", "scim:write"}, Profile: "strict", Domain: "hr",
		})
		take := func(scope string) string {
			r := app.Post(t, "/oauth/token", url.Values{"grant_type": {"client_credentials"}, "scope": {scope}})
			var answer struct {
				AccessToken string `json:"access_token"`
			}
			if err := json.Unmarshal([]byte(r.Body), &answer); err != nil || answer.AccessToken == "" {
				t.Fatalf("token for %s: %d %s", scope, r.Status, r.Body)
			}
			return answer.AccessToken
		}
		read, write := take("scim:read"), take("scim:read scim:write")
		body := `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"new"}`
		if got := s.Do(t, http.MethodPost, "/scim/v2/Users", read, body); got.Status != http.StatusForbidden {
			t.Errorf("create with scim:read = %d, want 403", got.Status)
		}
		if got := s.Do(t, http.MethodPost, "/scim/v2/Users", write, body); got.Status != http.StatusCreated {
			t.Errorf("create = %d %s, want 201", got.Status, got.Body)
		}
		s.NewPerson(t, "elsewhere")
		got := s.Do(t, http.MethodGet, "/scim/v2/Users", read, "")
		if got.Status != http.StatusOK || !strings.Contains(got.Body, `"new"`) {
			t.Errorf("list = %d %s, want the user of the client's domain", got.Status, got.Body)
		}
		if strings.Contains(got.Body, "elsewhere") {
			t.Errorf("list shows users beyond the client's domain: %s", got.Body)
		}
	})
}

// second-factor.md sections 2 and 9: consents and their history.
func TestConsentsAsSubResources(t *testing.T) {
	t.Parallel()
	servertest.EachDatabase(t, func(t *testing.T, s *servertest.Server) {
		ann := s.NewPerson(t, "ann")
		own := scim.OwnScope("manage_consents")
		app := s.Application(t, oidc.Client{Name: "Shop", URI: "https://shop.example.com", Scopes: []string{"openid", "email", own}})
		tokens := logIn(t, s, app, ann, "openid email "+own)
		base := "/scim/v2/Users/" + ann.ID + "/consents"
		list := s.Do(t, http.MethodGet, "/scim/v2/Me/consents", tokens.AccessToken, "")
		for _, want := range []string{`"totalResults":1`, `"name":"Shop"`, `"consent":"granted"`, base + "/" + app.ID, "urn:pingidentity:scim:api:messages:2.0:consent"} {
			if list.Status != http.StatusOK || !strings.Contains(list.Body, want) {
				t.Errorf("list = %d %s, want %s", list.Status, list.Body, want)
			}
		}
		item := base + "/" + app.ID
		admin := s.Token(t, "rfc", scim.AdminScope("consents"))
		for name, body := range map[string]string{
			"unknown scope": `{"scopes":[{"name":"nonsense","consent":"granted"}]}`,
			"unknown state": `{"scopes":[{"name":"email","consent":"maybe"}]}`,
			"no list":       `{"scopes":"email"}`,
		} {
			if got := s.Do(t, http.MethodPut, item, admin, body); got.Status != http.StatusBadRequest {
				t.Errorf("%s = %d %s, want 400", name, got.Status, got.Body)
			}
		}
		got := s.Do(t, http.MethodPut, item, admin, `{"client":{"name":"ignored"},"scopes":[{"name":"email","consent":"revoked"}]}`)
		if got.Status != http.StatusOK || !strings.Contains(got.Body, `"consent":"revoked"`) || !strings.Contains(got.Body, `"name":"Shop"`) {
			t.Errorf("PUT = %d %s, want email revoked and the client as it is", got.Status, got.Body)
		}
		if got := s.Do(t, http.MethodGet, "/scim/v2/Me", tokens.AccessToken, ""); got.Status != http.StatusUnauthorized {
			t.Errorf("the application's token after that = %d, want 401", got.Status)
		}
		if got := app.TryRefresh(t, tokens.RefreshToken); got.Status != http.StatusBadRequest {
			t.Errorf("its refresh token = %d, want 400", got.Status)
		}
		if got := s.Do(t, http.MethodDelete, item, admin, ""); got.Status != http.StatusNoContent {
			t.Errorf("DELETE = %d %s, want 204", got.Status, got.Body)
		}
		if got := s.Do(t, http.MethodDelete, item, admin, ""); got.Status != http.StatusNotFound {
			t.Errorf("second DELETE = %d, want 404", got.Status)
		}
		history := s.Do(t, http.MethodGet, "/scim/v2/Users/"+ann.ID+"/consentHistory", admin, "")
		if history.Status != http.StatusOK || !strings.Contains(history.Body, `"totalResults":3`) || !strings.Contains(history.Body, "Consent History") {
			t.Errorf("history = %d %s, want 3 lines", history.Status, history.Body)
		}
		if got := s.Do(t, http.MethodPost, base, admin, "{}"); got.Status != http.StatusMethodNotAllowed {
			t.Errorf("POST = %d, want 405", got.Status)
		}
	})
}

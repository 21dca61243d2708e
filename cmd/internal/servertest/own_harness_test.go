package servertest_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/server"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/scim"
)

const (
	veilPassword = "correct horse battery"
	patchURN     = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
	factorURN    = "urn:sallyport:params:scim:schemas:extension:secondfactor:2.0:User"
	profileScope = "urn:pingidentity:scope:manage_profile"
)

// own makes a token of the user dr.veil, as the command does.
func (w *world) own(edits ...func(*server.UserToken)) string {
	w.t.Helper()
	return w.ownOf(w.user, edits...)
}

// ownOf makes a token of any user.
func (w *world) ownOf(id string, edits ...func(*server.UserToken)) string {
	w.t.Helper()
	u := server.UserToken{
		UserID: id, Client: "account", ExpiresAt: w.clock.Now().Add(48 * time.Hour),
		By: audit.Party{Type: "command", Name: "test"},
	}
	for _, edit := range edits {
		edit(&u)
	}
	secret, _, err := w.Directory().IssueUserToken(context.Background(), u)
	if err != nil {
		w.t.Fatalf("make token of %s: %v", id, err)
	}
	return secret.Reveal()
}

// withFactor makes it count as a second factor too.
func withFactor(u *server.UserToken) { u.SecondFactor = true }

// withScopes gives it these scopes alone.
func withScopes(scopes ...string) func(*server.UserToken) {
	return func(u *server.UserToken) { u.Scopes = scopes }
}

// withClient gives it to another application.
func withClient(name string) func(*server.UserToken) {
	return func(u *server.UserToken) { u.Client = name }
}

// as sends a request with a token and wants a status.
func (w *world) as(token string, status int, method, path, body string) servertest.Reply {
	w.t.Helper()
	r := w.Do(w.t, method, path, token, body)
	if r.Status != status {
		w.t.Errorf("%s %s %s: %d %s, want %d", method, path, body, r.Status, r.Body, status)
	}
	return r
}

// setPassword gives the user veilPassword as provisioning does.
func (w *world) setPassword() {
	w.t.Helper()
	w.must(http.StatusOK, http.MethodPatch, "/scim/v2/Users/"+w.user,
		`{"schemas":["`+patchURN+`"],"Operations":[{"op":"replace","path":"password","value":"`+veilPassword+`"}]}`)
}

// me is the path of the user's own record or what is below it.
func me(rest string) string { return "/scim/v2/Me" + rest }

// patchBody is a PATCH with one operation, given as its members.
func patchBody(op string) string {
	return `{"schemas":["` + patchURN + `"],"Operations":[{` + op + `}]}`
}

// wantStepUp checks the challenge of RFC 9470.
func wantStepUp(t *testing.T, r servertest.Reply, detail, acr, age string) {
	t.Helper()
	want := `Bearer error="insufficient_user_authentication", error_description="` + detail + `", acr_values="` + acr + `", max_age="` + age + `"`
	if got := r.Header.Get("WWW-Authenticate"); r.Status != http.StatusUnauthorized || got != want || !strings.Contains(r.Body, `"detail":"`+detail+`"`) {
		t.Errorf("answer %d %s, WWW-Authenticate %q, want 401 %s", r.Status, r.Body, got, want)
	}
}

// wantFactor is wantStepUp for a second factor, wantLogin for a login.
func wantFactor(t *testing.T, r servertest.Reply) {
	t.Helper()
	wantStepUp(t, r, "A recent second factor is required.", "MFA", "300")
}

func wantLogin(t *testing.T, r servertest.Reply) {
	t.Helper()
	wantStepUp(t, r, "A recent login is required.", "Default", "900")
}

// admin scopes as a user's token carries them.
func adminScope(name string) string { return scim.AdminScope(name) }

// forbidden checks that a refusal names the attribute.
func forbidden(t *testing.T, r servertest.Reply, attribute string) {
	t.Helper()
	refused(t, r, http.StatusForbidden, "", attribute+" cannot be changed with this token.")
}

// startTwin starts another server on the data of w with other settings.
func startTwin(t *testing.T, w *world, cfg config.Config) *servertest.Server {
	t.Helper()
	return servertest.StartAt(t, w.clock.Now, cfg)
}

package servertest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
	"github.com/sallyport-id/sallyport/scim"
)

// TestOfflineEndsWithTheAccount: refresh tokens outlive a logout, but nothing
// that ends all logins of a user: whoever had stolen the password may have got
// one by it.
func TestOfflineEndsWithTheAccount(t *testing.T) {
	t.Parallel()
	own := scim.OwnScope("change_password")
	for name, end := range map[string]func(t *testing.T, w town, who servertest.Person, token string){
		"password set by an administrator": func(t *testing.T, w town, who servertest.Person, _ string) {
			w.PatchPerson(t, who, `{"op":"replace","path":"password","value":"another horse entirely"}`)
		},
		"deactivated for a while": func(t *testing.T, w town, who servertest.Person, _ string) {
			w.PatchPerson(t, who, `{"op":"replace","path":"active","value":false}`)
			w.PatchPerson(t, who, `{"op":"replace","path":"active","value":true}`)
		},
		"second factor lost": func(t *testing.T, w town, who servertest.Person, _ string) {
			admin := w.Token(t, "rfc", scim.AdminScope("totp"))
			if r := w.Do(t, http.MethodDelete, "/scim/v2/Users/"+who.ID+"/totp", admin, ""); r.Status != http.StatusNoContent {
				t.Fatalf("remove the factor: %d %s", r.Status, r.Body)
			}
		},
		"own change of the password": func(t *testing.T, w town, who servertest.Person, token string) {
			r := w.Do(t, http.MethodPut, "/scim/v2/Me/password", token,
				`{"currentPassword":"`+who.Password+`","newPassword":"another horse entirely"}`)
			if r.Status != http.StatusOK {
				t.Fatalf("change the password: %d %s", r.Status, r.Body)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachTown(t, func(t *testing.T, w town) {
				app := w.Application(t, oidc.Client{Trusted: true, Scopes: []string{"openid", "offline_access", own}})
				who := w.NewPerson(t, "ann")
				if strings.Contains(name, "factor") {
					who = w.withTOTP(t, who)
				}
				scope := "openid offline_access " + own
				thief, here := w.Browser(t), w.Browser(t)
				stolen := app.Redeem(t, thief.LogIn(thief.Open(app.AuthURL("scope", scope)), who).Code(t))
				w.clock.advance(30 * time.Second)
				mine := app.Redeem(t, here.LogIn(here.Open(app.AuthURL("scope", scope)), who).Code(t))
				bound := app.Redeem(t, here.Open(app.AuthURL("scope", "openid "+own, "prompt", "none")).Code(t))
				end(t, w, who, bound.AccessToken)
				wantOAuthError(t, "the refresh token from elsewhere", app.TryRefresh(t, stolen.RefreshToken), 400, "invalid_grant")
				if r := app.UserInfo(t, stolen.AccessToken); r.Status != http.StatusUnauthorized {
					t.Errorf("the access token from elsewhere: %d", r.Status)
				}
				got := app.TryRefresh(t, mine.RefreshToken)
				if keep := strings.HasPrefix(name, "own"); keep != (got.Status == http.StatusOK) {
					t.Errorf("the refresh token from the acting browser: %d %s, want it to live: %t", got.Status, got.Body, keep)
				}
			})
		})
	}
}

package servertest_test

import (
	"encoding/json"
	"testing"

	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
)

// TestEmailVerified is true only while the address that the claim has now is
// validated, and tells of groups by name, nested ones too.
func TestEmailVerified(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{})
		who := w.NewPerson(t, "ann", `"emails":[{"value":"Ann@example.com","primary":true}]`)
		who = w.WithEmail(t, who, "Ann@example.com")
		token := w.Token(t, "compat")
		group := func(name, member, kind string) string {
			t.Helper()
			r := w.Do(t, "POST", "/scim/v2/Groups", token, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"`+
				name+`","members":[{"value":"`+member+`","type":"`+kind+`"}]}`)
			var g struct {
				ID string `json:"id"`
			}
			if err := json.Unmarshal([]byte(r.Body), &g); err != nil || g.ID == "" {
				t.Fatalf("make group: %d %s", r.Status, r.Body)
			}
			return g.ID
		}
		group("all", group("staff", who.ID, "User"), "Group")
		b := w.Browser(t)
		tokens := app.Redeem(t, b.LogIn(b.Open(app.AuthURL("scope", "openid email groups")), who).Code(t))
		if _, has := tokens.Claims["email"]; has {
			t.Error("the ID token has the claims of a scope (OpenID Connect Core 1.0 section 5.4)")
		}
		wantEmail(t, app, tokens, "Ann@example.com", true)
		w.PatchPerson(t, who, `{"op":"replace","path":"emails","value":[{"value":"new@example.com","primary":true}]}`)
		wantEmail(t, app, tokens, "new@example.com", false)
	})
}

func wantEmail(t *testing.T, app *servertest.Application, tokens servertest.Tokens, email string, verified bool) {
	t.Helper()
	r := app.UserInfo(t, tokens.AccessToken)
	var got struct {
		Email    string   `json:"email"`
		Verified *bool    `json:"email_verified"`
		Groups   []string `json:"groups"`
	}
	if err := json.Unmarshal([]byte(r.Body), &got); err != nil {
		t.Fatalf("UserInfo: %d %s", r.Status, r.Body)
	}
	if got.Email != email || got.Verified == nil || *got.Verified != verified || len(got.Groups) != 2 {
		t.Errorf("UserInfo = %s, want %s, verified %v, and two groups", r.Body, email, verified)
	}
}

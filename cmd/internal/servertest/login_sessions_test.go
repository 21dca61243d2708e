package servertest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/oidc"
)

// TestBrowserSessionsThroughSCIM: the sub-resource sessions shows what a browser
// has proved with the time of either factor; a factor that is removed takes its
// clock with it, and a session that is ended there asks for a login again.
func TestBrowserSessionsThroughSCIM(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		who := w.WithTOTP(t, w.NewPerson(t, "ann.browser"), w.clock.Now)
		who.Factor = "totp"
		w.clock.advance(time.Minute) // a step later than the one that enrolled
		app := w.Application(t, oidc.Client{Name: "App", Trusted: true})
		b := w.Browser(t)
		begun := w.clock.Now()
		if p := b.LogIn(b.Open(app.AuthURL("acr_values", "Default", "prompt", "login")), who); p.Away == nil || p.Away.Query().Get("code") == "" {
			t.Fatalf("login ended at %v", p.Away)
		}
		w.clock.advance(6*time.Hour + time.Second) // only the second factor is stale
		b.LogIn(b.Open(app.AuthURL("acr_values", "MFA")), who)
		sessions := "/scim/v2/Users/" + who.ID + "/sessions"
		r := w.must(http.StatusOK, http.MethodGet, sessions, "")
		const form = "2006-01-02T15:04:05.000Z"
		stamp, later := begun.UTC().Format(form), w.clock.Now().UTC().Format(form)
		for _, part := range []string{
			`"totalResults":1`, `"lastLogin":"` + stamp + `"`, `"lastLoginMethods":["pwd"]`,
			`"lastSecondFactor":"` + later + `"`, `"lastSecondFactorMethods":["otp"]`,
		} {
			if !strings.Contains(r.Body, part) {
				t.Errorf("sessions lack %s: %s", part, r.Body)
			}
		}
		_, rest, _ := strings.Cut(r.Body, `"id":"`)
		id, _, _ := strings.Cut(rest, `"`)
		w.must(http.StatusNoContent, http.MethodDelete, "/scim/v2/Users/"+who.ID+"/sessions/"+id, "")
		if p := b.Open(app.AuthURL("prompt", "none")); p.Away == nil || p.Away.Query().Get("error") != "login_required" {
			t.Errorf("after its end the session answers %v", p.Away)
		}
		w.must(http.StatusNotFound, http.MethodGet, sessions+"/"+id, "")
	})
}

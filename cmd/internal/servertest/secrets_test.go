package servertest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
)

const (
	secondURN   = "urn:sallyport:params:scim:api:messages:2.0:SecondPassword"
	recoveryURN = "urn:sallyport:params:scim:api:messages:2.0:RecoveryCodes"
)

func secondBody(text string) string {
	return fmt.Sprintf(`{"schemas":[%q],"newPassword":%q}`, secondURN, text)
}

// about are the audit rows of a name about dr.veil.
func (w *world) about(name audit.Name) []audit.Event {
	w.t.Helper()
	list, err := w.Directory().History.Events(w.t.Context(), audit.Filter{Name: name, Target: w.user, Limit: 100})
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

// second-factor.md sections 2 and 3.3: secondPassword has GET, PUT and DELETE,
// and never shows what was set.
func TestSecondPasswordResource(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.setPassword()
		token := w.own()
		want := fmt.Sprintf(`{"schemas":[%q],"meta":{"resourceType":"Second Password","location":"%s/scim/v2/Users/%s/secondPassword"},"registered":%%t}`,
			secondURN, w.Issuer(), w.user)
		for _, c := range []struct {
			method, body string
			status       int
			want         string
		}{
			{"GET", "", 200, fmt.Sprintf(want, false)},
			{"PUT", secondBody(secondSecret), 200, fmt.Sprintf(want, true)},
			{"GET", "", 200, fmt.Sprintf(want, true)},
			{"PUT", `{"newPassword":"` + secondSecret + ` and more","registered":false,"id":"x","meta":{}}`, 200, fmt.Sprintf(want, true)},
			{"DELETE", "", 204, ""},
			{"DELETE", "", 204, ""}, // done already
			{"GET", "", 200, fmt.Sprintf(want, false)},
			{"POST", secondBody(secondSecret), 405, ""},
			{"PATCH", secondBody(secondSecret), 405, ""},
		} {
			// Each change of the factor by another session would end this one; it is
			// the same one, so it stays.
			r := w.as(token, c.status, c.method, me("/secondPassword"), c.body)
			if got := strings.TrimSpace(r.Body); c.status < 300 && got != c.want {
				t.Errorf("%s: %s\nwant %s", c.method, got, c.want)
			}
			if strings.Contains(r.Body, "velvet") {
				t.Errorf("%s shows the password: %s", c.method, r.Body)
			}
			if c.method == "PUT" && r.Status == 200 {
				token = w.own(withFactor) // from now on it is a second factor
			}
		}
		for name, n := range map[audit.Name]int{audit.FactorEnrolled: 1, audit.FactorReplaced: 1, audit.FactorRemoved: 1} {
			if got := w.about(name); len(got) != n || !strings.Contains(string(got[0].Detail), `"kind":"second_password"`) {
				t.Errorf("%s: %v, want %d", name, got, n)
			}
		}
	})
}

// A second password is held to the rules of passwords.
func TestSecondPasswordQuality(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite")
	w.setPassword()
	token := w.own()
	for _, c := range []struct{ body, detail string }{
		{secondBody("short"), "The new password does not meet the requirements."},
		{secondBody("password1"), "The new password does not meet the requirements."},
		{secondBody(strings.Repeat("a long one ", 30)), "The new password does not meet the requirements."},
		{secondBody(""), "newPassword is required."},
		{"", "newPassword is required."},
		{`{"newPassword":5}`, "newPassword must be a JSON string."},
		{`{"newPassword":null}`, "newPassword is required."},
		{`{"schemas":["urn:x"],"newPassword":"` + secondSecret + `"}`, "schemas must name " + secondURN + "."},
	} {
		r := w.as(token, http.StatusBadRequest, http.MethodPut, me("/secondPassword"), c.body)
		if got := object(t, r.Body)["detail"]; got != c.detail {
			t.Errorf("%s: %v, want %s", c.body, got, c.detail)
		}
	}
	if r := w.as(token, http.StatusOK, http.MethodGet, me("/secondPassword"), ""); !strings.Contains(r.Body, `"registered":false`) {
		t.Errorf("something was set: %s", r.Body)
	}
}

// Nobody but the user chooses a second password, unless the operator lets
// administrators set passwords (security.md section 6).
func TestSecondPasswordOfAnother(t *testing.T) {
	t.Parallel()
	for _, allowed := range []bool{false, true} {
		w := newWorld(t, "sqlite", func(c *config.Config) { c.AdminSetsPasswords = allowed })
		status := map[bool]int{false: http.StatusForbidden, true: http.StatusOK}[allowed]
		w.must(status, http.MethodPut, w.path("secondPassword"), secondBody(secondSecret))
		w.must(http.StatusNoContent, http.MethodDelete, w.path("secondPassword"), "")
	}
}

// recoveryCodes: the codes are in the reply to POST and nowhere else ever; only
// the user makes them.
func TestRecoveryCodesResource(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.setPassword()
		token := w.own()
		location := fmt.Sprintf("%s/scim/v2/Users/%s/recoveryCodes", w.Issuer(), w.user)
		left := func(n int) string {
			return fmt.Sprintf(`{"schemas":[%q],"meta":{"resourceType":"Recovery Codes","location":%q},"remaining":%d}`, recoveryURN, location, n)
		}
		show := func(want int) {
			t.Helper()
			r := w.as(token, http.StatusOK, http.MethodGet, me("/recoveryCodes"), "")
			if got := strings.TrimSpace(r.Body); got != left(want) {
				t.Errorf("GET: %s\nwant %s", got, left(want))
			}
		}
		show(0)
		var sets []string
		for range 2 {
			r := w.as(token, http.StatusCreated, http.MethodPost, me("/recoveryCodes"), `{"schemas":["`+recoveryURN+`"]}`)
			codes, _ := object(t, r.Body)["codes"].([]any)
			if len(codes) != 10 || r.Header.Get("Location") != location || r.Header.Get("Cache-Control") != "no-store" {
				t.Fatalf("POST: %s, Location %q, Cache-Control %q", r.Body, r.Header.Get("Location"), r.Header.Get("Cache-Control"))
			}
			sets = append(sets, fmt.Sprint(codes))
			show(10)
		}
		if sets[0] == sets[1] {
			t.Error("two sets are the same")
		}
		w.must(http.StatusForbidden, http.MethodPost, w.path("recoveryCodes"), "")
		w.must(http.StatusOK, http.MethodGet, w.path("recoveryCodes"), "")
		w.as(token, http.StatusMethodNotAllowed, http.MethodPut, me("/recoveryCodes"), `{}`)
		w.as(token, http.StatusBadRequest, http.MethodPost, me("/recoveryCodes"), `{"schemas":["urn:x"]}`)
		w.as(token, http.StatusNoContent, http.MethodDelete, me("/recoveryCodes"), "")
		w.as(token, http.StatusNoContent, http.MethodDelete, me("/recoveryCodes"), "")
		show(0)
		made := w.about(audit.RecoveryCodesGenerated)
		if len(made) != 2 || !strings.Contains(string(made[0].Detail), `"count":10`) {
			t.Errorf("events: %v", made)
		}
	})
}

// TestPeer_9: Keycloak CVE-2026-94001. Who may not reset a credential deletes
// none.
func TestPeer_9(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.setPassword()
		w.as(w.own(), http.StatusOK, http.MethodPut, me("/secondPassword"), secondBody(secondSecret))
		w.as(w.own(withFactor), http.StatusCreated, http.MethodPost, me("/recoveryCodes"), "")
		w.enrolTOTP()
		for name, scope := range map[string]string{"secondPassword": "second_password", "recoveryCodes": "recovery_codes", "totp": "totp"} {
			var others []string
			for _, s := range []string{"second_password", "recovery_codes", "totp", "account_state", "change_password"} {
				if s != scope {
					others = append(others, adminScope(s))
				}
			}
			weak := w.Token(t, "compat", append(others, "scim:read", "scim:write")...)
			r := w.Do(t, http.MethodDelete, w.path(name), weak, "")
			if r.Status != http.StatusForbidden || !strings.Contains(r.Header.Get("WWW-Authenticate"), `scope="`+adminScope(scope)+`"`) {
				t.Errorf("DELETE %s without its scope: %d %s, %q", name, r.Status, r.Body, r.Header.Get("WWW-Authenticate"))
			}
			if r := w.do(http.MethodGet, w.path(name), ""); strings.Contains(r.Body, "false") || strings.Contains(r.Body, `"remaining":0`) {
				t.Errorf("%s is gone: %s", name, r.Body)
			}
			strong := w.Token(t, "compat", adminScope(scope), "scim:read")
			if r := w.Do(t, http.MethodDelete, w.path(name), strong, ""); r.Status != http.StatusNoContent {
				t.Errorf("DELETE %s with its scope: %d %s", name, r.Status, r.Body)
			}
		}
	})
}

// secretWrites are all ways to change these secrets with a user's own token.
func secretWrites() [][3]string {
	return [][3]string{
		{"PUT", me("/secondPassword"), secondBody(secondSecret)},
		{"DELETE", me("/secondPassword"), ""},
		{"POST", me("/recoveryCodes"), ""},
		{"DELETE", me("/recoveryCodes"), ""},
	}
}

// second-factor.md section 6.4: any write asks a user who has a second factor
// for it, and any other for a recent login.
func TestSecretsNeedStepUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite")
	w.setPassword()
	late := w.own()
	w.clock.advance(900*time.Second + time.Second)
	for _, c := range secretWrites() {
		wantLogin(t, w.Do(t, c[0], c[1], late, c[2]))
	}
	w.enrolTOTP()
	login, stale := w.own(), w.own(withFactor)
	w.clock.advance(301 * time.Second)
	for _, c := range secretWrites() {
		wantFactor(t, w.Do(t, c[0], c[1], login, c[2]))
		wantFactor(t, w.Do(t, c[0], c[1], stale, c[2]))
	}
	fresh := w.own(withFactor)
	for _, c := range secretWrites() {
		if r := w.Do(t, c[0], c[1], fresh, c[2]); r.Status >= 300 {
			t.Errorf("%s %s with a fresh factor: %d %s", c[0], c[1], r.Status, r.Body)
		}
	}
	narrow := w.own(withFactor, withScopes(profileScope))
	for _, c := range secretWrites() {
		w.as(narrow, http.StatusForbidden, c[0], c[1], c[2])
	}
}

// security.md section 6: every change of these secrets is announced.
func TestNoticesOfSecrets(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite", announced)
	w.setPassword()
	n := w.validated()
	for _, c := range []struct{ method, path, body, want string }{
		{"PUT", "/secondPassword", secondBody(secondSecret), "A second password was set for your account."},
		{"PUT", "/secondPassword", secondBody(secondSecret + " too"), "The second password of your account was replaced by another one."},
		{"DELETE", "/secondPassword", "", "The second password of your account was removed."},
		{"POST", "/recoveryCodes", "", "New recovery codes were made for your account. Earlier ones no longer work."},
		{"DELETE", "/recoveryCodes", "", "The recovery codes of your account were removed."},
	} {
		if r := w.Do(t, c.method, me(c.path), w.own(withFactor), c.body); r.Status >= 300 {
			t.Fatalf("%s %s: %d %s", c.method, c.path, r.Status, r.Body)
		}
		if diff := cmp.Diff([]string{address + ": " + c.want}, w.notices(n, 1)); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", c.method, c.path, diff)
		}
		n++
	}
}

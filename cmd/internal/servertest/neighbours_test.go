package servertest_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
)

const (
	passwordURN = "urn:pingidentity:scim:api:messages:2.0:PasswordUpdateRequest"
	nextOne     = "another long one"
	listedRule  = "Not a common password, nor a name or an address of the user, nor the name of this service."
)

// passwordBody is a change of the own password.
func passwordBody(current, next string) string {
	return fmt.Sprintf(`{"schemas":[%q],"currentPassword":%q,"newPassword":%q}`, passwordURN, current, next)
}

// Section 9: users change their password by proving the present one. The other
// sessions end, the one that did it stays.
func TestPasswordChange(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.setPassword()
		token, other, foreign := w.own(), w.own(), w.ownOf(w.newUser("other"))
		for _, body := range []string{"", `{}`, `{"newPassword":"` + nextOne + `"}`, `{"currentPassword":null,"newPassword":"x"}`} {
			refused(t, w.Do(t, http.MethodPut, me("/password"), token, body), http.StatusBadRequest, "invalidValue", "currentPassword is required.")
		}
		refused(t, w.Do(t, http.MethodPut, me("/password"), token, `{"schemas":["urn:x"],"currentPassword":"a"}`),
			http.StatusBadRequest, "invalidSyntax", "schemas must name "+passwordURN+".")
		wrongPassword(t, w.Do(t, http.MethodPut, me("/password"), token, passwordBody("wrong "+veilPassword, nextOne)))
		w.as(other, http.StatusOK, http.MethodGet, me(""), "")

		r := w.as(token, http.StatusOK, http.MethodPut, w.path("password"), passwordBody(veilPassword, nextOne))
		want := fmt.Sprintf(`{"schemas":[%q],"meta":{"resourceType":"Password","location":%q}}`, passwordURN, w.URL()+w.path("password"))
		if r.Body != want || r.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("PUT password: %s, Cache-Control %q, want %s", r.Body, r.Header.Get("Cache-Control"), want)
		}
		w.as(other, http.StatusUnauthorized, http.MethodGet, me(""), "")
		w.as(token, http.StatusOK, http.MethodGet, me(""), "")
		w.as(foreign, http.StatusOK, http.MethodGet, me(""), "")
		wrongPassword(t, w.Do(t, http.MethodPut, me("/password"), token, passwordBody(veilPassword, "yet another one")))
		// The whole record that the client sent goes back with the next change.
		w.as(token, http.StatusOK, http.MethodPut, me("/password"), with(t, with(t, r.Body, "currentPassword", nextOne), "newPassword", veilPassword))
		w.passwordsStaySecret(t)
	})
}

// wrongPassword checks the 401 of a wrong current password: the token is good.
func wrongPassword(t *testing.T, r servertest.Reply) {
	t.Helper()
	if got := r.Header.Get("WWW-Authenticate"); r.Status != http.StatusUnauthorized || got != `Bearer realm="sallyport"` || !strings.Contains(str(t, r.Body, "detail"), "invalid credentials") {
		t.Errorf("wrong password: %d %s, WWW-Authenticate %q", r.Status, r.Body, got)
	}
}

// passwordsStaySecret looks for the passwords of these tests where they must
// never be.
func (w *world) passwordsStaySecret(t *testing.T) {
	t.Helper()
	events, err := w.Directory().History.Events(context.Background(), audit.Filter{Target: w.user, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	text := w.Log.String() + fmt.Sprint(events)
	for _, e := range events {
		text += string(e.Detail)
	}
	for _, secret := range []string{veilPassword, nextOne} {
		if strings.Contains(text, secret) {
			t.Errorf("log or audit trail hold %q", secret)
		}
	}
	count := func(name audit.Name) (n int) {
		for _, e := range events {
			if e.Name == name {
				n++
			}
		}
		return n
	}
	if count(audit.PasswordChanged) != 3 || count(audit.PasswordFailed) != 2 {
		t.Errorf("%d password.changed and %d password.failed, want 3 and 2", count(audit.PasswordChanged), count(audit.PasswordFailed))
	}
}

// A new password that breaks a rule is refused with the rules, in the form of
// the original.
func TestPasswordQuality(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.setPassword()
		token := w.own()
		long := strings.Repeat("x", 257)
		for _, c := range []struct {
			next           string
			length, notNow bool
		}{{"short77", false, true}, {long, false, true}, {veilPassword, true, false}} {
			r := w.Do(t, http.MethodPut, me("/password"), token, passwordBody(veilPassword, c.next))
			want := fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error","urn:pingidentity:scim:api:messages:2.0:PasswordUpdateError"],`+
				`"status":"400","scimType":"invalidValue","detail":"The new password does not meet the requirements.",`+
				`"urn:pingidentity:scim:api:messages:2.0:PasswordUpdateError":{"passwordRequirements":[`+
				`{"type":"length","requirementSatisfied":%t,"description":"At least 8 characters.","minPasswordLength":"8","maxPasswordLength":"256"},`+
				`{"type":"dictionary","requirementSatisfied":true,"description":"`+listedRule+`"},`+
				`{"type":"notCurrentPassword","requirementSatisfied":%t,"description":"Not the current password."}]}}`, c.length, c.notNow)
			if diff := cmp.Diff(object(t, want), object(t, r.Body)); r.Status != http.StatusBadRequest || diff != "" {
				t.Errorf("new password %q: %d (-want +got):\n%s", c.next, r.Status, diff)
			}
		}
		r := w.as(token, http.StatusOK, http.MethodGet, me("/passwordQualityRequirements"), "")
		want := fmt.Sprintf(`{"schemas":["urn:pingidentity:schemas:2.0:PasswordQualityRequirement"],`+
			`"meta":{"resourceType":"Password Quality Requirements","location":%q},"currentPasswordRequired":true,"mustChangePassword":false,"passwordRequirements":[`+
			`{"type":"length","description":"At least 8 characters.","minPasswordLength":"8","maxPasswordLength":"256"},`+
			`{"type":"dictionary","description":"`+listedRule+`"},`+
			`{"type":"notCurrentPassword","description":"Not the current password."}]}`, w.URL()+w.path("passwordQualityRequirements"))
		if r.Body != want {
			t.Errorf("requirements %s\nwant %s", r.Body, want)
		}
		admin := object(t, w.must(http.StatusOK, http.MethodGet, w.path("passwordQualityRequirements"), "").Body)
		if admin["currentPasswordRequired"] != false || len(admin["passwordRequirements"].([]any)) != 2 {
			t.Errorf("requirements for an administrator: %v", admin)
		}
	})
}

// Failures slow down the next tries from one address; too early looks like
// wrong, and a right password after the wait clears the count.
func TestPasswordTarpit(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.setPassword()
		token := w.own()
		for range 5 {
			r := w.Do(t, http.MethodPut, me("/password"), token, passwordBody("wrong", nextOne))
			wrongPassword(t, r)
			if r.Header.Get("Retry-After") != "" {
				t.Errorf("Retry-After %q after a counted try", r.Header.Get("Retry-After"))
			}
		}
		early := w.Do(t, http.MethodPut, me("/password"), token, passwordBody(veilPassword, nextOne))
		wrongPassword(t, early)
		if early.Header.Get("Retry-After") != "1" {
			t.Errorf("Retry-After %q, want 1", early.Header.Get("Retry-After"))
		}
		// A new session and a forwarded address are no way around it.
		wrongPassword(t, w.Do(t, http.MethodPut, me("/password"), w.own(), passwordBody(veilPassword, nextOne)))
		w.clock.advance(time.Second)
		w.as(token, http.StatusOK, http.MethodPut, me("/password"), passwordBody(veilPassword, nextOne))
		for range 4 {
			wrongPassword(t, w.Do(t, http.MethodPut, me("/password"), token, passwordBody("wrong", veilPassword)))
		}
		w.as(token, http.StatusOK, http.MethodPut, me("/password"), passwordBody(nextOne, veilPassword))
	})
}

// A user without a password cannot set one here: there is nothing to prove.
func TestPasswordOfUserWithoutOne(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		for _, current := range []string{"x", " ", "$argon2id$v=19$m=19456,t=2,p=1$AAAA$AAAA"} {
			wrongPassword(t, w.Do(t, http.MethodPut, me("/password"), w.own(), passwordBody(current, nextOne)))
		}
	})
}

// Without newPassword one is generated and shown once. Administrators get no
// other way unless the setting allows it, and what they set must be changed.
func TestPasswordGenerated(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.setPassword()
		token := w.own()
		made := str(t, w.as(token, http.StatusOK, http.MethodPut, me("/password"), `{"currentPassword":"`+veilPassword+`"}`).Body, "generatedPassword")
		if len(made) < 20 || made == veilPassword {
			t.Errorf("generated %q", made)
		}
		w.as(token, http.StatusOK, http.MethodPut, me("/password"), passwordBody(made, nextOne))

		refused(t, w.do(http.MethodPut, w.path("password"), `{"newPassword":"`+veilPassword+`"}`), http.StatusForbidden, "",
			"newPassword cannot be chosen for another user; leave it out to have a password generated.")
		w.as(token, http.StatusOK, http.MethodGet, me(""), "")
		reset := str(t, w.must(http.StatusOK, http.MethodPut, w.path("password"), "").Body, "generatedPassword")
		w.as(token, http.StatusUnauthorized, http.MethodGet, me(""), "") // every session ends
		token = w.own()
		quality := w.as(token, http.StatusOK, http.MethodGet, me("/passwordQualityRequirements"), "")
		if object(t, quality.Body)["mustChangePassword"] != true {
			t.Errorf("after a reset: %s", quality.Body)
		}
		w.as(token, http.StatusOK, http.MethodPut, me("/password"), passwordBody(reset, veilPassword))
		quality = w.as(token, http.StatusOK, http.MethodGet, me("/passwordQualityRequirements"), "")
		if object(t, quality.Body)["mustChangePassword"] != false {
			t.Errorf("after the change: %s", quality.Body)
		}
		if strings.Contains(w.Log.String(), reset) || strings.Contains(w.Log.String(), made) {
			t.Error("a generated password is in the log")
		}
	})
}

func TestAdminSetsPasswords(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		if r := w.do(http.MethodPut, w.path("password"), `{"newPassword":"short"}`); r.Status != http.StatusBadRequest || !strings.Contains(r.Body, `"requirementSatisfied":false`) {
			t.Errorf("short password: %d %s", r.Status, r.Body)
		}
		r := w.must(http.StatusOK, http.MethodPut, w.path("password"), `{"newPassword":"`+nextOne+`"}`)
		if object(t, r.Body)["generatedPassword"] != nil {
			t.Errorf("reply %s", r.Body)
		}
		w.as(w.own(), http.StatusOK, http.MethodPut, me("/password"), passwordBody(nextOne, veilPassword))
	}, func(c *config.Config) { c.AdminSetsPasswords = true })
}

// Of parallel changes by one present password one wins; the others see that
// the account changed, or that the password is another one by now.
func TestPasswordParallel(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.setPassword()
		token := w.own()
		const callers = 4
		answers := make([]servertest.Reply, callers)
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() {
				answers[i] = w.Do(t, http.MethodPut, me("/password"), token, passwordBody(veilPassword, fmt.Sprintf("parallel one %d", i)))
			})
		}
		wg.Wait()
		won := -1
		for i, r := range answers {
			switch {
			case r.Status == http.StatusOK && won < 0:
				won = i
			case r.Status == http.StatusOK:
				t.Errorf("two changes won: %v", answers)
			case r.Status == http.StatusUnauthorized, r.Status == http.StatusServiceUnavailable,
				r.Status == http.StatusBadRequest && strings.Contains(r.Body, "The account changed"):
			default:
				t.Errorf("caller %d: %d %s", i, r.Status, r.Body)
			}
		}
		if won < 0 {
			t.Fatalf("nobody won: %v", answers)
		}
		w.clock.advance(time.Minute)
		w.as(token, http.StatusOK, http.MethodPut, me("/password"), passwordBody(fmt.Sprintf("parallel one %d", won), nextOne))
	})
}

// Sessions of section 9: one item per live session, the two clocks, and which
// one is current in a URN-named object only.
func TestSessions(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		strong := w.own(withFactor, withClient("strong-app"))
		first := w.clock.Now()
		w.clock.advance(time.Hour)
		token := w.own()
		list := w.as(token, http.StatusOK, http.MethodGet, me("/sessions"), "")
		items := object(t, list.Body)["Resources"].([]any)
		if len(items) != 2 {
			t.Fatalf("sessions %s", list.Body)
		}
		id := items[0].(map[string]any)["id"].(string)
		at := first.UTC().Format("2006-01-02T15:04:05.000Z")
		want := map[string]any{
			"schemas": []any{"urn:pingidentity:scim:api:messages:2.0:session", "urn:sallyport:params:scim:schemas:extension:session:2.0:Session"},
			"id":      id, "lastLogin": at, "lastSecondFactor": at,
			"meta":    map[string]any{"resourceType": "Session", "created": at, "location": w.URL() + w.path("sessions/"+id)},
			"clients": []any{map[string]any{"name": "strong-app", "lastAuthorization": at}},
			"urn:sallyport:params:scim:schemas:extension:session:2.0:Session": map[string]any{"current": false},
		}
		if diff := cmp.Diff(any(want), items[0]); diff != "" {
			t.Errorf("session (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(items[0], any(object(t, w.as(token, http.StatusOK, http.MethodGet, me("/sessions/"+id), "").Body))); diff != "" {
			t.Errorf("item (-list +item):\n%s", diff)
		}
		mine := items[1].(map[string]any)
		if mine["lastSecondFactor"] != nil || fmt.Sprint(mine["urn:sallyport:params:scim:schemas:extension:session:2.0:Session"]) != "map[current:true]" {
			t.Errorf("current session %v", mine)
		}
		page := object(t, w.as(token, http.StatusOK, http.MethodGet, me("/sessions?startIndex=2&count=1"), "").Body)
		if page["totalResults"] != float64(2) || page["startIndex"] != float64(2) || page["itemsPerPage"] != float64(1) {
			t.Errorf("page %v", page)
		}
		w.as(token, http.StatusBadRequest, http.MethodGet, me("/sessions?filter=id%20pr"), "")

		w.as(token, http.StatusNoContent, http.MethodDelete, me("/sessions/"+id), "")
		w.as(strong, http.StatusUnauthorized, http.MethodGet, me("/sessions"), "")
		refused(t, w.as(token, http.StatusNotFound, http.MethodDelete, me("/sessions/"+id), ""), http.StatusNotFound, "", "Resource not found.")
		refused(t, w.as(token, http.StatusNotFound, http.MethodGet, me("/sessions/"+id), ""), http.StatusNotFound, "", "Resource not found.")
		w.as(token, http.StatusNoContent, http.MethodDelete, me("/sessions/"+mine["id"].(string)), "")
		w.as(token, http.StatusUnauthorized, http.MethodGet, me("/sessions"), "")
		empty := w.must(http.StatusOK, http.MethodGet, w.path("sessions"), "")
		if want := `{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":0,"startIndex":1,"itemsPerPage":0,"Resources":[]}`; empty.Body != want {
			t.Errorf("no sessions: %s, want %s", empty.Body, want)
		}
	})
}

// The session of another user is not there, whoever asks for it under the own
// record; an administrator ends it under its own.
func TestSessionsOfOthers(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		other := w.newUser("other")
		foreign := w.ownOf(other)
		id := object(t, w.as(foreign, http.StatusOK, http.MethodGet, me("/sessions"), "").Body)["Resources"].([]any)[0].(map[string]any)["id"].(string)
		token := w.own()
		for _, method := range []string{http.MethodGet, http.MethodDelete} {
			w.as(token, http.StatusNotFound, method, me("/sessions/"+id), "")
			w.must(http.StatusNotFound, method, w.path("sessions/"+id), "")
		}
		w.as(foreign, http.StatusOK, http.MethodGet, me(""), "")
		w.must(http.StatusNoContent, http.MethodDelete, "/scim/v2/Users/"+other+"/sessions/"+id, "")
		w.as(foreign, http.StatusUnauthorized, http.MethodGet, me(""), "")
		w.as(token, http.StatusOK, http.MethodGet, me(""), "")
	})
}

// The account of section 9: what is tracked, partial PUT, and accountDisabled
// as a mirror of active.
func TestAccount(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		account := func() map[string]any {
			return object(t, w.must(http.StatusOK, http.MethodGet, w.path("account"), "").Body)
		}
		want := map[string]any{
			"schemas":         []any{"urn:pingidentity:schemas:2.0:AccountState"},
			"meta":            map[string]any{"resourceType": "Account State", "location": w.URL() + w.path("account")},
			"accountDisabled": false, "mustChangePassword": false,
		}
		if diff := cmp.Diff(want, account()); diff != "" {
			t.Errorf("account (-want +got):\n%s", diff)
		}
		w.setPassword()
		if got := account()["passwordChangedTime"]; got != w.clock.Now().Format("2006-01-02T15:04:05.000Z") {
			t.Errorf("passwordChangedTime %v", got)
		}
		token, sent := w.own(), w.startEmail(address)

		r := w.must(http.StatusOK, http.MethodPut, w.path("account"), `{"ACCOUNTDISABLED":true}`)
		got := object(t, r.Body)
		if got["accountDisabled"] != true || fmt.Sprint(got["accountUsabilityErrors"]) != "[map[message:The account is disabled. name:account-disabled]]" {
			t.Errorf("disabled: %s", r.Body)
		}
		if user := w.must(http.StatusOK, http.MethodGet, "/scim/v2/Users/"+w.user, ""); object(t, user.Body)["active"] != false {
			t.Errorf("user %s", user.Body)
		}
		w.as(token, http.StatusUnauthorized, http.MethodGet, me(""), "")
		w.must(http.StatusOK, http.MethodPut, w.path("account"), `{"accountDisabled":null}`)
		w.as(token, http.StatusUnauthorized, http.MethodGet, me(""), "")
		refused(t, w.put(sent, sent.code), http.StatusBadRequest, "invalidValue", "The account changed since the code was requested. Start again.")

		// Members that are absent stay; a record sent back as it is changes
		// nothing; lists clear; times are set.
		w.must(http.StatusOK, http.MethodPut, w.path("account"), `{"mustChangePassword":true}`)
		record := w.must(http.StatusOK, http.MethodPut, w.path("account"), `{"passwordChangedTime":"2020-01-02T03:04:05.000Z"}`).Body
		record = w.must(http.StatusOK, http.MethodPut, w.path("account"), record).Body
		if o := object(t, record); o["mustChangePassword"] != true || o["passwordChangedTime"] != "2020-01-02T03:04:05.000Z" || o["accountDisabled"] != false {
			t.Errorf("record %s", record)
		}
		cleared := object(t, w.must(http.StatusOK, http.MethodPut, w.path("account"),
			`{"passwordChangedTime":null,"mustChangePassword":null,"passwordHistory":[],"graceLoginTimes":[],"retiredPassword":null,"lastLoginTime":null}`).Body)
		if cleared["passwordChangedTime"] != nil || cleared["mustChangePassword"] != false {
			t.Errorf("cleared %v", cleared)
		}
	})
}

// What the account does not track is never believed to be set.
func TestAccountRefusesWhatItCannotKeep(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		for name, value := range map[string]string{
			"accountExpirationTime": `"2030-01-01T00:00:00Z"`, "accountActivationTime": `"2030-01-01T00:00:00Z"`,
			"passwordHistory": `["x"]`, "retiredPassword": `{"passwordRetiredTime":"2030-01-01T00:00:00Z"}`,
			"authenticationFailureTimes": `["2030-01-01T00:00:00Z"]`, "lastLoginIpAddress": `"192.0.2.1"`,
		} {
			refused(t, w.do(http.MethodPut, w.path("account"), `{"`+name+`":`+value+`,"accountDisabled":true}`),
				http.StatusBadRequest, "invalidValue", name+" cannot be set on this server.")
		}
		for body, detail := range map[string]string{
			`{"accountDisabled":"yes"}`:                                 "accountDisabled must be true or false.",
			`{"passwordChangedTime":"yesterday"}`:                       "passwordChangedTime must be a date and time such as 2026-11-01T12:00:00Z.",
			`{"passwordChangedTime":17}`:                                "passwordChangedTime must be a JSON string.",
			`{"passwordChangedTime":"2020-01-02T03:04:05Z"}`:            "passwordChangedTime cannot be set for a user without a password.",
			`{"mustChangePassword":1,"passwordChangedTime":"tomorrow"}`: "mustChangePassword must be true or false.",
		} {
			refused(t, w.do(http.MethodPut, w.path("account"), body), http.StatusBadRequest, "invalidValue", detail)
		}
		if got := w.must(http.StatusOK, http.MethodGet, w.path("account"), "").Body; object(t, got)["accountDisabled"] != false {
			t.Errorf("account %s", got)
		}
	})
}

// neighbourMembers are the members that a strict client knows, by schema.
var neighbourMembers = map[string][]string{
	passwordURN: {"schemas", "id", "meta", "generatedPassword"},
	"urn:pingidentity:schemas:2.0:PasswordQualityRequirement": {
		"schemas", "id", "meta", "currentPasswordRequired", "mustChangePassword", "secondsUntilPasswordExpiration", "passwordRequirements",
	},
	"urn:pingidentity:scim:api:messages:2.0:session": {
		"schemas", "id", "meta", "lastLogin", "lastLoginMethods", "lastSecondFactor", "lastSecondFactorMethods", "ipAddress", "userAgentString", "clients",
	},
	"urn:pingidentity:schemas:2.0:AccountState": {
		"schemas", "id", "meta", "accountDisabled", "passwordChangedTime", "mustChangePassword", "accountUsabilityWarnings", "accountUsabilityErrors",
	},
	"urn:ietf:params:scim:api:messages:2.0:ListResponse": {"schemas", "totalResults", "startIndex", "itemsPerPage", "Resources"},
	"urn:ietf:params:scim:api:messages:2.0:Error":        {"schemas", "status", "scimType", "detail"},
}

// onlyKnown fails on a member that a strict client does not know (C1 – C7).
func onlyKnown(t *testing.T, o map[string]any) {
	t.Helper()
	urn, _ := o["schemas"].([]any)[0].(string)
	known, ok := neighbourMembers[urn]
	if !ok {
		t.Errorf("unknown schema %q", urn)
	}
	for name, value := range o {
		if _, object := value.(map[string]any); strings.HasPrefix(name, "urn:") && object {
			continue
		}
		if !slices.Contains(known, name) {
			t.Errorf("%s: member %q", urn, name)
		}
	}
	if m, ok := o["meta"].(map[string]any); ok {
		for name := range m {
			if !slices.Contains([]string{"resourceType", "created", "lastModified", "location", "version"}, name) {
				t.Errorf("%s: meta.%s", urn, name)
			}
		}
	}
	if list, ok := o["Resources"].([]any); ok {
		for _, one := range list {
			onlyKnown(t, one.(map[string]any))
		}
	}
}

// Case 3 for the neighbours: every reply and error passes a decoder that knows
// only what section 3 names, and every reply has an absolute location.
func TestStrictReplyMembersOfNeighbours(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.setPassword()
		token := w.own(withFactor)
		session := object(t, w.as(token, http.StatusOK, http.MethodGet, me("/sessions"), "").Body)["Resources"].([]any)[0].(map[string]any)["id"].(string)
		for _, c := range [][4]string{
			{token, "PUT", me("/password"), passwordBody(veilPassword, nextOne)},
			{token, "PUT", me("/password"), `{"currentPassword":"` + nextOne + `"}`},
			{token, "PUT", me("/password"), passwordBody("wrong", nextOne)},
			{token, "PUT", me("/password"), `{}`},
			{token, "PUT", me("/password"), `{`},
			{w.own(), "POST", me("/password"), `{}`},
			{token, "DELETE", me("/passwordQualityRequirements"), ""},
			{token, "GET", me("/passwordQualityRequirements"), ""},
			{token, "GET", me("/sessions"), ""},
			{token, "GET", me("/sessions/" + session), ""},
			{token, "GET", me("/sessions/none"), ""},
			{token, "PUT", me("/sessions/" + session), `{}`},
			{token, "GET", me("/account"), ""},
			{w.admin, "GET", w.path("account"), ""},
			{w.admin, "PUT", w.path("account"), `{"mustChangePassword":true}`},
			{w.admin, "PUT", w.path("account"), `{"accountDisabled":true}`},
			{w.admin, "GET", w.path("sessions"), ""},
			{w.admin, "PUT", w.path("password"), `{}`},
			{token, "GET", me("/sessions"), ""},
		} {
			r := w.Do(t, c[1], c[2], c[0], c[3])
			o := object(t, r.Body)
			onlyKnown(t, o)
			if r.Header.Get("Content-Type") != "application/scim+json" || r.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s %s: headers %v", c[1], c[2], r.Header)
			}
			if m, ok := o["meta"].(map[string]any); ok && !strings.HasPrefix(fmt.Sprint(m["location"]), w.URL()+w.path("")) {
				t.Errorf("%s %s: location %v", c[1], c[2], m["location"])
			}
		}
	})
}

// "–" in the table of section 2 is 405 with Allow.
func TestMethodsOfNeighbours(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite")
	token := w.own(withFactor)
	for path, allowed := range map[string]string{
		"/password": "PUT", "/passwordQualityRequirements": "GET", "/sessions": "GET", "/sessions/x": "GET DELETE", "/account": "GET PUT",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
			if strings.Contains(allowed, method) {
				continue
			}
			r := w.Do(t, method, me(path), token, "")
			if r.Status != http.StatusMethodNotAllowed || object(t, r.Body)["status"] != "405" {
				t.Errorf("%s %s: %d %s, want 405", method, path, r.Status, r.Body)
			}
			for one := range strings.FieldsSeq(allowed) {
				if !strings.Contains(r.Header.Get("Allow"), one) {
					t.Errorf("%s %s: Allow %q lacks %s", method, path, r.Header.Get("Allow"), one)
				}
			}
		}
	}
}

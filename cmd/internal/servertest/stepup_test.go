package servertest_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
)

// enrolEmail gives the user a validated address, by provisioning.
func (w *world) enrolEmail() {
	w.t.Helper()
	sent := w.startEmail(address)
	if r := w.put(sent, sent.code); r.Status != http.StatusOK {
		w.t.Fatalf("validate %s: %d %s", address, r.Status, r.Body)
	}
}

// enrolTOTP gives the user an authenticator app, by provisioning.
func (w *world) enrolTOTP() {
	w.t.Helper()
	started := w.must(http.StatusCreated, http.MethodPost, w.path("totp"), "").Body
	code, err := totp.GenerateCode(str(w.t, started, "sharedSecret"), w.clock.Now())
	if err != nil {
		w.t.Fatal(err)
	}
	w.must(http.StatusOK, http.MethodPut, w.path("totp"), with(w.t, started, "verifyTotp", code))
}

// factorWrites are all ways to add, replace or remove a factor with a user's
// own token.
func factorWrites(record string) [][3]string {
	return [][3]string{
		{"DELETE", me("/totp"), ""},
		{"DELETE", me("/totpSharedSecret"), ""},
		{"POST", me("/totp"), ""},
		{"POST", me("/validatedEmailAddresses"), emailBody("new@example.com")},
		{"POST", me("/validatedPhoneNumbers"), `{"attributePath":"secondFactorPhoneNumber","attributeValue":"+15125550177"}`},
		{"PUT", me("/password"), `{"currentPassword":"` + veilPassword + `","newPassword":"another long one"}`},
		{"PATCH", me(""), patchBody(`"op":"replace","path":"secondFactorEnabled","value":false`)},
		{"PATCH", me(""), patchBody(`"op":"replace","path":"SECONDFACTORENABLED","value":"False"`)},
		{"PATCH", me(""), patchBody(`"op":"remove","path":"secondFactorEnabled"`)},
		{"PATCH", me(""), patchBody(`"op":"replace","value":{"` + factorURN + `:secondFactorEnabled":false}`)},
		{"PATCH", me(""), patchBody(`"op":"remove","path":"` + factorURN + `"`)},
		{"PATCH", me(""), patchBody(`"op":"replace","path":"secondFactorEmail","value":"new@example.com"`)},
		{"PATCH", me(""), patchBody(`"op":"replace","value":{"SecondFactorEmail":"new@example.com"}`)},
		{"PATCH", me(""), patchBody(`"op":"add","path":"` + factorURN + `","value":{"secondFactorEmail":"new@example.com"}`)},
		{"PATCH", me(""), patchBody(`"op":"remove","path":"secondFactorEmail"`)},
		{"PATCH", me(""), patchBody(`"op":"add","path":"secondFactorPhoneNumber","value":"+15125550177"`)},
		{"PATCH", me(""), patchBody(`"op":"replace","value":{"displayName":"x","secondFactorEmail":""}`)},
		{"PUT", me(""), strings.Replace(record, address, "new@example.com", 1)},
		{"PUT", me(""), strings.Replace(record, `"secondFactorEnabled":true`, `"secondFactorEnabled":false`, 1)},
		{"PUT", me(""), strings.Replace(record, `"`+address+`"`, "null", 1)},
	}
}

// harmless are writes that need no step-up: they touch no factor.
func (w *world) harmless(token, record string) {
	w.t.Helper()
	w.as(token, http.StatusOK, http.MethodGet, me(""), "")
	w.as(token, http.StatusOK, http.MethodPut, me(""), record)
	w.as(token, http.StatusOK, http.MethodPatch, me(""), patchBody(`"op":"replace","path":"displayName","value":"Veil"`))
	w.as(token, http.StatusOK, http.MethodPatch, me(""), patchBody(`"op":"replace","path":"secondFactorEnabled","value":true`))
	w.as(token, http.StatusOK, http.MethodPatch, me(""), patchBody(`"op":"replace","path":"secondFactorEmail","value":"`+address+`"`))
	w.as(token, http.StatusOK, http.MethodGet, me("/totp"), "")
	w.as(token, http.StatusOK, http.MethodGet, me("/sessions"), "")
	w.as(token, http.StatusOK, http.MethodGet, me("/passwordQualityRequirements"), "")
}

// protect gives dr.veil a password, an address and the flag.
func (w *world) protect() (record string) {
	w.t.Helper()
	w.setPassword()
	w.enrolEmail()
	w.must(http.StatusOK, http.MethodPatch, "/scim/v2/Users/"+w.user, patchBody(`"op":"replace","path":"secondFactorEnabled","value":true`))
	return w.must(http.StatusOK, http.MethodGet, "/scim/v2/Users/"+w.user, "").Body
}

// Case 33: a user who has a second factor changes none with a login alone,
// however fresh, nor with a second factor that is too old.
func TestStepUpRequired(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		record := w.protect()
		w.enrolTOTP()
		before := w.must(http.StatusOK, http.MethodGet, "/scim/v2/Users/"+w.user, "").Body
		loginOnly, stale := w.own(), w.own(withFactor)
		for _, c := range factorWrites(record) {
			wantFactor(t, w.Do(t, c[0], c[1], loginOnly, c[2]))
		}
		w.clock.advance(300*time.Second + time.Second)
		for _, c := range factorWrites(record) {
			wantFactor(t, w.Do(t, c[0], c[1], stale, c[2]))
			wantFactor(t, w.Do(t, c[0], c[1], w.own(), c[2])) // a new login is none either
		}
		if after := w.must(http.StatusOK, http.MethodGet, "/scim/v2/Users/"+w.user, "").Body; after != before {
			t.Errorf("the record changed:\n%s\n%s", before, after)
		}
		if r := w.must(http.StatusOK, http.MethodGet, w.path("totp"), ""); object(t, r.Body)["registered"] != true {
			t.Errorf("the authenticator app is gone: %s", r.Body)
		}
		w.harmless(stale, record)
	})
}

// With a second factor of at most 300 seconds every one of them passes.
func TestStepUpSatisfied(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		record := w.protect()
		token := w.own(withFactor)
		w.clock.advance(300 * time.Second)
		for _, c := range [][4]string{
			{"201", "POST", me("/totp"), ""},
			{"204", "DELETE", me("/totp"), ""},
			{"201", "POST", me("/validatedEmailAddresses"), emailBody("new@example.com")},
			{"200", "PATCH", me(""), patchBody(`"op":"replace","path":"secondFactorEnabled","value":false`)},
			{"200", "PUT", me(""), strings.Replace(record, address, "new@example.com", 1)},
			{"200", "PATCH", me(""), patchBody(`"op":"remove","path":"secondFactorEmail"`)},
			{"200", "PUT", me("/password"), `{"currentPassword":"` + veilPassword + `","newPassword":"another long one"}`},
		} {
			r := w.Do(t, c[1], c[2], token, c[3])
			if strconv.Itoa(r.Status) != c[0] {
				t.Errorf("%s %s: %d %s, want %s", c[1], c[2], r.Status, r.Body, c[0])
			}
		}
	})
}

// What makes a factor enrolled is a validated value or a secret: neither the
// flag nor an address that nobody has validated.
func TestStepUpWithoutFactorAsksForALogin(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.setPassword()
		w.must(http.StatusOK, http.MethodPatch, "/scim/v2/Users/"+w.user,
			patchBody(`"op":"add","value":{"secondFactorEnabled":true,"secondFactorEmail":"`+address+`"}`))
		record := w.must(http.StatusOK, http.MethodGet, "/scim/v2/Users/"+w.user, "").Body
		token := w.own()
		w.clock.advance(900 * time.Second)
		w.as(token, http.StatusCreated, http.MethodPost, me("/validatedEmailAddresses"), emailBody(address))
		w.as(token, http.StatusOK, http.MethodPatch, me(""), patchBody(`"op":"add","path":"secondFactorPhoneNumber","value":"+15125550188"`))
		w.clock.advance(time.Second)
		for _, c := range factorWrites(record) {
			wantLogin(t, w.Do(t, c[0], c[1], token, c[2]))
		}
		w.harmless(token, record)
	})
}

// Enrolling one factor makes it count at once: the next change asks for it.
func TestStepUpAfterFirstEnrolment(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		token := w.own()
		before := w.mail.count()
		r := w.as(token, http.StatusCreated, http.MethodPost, me("/validatedEmailAddresses"), emailBody(address))
		mail := w.mail.wait(t, before+1)
		sent := w.opened(r, codeIn(t, mail.text(), 8))
		w.clock.advance(200 * time.Second)
		w.as(token, http.StatusOK, http.MethodPut, sent.path, with(t, r.Body, "verifyCode", sent.code))
		wantFactor(t, w.Do(t, http.MethodPost, me("/totp"), token, ""))
		wantFactor(t, w.Do(t, http.MethodPatch, me(""), token, patchBody(`"op":"remove","path":"secondFactorEmail"`)))
		session := object(t, w.as(token, http.StatusOK, http.MethodGet, me("/sessions"), "").Body)["Resources"].([]any)[0].(map[string]any)
		if session["lastSecondFactor"] != nil {
			t.Errorf("enrolment counts as a proof: %v", session)
		}
	})
}

// The PUT that ends an enrolment is covered by the check at POST, also when
// the proof has grown too old in between.
func TestStepUpCoversThePut(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.protect()
		token := w.own(withFactor)
		w.clock.advance(299 * time.Second)
		before := w.mail.count()
		r := w.as(token, http.StatusCreated, http.MethodPost, me("/validatedEmailAddresses"), emailBody("new@example.com"))
		sent := w.opened(r, codeIn(t, w.mail.wait(t, before+1).text(), 8))
		w.clock.advance(100 * time.Second)
		w.as(token, http.StatusOK, http.MethodPut, sent.path, with(t, r.Body, "verifyCode", sent.code))
		if got := w.as(token, http.StatusOK, http.MethodGet, me(""), "").Body; !strings.Contains(got, "new@example.com") {
			t.Errorf("record %s", got)
		}
	})
}

// An administrator's session needs its own second factor to change those of
// others; a provisioning token has none to give and is not asked.
func TestStepUpOfAdministrators(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.protect()
		boss := w.newUser("boss")
		scopes := withScopes("scim:read", "scim:write", adminScope("totp"), adminScope("validated_email_address"), adminScope("change_password"))
		login, strong := w.ownOf(boss, scopes), w.ownOf(boss, scopes, withFactor)
		user := "/scim/v2/Users/" + w.user
		writes := [][3]string{
			{"DELETE", user + "/totp", ""},
			{"POST", user + "/totp", ""},
			{"POST", user + "/validatedEmailAddresses", emailBody("admin@example.com")},
			{"PUT", user + "/password", `{}`},
			{"PATCH", user, patchBody(`"op":"replace","path":"secondFactorEnabled","value":false`)},
			{"PATCH", user, patchBody(`"op":"remove","path":"secondFactorEmail"`)},
			{"PATCH", user, patchBody(`"op":"replace","path":"password","value":"a new password"`)},
			{"POST", "/scim/v2/Bulk", ""},
		}
		writes[7][2] = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[{"method":"PATCH","path":"/Users/` + w.user +
			`","data":` + patchBody(`"op":"remove","path":"secondFactorEmail"`) + `}]}`
		for _, c := range writes[:7] {
			wantFactor(t, w.Do(t, c[0], c[1], login, c[2]))
		}
		bulk := w.as(login, http.StatusOK, http.MethodPost, "/scim/v2/Bulk", writes[7][2])
		if !strings.Contains(bulk.Body, `"status":"401"`) || !strings.Contains(bulk.Body, "A recent second factor is required.") {
			t.Errorf("Bulk: %s", bulk.Body)
		}
		w.as(login, http.StatusOK, http.MethodPatch, user, patchBody(`"op":"replace","path":"title","value":"Dr"`))
		for _, c := range writes {
			if r := w.Do(t, c[0], c[1], strong, c[2]); r.Status >= 400 {
				t.Errorf("%s %s with a second factor: %d %s", c[0], c[1], r.Status, r.Body)
			}
		}
		for _, c := range writes[:7] {
			if r := w.do(c[0], c[1], c[2]); r.Status >= 400 && r.Status != http.StatusTooManyRequests {
				t.Errorf("%s %s by provisioning: %d %s", c[0], c[1], r.Status, r.Body)
			}
		}
	})
}

// Section 6.2: whoever loses or replaces a factor is logged out everywhere
// else; when somebody else did it, everywhere.
func TestLossOfFactorEndsOtherSessions(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.enrolEmail()
		for _, op := range []string{
			`"op":"replace","path":"secondFactorEmail","value":"new@example.com"`,
			`"op":"remove","path":"secondFactorEmail"`,
		} {
			token, other := w.own(withFactor), w.own(withFactor)
			w.as(token, http.StatusOK, http.MethodPatch, me(""), patchBody(op))
			w.as(token, http.StatusOK, http.MethodGet, me(""), "")
			w.as(other, http.StatusUnauthorized, http.MethodGet, me(""), "")
		}
		w.enrolTOTP()
		token, other, foreign := w.own(withFactor), w.own(withFactor), w.ownOf(w.newUser("other"))
		w.as(token, http.StatusNoContent, http.MethodDelete, me("/totp"), "")
		w.as(token, http.StatusOK, http.MethodGet, me(""), "")
		w.as(other, http.StatusUnauthorized, http.MethodGet, me(""), "")
		w.enrolTOTP()
		w.must(http.StatusNoContent, http.MethodDelete, w.path("totp"), "")
		w.as(token, http.StatusUnauthorized, http.MethodGet, me(""), "")
		w.as(foreign, http.StatusOK, http.MethodGet, me(""), "")
		// What is no factor ends nothing.
		token, other = w.own(), w.own()
		w.as(token, http.StatusOK, http.MethodPatch, me(""), patchBody(`"op":"replace","path":"displayName","value":"Veil"`))
		w.as(other, http.StatusOK, http.MethodGet, me(""), "")
	})
}

// The ages and names are settings.
func TestStepUpSettings(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite", func(c *config.Config) {
		c.SecondFactors.StepUp = config.StepUp{Age: 90 * time.Second, LoginAge: 60 * time.Second, ACR: "gold", LoginACR: "silver"}
		c.ACRs = append(c.ACRs, config.ACR{Name: "gold", Needs: []config.Need{{AnyOf: []string{"password"}}}},
			config.ACR{Name: "silver", Needs: []config.Need{{AnyOf: []string{"password"}}}})
	})
	token := w.own(withFactor)
	w.clock.advance(91 * time.Second)
	wantStepUp(t, w.Do(t, http.MethodPost, me("/totp"), token, ""), "A recent login is required.", "silver", "60")
	w.enrolEmail()
	wantStepUp(t, w.Do(t, http.MethodPost, me("/totp"), w.own(), ""), "A recent second factor is required.", "gold", "90")
}

// Case 14 with users' own tokens: only the caller that began may finish; the
// attempts of others cost nothing.
func TestStateOtherCallerOfOwnTokens(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		token := w.own()
		before := w.mail.count()
		r := w.as(token, http.StatusCreated, http.MethodPost, me("/validatedEmailAddresses"), emailBody(address))
		sent := w.opened(r, codeIn(t, w.mail.wait(t, before+1).text(), 8))
		body := with(t, r.Body, "verifyCode", sent.code)
		path := strings.Replace(sent.path, "/Me/", "/Users/"+w.user+"/", 1)
		boss := w.newUser("boss")
		for name, caller := range map[string]string{
			"another client":               w.own(withClient("other-app")),
			"another session":              w.own(),
			"provisioning":                 w.admin,
			"an administrator's own token": w.ownOf(boss, withFactor, withScopes("scim:admin")),
		} {
			for range 6 {
				refused(t, w.Do(t, http.MethodPut, path, caller, body), http.StatusBadRequest, "invalidValue", "The verification state is not valid. Start again.")
			}
			if got := w.Do(t, http.MethodGet, path, caller, ""); got.Status != http.StatusNotFound {
				t.Errorf("%s: GET of the state: %d %s, want 404", name, got.Status, got.Body)
			}
		}
		w.as(token, http.StatusOK, http.MethodPut, path, body)
	})
}

// Case 15 and 36: a password change, and a deactivation, kill what is pending.
func TestStateDiesWithPasswordAndActivity(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.setPassword()
		sent := w.startEmail(address)
		token := w.own()
		w.as(token, http.StatusOK, http.MethodPut, me("/password"), `{"currentPassword":"`+veilPassword+`","newPassword":"another long one"}`)
		refused(t, w.put(sent, sent.code), http.StatusBadRequest, "invalidValue", "The account changed since the code was requested. Start again.")

		w.clock.advance(time.Minute)
		sent = w.startEmail(address)
		w.must(http.StatusOK, http.MethodPatch, "/scim/v2/Users/"+w.user, patchBody(`"op":"replace","path":"active","value":false`))
		refused(t, w.put(sent, sent.code), http.StatusForbidden, "", "The user is not active.")
		w.must(http.StatusOK, http.MethodPatch, "/scim/v2/Users/"+w.user, patchBody(`"op":"replace","path":"active","value":true`))
		refused(t, w.put(sent, sent.code), http.StatusBadRequest, "invalidValue", "The account changed since the code was requested. Start again.")
	})
}

package servertest_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/server"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/scim"
)

// TestErrorTable is case 29, error_table: the rows of section 6.3 that need no
// setting of their own, to the letter. Those of limits, provider, text rules,
// activity and step-up are TestSendLimits, TestProviderDown, TestTextRules,
// TestInactiveUser and the tests of step-up; those of states are the tests of
// the cases 11 to 17.
func TestErrorTable(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		email, phone := w.path("validatedEmailAddresses"), w.path("validatedPhoneNumbers")
		s := w.startEmail(address)
		app := w.must(http.StatusCreated, "POST", w.path("totp"), "").Body
		const invalid = "The verification state is not valid. Start again."
		for _, one := range []struct {
			name, method, path, body string
			status                   int
			typ, detail              string
		}{
			{"wrong code", "PUT", s.path, `{"verifyCode":"00000000x"}`, 400, "invalidValue", "The verification code is incorrect."},
			{"unreadable state", "PUT", email + "/a.b.c.d.e", `{"verifyCode":"1"}`, 400, "invalidValue", invalid},
			{"state in words", "PUT", email + "/nothing", `{"verifyCode":"1"}`, 400, "invalidValue", invalid},
			{"unreadable TOTP state", "PUT", w.path("totp"), `{"verifyTotp":"123456","verifyState":"x"}`, 400, "invalidValue", invalid},
			{"PUT to a list key", "PUT", email + "/secondfactoremail", `{"verifyCode":"1"}`, 400, "invalidValue", "No verification code is pending here. Start with POST."},
			{"no verifyCode", "PUT", s.path, `{}`, 400, "invalidValue", "verifyCode is required."},
			{"null verifyCode", "PUT", s.path, `{"verifyCode":null}`, 400, "invalidValue", "verifyCode is required."},
			{"no verifyTotp", "PUT", w.path("totp"), app, 400, "invalidValue", "verifyTotp is required."},
			{"no verifyState", "PUT", w.path("totp"), `{"verifyTotp":"123456"}`, 400, "invalidValue", "verifyState is required."},
			{"no body", "PUT", w.path("totp"), ``, 400, "invalidValue", "verifyState is required."},
			{"no attributePath", "POST", email, `{"attributeValue":"a@example.com"}`, 400, "invalidValue", "attributePath is required."},
			{"no attributeValue", "POST", email, `{"attributePath":"secondFactorEmail"}`, 400, "invalidValue", "attributeValue is required."},
			{"immutable value", "PUT", s.path, `{"verifyCode":"1","attributeValue":"b@example.com"}`, 400, "mutability", "attributeValue cannot be changed."},
			{"immutable path", "PUT", s.path, `{"verifyCode":"1","attributePath":"displayName"}`, 400, "mutability", "attributePath cannot be changed."},
			{"path not configured", "POST", email, `{"attributePath":"displayName","attributeValue":"a@example.com"}`, 400, "invalidPath", "attributePath is not configured for validation."},
			{"path of the other kind", "POST", phone, `{"attributePath":"secondFactorEmail","attributeValue":"` + number + `"}`, 400, "invalidPath", "attributePath is not configured for validation."},
			{"path that is none", "POST", email, `{"attributePath":"a[b","attributeValue":"a@example.com"}`, 400, "invalidPath", "attributePath is not configured for validation."},
			{"bad address", "POST", email, `{"attributePath":"secondFactorEmail","attributeValue":"no address"}`, 400, "invalidValue", "attributeValue is not a valid e-mail address."},
			{"header in the address", "POST", email, `{"attributePath":"secondFactorEmail","attributeValue":"a@example.com\r\nBcc: b@example.com"}`, 400, "invalidValue", "attributeValue is not a valid e-mail address."},
			{"bad number", "POST", phone, `{"attributePath":"secondFactorPhoneNumber","attributeValue":"(512) 555-0100"}`, 400, "invalidValue", "attributeValue is not a valid telephone number in E.164 form."},
			{"country not allowed", "POST", phone, `{"attributePath":"secondFactorPhoneNumber","attributeValue":"+4915112345678"}`, 400, "invalidValue", "attributeValue cannot receive a code."},
			{"premium range", "POST", phone, `{"attributePath":"secondFactorPhoneNumber","attributeValue":"+19002345678"}`, 400, "invalidValue", "attributeValue cannot receive a code."},
			{"unknown provider", "POST", phone, `{"attributePath":"secondFactorPhoneNumber","attributeValue":"` + number + `","messagingProvider":"Other"}`, 400, "invalidValue", "messagingProvider is not known."},
			{"mail gateway for a telephone", "POST", phone, `{"attributePath":"secondFactorPhoneNumber","attributeValue":"` + number + `","messagingProvider":"SMTP"}`, 400, "invalidValue", "messagingProvider is not known."},
			{"wrong schema", "POST", email, `{"schemas":["` + phoneURN + `"],"attributePath":"secondFactorEmail","attributeValue":"a@example.com"}`, 400, "invalidSyntax", "schemas must name " + emailURN + "."},
			{"wrong type", "POST", email, `{"attributePath":["secondFactorEmail"]}`, 400, "invalidValue", "attributePath must be a JSON string."},
			{"unknown user", "GET", "/scim/v2/Users/019b0000-0000-7000-8000-000000000000/validatedEmailAddresses", "", 404, "", "Resource not found."},
			{"no id at all", "POST", "/scim/v2/Users/%22/totp", "{}", 404, "", "Resource not found."},
			{"unknown state on GET", "GET", email + "/a.b.c.d.e", "", 404, "", "Resource not found."},
		} {
			t.Run(one.name, func(t *testing.T) {
				refused(t, w.do(one.method, one.path, one.body), one.status, one.typ, one.detail)
			})
		}
		if n := w.triesLeft(s); n != 4 {
			t.Errorf("%d tries left, want 4: only the wrong code counts", n)
		}
		if n := w.mail.count() + w.twilio.Requests(); n != 1 {
			t.Errorf("%d messages, want the one of the start", n)
		}
	})
}

// TestTransportErrors is case 29 for what the HTTP layer refuses: SCIM bodies
// throughout (C6).
func TestTransportErrors(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		email := w.path("validatedEmailAddresses")
		read := w.Token(t, "compat", scim.ScopeRead, scim.ScopeWrite)
		scopeless := w.Do(t, "GET", email, read, "")
		refused(t, scopeless, 403, "", "The token does not permit this.")
		if got := scopeless.Header.Get("WWW-Authenticate"); !strings.Contains(got, `error="insufficient_scope", scope="urn:pingidentity:scope:admin:validated_email_address"`) {
			t.Errorf("WWW-Authenticate %q", got)
		}
		if r := w.Do(t, "GET", "/scim/v2/Users/019b0000-0000-7000-8000-000000000000/totp", read, ""); r.Status != 404 {
			t.Errorf("visibility stands before scope: %d", r.Status)
		}
		bad := w.Do(t, "GET", email, "spt_nothing", "")
		refused(t, bad, 401, "", "Access token is expired or otherwise invalid.")
		if got := bad.Header.Get("WWW-Authenticate"); !strings.Contains(got, `error="invalid_token"`) {
			t.Errorf("WWW-Authenticate %q", got)
		}
		if r := w.Do(t, "POST", email, "", emailBody(address)); r.Status != 401 || strings.Contains(r.Header.Get("WWW-Authenticate"), "error") {
			t.Errorf("no token: %d %v", r.Status, r.Header)
		}
		one := w.Token(t, "compat", scim.AdminScope("validated_email_address"))
		if r := w.Do(t, "GET", email, one, ""); r.Status != 200 {
			t.Errorf("the admin scope alone: %d %s", r.Status, r.Body)
		}
		for _, path := range []string{w.path("validatedPhoneNumbers"), w.path("totp")} {
			refused(t, w.Do(t, "GET", path, one, ""), 403, "", "The token does not permit this.")
		}
		send := func(media, accept, body string) servertest.Reply {
			t.Helper()
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.URL()+email, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+w.admin)
			if media != "" {
				req.Header.Set("Content-Type", media)
			}
			if accept != "" {
				req.Header.Set("Accept", accept)
			}
			return servertest.Send(t, http.DefaultClient, req)
		}
		for _, one := range []struct {
			name, media, accept, body string
			status                    int
		}{
			{"text", "text/plain", "", "{}", 415},
			{"form", "application/x-www-form-urlencoded", "", "a=b", 415},
			{"too large", "application/json", "", `{"attributePath":"` + strings.Repeat("x", 70<<10) + `"}`, 413},
			{"no JSON", "application/json", "", `{"attributePath":`, 400},
			{"array", "application/json", "", `[]`, 400},
			{"trailing data", "application/json", "", emailBody(address) + "{}", 400},
			{"twice", "application/json", "", `{"attributePath":"a","ATTRIBUTEPATH":"b"}`, 400},
			{"accepts HTML only", "application/json", "text/html", emailBody(address), 406},
		} {
			r := send(one.media, one.accept, one.body)
			if r.Status != one.status || object(t, r.Body)["status"] == nil || r.Header.Get("Content-Type") != "application/scim+json" {
				t.Errorf("%s: %d %q %s, want %d", one.name, r.Status, r.Header.Get("Content-Type"), r.Body, one.status)
			}
		}
		if n := w.mail.count(); n != 0 {
			t.Fatalf("%d mails", n)
		}
		if r := send("application/json; charset=utf-8", "application/json", emailBody(address)); r.Status != 201 || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("plain JSON: %d %q", r.Status, r.Header.Get("Content-Type"))
		}
		w.clock.advance(time.Hour)
		if r := send("", "", emailBody(address)); r.Status != 201 || r.Header.Get("Content-Type") != "application/scim+json" {
			t.Errorf("no media type: %d %q", r.Status, r.Header.Get("Content-Type"))
		}
	})
}

// TestTextRules is case 37, text_rules.
func TestTextRules(t *testing.T) {
	t.Parallel()
	t.Run("on", func(t *testing.T) {
		t.Parallel()
		eachWorld(t, func(t *testing.T, w *world) {
			const noCode, notAllowed = "messageSubject or messageText must contain %code%.", "The message text is not allowed."
			long := strings.Repeat("x", 1000)
			for name, one := range map[string][3]string{
				"no code":             {"Hello", "World", noCode},
				"link":                {"Hello", "%code% https://evil.example/", notAllowed},
				"domain":              {"Hello", "%code% at evil.example", notAllowed},
				"www":                 {"Hello", "%code% www.evil", notAllowed},
				"HTML":                {"Hello", "%code% <b>x</b>", notAllowed},
				"entity":              {"Hello", "%code% &amp; x", notAllowed},
				"newline in subject":  {`Hello\r\nBcc: x`, "%code%", notAllowed},
				"control character":   {"Hello", `%code% \u0007`, notAllowed},
				"bidirectional":       {"Hello", `%code% \u202e`, notAllowed},
				"subject too long":    {strings.Repeat("s", 121), "%code%", notAllowed},
				"text too long":       {"Hello", long + "%code%", notAllowed},
				"code in neither, on": {"Hello", "%CODE%", noCode},
			} {
				r := w.do("POST", w.path("validatedEmailAddresses"), `{"attributePath":"secondFactorEmail","attributeValue":"`+address+
					`","messageSubject":"`+one[0]+`","messageText":"`+one[1]+`"}`)
				if r.Status != 400 || str(t, r.Body, "detail") != one[2] || str(t, r.Body, "scimType") != "invalidValue" {
					t.Errorf("%s: %d %s", name, r.Status, r.Body)
				}
			}
			refused(t, w.do("POST", w.path("validatedPhoneNumbers"),
				`{"attributePath":"secondFactorPhoneNumber","attributeValue":"`+number+`","message":{"message":"`+strings.Repeat("x", 140)+`%code%"}}`),
				400, "invalidValue", notAllowed)
			if n := w.mail.count() + w.twilio.Requests(); n != 0 {
				t.Fatalf("%d messages were sent", n)
			}
			w.must(http.StatusCreated, "POST", w.path("validatedEmailAddresses"), `{"attributePath":"secondFactorEmail","attributeValue":"`+address+
				`","messageSubject":"Grüße %code%","messageText":"first %code%\nsecond %code%"}`)
			mail := w.mail.wait(t, 1)
			code := codeIn(t, mail.text(), 8)
			if strings.Count(mail.text(), code) != 2 || !strings.Contains(mail.raw, "Subject: =?") {
				t.Errorf("mail:\n%s", mail.raw)
			}
		})
	})
	t.Run("off", func(t *testing.T) {
		t.Parallel()
		eachWorld(t, func(t *testing.T, w *world) {
			w.must(http.StatusCreated, "POST", w.path("validatedEmailAddresses"), `{"attributePath":"secondFactorEmail","attributeValue":"`+address+
				`","messageSubject":"Win at evil.example","messageText":"no code, <b>but a lure</b>"}`)
			if mail := w.mail.wait(t, 1); strings.Contains(mail.raw, "but a lure") || strings.Contains(mail.raw, "evil.example") {
				t.Errorf("mail:\n%s", mail.raw)
			}
		}, func(c *config.Config) { c.SecondFactors.TrustedMessageTexts = false })
	})
}

// TestTextsOfPublicClients: an application that keeps no secret does not word
// messages, whatever the switch says.
func TestTextsOfPublicClients(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		body := `{"attributePath":"secondFactorEmail","attributeValue":"` + address + `","messageSubject":"Chosen","messageText":"Chosen words: %code%"}`
		w.as(w.own(func(u *server.UserToken) { u.Public = true }), http.StatusCreated, "POST", me("/validatedEmailAddresses"), body)
		if mail := w.mail.wait(t, 1); strings.Contains(mail.raw, "Chosen") {
			t.Errorf("mail:\n%s", mail.raw)
		}
		w.clock.advance(time.Minute)
		w.as(w.own(), http.StatusCreated, "POST", me("/validatedEmailAddresses"), body)
		if mail := w.mail.wait(t, 2); !strings.Contains(mail.raw, "Chosen words") {
			t.Errorf("mail:\n%s", mail.raw)
		}
	})
}

// TestMessageLanguage: what the request asks for, else preferredLanguage, else
// locale, else the server's.
func TestMessageLanguage(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		sms := func(extra string) string {
			t.Helper()
			w.clock.advance(25 * time.Hour)
			w.must(http.StatusCreated, "POST", w.path("validatedPhoneNumbers"),
				`{"attributePath":"secondFactorPhoneNumber","attributeValue":"`+number+`"`+extra+`}`)
			messages := w.twilio.Messages()
			return regexp.MustCompile(`[0-9]{6}`).ReplaceAllString(messages[len(messages)-1].Form.Get("Body"), "CODE")
		}
		set := func(preferred, locale string) {
			w.must(http.StatusOK, "PATCH", "/scim/v2/Users/"+w.user, `{"schemas":["`+patchURN+`"],"Operations":[{"op":"replace","value":{"preferredLanguage":`+preferred+`,"locale":`+locale+`}}]}`)
		}
		english, german, french := sms(`,"language":"en-US"`), sms(`,"language":"de"`), sms(`,"language":"fr-CA"`)
		if english == german || german == french || english == french {
			t.Fatalf("texts %q, %q, %q", english, german, french)
		}
		for _, one := range []struct{ preferred, locale, extra, want string }{
			{`"de-AT"`, `"fr-FR"`, "", german},
			{`null`, `"fr-FR"`, "", french},
			{`"de-AT"`, `null`, `,"language":"fr"`, french},
			{`"de-AT"`, `null`, `,"message":{"language":"fr","message":null}`, french},
			{`null`, `null`, `,"language":"no such tag!"`, english},
			{`null`, `null`, "", english},
		} {
			set(one.preferred, one.locale)
			if got := sms(one.extra); got != one.want {
				t.Errorf("preferred %s, locale %s, %s: %q, want %q", one.preferred, one.locale, one.extra, got, one.want)
			}
		}
	})
}

// TestDomainHidesUsers: a user outside the domain of a provisioning token does
// not exist for it, below the user as elsewhere.
func TestDomainHidesUsers(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		token := w.Issue(t, scim.NewToken{Name: "partner", Domain: "partner", Scopes: []string{scim.ScopeAdmin}})
		for _, path := range []string{w.path("totp"), w.path("validatedEmailAddresses"), w.path("validatedPhoneNumbers/secondfactorphonenumber")} {
			refused(t, w.Do(t, "GET", path, token, ""), 404, "", "Resource not found.")
		}
		refused(t, w.Do(t, "POST", w.path("validatedEmailAddresses"), token, emailBody(address)), 404, "", "Resource not found.")
		refused(t, w.Do(t, "DELETE", w.path("totp"), token, ""), 404, "", "Resource not found.")
		if n := w.mail.count(); n != 0 {
			t.Errorf("%d mails", n)
		}
	})
}

// TestAttemptSurvivesRollback is case 10, attempt_survives_rollback: the write
// of the user fails, for its path is a name that another user took meanwhile.
func TestAttemptSurvivesRollback(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		r := w.must(http.StatusCreated, "POST", w.path("validatedEmailAddresses"), `{"attributePath":"userName","attributeValue":"taken@example.com"}`)
		s := w.opened(r, codeIn(t, w.mail.wait(t, 1).text(), 8))
		w.newUser("taken@example.com")
		etag := w.must(http.StatusOK, "GET", "/scim/v2/Users/"+w.user, "").Header.Get("Etag")
		if r := w.put(s, s.code); r.Status != http.StatusConflict {
			t.Fatalf("PUT: %d %s", r.Status, r.Body)
		}
		row, err := w.Directory().Challenges().Challenge(t.Context(), w.lastJTI())
		if err != nil || row.Attempts != 1 || !row.UsedAt.IsZero() {
			t.Errorf("row %+v, %v: want one try and no use", row, err)
		}
		if got := w.must(http.StatusOK, "GET", "/scim/v2/Users/"+w.user, "").Header.Get("Etag"); got != etag {
			t.Errorf("version %s, want %s", got, etag)
		}
		if item := object(t, w.must(http.StatusOK, "GET", w.path("validatedEmailAddresses/username"), "").Body); item["validated"] != false {
			t.Errorf("item %v", item)
		}
		if len(w.events("address.validated")) != 0 || len(w.events("challenge.verified")) != 0 {
			t.Error("the audit trail tells of a success")
		}
		if n := w.triesLeft(s); n != 4 {
			t.Errorf("%d tries left, want 4", n)
		}
	}, func(c *config.Config) { c.SecondFactors.EmailPaths = []string{"userName"} })
}

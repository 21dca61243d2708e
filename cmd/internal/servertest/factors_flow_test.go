package servertest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
)

// TestSDK20EmailFlow is case 1, sdk20_email_flow: the bodies of the SDK before
// 2.1.
func TestSDK20EmailFlow(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		r := w.must(http.StatusCreated, "POST", w.path("validatedEmailAddresses"),
			`{"schemas":["urn:pingidentity:scim:api:messages:2.0:EmailValidationRequest"],"attributePath":"secondFactorEmail","attributeValue":"dr.veil@sainteanne.com","messageSubject":"Please confirm your email address","messageText":"Your verification code: %code%"}`)
		mail := w.mail.wait(t, 1)
		if mail.to != address || !strings.Contains(mail.text(), "Your verification code: ") || !strings.Contains(mail.raw, "Please confirm your email address") {
			t.Errorf("mail to %s:\n%s", mail.to, mail.raw)
		}
		s := w.opened(r, codeIn(t, mail.text(), 8))
		want := `{"attributePath":"secondFactorEmail","attributeValue":"dr.veil@sainteanne.com","codeSent":true,"id":"` + s.state +
			`","meta":{"location":"` + w.SCIM() + "/Users/" + w.user + `/validatedEmailAddresses/` + s.state +
			`","resourceType":"Email Address Validator"},"schemas":["urn:pingidentity:scim:api:messages:2.0:EmailValidationRequest"],"validated":false}`
		if got := with(t, r.Body, "codeSent", true); got != want {
			t.Errorf("POST reply\n got %s\nwant %s", got, want)
		}
		if strings.Count(s.state, ".") != 4 || strings.Contains(s.state, "=") {
			t.Errorf("state %q has not four dots and base64url", s.state)
		}

		r = w.put(s, s.code)
		done := object(t, r.Body)
		if r.Status != http.StatusOK || done["validated"] != true || done["codeSent"] != false || done["validatedAt"] == nil || done["verifyCode"] != nil {
			t.Fatalf("PUT: %d %s", r.Status, r.Body)
		}
		user := w.must(http.StatusOK, "PATCH", "/scim/v2/Users/"+w.user,
			`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"secondFactorEnabled","value":true}]}`)
		for _, part := range []string{`"secondFactorEmail":"dr.veil@sainteanne.com"`, `"secondFactorEnabled":true`} {
			if !strings.Contains(user.Body, part) {
				t.Errorf("user %s lacks %s", user.Body, part)
			}
		}
		item := object(t, w.must(http.StatusOK, "GET", w.path("validatedEmailAddresses/secondfactoremail"), "").Body)
		if item["validated"] != true || item["validatedAt"] != done["validatedAt"] || item["attributeValue"] != address || item["codeSent"] != false {
			t.Errorf("item afterwards: %v", item)
		}
	})
}

// TestSDK21EmailPhoneFlow is case 2, sdk21_email_phone_flow.
func TestSDK21EmailPhoneFlow(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		s := w.startEmail(address)
		if r := w.put(s, s.code); r.Status != http.StatusOK {
			t.Fatalf("e-mail: %d %s", r.Status, r.Body)
		}
		for _, body := range []string{
			`{"schemas":["` + phoneURN + `"],"attributePath":"secondFactorPhoneNumber","attributeValue":"+15125550100","language":"en-US","messagingProvider":"Twilio SMS Provider"}`,
			`{"schemas":["` + phoneURN + `"],"attributePath":"secondFactorPhoneNumber","attributeValue":"+15125550101","message":{"message":"Your code: %code%","language":"en-US"},"messagingProvider":"Twilio SMS Provider"}`,
		} {
			r := w.must(http.StatusCreated, "POST", w.path("validatedPhoneNumbers"), body)
			s := w.opened(r, w.smsCode())
			if s.replyBody["messagingProvider"] != "Twilio SMS Provider" || s.replyBody["message"] != nil || s.replyBody["language"] != nil {
				t.Errorf("reply %s", r.Body)
			}
			if r := w.put(s, s.code); r.Status != http.StatusOK || object(t, r.Body)["validated"] != true {
				t.Fatalf("PUT: %d %s", r.Status, r.Body)
			}
		}
		r := w.must(http.StatusCreated, "POST", w.path("validatedPhoneNumbers"),
			`{"attributePath":"secondFactorPhoneNumber","attributeValue":"+15125550102","messagingProvider":"Twilio Voice Provider"}`)
		if m := w.twilio.Messages(); !m[len(m)-1].Call {
			t.Errorf("the voice provider did not call: %v", m[len(m)-1].Form)
		}
		if str(t, r.Body, "messagingProvider") != "Twilio Voice Provider" {
			t.Errorf("reply %s", r.Body)
		}
		refused(t, w.do("POST", w.path("validatedPhoneNumbers"),
			`{"attributePath":"secondFactorPhoneNumber","attributeValue":"+15125550103","messagingProvider":"twilio sms provider"}`),
			400, "invalidValue", "messagingProvider is not known.")
	})
}

// TestVoiceEnrolmentOff is case 2 with voice_enrolment: false.
func TestVoiceEnrolmentOff(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		call := `{"attributePath":"secondFactorPhoneNumber","attributeValue":"+15125550100","messagingProvider":"Twilio Voice Provider"}`
		refused(t, w.do("POST", w.path("validatedPhoneNumbers"), call), 400, "invalidValue", "attributeValue cannot receive a code.")
		if n := w.twilio.Requests(); n != 0 {
			t.Errorf("%d requests to the provider", n)
		}
		r := w.must(http.StatusCreated, "POST", w.path("validatedPhoneNumbers"), strings.ReplaceAll(call, "Voice", "SMS"))
		s := w.opened(r, w.smsCode())
		if r := w.put(s, s.code); r.Status != http.StatusOK {
			t.Fatalf("PUT: %d %s", r.Status, r.Body)
		}
		w.must(http.StatusCreated, "POST", w.path("validatedPhoneNumbers"), call)
	}, func(c *config.Config) { c.Delivery.VoiceEnrolment = false })
}

// TestListBeforeValidation is case 5, list_before_validation.
func TestListBeforeValidation(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		list := w.must(http.StatusOK, "GET", w.path("validatedEmailAddresses"), "")
		want := `{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":3,"startIndex":1,"itemsPerPage":3,"Resources":[` +
			`{"schemas":["` + emailURN + `"],"id":"secondfactoremail","meta":{"resourceType":"Email Address Validator","location":"` + w.SCIM() + `/Users/` + w.user +
			`/validatedEmailAddresses/secondfactoremail"},"attributePath":"secondFactorEmail","validated":false,"codeSent":false}`
		if !strings.HasPrefix(compact(t, list.Body), want) {
			t.Errorf("list\n got %s\nwant %s…", list.Body, want)
		}
		if got := list.Header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("Cache-Control %q", got)
		}
		urn := "urn:sallyport:params:scim:schemas:extension:secondfactor:2.0:User:"
		for filter, id := range map[string]string{
			`attributePath+eq+"secondFactorEmail"`:                                         "secondfactoremail",
			`attributePath%20eq%20%22SECONDFACTOREMAIL%22`:                                 "secondfactoremail",
			`ATTRIBUTEPATH+EQ+"` + urn + `secondFactorEmail"`:                              "secondfactoremail",
			url.QueryEscape(emailURN + `:attributePath eq "` + urn + `secondfactoremail"`): "secondfactoremail",
			url.QueryEscape(`attributePath eq "emails[type eq \"home\"].value"`):           "home",
			url.QueryEscape(`attributePath eq "Emails[ Type  eq  \"HOME\" ].Value"`):       "home",
		} {
			r := object(t, w.must(http.StatusOK, "GET", w.path("validatedEmailAddresses?filter="+filter), "").Body)
			items, _ := r["Resources"].([]any)
			if len(items) != 1 || items[0].(map[string]any)["id"] != id || r["totalResults"] != 1.0 {
				t.Errorf("filter %s: %v", filter, r)
			}
		}
		r := object(t, w.must(http.StatusOK, "GET", w.path(`validatedEmailAddresses?filter=attributePath+eq+"userName"`), "").Body)
		if r["totalResults"] != 0.0 || len(r["Resources"].([]any)) != 0 {
			t.Errorf("filter on another path: %v", r)
		}
		for _, filter := range []string{`attributePath sw "x"`, `validated eq true`, `x`, `attributePath eq x`} {
			if r := w.do("GET", w.path("validatedEmailAddresses?filter="+url.QueryEscape(filter)), ""); r.Status != 400 || str(t, r.Body, "scimType") != "invalidFilter" {
				t.Errorf("filter %s: %d %s", filter, r.Status, r.Body)
			}
		}
		page := object(t, w.must(http.StatusOK, "GET", w.path("validatedEmailAddresses?startIndex=2&count=1&sortBy=attributePath&sortOrder=descending"), "").Body)
		items, _ := page["Resources"].([]any)
		if page["totalResults"] != 3.0 || page["startIndex"] != 2.0 || page["itemsPerPage"] != 1.0 || len(items) != 1 || items[0].(map[string]any)["id"] != "home" {
			t.Errorf("page: %v", page)
		}
		if r := w.do("GET", w.path("validatedEmailAddresses?count=0&startIndex=9"), ""); r.Status != 200 || !strings.Contains(r.Body, `"Resources":[]`) {
			t.Errorf("empty page: %d %s", r.Status, r.Body)
		}
		if r := w.do("GET", w.path("validatedEmailAddresses/nothere"), ""); r.Status != 404 {
			t.Errorf("unknown key: %d", r.Status)
		}
		phones := object(t, w.must(http.StatusOK, "GET", w.path("validatedPhoneNumbers"), "").Body)
		if phones["totalResults"] != 1.0 {
			t.Errorf("phones: %v", phones)
		}
	}, severalPaths)
}

func severalPaths(c *config.Config) {
	c.SecondFactors.EmailPaths = []string{"secondFactorEmail", `home=emails[type eq "home"].value`, `work=emails[type eq "work"].value`}
}

// TestPathWithFilter: a path with a value filter replaces the matching element
// or adds one of that type, and leaves the others.
func TestPathWithFilter(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.must(http.StatusOK, "PATCH", "/scim/v2/Users/"+w.user,
			`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"add","path":"emails","value":[{"type":"work","value":"w@example.com","primary":true}]}]}`)
		for _, value := range []string{"one@example.com", "two@example.com"} {
			before := w.mail.count()
			r := w.must(http.StatusCreated, "POST", w.path("validatedEmailAddresses"),
				`{"attributePath":"EMAILS[type eq \"home\"].value","attributeValue":"`+value+`"}`)
			s := w.opened(r, codeIn(t, w.mail.wait(t, before+1).text(), 8))
			if s.replyBody["attributePath"] != `emails[type eq "home"].value` {
				t.Errorf("attributePath %v is not as configured", s.replyBody["attributePath"])
			}
			if r := w.put(s, s.code); r.Status != http.StatusOK {
				t.Fatalf("PUT: %d %s", r.Status, r.Body)
			}
			emails, _ := object(t, w.must(http.StatusOK, "GET", "/scim/v2/Users/"+w.user, "").Body)["emails"].([]any)
			if len(emails) != 2 || emails[0].(map[string]any)["value"] != "w@example.com" || emails[1].(map[string]any)["value"] != value || emails[1].(map[string]any)["type"] != "home" {
				t.Errorf("emails after %s: %v", value, emails)
			}
		}
		item := object(t, w.must(http.StatusOK, "GET", w.path("validatedEmailAddresses/home"), "").Body)
		if item["validated"] != true || item["attributeValue"] != "two@example.com" {
			t.Errorf("item %v", item)
		}
		if item := object(t, w.must(http.StatusOK, "GET", w.path("validatedEmailAddresses/work"), "").Body); item["validated"] != false || item["attributeValue"] != "w@example.com" {
			t.Errorf("item %v", item)
		}
	}, severalPaths)
}

// TestMe: the user's own path answers under the location of the user.
func TestMeWithoutUser(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		for _, name := range []string{"validatedEmailAddresses", "validatedPhoneNumbers", "totp", "totpSharedSecret"} {
			if r := w.do("GET", "/scim/v2/Me/"+name, ""); r.Status != http.StatusNotImplemented {
				t.Errorf("GET /Me/%s with a token without a user: %d %s", name, r.Status, r.Body)
			}
		}
	})
}

// TestMethodsOfSubresources: what a sub-resource does not offer is 405 with
// Allow, as a SCIM error.
func TestMethodsOfSubresources(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		for _, one := range []struct{ method, path, allow string }{
			{"PUT", "validatedEmailAddresses", "GET,HEAD,POST"},
			{"DELETE", "validatedEmailAddresses", "GET,HEAD,POST"},
			{"PATCH", "validatedPhoneNumbers", "GET,HEAD,POST"},
			{"POST", "validatedEmailAddresses/secondfactoremail", "GET,HEAD,PUT"},
			{"DELETE", "validatedPhoneNumbers/x", "GET,HEAD,PUT"},
			{"PATCH", "totp", "DELETE,GET,HEAD,POST,PUT"},
		} {
			r := w.do(one.method, w.path(one.path), "{}")
			allow := map[string]bool{}
			for name := range strings.SplitSeq(r.Header.Get("Allow"), ",") {
				if name = strings.TrimSpace(name); name != "OPTIONS" {
					allow[name] = true
				}
			}
			for name := range strings.SplitSeq(one.allow, ",") {
				if !allow[name] {
					t.Errorf("%s %s: Allow %v lacks %s", one.method, one.path, r.Header.Values("Allow"), name)
				}
				delete(allow, name)
			}
			if r.Status != http.StatusMethodNotAllowed || len(allow) > 0 || str(t, r.Body, "status") != "405" {
				t.Errorf("%s %s: %d %s, Allow has %v too", one.method, one.path, r.Status, r.Body, allow)
			}
		}
	})
}

package servertest_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/scim"
)

// events returns the names of the user's events.
func (w *world) events(name audit.Name) []audit.Event {
	w.t.Helper()
	list, err := w.Directory().History.Events(context.Background(), audit.Filter{Name: name, Limit: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

// lastJTI is the identifier of the challenge that was started last.
func (w *world) lastJTI() string {
	w.t.Helper()
	return w.lastJTIIn(w.events(audit.FactorEnrolmentStarted))
}

func (w *world) lastJTIIn(events []audit.Event) string {
	w.t.Helper()
	for _, e := range slices.Backward(events) {
		if e.Name == audit.FactorEnrolmentStarted {
			return str(w.t, string(e.Detail), "jti")
		}
	}
	w.t.Fatal("nothing was started")
	return ""
}

// triesLeft counts how many wrong codes are answered as such before 429.
func (w *world) triesLeft(s started) int {
	w.t.Helper()
	for n := range 20 {
		if r := w.put(s, wrong(s.code)); r.Status == http.StatusTooManyRequests {
			return n
		}
	}
	w.t.Fatal("more than 20 tries")
	return 0
}

// TestDeadAfterFive is case 11, dead_after_five.
func TestDeadAfterFive(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		s := w.startEmail(address)
		for range 5 {
			refused(t, w.put(s, wrong(s.code)), 400, "invalidValue", "The verification code is incorrect.")
		}
		r := w.put(s, s.code)
		refused(t, r, 429, "", "Too many attempts. Request a new code later.")
		if got := r.Header.Get("Retry-After"); got != "300" {
			t.Errorf("Retry-After %q, want the closure of 300 s", got)
		}
		// A resend does not refill the counter of the factor.
		w.clock.advance(31 * time.Second)
		r = w.do("POST", w.path("validatedEmailAddresses"), emailBody(address))
		refused(t, r, 429, "", "Too many attempts. Request a new code later.")
		w.clock.advance(5 * time.Minute)
		s = w.startEmail(address)
		if r := w.put(s, s.code); r.Status != http.StatusOK {
			t.Errorf("after the closure: %d %s", r.Status, r.Body)
		}
		if n := len(w.events(audit.ChallengeFailed)); n != 5 {
			t.Errorf("%d failures in the audit trail, want 5", n)
		}
		if len(w.events(audit.FactorPaused)) != 1 || len(w.events(audit.ChallengeExhausted)) != 2 {
			t.Errorf("paused %d, exhausted %d", len(w.events(audit.FactorPaused)), len(w.events(audit.ChallengeExhausted)))
		}
	})
}

// TestStateOtherUser is case 12, state_other_user.
func TestStateOtherUser(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		s := w.startEmail(address)
		other := w.newUser("other")
		body := with(t, s.reply.Body, "verifyCode", s.code)
		refused(t, w.do("PUT", strings.Replace(s.path, w.user, other, 1), body), 400, "invalidValue",
			"The verification state is not valid. Start again.")
		if r := w.do("GET", strings.Replace(s.path, w.user, other, 1), ""); r.Status != 404 {
			t.Errorf("GET of another user's state: %d", r.Status)
		}
		if n := w.triesLeft(s); n != 5 {
			t.Errorf("%d tries left, want 5", n)
		}
	})
}

// TestStateOtherKind is case 13, state_other_kind, without the step-up.
func TestStateOtherKind(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		email := w.startEmail(address)
		r := w.must(http.StatusCreated, "POST", w.path("validatedPhoneNumbers"),
			`{"attributePath":"secondFactorPhoneNumber","attributeValue":"`+number+`"}`)
		phone := w.opened(r, w.smsCode())
		app := str(t, w.must(http.StatusCreated, "POST", w.path("totp"), "").Body, "verifyState")
		const detail = "The verification state is not valid. Start again."
		for _, one := range []struct{ path, body string }{
			{w.path("validatedPhoneNumbers/" + email.state), `{"verifyCode":"` + email.code + `"}`},
			{w.path("validatedEmailAddresses/" + phone.state), `{"verifyCode":"` + phone.code + `"}`},
			{w.path("validatedEmailAddresses/" + app), `{"verifyCode":"123456"}`},
			{w.path("validatedPhoneNumbers/" + app), `{"verifyCode":"123456"}`},
			{w.path("totp"), `{"verifyTotp":"` + email.code + `","verifyState":"` + email.state + `"}`},
			{w.path("totp"), `{"verifyTotp":"` + phone.code + `","verifyState":"` + phone.state + `"}`},
		} {
			refused(t, w.do("PUT", one.path, one.body), 400, "invalidValue", detail)
		}
		if n := w.triesLeft(email); n != 5 {
			t.Errorf("%d tries left, want 5", n)
		}
	})
}

// TestStateOtherCaller is case 14, state_other_caller: another token of the
// same rights. That of users' own tokens is TestOwnState.
func TestStateOtherCaller(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		s := w.startEmail(address)
		other := w.Token(t, "compat")
		body := with(t, s.reply.Body, "verifyCode", s.code)
		refused(t, w.Do(t, "PUT", s.path, other, body), 400, "invalidValue", "The verification state is not valid. Start again.")
		if r := w.Do(t, "GET", s.path, other, ""); r.Status != 404 {
			t.Errorf("GET by another caller: %d", r.Status)
		}
		if n := w.triesLeft(s); n != 5 {
			t.Errorf("%d tries left, want 5", n)
		}
	})
}

// TestStateAfterAttributeChange is case 15, state_after_attribute_change.
func TestStateAfterAttributeChange(t *testing.T) {
	t.Parallel()
	const detail = "The account changed since the code was requested. Start again."
	patch := func(path, value string) string {
		return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"` + path + `","value":"` + value + `"}]}`
	}
	for name, change := range map[string]string{
		"attribute": patch("secondFactorEmail", "other@example.com"),
		"password":  patch("password", "a new long passphrase 77"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachWorld(t, func(t *testing.T, w *world) {
				s := w.startEmail(address)
				if r := w.do("PATCH", "/scim/v2/Users/"+w.user, change); r.Status/100 != 2 {
					t.Fatalf("PATCH: %d %s", r.Status, r.Body)
				}
				refused(t, w.put(s, s.code), 400, "invalidValue", detail)
				if r := w.do("GET", s.path, ""); r.Status != 404 {
					t.Errorf("GET of a dead state: %d", r.Status)
				}
			})
		})
	}
	t.Run("unrelated", func(t *testing.T) {
		t.Parallel()
		eachWorld(t, func(t *testing.T, w *world) {
			s := w.startEmail(address)
			w.must(http.StatusOK, "PATCH", "/scim/v2/Users/"+w.user, patch("nickName", "Vee"))
			if r := w.put(s, s.code); r.Status != http.StatusOK {
				t.Errorf("PUT after an unrelated change: %d %s", r.Status, r.Body)
			}
		})
	})
}

// TestStateSuperseded is case 16, state_superseded, one after the other.
func TestStateSuperseded(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		first := w.startEmail(address)
		w.clock.advance(30 * time.Second)
		second := w.startEmail(address)
		refused(t, w.put(first, first.code), 400, "invalidValue", "A newer verification code was requested. Use that one.")
		if r := w.put(second, second.code); r.Status != http.StatusOK {
			t.Errorf("second: %d %s", r.Status, r.Body)
		}
		refused(t, w.put(second, second.code), 400, "invalidValue", "The verification code was already used. Start again.")
		if len(w.events(audit.ChallengeReplayed)) != 1 {
			t.Error("the second use is not in the audit trail")
		}
	})
}

// TestStateExpiredClock is case 17, state_expired_clock.
func TestStateExpiredClock(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		s := w.startEmail(address)
		w.clock.advance(10*time.Minute - time.Second)
		refused(t, w.put(s, wrong(s.code)), 400, "invalidValue", "The verification code is incorrect.")
		w.clock.advance(time.Second)
		refused(t, w.put(s, s.code), 400, "invalidValue", "The verification code has expired. Start again.")

		s = w.startEmail(address)
		w.clock.advance(10*time.Minute - time.Second)
		if r := w.put(s, s.code); r.Status != http.StatusOK {
			t.Errorf("one second before the end: %d %s", r.Status, r.Body)
		}
	})
}

// TestStateTextualVariants is case 18, state_textual_variants_fuzz, at the
// endpoint; the parser is fuzzed in validation/state.
func TestStateTextualVariants(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		s := w.startEmail(address)
		parts := strings.Split(s.state, ".")
		head := func(edit map[string]any) string {
			raw, err := base64.RawURLEncoding.DecodeString(parts[0])
			if err != nil {
				t.Fatal(err)
			}
			o := object(t, string(raw))
			maps.Copy(o, edit)
			out, err := json.Marshal(o)
			if err != nil {
				t.Fatal(err)
			}
			return base64.RawURLEncoding.EncodeToString(out) + "." + strings.Join(parts[1:], ".")
		}
		const invalid = "The verification state is not valid. Start again."
		for name, text := range map[string]string{
			"segment 2 filled": parts[0] + ".AAAA." + strings.Join(parts[2:], "."),
			"padding":          s.state + "=",
			"zip":              head(map[string]any{"zip": "DEF"}),
			"crit":             head(map[string]any{"crit": []string{"x"}}),
			"PBES2":            head(map[string]any{"alg": "PBES2-HS256+A128KW", "p2c": 1000000, "p2s": "AAAA"}),
			"4097 bytes":       s.state + strings.Repeat("A", 4097-len(s.state)),
			"five dots":        s.state + ".",
			"unknown kid":      head(map[string]any{"kid": "nobody"}),
			"tag cut":          s.state[:len(s.state)-4],
			"random":           "QUJD..QUJD.QUJD.QUJD",
		} {
			r := w.do("PUT", w.path("validatedEmailAddresses/"+text), `{"verifyCode":"`+s.code+`"}`)
			if r.Status != 400 || str(t, r.Body, "detail") != invalid {
				t.Errorf("%s: %d %s", name, r.Status, r.Body)
			}
		}
		if r := w.put(s, s.code); r.Status != http.StatusOK {
			t.Fatalf("PUT: %d %s", r.Status, r.Body)
		}
		// Unused bits of base64url give one state several texts: each is used.
		for _, segment := range []int{2, 3, 4} {
			p := append([]string(nil), parts...)
			if len(p[segment])%4 == 0 {
				continue
			}
			const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
			last := strings.IndexByte(alphabet, p[segment][len(p[segment])-1])
			p[segment] = p[segment][:len(p[segment])-1] + string(alphabet[last^1])
			r := w.do("PUT", w.path("validatedEmailAddresses/"+strings.Join(p, ".")), `{"verifyCode":"`+s.code+`"}`)
			if r.Status != 400 {
				t.Errorf("segment %d spelled otherwise: %d %s", segment, r.Status, r.Body)
			}
		}
	})
}

// TestNodeAToNodeB is case 20, node_a_to_node_b. Rotation is case 19 and has
// its tests in validation/state and storage.
func TestNodeAToNodeB(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		b := w.second()
		s := w.startEmail(address)
		path := strings.TrimPrefix(s.path, "")
		r := b.Do(t, "PUT", path, w.admin, `{"verifyCode":"`+s.code+`"}`)
		if r.Status != http.StatusOK {
			t.Fatalf("PUT on B: %d %s", r.Status, r.Body)
		}
		if got := object(t, r.Body)["meta"].(map[string]any)["location"]; got != b.URL()+path {
			t.Errorf("location on B: %v", got)
		}
		refused(t, w.put(s, s.code), 400, "invalidValue", "The verification code was already used. Start again.")
	})
}

// TestKeyRotation is case 19, key_rotation, and case 20 right after a rotation:
// a state opens on every node while its key is previous, and no longer once the
// key is retired.
func TestKeyRotation(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		b := w.second()
		rotate := func(want bool) {
			t.Helper()
			if got, err := b.Directory().RotateStateKeys(t.Context()); err != nil || got != want {
				t.Fatalf("rotate: %v, %v, want %v", got, err, want)
			}
		}
		putOn := func(node *servertest.Server, s started, code string) servertest.Reply {
			t.Helper()
			return node.Do(t, "PUT", s.path, w.admin, `{"verifyCode":"`+code+`"}`)
		}
		w.startEmail(address) // both nodes know the first keys
		rotate(false)
		w.clock.advance(30 * 24 * time.Hour)
		s := w.startEmail(address)
		rotate(true)
		if r := putOn(b, s, wrong(s.code)); r.Status != 400 || str(t, r.Body, "detail") != "The verification code is incorrect." {
			t.Errorf("previous key on B: %d %s", r.Status, r.Body)
		}
		if r := putOn(w.Server, s, s.code); r.Status != http.StatusOK {
			t.Errorf("previous key on A: %d %s", r.Status, r.Body)
		}
		w.clock.advance(2 * time.Minute)
		before := w.mail.count()
		r := b.Do(t, "POST", w.path("validatedEmailAddresses"), w.admin, emailBody("new@example.com"))
		if r.Status != http.StatusCreated {
			t.Fatalf("POST on B: %d %s", r.Status, r.Body)
		}
		path := strings.TrimPrefix(r.Header.Get("Location"), b.URL())
		code := codeIn(t, w.mail.wait(t, before+1).text(), 8)
		if r := w.do("PUT", path, `{"verifyCode":"`+code+`"}`); r.Status != http.StatusOK {
			t.Errorf("new key of B on A: %d %s", r.Status, r.Body)
		}
		w.clock.advance(20 * time.Minute)
		refused(t, putOn(w.Server, s, s.code), 400, "invalidValue", "The verification code has expired. Start again.")
		w.clock.advance(2 * time.Hour)
		rotate(false)
		refused(t, putOn(w.Server, s, s.code), 400, "invalidValue", "The verification state is not valid. Start again.")
	})
}

// TestReadonlyEchoAndImmutable is case 28, readonly_echo_and_immutable.
func TestReadonlyEchoAndImmutable(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		r := w.must(http.StatusCreated, "POST", w.path("validatedPhoneNumbers"),
			`{"attributePath":"secondFactorPhoneNumber","attributeValue":"`+number+`"}`)
		s := w.opened(r, w.smsCode())
		for member, value := range map[string]string{
			"attributeValue": "+15125550101", "attributePath": "secondFactorEmail", "messagingProvider": "Twilio Voice Provider",
		} {
			r := w.do("PUT", s.path, with(t, with(t, s.reply.Body, "verifyCode", s.code), member, value))
			refused(t, r, 400, "mutability", member+" cannot be changed.")
		}
		if n := w.triesLeft(s); n != 5 {
			t.Errorf("%d tries left, want 5", n)
		}
		s = w.startEmail("dr.veil@SainteAnne.COM")
		if s.replyBody["attributeValue"] != address {
			t.Errorf("attributeValue %v is not normalised", s.replyBody["attributeValue"])
		}
		body := `{"schemas":["` + strings.ToUpper(emailURN) + `"],"ID":"x","Meta":{"resourceType":"y","location":"z"},"ATTRIBUTEPATH":"urn:sallyport:params:scim:schemas:extension:secondfactor:2.0:User:secondfactoremail",` +
			`"attributevalue":"dr.veil@SAINTEANNE.com","validated":true,"validatedAt":null,"codeSent":false,"messageText":null,"VerifyCode":"` + s.code + `"}`
		if r := w.do("PUT", s.path, body); r.Status != http.StatusOK || object(t, r.Body)["validated"] != true {
			t.Errorf("whole record: %d %s", r.Status, r.Body)
		}
	})
}

// TestGetOfState: a pending record is shown to its caller and costs nothing.
func TestGetOfState(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		s := w.startEmail(address)
		for range 10 {
			r := w.must(http.StatusOK, "GET", s.path, "")
			if r.Body != s.reply.Body {
				t.Fatalf("GET %s, POST %s", r.Body, s.reply.Body)
			}
		}
		if item := object(t, w.must(http.StatusOK, "GET", w.path("validatedEmailAddresses/secondfactoremail"), "").Body); item["codeSent"] != true {
			t.Errorf("item of a pending code: %v", item)
		}
		if n := w.triesLeft(s); n != 5 {
			t.Errorf("%d tries left, want 5", n)
		}
		if r := w.do("GET", s.path, ""); r.Status != 404 {
			t.Errorf("GET of a dead state: %d %s", r.Status, r.Body)
		}
	})
}

// TestInactiveUser is case 36, inactive_user.
func TestInactiveUser(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		active := func(value string) {
			w.must(http.StatusOK, "PATCH", "/scim/v2/Users/"+w.user,
				`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"active","value":`+value+`}]}`)
		}
		s := w.startEmail(address)
		active("false")
		refused(t, w.put(s, s.code), 403, "", "The user is not active.")
		refused(t, w.do("POST", w.path("validatedEmailAddresses"), emailBody(address)), 403, "", "The user is not active.")
		refused(t, w.do("POST", w.path("totp"), ""), 403, "", "The user is not active.")
		active("true")
		refused(t, w.put(s, s.code), 400, "invalidValue", "The account changed since the code was requested. Start again.")
	})
}

// TestValidationFollowsValue is case 24, validation_follows_value, by every
// route.
func TestValidationFollowsValue(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		user := "/scim/v2/Users/" + w.user
		validated := func(want bool) {
			t.Helper()
			item := object(t, w.must(http.StatusOK, "GET", w.path("validatedEmailAddresses/secondfactoremail"), "").Body)
			if item["validated"] != want {
				t.Errorf("validated = %v, want %v: %v", item["validated"], want, item)
			}
		}
		validate := func() {
			t.Helper()
			w.clock.advance(2 * time.Hour)
			s := w.startEmail(address)
			if r := w.put(s, s.code); r.Status != http.StatusOK {
				t.Fatalf("PUT: %d %s", r.Status, r.Body)
			}
			validated(true)
		}
		op := func(op, path, value string) string {
			return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"` + op + `","path":"` + path + `"` + value + `}]}`
		}
		whole := `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"dr.veil","active":true`
		back := op("replace", "secondFactorEmail", `,"value":"`+address+`"`)
		for name, change := range map[string][2]string{
			"patch":         {"PATCH", op("replace", "secondFactorEmail", `,"value":"x@example.com"`)},
			"patch removes": {"PATCH", op("remove", "secondFactorEmail", "")},
			"put":           {"PUT", whole + `,"secondFactorEmail":"x@example.com"}`},
			"put null":      {"PUT", whole + `,"secondFactorEmail":null}`},
		} {
			validate()
			if r := w.do(change[0], user, change[1]); r.Status/100 != 2 {
				t.Fatalf("%s: %d %s", name, r.Status, r.Body)
			}
			validated(false)
			w.must(http.StatusOK, "PATCH", user, back)
			validated(false)
		}
		validate()
		w.must(http.StatusOK, "POST", "/scim/v2/Bulk", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[{"method":"PATCH","path":"/Users/`+w.user+
			`","data":`+op("replace", "secondFactorEmail", `,"value":"x@example.com"`)+`}]}`)
		w.must(http.StatusOK, "PATCH", user, back)
		validated(false)

		validate()
		for _, same := range []string{
			op("replace", "secondFactorEmail", `,"value":"dr.veil@SAINTEANNE.com"`),
			op("replace", "nickName", `,"value":"V"`),
		} {
			w.must(http.StatusOK, "PATCH", user, same)
			validated(true)
		}
		w.must(http.StatusOK, "PUT", user, whole+`}`) // case 26, put_omits_extension
		validated(true)
		w.must(http.StatusOK, "PATCH", user, op("replace", "secondFactorEmail", `,"value":"DR.VEIL@sainteanne.com"`))
		validated(false)

		validate()
		if r := w.do("DELETE", user, ""); r.Status != http.StatusNoContent {
			t.Fatalf("DELETE: %d %s", r.Status, r.Body)
		}
		caller := scim.Caller{ActorType: "command", Name: "test", Scopes: []string{scim.ScopeAdmin}}
		if _, err := w.Directory().Service.Restore(context.Background(), caller, w.user); err != nil {
			t.Fatal(err)
		}
		item := object(t, w.must(http.StatusOK, "GET", w.path("validatedEmailAddresses/secondfactoremail"), "").Body)
		if item["validated"] != false || item["attributeValue"] != address {
			t.Errorf("after restoring: %v", item)
		}
	})
}

// TestValidatedNotWritable is case 25, validated_not_writable.
func TestValidatedNotWritable(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		user := "/scim/v2/Users/" + w.user
		ext := "urn:sallyport:params:scim:schemas:extension:secondfactor:2.0:User"
		w.must(http.StatusOK, "PATCH", user, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"add","path":"secondFactorEmail","value":"`+address+`"}]}`)
		for _, try := range []servertest.Reply{
			w.do("PATCH", user, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"add","path":"validated","value":true}]}`),
			w.do("PATCH", user, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"add","path":"`+ext+`:Validated","value":true}]}`),
			w.do("PATCH", user, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"add","path":"validatedEmailAddresses","value":[{"attributePath":"secondFactorEmail","validated":true}]}]}`),
			w.do("PATCH", user, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"validatedEmailAddresses[attributePath eq \"secondFactorEmail\"].validated","value":true}]}`),
			w.do("PATCH", user, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","path":"`+ext+`:accountVerified","value":true}]}`),
			w.do("POST", w.path("validatedEmailAddresses/secondfactoremail"), `{"validated":true}`),
			w.do("PUT", w.path("validatedEmailAddresses/secondfactoremail"), `{"validated":true,"codeSent":false}`),
		} {
			if try.Status < 400 && strings.Contains(try.Body, "alidated") {
				t.Errorf("accepted: %s", try.Body)
			}
		}
		for _, body := range []string{
			`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"dr.veil","active":true,"Validated":true,"validatedEmailAddresses":[{"attributePath":"secondFactorEmail","validated":true}],"` + ext + `":{"secondFactorEmail":"` + address + `","validated":true,"accountVerified":true}}`,
		} {
			r := w.must(http.StatusOK, "PUT", user, body)
			if strings.Contains(r.Body, "alidated") || strings.Contains(r.Body, "accountVerified") {
				t.Errorf("kept: %s", r.Body)
			}
		}
		bulk := w.must(http.StatusOK, "POST", "/scim/v2/Bulk", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[{"method":"PUT","path":"/Users/`+w.user+
			`/validatedEmailAddresses/secondfactoremail","data":{"validated":true}}]}`)
		if !strings.Contains(bulk.Body, `"400"`) {
			t.Errorf("bulk reaches the sub-resource: %s", bulk.Body)
		}
		item := object(t, w.must(http.StatusOK, "GET", w.path("validatedEmailAddresses/secondfactoremail"), "").Body)
		if item["validated"] != false {
			t.Errorf("item: %v", item)
		}
	})
}

// TestVersionMovesWithTheValue: a PUT that proves the value that is there
// already changes neither version nor lastModified; another value moves both.
func TestVersionMovesWithTheValue(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		etag := func() string {
			return w.must(http.StatusOK, "GET", "/scim/v2/Users/"+w.user, "").Header.Get("Etag")
		}
		s := w.startEmail(address)
		before := etag()
		if r := w.put(s, s.code); r.Status != 200 {
			t.Fatal(r.Body)
		}
		moved := etag()
		if moved == before {
			t.Errorf("version %s stays after a new value", moved)
		}
		w.clock.advance(time.Hour)
		s = w.startEmail("dr.veil@SAINTEANNE.com")
		if r := w.put(s, s.code); r.Status != 200 {
			t.Fatal(r.Body)
		}
		if got := etag(); got != moved {
			t.Errorf("version %s after the same value, want %s", got, moved)
		}
		if n := len(w.events(audit.AddressValidated)); n != 2 {
			t.Errorf("%d events address.validated, want 2", n)
		}
		for _, e := range w.events(audit.AddressValidated) {
			if !strings.Contains(string(e.Detail), `"destination":"d***@sainteanne.com"`) || !strings.Contains(string(e.Detail), `"jti":`) || e.Target.ID != w.user {
				t.Errorf("event %s of %v", e.Detail, e.Target)
			}
		}
	})
}

// TestEmptyIDIsNobody: a path without an id is not the caller's own.
func TestEmptyIDIsNobody(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		for _, token := range []string{w.own(withFactor), w.admin} {
			for _, rest := range []string{"totp", "sessions", "validatedEmailAddresses", "account"} {
				if r := w.Do(t, "GET", "/scim/v2/Users//"+rest, token, ""); r.Status != http.StatusNotFound {
					t.Errorf("GET Users//%s: %d %s", rest, r.Status, r.Body)
				}
			}
		}
	})
}

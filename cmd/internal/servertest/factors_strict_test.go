package servertest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/storage/storagetest"
)

// members that the strict clients know, by message; see section 3 of the
// specification of second factors.
var strictMembers = map[string][]string{
	emailURN: {"schemas", "id", "meta", "attributePath", "attributeValue", "validated", "validatedAt", "codeSent"},
	phoneURN: {"schemas", "id", "meta", "attributePath", "attributeValue", "messagingProvider", "validated", "validatedAt", "codeSent"},
	totpURN:  {"schemas", "meta", "sharedSecret", "otpAuthUri", "registered", "verifyState"},
	"urn:ietf:params:scim:api:messages:2.0:Error":        {"schemas", "status", "scimType", "detail"},
	"urn:ietf:params:scim:api:messages:2.0:ListResponse": {"schemas", "totalResults", "startIndex", "itemsPerPage", "Resources"},
}

// strictly fails for a member that the clients before 4.0 would refuse (C1, C2,
// C5, C7), a relative location (C9), or a body that is no SCIM message (C6).
func strictly(t *testing.T, r servertest.Reply, base string) {
	t.Helper()
	if r.Status == http.StatusNoContent {
		return
	}
	if ct := r.Header.Get("Content-Type"); ct != "application/scim+json" {
		t.Errorf("media type %q of %s", ct, r.Body)
	}
	strictMessage(t, []byte(r.Body), base)
}

func strictMessage(t *testing.T, body []byte, base string) {
	t.Helper()
	var o map[string]json.RawMessage
	if err := json.Unmarshal(body, &o); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	var schemas []string
	if err := json.Unmarshal(o["schemas"], &schemas); err != nil || len(schemas) != 1 {
		t.Fatalf("schemas of %s: %v", body, err)
	}
	known, ok := strictMembers[schemas[0]]
	if !ok {
		t.Fatalf("unknown schema in %s", body)
	}
	for name, v := range o {
		if !slices.Contains(known, name) {
			t.Errorf("member %s in %s", name, body)
		}
		if bytes.Equal(v, []byte("null")) {
			t.Errorf("null member %s in %s", name, body)
		}
	}
	if raw, ok := o["meta"]; ok {
		var meta map[string]string
		if err := json.Unmarshal(raw, &meta); err != nil {
			t.Fatalf("meta: %v in %s", err, body)
		}
		for name := range meta {
			if !slices.Contains([]string{"resourceType", "created", "lastModified", "location", "version"}, name) {
				t.Errorf("meta.%s in %s", name, body)
			}
		}
		if !strings.HasPrefix(meta["location"], base+"/scim/v2/Users/") || strings.Contains(meta["location"], "?") {
			t.Errorf("location %q, base %s", meta["location"], base)
		}
	}
	var resources []json.RawMessage
	if raw, ok := o["Resources"]; ok {
		if err := json.Unmarshal(raw, &resources); err != nil {
			t.Fatal(err)
		}
	}
	for _, one := range resources {
		strictMessage(t, one, base)
	}
}

// everyRequest makes each kind of request once, good and bad, and returns the
// answers.
func (w *world) everyRequest(token, parent string) []servertest.Reply {
	w.t.Helper()
	var out []servertest.Reply
	do := func(method, path, body string) servertest.Reply {
		r := w.Do(w.t, method, parent+path, token, body)
		out = append(out, r)
		return r
	}
	before := w.mail.count()
	do("GET", "/validatedEmailAddresses", "")
	do("GET", "/validatedPhoneNumbers", "")
	do("GET", "/totp", "")
	r := do("POST", "/validatedEmailAddresses", emailBody(address))
	s := w.opened(r, codeIn(w.t, w.mail.wait(w.t, before+1).text(), 8))
	state := "/validatedEmailAddresses/" + s.state
	do("GET", state, "")
	do("GET", "/validatedEmailAddresses/secondfactoremail", "")
	do("PUT", state, with(w.t, r.Body, "verifyCode", wrong(s.code)))
	do("PUT", state, with(w.t, r.Body, "verifyCode", s.code))
	do("PUT", state, with(w.t, r.Body, "verifyCode", s.code))
	do("GET", "/validatedEmailAddresses", "")
	r = do("POST", "/validatedPhoneNumbers", `{"attributePath":"secondFactorPhoneNumber","attributeValue":"`+number+`","language":"de"}`)
	s = w.opened(r, w.smsCode())
	do("PUT", "/validatedPhoneNumbers/"+s.state, with(w.t, r.Body, "verifyCode", s.code))
	do("GET", "/validatedPhoneNumbers", "")
	r = do("POST", "/totpSharedSecret", "")
	do("PUT", "/totpSharedSecret", with(w.t, r.Body, "verifyTotp", "000000"))
	do("PUT", "/totp", with(w.t, r.Body, "verifyTotp", scan(w.t, str(w.t, r.Body, "otpAuthUri")).at(w.clock.Now())))
	do("GET", "/totp", "")
	do("DELETE", "/totp", "")
	do("DELETE", "/validatedEmailAddresses", "")
	do("POST", "/validatedEmailAddresses", "{")
	do("POST", "/validatedEmailAddresses", emailBody(address))
	do("GET", "/validatedEmailAddresses/nothing", "")
	do("GET", "/validatedEmailAddresses?filter=x", "")
	return out
}

// TestStrictReplyMembers is case 3, strict_reply_members, for the sub-resources
// of enrolment.
func TestStrictReplyMembers(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		for _, r := range w.everyRequest(w.admin, "/scim/v2/Users/"+w.user) {
			strictly(t, r, w.URL())
		}
		w.clock.advance(26 * time.Hour)
		for _, r := range w.everyRequest(w.own(withFactor), "/scim/v2/Me") {
			strictly(t, r, w.URL())
			if strings.Contains(r.Body, "/Me/") {
				t.Errorf("a location below /Me: %s", r.Body)
			}
		}
	})
}

// TestLocationUnderClientBase is case 4, location_under_client_base.
func TestLocationUnderClientBase(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		send := func(host string, header http.Header) string {
			t.Helper()
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.URL()+w.path("validatedEmailAddresses/secondfactoremail"), http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			if header != nil {
				req.Header = header.Clone()
			}
			req.Header.Set("Authorization", "Bearer "+w.admin)
			if host != "" {
				req.Host = host
			}
			r := servertest.Send(t, http.DefaultClient, req)
			if strings.Contains(r.Body, "evil") {
				t.Errorf("a header came through: %s", r.Body)
			}
			location, _ := object(t, r.Body)["meta"].(map[string]any)["location"].(string)
			return location
		}
		rest := "/scim/v2/Users/" + w.user + "/validatedEmailAddresses/secondfactoremail"
		for host, want := range map[string]string{
			"":                     w.URL(),
			"accounts.example.com": "https://accounts.example.com",
			"ACCOUNTS.example.com": "https://accounts.example.com",
			"evil.example":         w.URL(),
			"evil.example:443":     w.URL(),
		} {
			if got := send(host, nil); got != want+rest {
				t.Errorf("host %q: location %s, want %s", host, got, want+rest)
			}
		}
		for _, name := range []string{"X-Forwarded-Host", "Forwarded", "X-Forwarded-Proto", "X-Original-Host"} {
			if got := send("", http.Header{name: {"evil.example"}}); got != w.URL()+rest {
				t.Errorf("%s: location %s", name, got)
			}
		}
	}, func(c *config.Config) { c.PublicURLs = []string{"https://accounts.example.com"} })
}

// TestOwnState is case 14, state_other_caller, for users' own tokens: another
// session, another application, and an administrator cannot redeem a state.
func TestOwnState(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		mine := w.own()
		r := w.Do(t, "POST", "/scim/v2/Me/validatedEmailAddresses", mine, emailBody(address))
		if r.Status != http.StatusCreated {
			t.Fatalf("POST: %d %s", r.Status, r.Body)
		}
		s := w.opened(r, codeIn(t, w.mail.wait(t, 1).text(), 8))
		body := with(t, r.Body, "verifyCode", s.code)
		for name, token := range map[string]string{
			"another session": w.own(), "another application": w.own(withClient("other")), "administrator": w.admin,
		} {
			r := w.Do(t, "PUT", s.path, token, body)
			if r.Status != 400 || str(t, r.Body, "detail") != "The verification state is not valid. Start again." {
				t.Errorf("%s: %d %s", name, r.Status, r.Body)
			}
		}
		row, err := w.Directory().Challenges().Challenge(t.Context(), w.lastJTI())
		if err != nil || row.Attempts != 0 {
			t.Errorf("row %+v, %v: want no try counted", row, err)
		}
		// Asked for at /Me, redeemed at the location, which is below /Users.
		if r := w.Do(t, "PUT", s.path, mine, body); r.Status != http.StatusOK {
			t.Errorf("own state: %d %s", r.Status, r.Body)
		}
	})
}

// TestEnrolmentIsNoProof is case 34, enrolment_is_no_proof, as far as records
// go: neither the session's times nor secondFactorEnabled move.
func TestEnrolmentIsNoProof(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		mine := w.own()
		sessions := func() string { return w.as(mine, http.StatusOK, "GET", me("/sessions"), "").Body }
		before := sessions()
		w.clock.advance(time.Minute)
		r := w.as(mine, http.StatusCreated, "POST", me("/validatedEmailAddresses"), emailBody(address))
		s := w.opened(r, codeIn(t, w.mail.wait(t, 1).text(), 8))
		w.as(mine, http.StatusOK, "PUT", s.path, with(t, r.Body, "verifyCode", s.code))
		if after := sessions(); after != before {
			t.Errorf("session %s, was %s", after, before)
		}
		if user := w.must(http.StatusOK, "GET", "/scim/v2/Users/"+w.user, "").Body; strings.Contains(user, "secondFactorEnabled") {
			t.Errorf("user %s", user)
		}
		wantFactor(t, w.Do(t, "POST", me("/totp"), mine, ""))
	})
}

// TestCodeNowhere is case 23, code_nowhere: after every kind of request neither
// code, state, secret nor text is in an answer beyond the defined member, the
// log, the audit trail, the metrics or the database.
func TestCodeNowhere(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		const text = "A chosen text for Veil"
		r := w.must(http.StatusCreated, "POST", w.path("validatedEmailAddresses"), `{"attributePath":"secondFactorEmail","attributeValue":"`+address+
			`","messageSubject":"`+text+`","messageText":"%code%"}`)
		email := w.opened(r, codeIn(t, w.mail.wait(t, 1).text(), 8))
		if strings.Contains(r.Body, email.code) || strings.Contains(r.Body, text) {
			t.Errorf("POST reply %s", r.Body)
		}
		app := w.must(http.StatusCreated, "POST", w.path("totp"), "")
		secret, state := str(t, app.Body, "sharedSecret"), str(t, app.Body, "verifyState")
		code := scan(t, str(t, app.Body, "otpAuthUri")).at(w.clock.Now())
		guess := wrong(email.code)
		for _, r := range []servertest.Reply{
			w.put(email, guess),
			w.do("GET", email.path, ""),
			w.do("PUT", w.path("validatedPhoneNumbers/"+email.state), `{"verifyCode":"`+email.code+`"}`),
			w.do("GET", "/scim/v2/Users/"+email.state, ""),
			w.do("GET", "/scim/v2/nosuch/"+email.state, ""),
			w.put(email, email.code),
			w.put(email, email.code),
			w.do("PUT", w.path("totp"), with(t, app.Body, "verifyTotp", code)),
			w.do("GET", w.path("totp"), ""),
		} {
			for name, hidden := range map[string]string{"code": `"` + email.code + `"`, "secret": secret, "TOTP state": state, "text": text} {
				if strings.Contains(r.Body, hidden) {
					t.Errorf("%s in %s", name, r.Body)
				}
			}
		}
		stored, err := w.Directory().Secrets().TOTP(context.Background(), w.user)
		if err != nil || stored.Secret.Base32() != secret {
			t.Fatalf("secret not stored: %v", err)
		}
		haystacks := map[string][]byte{
			"log": []byte(w.Log.String()), "notice": []byte(w.Notice.String()),
			"metrics": []byte(w.Do(t, "GET", "/metrics", "", "").Body),
		}
		events, err := w.Directory().History.Events(context.Background(), audit.Filter{Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		if haystacks["audit trail"], err = json.Marshal(events); err != nil {
			t.Fatal(err)
		}
		if err := w.Stop(); err != nil {
			t.Fatal(err)
		}
		database := "sallyport.db"
		if url := w.Config.DatabaseURL.Reveal(); url != "" {
			database = "rows"
			haystacks[database] = storagetest.PostgresRows(t, url)
		}
		files, err := filepath.Glob(filepath.Join(w.Config.Data, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if haystacks[filepath.Base(file)], err = os.ReadFile(file); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Contains(haystacks[database], []byte(w.lastJTIIn(events))) {
			t.Errorf("%s does not hold the challenge: nothing was looked at", database)
		}
		number := func(code string) *regexp.Regexp {
			return regexp.MustCompile(`(^|[^0-9A-Za-z])` + code + `([^0-9A-Za-z]|$)`)
		}
		for place, hay := range haystacks {
			for name, hidden := range map[string]string{"state": email.state, "TOTP state": state, "secret": secret, "raw secret": string(stored.Secret), "text": text} {
				if bytes.Contains(hay, []byte(hidden)) {
					t.Errorf("%s in %s", name, place)
				}
			}
			for name, hidden := range map[string]string{"code": email.code, "guess": guess, "TOTP code": code} {
				if at := number(hidden).FindIndex(hay); at != nil {
					t.Errorf("%s %s in %s: %q", name, hidden, place, hay[max(0, at[0]-60):min(len(hay), at[1]+60)])
				}
			}
		}
		if !strings.Contains(w.Log.String(), "/validatedEmailAddresses/:key") {
			t.Error("the log has no route of a state: nothing was looked at")
		}
	})
}

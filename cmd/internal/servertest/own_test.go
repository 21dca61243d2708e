package servertest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/cmd/internal/server"
)

// Second-factor.md 2: users read their record and write what is theirs, on /Me
// and on /Users/{id} alike.
func TestOwnRecord(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		token := w.own()
		for _, path := range []string{me(""), "/scim/v2/Users/" + w.user} {
			got := w.as(token, http.StatusOK, http.MethodGet, path, "")
			if str(t, got.Body, "userName") != "dr.veil" || !strings.Contains(got.Body, w.URL()+"/scim/v2/Users/"+w.user) {
				t.Errorf("GET %s: %s", path, got.Body)
			}
			for _, op := range []string{
				`"op":"replace","path":"displayName","value":"Dr. Veil ` + path + `"`,
				`"op":"add","value":{"nickName":"v` + path + `","name":{"givenName":"Vivian ` + path + `"}}`,
				`"op":"replace","path":"urn:ietf:params:scim:schemas:core:2.0:User:locale","value":"de-DE"`,
				`"op":"replace","path":"timezone","value":"Europe/Paris"`,
				`"op":"replace","path":"preferredLanguage","value":"fr"`,
				`"op":"replace","path":"secondFactorEnabled","value":true`,
				`"op":"replace","path":"` + factorURN + `:secondFactorEmail","value":"veil@example.com"`,
				`"op":"replace","path":"` + factorURN + `","value":{"secondFactorPhoneNumber":"+15125550100"}`,
				`"op":"remove","path":"nickName"`,
			} {
				w.as(token, http.StatusOK, http.MethodPatch, path, patchBody(op))
			}
		}
	})
}

// The whole record, sent back as it was read, changes nothing and passes; with
// one change of the user's own it passes too.
func TestOwnRecordWholePut(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.setPassword()
		w.must(http.StatusOK, http.MethodPatch, "/scim/v2/Users/"+w.user, `{"schemas":["`+patchURN+`"],"Operations":[
			{"op":"add","path":"emails","value":[{"type":"work","value":"v@work.example","primary":true},{"type":"home","value":"v@home.example"}]},
			{"op":"add","path":"title","value":"Dr"},{"op":"add","path":"roles","value":[{"value":"reader"}]},
			{"op":"add","path":"externalId","value":"ext-7"},
			{"op":"add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:costCenter","value":"cc"}]}`)
		token := w.own()
		for _, profile := range []string{"compat", "rfc", "strict", "ping"} {
			same := w.own(func(u *server.UserToken) { u.Profile = profile })
			record := w.as(same, http.StatusOK, http.MethodGet, me(""), "").Body
			put := w.as(same, http.StatusOK, http.MethodPut, me(""), record)
			if got, want := object(t, put.Body)["meta"].(map[string]any)["version"], object(t, record)["meta"].(map[string]any)["version"]; got != want {
				t.Errorf("profile %s: version %v after a PUT that changes nothing, want %v", profile, got, want)
			}
		}
		record := w.as(token, http.StatusOK, http.MethodGet, me(""), "").Body
		put := w.as(token, http.StatusOK, http.MethodPut, me(""), with(t, record, "displayName", "Veil"))
		if str(t, put.Body, "displayName") != "Veil" {
			t.Errorf("PUT: %s", put.Body)
		}
		forbidden(t, w.as(token, http.StatusForbidden, http.MethodPut, me(""), with(t, record, "title", "Prof")), "title")
		forbidden(t, w.as(token, http.StatusForbidden, http.MethodPut, me(""), with(t, record, "password", "another password")), "password")
	})
}

// Scopes: none of the record without manage_profile, and 403 with what is
// missing.
func TestOwnRecordNeedsItsScope(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		other := w.newUser("other")
		token := w.own(withScopes("urn:pingidentity:scope:manage_totp"))
		for _, path := range []string{me(""), "/scim/v2/Users/" + w.user} {
			for _, method := range []string{http.MethodGet, http.MethodPatch, http.MethodPut} {
				r := w.as(token, http.StatusForbidden, method, path, patchBody(`"op":"replace","path":"displayName","value":"x"`))
				refused(t, r, http.StatusForbidden, "", "The token does not permit this.")
				if got := r.Header.Get("WWW-Authenticate"); !strings.Contains(got, `error="insufficient_scope"`) || !strings.Contains(got, profileScope) {
					t.Errorf("%s %s: WWW-Authenticate %q", method, path, got)
				}
			}
		}
		w.as(token, http.StatusNotFound, http.MethodGet, "/scim/v2/Users/"+other, "")
		w.as(w.own(), http.StatusForbidden, http.MethodDelete, me(""), "")
		w.as(w.own(), http.StatusForbidden, http.MethodDelete, "/scim/v2/Users/"+w.user, "")
	})
}

// The list of what users may write is a setting; the factors always are.
func TestSelfServiceWritable(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite")
	cfg := w.Config
	cfg.SelfService.Writable = []string{"title", `emails[type eq "home"].value`}
	cfg.Recovery.UnvalidatedAddresses = false
	w.Server = startTwin(t, w, cfg)
	token := w.own()
	w.as(token, http.StatusOK, http.MethodPatch, me(""), patchBody(`"op":"add","path":"title","value":"Dr"`))
	w.as(token, http.StatusOK, http.MethodPatch, me(""), patchBody(`"op":"add","path":"emails","value":[{"type":"home","value":"v@home.example"}]`))
	w.as(token, http.StatusOK, http.MethodPatch, me(""), patchBody(`"op":"replace","path":"emails[type eq \"home\"].value","value":"w@home.example"`))
	w.as(token, http.StatusOK, http.MethodPatch, me(""), patchBody(`"op":"replace","path":"secondFactorEmail","value":"w@home.example"`))
	for name, op := range map[string]string{
		"displayName": `"op":"replace","path":"displayName","value":"x"`,
		"emails":      `"op":"add","path":"emails","value":[{"type":"work","value":"v@work.example"}]`,
	} {
		forbidden(t, w.as(token, http.StatusForbidden, http.MethodPatch, me(""), patchBody(op)), name)
	}
	forbidden(t, w.as(token, http.StatusForbidden, http.MethodPatch, me(""), patchBody(`"op":"replace","path":"emails[type eq \"home\"].type","value":"work"`)), "emails")
	forbidden(t, w.as(token, http.StatusForbidden, http.MethodPatch, me(""), patchBody(`"op":"add","path":"emails[type eq \"home\"].primary","value":true`)), "emails")
}

// A token ends with its own life, its session's, and the user's activity; what
// ends it is felt by the very next request.
func TestOwnTokenEnds(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		gone := func(name, token string) {
			t.Helper()
			r := w.as(token, http.StatusUnauthorized, http.MethodGet, me(""), "")
			refused(t, r, http.StatusUnauthorized, "", "Access token is expired or otherwise invalid.")
			if !strings.Contains(r.Header.Get("WWW-Authenticate"), `error="invalid_token"`) {
				t.Errorf("%s: WWW-Authenticate %q", name, r.Header.Get("WWW-Authenticate"))
			}
			w.as(token, http.StatusUnauthorized, http.MethodPut, me("/password"), `{}`)
			w.as(token, http.StatusUnauthorized, http.MethodGet, me("/sessions"), "")
			w.as(token, http.StatusUnauthorized, http.MethodGet, me("/totp"), "")
		}
		short := w.own(func(u *server.UserToken) { u.ExpiresAt = w.clock.Now().Add(time.Minute) })
		w.as(short, http.StatusOK, http.MethodGet, me(""), "")
		w.clock.advance(time.Minute)
		gone("expired", short)

		disabled := w.own()
		w.as(disabled, http.StatusOK, http.MethodGet, me(""), "")
		w.must(http.StatusOK, http.MethodPatch, "/scim/v2/Users/"+w.user, patchBody(`"op":"replace","path":"active","value":false`))
		gone("deactivated", disabled)
		w.must(http.StatusOK, http.MethodPatch, "/scim/v2/Users/"+w.user, patchBody(`"op":"replace","path":"active","value":true`))
		gone("activated again", disabled)

		changed := w.own()
		w.setPassword()
		gone("password set by provisioning", changed)

		replaced := w.own()
		w.must(http.StatusOK, http.MethodPut, "/scim/v2/Users/"+w.user, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"dr.veil","active":false}`)
		gone("deactivated by PUT", replaced)
		w.must(http.StatusOK, http.MethodPatch, "/scim/v2/Users/"+w.user, patchBody(`"op":"replace","path":"active","value":true`))

		bulk := w.own()
		w.must(http.StatusOK, http.MethodPost, "/scim/v2/Bulk", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[
			{"method":"PATCH","path":"/Users/`+w.user+`","data":`+patchBody(`"op":"replace","path":"active","value":false`)+`}]}`)
		gone("deactivated by Bulk", bulk)
		w.must(http.StatusOK, http.MethodPatch, "/scim/v2/Users/"+w.user, patchBody(`"op":"replace","path":"active","value":true`))

		deleted := w.own()
		w.must(http.StatusNoContent, http.MethodDelete, "/scim/v2/Users/"+w.user, "")
		gone("deleted", deleted)
	})
}

// A token ends on every node at once: users' own tokens are not remembered.
func TestOwnTokenEndsOnEveryNode(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		other := w.second()
		token := w.own()
		if r := other.Do(t, http.MethodGet, me(""), token, ""); r.Status != http.StatusOK {
			t.Fatalf("GET /Me on the other node: %d %s", r.Status, r.Body)
		}
		w.must(http.StatusOK, http.MethodPatch, "/scim/v2/Users/"+w.user, patchBody(`"op":"replace","path":"active","value":false`))
		if r := other.Do(t, http.MethodGet, me(""), token, ""); r.Status != http.StatusUnauthorized {
			t.Errorf("GET /Me on the other node after deactivation: %d %s, want 401", r.Status, r.Body)
		}
	})
}

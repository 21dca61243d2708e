package servertest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/cmd/internal/server"
)

// escalations are changes of attributes that are not the user's, in every
// spelling that PATCH knows, with the attribute they reach.
var escalations = map[string]string{
	`"op":"replace","path":"active","value":false`:                                                                     "active",
	`"op":"replace","path":"ACTIVE","value":"False"`:                                                                   "active",
	`"op":"replace","path":"userName","value":"admin"`:                                                                 "userName",
	`"op":"replace","path":"USERNAME","value":"admin"`:                                                                 "userName",
	`"op":"replace","path":"urn:ietf:params:scim:schemas:core:2.0:User:userName","value":"admin"`:                      "userName",
	`"op":"replace","path":"URN:IETF:PARAMS:SCIM:SCHEMAS:CORE:2.0:USER:USERNAME","value":"admin"`:                      "userName",
	`"op":"replace","value":{"userName":"admin"}`:                                                                      "userName",
	`"op":"add","value":{"urn:ietf:params:scim:schemas:core:2.0:User:userName":"admin"}`:                               "userName",
	`"op":"add","value":{"urn:ietf:params:scim:schemas:core:2.0:User":{"userName":"admin"}}`:                           "userName",
	`"op":"add","path":"","value":{"UserName":"admin"}`:                                                                "userName",
	`"op":"add","path":"roles","value":[{"value":"admin"}]`:                                                            "roles",
	`"op":"add","path":"roles","value":{"value":"admin"}`:                                                              "roles",
	`"op":"add","path":"Roles[value eq \"admin\"].primary","value":true`:                                               "roles",
	`"op":"add","value":{"roles":[{"value":"admin"}],"displayName":"x"}`:                                               "roles",
	`"op":"add","value":{"displayName":"x","entitlements":[{"value":"all"}]}`:                                          "entitlements",
	`"op":"add","path":"emails","value":[{"type":"work","value":"a@b.example"}]`:                                       "emails",
	`"op":"add","path":"emails[type eq \"work\"].value","value":"a@b.example"`:                                         "emails",
	`"op":"add","value":{"emails[type eq \"work\"].value":"a@b.example"}`:                                              "emails",
	`"op":"add","path":"phoneNumbers","value":[{"value":"+15125550100"}]`:                                              "phoneNumbers",
	`"op":"add","path":"externalId","value":"x"`:                                                                       "externalId",
	`"op":"add","path":"title","value":"CEO"`:                                                                          "title",
	`"op":"add","path":"userType","value":"Admin"`:                                                                     "userType",
	`"op":"add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department","value":"x"`:            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
	`"op":"add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User","value":{"manager":{"value":"x"}}`: "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager",
	`"op":"add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value","value":"x"`:         "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager",
	`"op":"add","value":{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value":"x"}`:              "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager",
	`"op":"add","value":{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"employeeNumber":"1"}}`:         "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber",
	`"op":"replace","path":"password","value":"a new password"`:                                                        "password",
	`"op":"replace","path":"PassWord","value":"a new password"`:                                                        "password",
	`"op":"replace","value":{"password":"a new password"}`:                                                             "password",
	`"op":"remove","path":"password"`:                                                                                  "password",
}

// Privilege escalation: whatever the spelling, what changed is judged, and
// nothing of a refused request is written.
func TestOwnTokenCannotEscalate(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.setPassword()
		token := w.own(withFactor)
		before := w.must(http.StatusOK, http.MethodGet, "/scim/v2/Users/"+w.user, "").Body
		for op, attribute := range escalations {
			for _, path := range []string{me(""), "/scim/v2/Users/" + w.user} {
				forbidden(t, w.as(token, http.StatusForbidden, http.MethodPatch, path, patchBody(op)), attribute)
			}
			// A permitted change in the same request is not written either.
			both := `{"schemas":["` + patchURN + `"],"Operations":[{"op":"replace","path":"displayName","value":"smuggled"},{` + op + `}]}`
			forbidden(t, w.as(token, http.StatusForbidden, http.MethodPatch, me(""), both), attribute)
		}
		if after := w.must(http.StatusOK, http.MethodGet, "/scim/v2/Users/"+w.user, "").Body; after != before {
			t.Errorf("the record changed:\n%s\n%s", before, after)
		}
	})
}

// What is read-only for everybody is no way around it: it never changes.
func TestOwnTokenCannotWriteReadOnly(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		token := w.own(withFactor)
		before := w.must(http.StatusOK, http.MethodGet, "/scim/v2/Users/"+w.user, "").Body
		for _, op := range []string{
			`"op":"remove","path":"userName"`,
			`"op":"replace","path":"id","value":"x"`,
			`"op":"add","path":"groups","value":[{"value":"admins"}]`,
			`"op":"replace","path":"` + factorURN + `:accountVerified","value":true`,
			`"op":"replace","path":"accountVerified","value":true`,
			`"op":"add","value":{"` + factorURN + `":{"accountVerified":true}}`,
			`"op":"replace","path":"validated","value":true`,
			`"op":"replace","path":"meta.version","value":"W/\"99\""`,
		} {
			r := w.Do(t, http.MethodPatch, me(""), token, patchBody(op))
			if r.Status == http.StatusInternalServerError || strings.Contains(r.Body, `"accountVerified":true`) {
				t.Errorf("PATCH %s: %d %s", op, r.Status, r.Body)
			}
		}
		if after := w.must(http.StatusOK, http.MethodGet, "/scim/v2/Users/"+w.user, "").Body; after != before {
			t.Errorf("the record changed:\n%s\n%s", before, after)
		}
	})
}

// Routes that see or change more than one record are closed to users' own
// tokens, also for the own record.
func TestOwnTokenSeesNoLists(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		token := w.own(withFactor)
		own := patchBody(`"op":"replace","path":"displayName","value":"x"`)
		for _, c := range [][3]string{
			{"GET", "/scim/v2/Users", ""},
			{"GET", "/scim/v2/", ""},
			{"GET", "/scim/v2/Groups", ""},
			{"GET", "/scim/v2/Groups/anything", ""},
			{"GET", `/scim/v2/Users?filter=userName%20eq%20%22dr.veil%22`, ""},
			{"POST", "/scim/v2/.search", `{}`},
			{"POST", "/scim/v2/Users/.search", `{}`},
			{"POST", "/scim/v2/Groups/.search", `{}`},
			{"POST", "/scim/v2/Users", `{"userName":"new"}`},
			{"POST", "/scim/v2/Groups", `{"displayName":"new"}`},
			{"POST", "/scim/v2/Me", `{"userName":"new"}`},
			{"PATCH", "/scim/v2/Groups/anything", own},
			{"PUT", "/scim/v2/Groups/anything", `{}`},
			{"POST", "/scim/v2/Bulk", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[
				{"method":"PATCH","path":"/Users/` + w.user + `","data":` + own + `},{"method":"PATCH","path":"/Me","data":` + own + `}]}`},
		} {
			w.as(token, http.StatusForbidden, c[0], c[1], c[2])
		}
	})
}

// Enumeration (case 32): somebody else's record and a record that does not
// exist look the same, byte for byte, on the record and on every sub-resource.
func TestOwnTokenCannotTellOthers(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		other := w.newUser("other")
		token := w.own(withFactor)
		session := object(t, w.as(w.ownOf(other), http.StatusOK, http.MethodGet, me("/sessions"), "").Body)["Resources"].([]any)[0].(map[string]any)["id"].(string)
		const nobody = "018f0000-0000-7000-8000-000000000000"
		for _, c := range [][3]string{
			{"GET", "", ""},
			{"PUT", "", `{"userName":"x"}`},
			{"PATCH", "", patchBody(`"op":"replace","path":"displayName","value":"x"`)},
			{"GET", "/totp", ""},
			{"POST", "/totp", ""},
			{"DELETE", "/totp", ""},
			{"GET", "/validatedEmailAddresses", ""},
			{"POST", "/validatedEmailAddresses", emailBody(address)},
			{"PUT", "/password", `{"currentPassword":"a","newPassword":"b"}`},
			{"GET", "/passwordQualityRequirements", ""},
			{"GET", "/sessions", ""},
			{"GET", "/sessions/" + session, ""},
			{"DELETE", "/sessions/" + session, ""},
			{"GET", "/account", ""},
			{"PUT", "/account", `{"accountDisabled":true}`},
		} {
			there := w.as(token, http.StatusNotFound, c[0], "/scim/v2/Users/"+other+c[1], c[2])
			absent := w.as(token, http.StatusNotFound, c[0], "/scim/v2/Users/"+nobody+c[1], c[2])
			if there.Body != absent.Body || fmt.Sprint(there.Header["Www-Authenticate"]) != fmt.Sprint(absent.Header["Www-Authenticate"]) {
				t.Errorf("%s %s: %s for one who exists, %s for nobody", c[0], c[1], there.Body, absent.Body)
			}
		}
		w.as(w.ownOf(other), http.StatusOK, http.MethodGet, me("/sessions/"+session), "")
	})
}

// What only administrators may is closed on the own record too.
func TestOwnTokenOnAdminSubResources(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		token := w.own(withFactor)
		for _, path := range []string{me("/account"), w.path("account")} {
			refused(t, w.as(token, http.StatusForbidden, http.MethodGet, path, ""), http.StatusForbidden, "", "The token does not permit this.")
			refused(t, w.as(token, http.StatusForbidden, http.MethodPut, path, `{"mustChangePassword":false}`), http.StatusForbidden, "", "The token does not permit this.")
		}
		// An administrator's scope for one thing opens no other.
		partial := w.own(withFactor, withScopes(adminScope("sessions")))
		other := w.newUser("other")
		w.as(partial, http.StatusOK, http.MethodGet, "/scim/v2/Users/"+other+"/sessions", "")
		w.as(partial, http.StatusForbidden, http.MethodGet, "/scim/v2/Users/"+other+"/totp", "")
		w.as(partial, http.StatusForbidden, http.MethodPut, "/scim/v2/Users/"+other+"/account", `{"accountDisabled":true}`)
		w.as(partial, http.StatusNotFound, http.MethodPatch, "/scim/v2/Users/"+other, patchBody(`"op":"replace","path":"displayName","value":"x"`))
	})
}

// A provisioning PUT that knows nothing of the extension keeps factors and
// validation (case 26), in every profile.
func TestPutOmitsExtension(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		sent := w.startEmail(address)
		if r := w.put(sent, sent.code); r.Status != http.StatusOK {
			t.Fatalf("validate: %d %s", r.Status, r.Body)
		}
		w.must(http.StatusOK, http.MethodPatch, "/scim/v2/Users/"+w.user, patchBody(`"op":"replace","path":"secondFactorEnabled","value":true`))
		for _, profile := range []string{"compat", "rfc", "strict", "ping"} {
			token := w.Token(t, profile)
			put := w.as(token, http.StatusOK, http.MethodPut, "/scim/v2/Users/"+w.user,
				`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"dr.veil","title":"`+profile+`"}`)
			if !strings.Contains(put.Body, `"secondFactorEnabled":true`) || !strings.Contains(put.Body, address) {
				t.Errorf("profile %s: %s", profile, put.Body)
			}
			item := w.must(http.StatusOK, http.MethodGet, w.path("validatedEmailAddresses/secondfactoremail"), "")
			if object(t, item.Body)["validated"] != true {
				t.Errorf("profile %s: %s", profile, item.Body)
			}
		}
		// An explicit null clears, and with the value goes its validation.
		w.must(http.StatusOK, http.MethodPut, "/scim/v2/Users/"+w.user,
			`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"dr.veil","`+factorURN+`":{"secondFactorEmail":null}}`)
		item := w.must(http.StatusOK, http.MethodGet, w.path("validatedEmailAddresses/secondfactoremail"), "")
		if o := object(t, item.Body); o["validated"] != false || o["attributeValue"] != nil {
			t.Errorf("after null: %s", item.Body)
		}
	})
}

// Case 27: the four names without URN are understood everywhere, and profile
// ping sends them at top level with the schema that the original's clients
// look for.
func TestShortNamesAndPingProfile(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		ping := w.Token(t, "ping")
		w.must(http.StatusOK, http.MethodPatch, "/scim/v2/Users/"+w.user, patchBody(`"op":"replace","path":"secondFactorEnabled","value":true`))
		w.must(http.StatusOK, http.MethodPatch, "/scim/v2/Users/"+w.user, patchBody(`"op":"add","value":{"secondFactorEmail":"`+address+`"}`))
		body := w.must(http.StatusOK, http.MethodGet, "/scim/v2/Users/"+w.user, "").Body
		record := w.must(http.StatusOK, http.MethodPut, "/scim/v2/Users/"+w.user, with(t, body, "secondFactorPhoneNumber", number))
		if ext, _ := object(t, record.Body)[factorURN].(map[string]any); ext["secondFactorPhoneNumber"] != number || ext["secondFactorEnabled"] != true || ext["secondFactorEmail"] != address {
			t.Errorf("record %s", record.Body)
		}
		list := w.must(http.StatusOK, http.MethodGet, `/scim/v2/Users?filter=secondFactorEmail%20eq%20%22`+address+`%22&sortBy=secondFactorEmail&attributes=secondFactorEmail`, "")
		if o := object(t, list.Body); o["totalResults"] != float64(1) || !strings.Contains(list.Body, address) || strings.Contains(list.Body, number) {
			t.Errorf("list %s", list.Body)
		}
		hidden := w.must(http.StatusOK, http.MethodGet, "/scim/v2/Users/"+w.user+"?excludedAttributes=secondFactorEmail", "")
		if strings.Contains(hidden.Body, address) || !strings.Contains(hidden.Body, number) {
			t.Errorf("excluded: %s", hidden.Body)
		}
		both := with(t, with(t, body, "secondFactorEmail", "a@example.com"), factorURN, json.RawMessage(`{"secondFactorEmail":"b@example.com"}`))
		if r := w.do(http.MethodPut, "/scim/v2/Users/"+w.user, both); r.Status != http.StatusBadRequest || object(t, r.Body)["scimType"] != "invalidValue" {
			t.Errorf("both spellings: %d %s, want 400 invalidValue", r.Status, r.Body)
		}
		flat := object(t, w.as(ping, http.StatusOK, http.MethodGet, "/scim/v2/Users/"+w.user, "").Body)
		if flat["secondFactorEnabled"] != true || flat["secondFactorEmail"] != address || flat["secondFactorPhoneNumber"] != number || flat[factorURN] != nil {
			t.Errorf("profile ping: %v", flat)
		}
		if !strings.Contains(fmt.Sprint(flat["schemas"]), "urn:pingidentity:schemas:User:1.0") {
			t.Errorf("profile ping: schemas %v", flat["schemas"])
		}
		mine := w.own(func(u *server.UserToken) { u.Profile = "ping" })
		if got := object(t, w.as(mine, http.StatusOK, http.MethodGet, me(""), "").Body); got["secondFactorEmail"] != address {
			t.Errorf("own token of profile ping: %v", got)
		}
	})
}

package servertest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/schema"
)

// TestPeer_12: Zitadel CVE-2026-27946, CVE-2026-54693. Nobody marks a value
// validated by writing: not at creation, by PUT, PATCH or bulk, in any spelling,
// by filter or nested path, with an administrator's token or the user's own.
func TestPeer_12(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		user, ext := "/scim/v2/Users/"+w.user, "urn:sallyport:params:scim:schemas:extension:secondfactor:2.0:User"
		w.must(http.StatusOK, http.MethodPatch, user, patchBody(`"op":"add","path":"secondFactorEmail","value":"`+address+`"`))
		item := w.path("validatedEmailAddresses/secondfactoremail")
		list := `[{"attributePath":"secondFactorEmail","attributeValue":"` + address + `","validated":true,"validatedAt":"2026-01-01T00:00:00Z"}]`
		var bodies []string
		for _, spelling := range []string{"validated", "Validated", "VALIDATED", "accountVerified", "validatedEmailAddresses", "ValidatedEmailAddresses"} {
			value := "true"
			if strings.HasSuffix(spelling, "Addresses") {
				value = list
			}
			for _, path := range []string{spelling, ext + ":" + spelling, strings.ToUpper(ext) + ":" + spelling, "emails." + spelling} {
				for _, op := range []string{"add", "replace", "Replace"} {
					bodies = append(bodies, patchBody(`"op":"`+op+`","path":"`+path+`","value":`+value))
				}
			}
			bodies = append(bodies, patchBody(`"op":"add","value":{"`+spelling+`":`+value+`,"`+ext+`":{"`+spelling+`":`+value+`}}`))
		}
		for _, path := range []string{
			`validatedEmailAddresses[attributePath eq \"secondFactorEmail\"].validated`, `validatedEmailAddresses[validated eq false].validated`,
			`emails[type eq \"work\"].validated`,
		} {
			bodies = append(bodies, patchBody(`"op":"replace","path":"`+path+`","value":true`))
		}
		own := w.own(withFactor)
		for _, body := range bodies {
			w.do(http.MethodPatch, user, body)
			w.Do(t, http.MethodPatch, me(""), own, body)
			w.do(http.MethodPost, "/scim/v2/Bulk", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[{"method":"PATCH","path":"/Users/`+
				w.user+`","data":`+body+`}]}`)
			w.do(http.MethodPatch, item, body)
		}
		whole := `{"schemas":["` + schema.UserURN + `","` + ext + `"],"userName":"dr.veil","active":true,"validated":true,"validatedEmailAddresses":` + list +
			`,"` + ext + `":{"secondFactorEmail":"` + address + `","validated":true,"validatedEmailAddresses":` + list + `}}`
		w.do(http.MethodPut, user, whole)
		w.do(http.MethodPut, item, `{"validated":true,"attributeValue":"`+address+`"}`)
		w.do(http.MethodPost, w.path("validatedEmailAddresses"), `{"attributePath":"secondFactorEmail","attributeValue":"`+address+`","validated":true}`)
		w.do(http.MethodDelete, item, "")
		w.must(http.StatusOK, http.MethodPut, user, whole)
		if got := object(t, w.must(http.StatusOK, http.MethodGet, item, "").Body); got["validated"] != false {
			t.Errorf("item: %v", got)
		}
		made := w.must(http.StatusCreated, http.MethodPost, "/scim/v2/Users", strings.Replace(whole, "dr.veil", "dr.new", 1))
		id := str(t, made.Body, "id")
		if got := object(t, w.must(http.StatusOK, http.MethodGet, "/scim/v2/Users/"+id+"/validatedEmailAddresses/secondfactoremail", "").Body); got["validated"] != false {
			t.Errorf("of a user made with it: %v", got)
		}
	})
}

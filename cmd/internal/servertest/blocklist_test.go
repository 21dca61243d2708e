package servertest_test

import (
	"crypto/sha1"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
)

const breachedPassword = "marsh lantern breached"

// withBreached gives the server a list of breached passwords.
func withBreached(t *testing.T) func(*config.Config) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "breached.txt")
	text := fmt.Sprintf("%X:7\r\n", sha1.Sum([]byte(breachedPassword)))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(c *config.Config) { c.Password.BlocklistFile, c.AdminSetsPasswords = path, true }
}

// No door lets a listed password in, and none repeats it (NIST SP 800-63B-4
// section 3.1.1.2).
func TestBlocklistAtEveryDoor(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.setPassword()
		name, _ := object(t, w.must(http.StatusOK, http.MethodGet, "/scim/v2/Users/"+w.user, "").Body)["userName"].(string)
		token := w.own()
		user := func(name, text string) string {
			return fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":%q,"password":%q}`, name, text)
		}
		for _, text := range []string{"Password2026!", "sallyport1", name + "2026", breachedPassword} {
			detail := func(door string, status int, r servertest.Reply) {
				t.Helper()
				if r.Status != status || !strings.Contains(r.Body, "password: it is ") || !strings.Contains(r.Body, "; choose another.") || strings.Contains(r.Body, text) {
					t.Errorf("%s with %q: %d %s", door, text, r.Status, r.Body)
				}
			}
			who := name
			if strings.HasPrefix(text, name) {
				who = name + "2026" // the new user's own name
			}
			refused := w.do(http.MethodPost, "/scim/v2/Users", user(who, text))
			detail("POST", http.StatusBadRequest, refused)
			detail("PUT", http.StatusBadRequest, w.do(http.MethodPut, "/scim/v2/Users/"+w.user, user(name, text)))
			patch := patchBody(fmt.Sprintf(`"op":"replace","path":"password","value":%q`, text))
			detail("PATCH", http.StatusBadRequest, w.do(http.MethodPatch, "/scim/v2/Users/"+w.user, patch))
			detail("bulk", http.StatusOK, w.do(http.MethodPost, "/scim/v2/Bulk", fmt.Sprintf(
				`{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[{"method":"PATCH","path":"/Users/%s","data":%s},`+
					`{"method":"POST","path":"/Users","bulkId":"a","data":%s}]}`, w.user, patch, user(who, text))))
			for door, r := range map[string]servertest.Reply{
				"own password":  w.as(token, http.StatusBadRequest, http.MethodPut, me("/password"), passwordBody(veilPassword, text)),
				"administrator": w.do(http.MethodPut, w.path("password"), fmt.Sprintf(`{"newPassword":%q}`, text)),
			} {
				if r.Status != http.StatusBadRequest || !strings.Contains(r.Body, `"type":"dictionary","requirementSatisfied":false`) || strings.Contains(r.Body, text) {
					t.Errorf("%s with %q: %d %s", door, text, r.Status, r.Body)
				}
			}
		}
		// The password from before is still the one that counts.
		w.as(token, http.StatusOK, http.MethodPut, me("/password"), passwordBody(veilPassword, nextOne))
	}, withBreached(t))
}

// The page for a new password refuses what is listed, then goes on.
func TestBlocklistOnThePage(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		who := w.NewPerson(t, "gradiva")
		account := "/scim/v2/Users/" + who.ID + "/account"
		if r := w.Do(t, http.MethodPut, account, w.Token(t, "compat"), `{"mustChangePassword":true}`); r.Status != http.StatusOK {
			t.Fatalf("account: %d %s", r.Status, r.Body)
		}
		app := w.Application(t, oidc.Client{ID: "my-app", Name: "My App"})
		b := w.Browser(t)
		p := b.Submit(b.Open(app.AuthURL()), "login", "username", who.UserName, "password", who.Password)
		for _, text := range []string{"Password2026!", "gradiva99", breachedPassword} {
			if p = b.Submit(p, "password", "new_password", text); p.Kind() != servertest.KindPassword {
				t.Fatalf("%q: the page is %s, want the same again:\n%s", text, p.Kind(), p.Text())
			}
		}
		if p = b.Submit(p, "password", "new_password", nextOne); p.Kind() == servertest.KindPassword {
			t.Errorf("a good password is refused:\n%s", p.Text())
		}
	}, withBreached(t))
}

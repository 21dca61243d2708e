package servertest_test

import (
	"encoding/json"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/server"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
)

const secondSecret = "velvet otter under glass 31"

// ownToken is a token of a person who has just shown a second factor too.
func (w town) ownToken(t *testing.T, who servertest.Person) string {
	t.Helper()
	secret, _, err := w.Directory().IssueUserToken(t.Context(), server.UserToken{
		UserID: who.ID, Client: "account", SecondFactor: true, ExpiresAt: w.clock.Now().Add(48 * time.Hour),
		By: audit.Party{Type: "command", Name: "test"},
	})
	if err != nil {
		t.Fatalf("make token: %v", err)
	}
	return secret.Reveal()
}

// withCodes gives a person recovery codes, made as the person.
func (w town) withCodes(t *testing.T, who servertest.Person) []string {
	t.Helper()
	r := w.Do(t, http.MethodPost, me("/recoveryCodes"), w.ownToken(t, who), "")
	if r.Status != http.StatusCreated {
		t.Fatalf("make recovery codes: %d %s", r.Status, r.Body)
	}
	var record struct {
		Remaining int      `json:"remaining"`
		Codes     []string `json:"codes"`
	}
	if err := json.Unmarshal([]byte(r.Body), &record); err != nil || len(record.Codes) != 10 || record.Remaining != 10 {
		t.Fatalf("recovery codes, %v: %s", err, r.Body)
	}
	return record.Codes
}

// withSecond gives a person a second password and switches second factors on.
func (w town) withSecond(t *testing.T, who servertest.Person) {
	t.Helper()
	r := w.Do(t, http.MethodPut, me("/secondPassword"), w.ownToken(t, who), `{"newPassword":"`+secondSecret+`"}`)
	if r.Status != http.StatusOK {
		t.Fatalf("set second password: %d %s", r.Status, r.Body)
	}
	w.SwitchSecondFactor(t, who, true)
}

// secondACR has an ACR that a second password satisfies.
func secondACR(c *config.Config) {
	c.ACRs = append(c.ACRs, config.ACR{
		Name: "Twice", Needs: []config.Need{{AnyOf: []string{"password"}}, {AnyOf: []string{"second_password"}}},
	})
}

// spoolFile is where an import keeps groups.
func spoolFile(t *testing.T) *os.File {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "spool")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

package servertest_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	otp "github.com/pquerna/otp/totp"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/cmd/internal/transfer"
	"github.com/sallyport-id/sallyport/oidc"
	"github.com/sallyport-id/sallyport/validation"
)

// movedPassword is the password of the hashes below, which other programs made;
// see TestForeignVectors of package password.
const movedPassword = "Grüße an alle 42"

// movedHashes are one of each kind that is named in the documentation.
func movedHashes() map[string]string {
	return map[string]string{
		"bcrypt": "$2y$10$D/LcOWSvhHmP4Up9x/LpMu1MCSYA3cz.x5DiT1EIoCesqw8V43clG",
		"pbkdf2": "$pbkdf2-sha256$29000$t5ZSihEiREgJAYAQIqRUyg$cwzRxc0m16MUt9AsSbD43Rz/dbng6MdQmKW4Gd8mHfI",
		"scrypt": "$scrypt$ln=14,r=8,p=1$TGlNydnbO8f4HwOgdA4B4A$O79p9P19L7Xe0rjsf+oJEBLkHRrx8FWeb9qNeVgCiMA",
		"argon2": "$argon2i$v=19$m=16384,t=3,p=2$UmhBVnNLLnlKM05YdEF1YQ$/HgBpMl/nFN3iN9Oj75hNLjq7PurIMY+IO+AvLLCIN8",
		"ssha":   "{SSHA}huSCV3rVx80MDWWmIZFPqWDsdK8JgPOH",
	}
}

const movedSecret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"

// importRows imports NDJSON rows with credentials and returns the summary with
// the rejects.
func (w town) importRows(t *testing.T, rows ...string) (transfer.Summary, string) {
	t.Helper()
	d := w.Directory()
	sink, err := d.MoveIn("Ann Example")
	if err != nil {
		t.Fatal(err)
	}
	var rejects bytes.Buffer
	im := transfer.Import{
		Directory: transfer.Directory{Registry: d.Registry, Service: d.Service, Resources: d.Resources, Members: d.Members},
		Caller:    command("import by test"), Rejects: &rejects, Spool: spoolFile(t), Sink: sink,
	}
	sum, err := im.Run(t.Context(), strings.NewReader(strings.Join(rows, "\n")))
	if err != nil {
		t.Fatalf("import: %v", err)
	}
	return sum, rejects.String()
}

// movedRow is a user of another system.
func movedRow(t *testing.T, name string, credentials map[string]any) string {
	t.Helper()
	row, err := json.Marshal(map[string]any{
		"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:User"}, "userName": name, "active": true,
		factorURN: map[string]any{"secondFactorEnabled": true, "secondFactorEmail": name + "@example.org"},
		"urn:sallyport:params:scim:schemas:import:2.0:Credentials": credentials,
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(row)
}

func (w town) hashOf(t *testing.T, id string) string {
	t.Helper()
	state, err := w.Directory().Passwords().Password(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return state.Hash
}

// Issue 5, point 11: whoever logged in elsewhere logs in here, with the same
// password and the same app, and has a hash of our own from then on.
func TestMovedInUsersLogIn(t *testing.T) {
	t.Parallel()
	eachTown(t, func(t *testing.T, w town) {
		app := w.Application(t, oidc.Client{Trusted: true})
		var rows []string
		for name, hash := range movedHashes() {
			rows = append(rows, movedRow(t, name, map[string]any{
				"passwordHash": hash, "totpSecret": movedSecret, "totpDigits": 8, "totpAlgorithm": "SHA1", "validated": []string{"secondFactorEmail"},
			}))
		}
		for round, want := range []transfer.Summary{{Rows: 5, Created: 5}, {Rows: 5, Unchanged: 5}} {
			if sum, rejects := w.importRows(t, rows...); sum != want {
				t.Fatalf("import %d: %+v\n%s", round, sum, rejects)
			}
		}
		for name, hash := range movedHashes() {
			id := w.userID(t, name)
			if got := w.hashOf(t, id); got != hash {
				t.Errorf("%s: stored as %q", name, got)
			}
			who := servertest.Person{ID: id, UserName: name, Password: movedPassword}
			b := w.Browser(t)
			p := password(b, b.Open(app.AuthURL("acr_values", "MFA")), who)
			p = b.Submit(p, "factor", "factor", "totp")
			wantKind(t, p, servertest.KindCode)
			code, err := otp.GenerateCodeCustom(movedSecret, w.clock.Now(), otp.ValidateOpts{Period: 30, Digits: 8})
			if err != nil {
				t.Fatal(err)
			}
			tokens := app.Redeem(t, b.Submit(p, "code", "code", code).Code(t))
			if got := tokens.Claims["amr"]; !cmp.Equal(got, []any{"mfa", "otp", "pwd"}) {
				t.Errorf("%s: amr = %v", name, got)
			}
			fresh := w.hashOf(t, id)
			if !strings.HasPrefix(fresh, "$argon2id$v=19$m=19456,t=2,p=1$") {
				t.Errorf("%s: after the login the hash is %q", name, fresh)
			}
			b = w.Browser(t)
			wantKind(t, password(b, b.Open(app.AuthURL("acr_values", "Default")), who), servertest.KindFactor)
			// The same file once more brings the old hash not back.
			w.importRows(t, movedRow(t, name, map[string]any{"passwordHash": hash}))
			if got := w.hashOf(t, id); got != fresh {
				t.Errorf("%s: another import has brought %q back", name, got)
			}
		}
		imported := w.events(t, audit.CredentialsImported)
		if len(imported) != 5 || !strings.Contains(string(imported[0].Detail), `"confirmed_by":"Ann Example"`) ||
			!strings.Contains(string(imported[0].Detail), `["password","totp","validated"]`) {
			t.Errorf("events: %v", imported)
		}
	})
}

func (w town) userID(t *testing.T, name string) string {
	t.Helper()
	r := w.Do(t, http.MethodGet, `/scim/v2/Users?filter=userName+eq+"`+name+`"&attributes=id`, w.Token(t, "compat"), "")
	list, _ := object(t, r.Body)["Resources"].([]any)
	if len(list) != 1 {
		t.Fatalf("users %q: %s", name, r.Body)
	}
	return list[0].(map[string]any)["id"].(string)
}

// A wrong password of a user who has moved in is refused like any other, and
// leaves the hash alone.
func TestMovedInWrongPassword(t *testing.T) {
	t.Parallel()
	w := newTown(t, "sqlite")
	app := w.Application(t, oidc.Client{Trusted: true})
	w.importRows(t, movedRow(t, "ann", map[string]any{"passwordHash": movedHashes()["ssha"]}))
	b := w.Browser(t)
	p := password(b, b.Open(app.AuthURL()), servertest.Person{UserName: "ann", Password: movedPassword + "!"})
	wantRefused(t, "a wrong password", p, http.StatusUnprocessableEntity)
	if got := w.hashOf(t, w.userID(t, "ann")); got != movedHashes()["ssha"] {
		t.Errorf("the hash became %q", got)
	}
}

// Rows with credentials that cannot be taken over are refused as a whole, with a
// sentence that has no secret in it.
func TestMoveInRefusals(t *testing.T) {
	t.Parallel()
	w := newTown(t, "sqlite")
	const hash = "$2y$10$D/LcOWSvhHmP4Up9x/LpMu1MCSYA3cz.x5DiT1EIoCesqw8V43clG"
	for _, c := range []struct {
		credentials map[string]any
		reason      string
	}{
		{map[string]any{"passwordHash": "$6$rounds=5000$secretsalt$x"}, "its form is not known"},
		{map[string]any{"passwordHash": strings.Replace(hash, "$10$", "$20$", 1)}, "bcrypt of cost 20; at most 14"},
		{map[string]any{"passwordHash": 5}, "passwordHash must be a string"},
		{map[string]any{"totpSecret": "JBSWY3DP"}, "The TOTP secret must be of 16 to 64 bytes, not 5."},
		{map[string]any{"totpSecret": "not base32 at all 01"}, "The TOTP secret is not base32."},
		{map[string]any{"totpSecret": movedSecret, "totpDigits": 7}, "TOTP digits must be 6 or 8, not 7"},
		{map[string]any{"totpSecret": movedSecret, "totpPeriod": 1}, "TOTP period must be"},
		{map[string]any{"totpSecret": movedSecret, "totpAlgorithm": "MD5"}, "TOTP algorithm must be"},
		{map[string]any{"validated": []string{"emails"}}, "emails is not configured for validation."},
		{map[string]any{"validated": "secondFactorEmail;userName"}, "userName is not configured for validation."},
		{map[string]any{"validated": []any{5}}, "must be an array of attribute paths"},
		{map[string]any{"passwordHsah": hash}, `credentials have no member \"passwordHsah\"`},
	} {
		sum, rejects := w.importRows(t, movedRow(t, "bob", c.credentials))
		if sum.Rejected != 1 || sum.Created != 0 || !strings.Contains(rejects, c.reason) {
			t.Errorf("%v: %+v, %s, want %s", c.credentials, sum, rejects, c.reason)
		}
		for _, secret := range []string{"D/LcOWSvhH", "JBSWY3DP", "secretsalt"} {
			if strings.Contains(rejects, secret) {
				t.Errorf("the file of rejects shows a secret: %s", rejects)
			}
		}
	}
	r := w.Do(t, http.MethodGet, `/scim/v2/Users?filter=userName+eq+"bob"`, w.Token(t, "compat"), "")
	if !strings.Contains(r.Body, `"totalResults":0`) {
		t.Errorf("a refused row left its user: %s", r.Body)
	}
}

// An app that was removed here, for its telephone was stolen, does not come back
// with the next run of the same import.
func TestMoveInBringsNoRemovedAppBack(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newTown(t, kind)
			row := movedRow(t, "ann", map[string]any{"totpSecret": movedSecret})
			w.importRows(t, row)
			all, err := w.Directory().Credentials()
			if err != nil {
				t.Fatal(err)
			}
			apps := func() (n int) {
				v, err := all.ListOf(t.Context(), command("list"), w.userID(t, "ann"))
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range v.Credentials {
					if c.Kind == validation.CredentialTOTP {
						n++
					}
				}
				return n
			}
			if n := apps(); n != 1 {
				t.Fatalf("%d apps were moved in, want 1", n)
			}
			if _, err := all.Reset(t.Context(), command("reset"), validation.ResetFactors{UserID: w.userID(t, "ann"), Reason: "stolen"}); err != nil {
				t.Fatal(err)
			}
			w.importRows(t, row)
			if n := apps(); n != 0 {
				t.Errorf("%d apps after the second import, want none", n)
			}
		})
	}
}

// A value that is moved in as validated counts at once; another value does not.
func TestMovedInAddressCounts(t *testing.T) {
	t.Parallel()
	w := newTown(t, "sqlite")
	w.importRows(t, movedRow(t, "ann", map[string]any{"validated": []string{"secondFactorEmail"}}), movedRow(t, "bob", nil))
	all, err := w.Directory().Credentials()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"ann": 1, "bob": 0} {
		v, err := all.ListOf(t.Context(), command("list"), w.userID(t, name))
		if err != nil || len(v.Credentials) != want {
			t.Errorf("%s has %v, %v, want %d", name, v.Credentials, err, want)
		}
	}
	w.clock.advance(time.Minute)
	if events := w.events(t, audit.CredentialsImported); len(events) != 1 || slices.Contains(strings.Split(string(events[0].Detail), `"`), "totp") {
		t.Errorf("events: %v", events)
	}
}

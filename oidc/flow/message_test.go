package flow

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
)

// in is a message that answers one authenticator.
func in(urn, body string) string {
	return fmt.Sprintf(`{"schemas":[%q],"meta":{"location":"x"},"success":false,%q:%s}`, AuthenticationURN, urn, body)
}

func TestParseAnswers(t *testing.T) {
	t.Parallel()
	plugged := pluggedURN + "grid"
	for name, one := range map[string]struct {
		body string
		want given
	}{
		"password":           {in(PasswordURN, `{"username":"ann","password":" x "}`), given{urn: PasswordURN, username: "ann", password: " x "}},
		"new password":       {in(PasswordURN, `{"newPassword":"y"}`), given{urn: PasswordURN, newPassword: "y"}},
		"app":                {in(TOTPURN, `{"status":"ready","password":"123456"}`), given{urn: TOTPURN, code: "123456"}},
		"code is asked for":  {in(EmailCodeURN, `{"codeRequested":true}`), given{urn: EmailCodeURN, send: true}},
		"code":               {in(TelephonyCodeURN, `{"codeRequested":true,"codeSent":true,"verifyCode":"1"}`), given{urn: TelephonyCodeURN, send: true, code: "1"}},
		"destination":        {in(TelephonyCodeURN, `{"codeRequested":true,"destination":"sms_otp:a"}`), given{urn: TelephonyCodeURN, send: true, destination: "sms_otp:a"}},
		"recovery code":      {in(RecoveryCodeURN, `{"code":"A"}`), given{urn: RecoveryCodeURN, code: "A"}},
		"second password":    {in(SecondPasswordURN, `{"password":"s "}`), given{urn: SecondPasswordURN, code: "s "}},
		"account":            {in(AccountSelectionURN, `{"accountId":"1"}`), given{urn: AccountSelectionURN, account: "1"}},
		"lookup":             {in(AccountLookupURN, `{"lookupParameters":{"username":"ann"}}`), given{urn: AccountLookupURN, username: "ann"}},
		"provider by name":   {in(ExternalIdentityURN, `{"provider":"google"}`), given{urn: ExternalIdentityURN, provider: "google"}},
		"provider as listed": {in(ExternalIdentityURN, `{"provider":{"name":"google","type":"google"}}`), given{urn: ExternalIdentityURN, provider: "google"}},
		"passkey options":    {in(PasskeyURN, `{"optionsRequested":true}`), given{urn: PasskeyURN, options: true}},
		"passkey":            {in(PasskeyURN, `{"credential":{"id":"a","n":1}}`), given{urn: PasskeyURN, credential: []byte(`{"id":"a","n":1}`)}},
		"registration":       {in(RegistrationURN, `{"attributes":{"email":"a@b"}}`), given{urn: RegistrationURN, attributes: map[string]string{"email": "a@b"}}},
		"plugged in":         {in(plugged, `{"answer":"B3"}`), given{urn: plugged, code: "B3"}},
		"plugged in, begun":  {in(plugged, `{"startRequested":true}`), given{urn: plugged, send: true}},
		"plugged in, waits":  {in(plugged, `{"pollRequested":true}`), given{urn: plugged, poll: true}},
	} {
		m, err := parse([]byte(one.body), AuthenticationURN)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff([]given{one.want}, m.answers, cmp.AllowUnexported(given{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// What comes back as it was read says nothing.
func TestParseOfWhatWasRead(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		in(PasswordURN, `{"status":"failure","error":"invalidCredentials","username":"ann","passwordRecovery":{"$ref":"x"}}`),
		in(TOTPURN, `{"status":"ready"}`), in(EmailCodeURN, `{"status":"ready","codeSent":true,"attributeValue":"a***"}`),
		in(AccountLookupURN, `{"lookupParameters":["username"]}`), in(ExternalIdentityURN, `{"providers":[{"name":"google"}]}`),
		in(RegistrationURN, `{"registrableAttributes":["email"]}`), in(PasskeyURN, `{"options":{"challenge":"x"}}`),
	} {
		m, err := parse([]byte(body), AuthenticationURN)
		if err != nil || len(m.answers) != 0 || len(m.named) != 1 {
			t.Errorf("parse(%s) = %+v, %v; want no answer", body, m, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"not an object":         `[]`,
		"authenticator null":    in(PasswordURN, `null`),
		"password a number":     in(PasswordURN, `{"password":1}`),
		"send a string":         in(EmailCodeURN, `{"codeRequested":"true"}`),
		"lookup of another":     in(AccountLookupURN, `{"lookupParameters":{"mail":"x"}}`),
		"lookup too long":       in(AccountLookupURN, `{"lookupParameters":{"username":"`+strings.Repeat("a", longestName+1)+`"}}`),
		"provider a number":     in(ExternalIdentityURN, `{"provider":{"name":1}}`),
		"credential a string":   in(PasskeyURN, `{"credential":"x"}`),
		"attributes a list":     in(RegistrationURN, `{"attributes":[]}`),
		"attribute a number":    in(RegistrationURN, `{"attributes":{"email":1}}`),
		"schemas a string":      `{"schemas":"x"}`,
		"schemas of another":    `{"schemas":["` + ConsentURN + `"]}`,
		"restart a string":      `{"restart":"yes"}`,
		"scopes a string":       `{"optionalScopes":"openid"}`,
		"scopes of numbers":     `{"optionalScopes":[1]}`,
		"too many scopes":       `{"optionalScopes":[` + strings.Repeat(`"a",`, mostScopes) + `"a"]}`,
		"new password an array": `{"newPassword":[]}`,
		"twice":                 `{"approved":true,"approved":false}`,
		"deep":                  strings.Repeat(`{"a":`, 40) + `1` + strings.Repeat(`}`, 40),
	} {
		_, err := parse([]byte(body), AuthenticationURN)
		if err == nil {
			t.Errorf("%s: taken", name)
			continue
		}
		if e := scim.AsError(err); e.Status != 400 || e.Detail == "" {
			t.Errorf("%s: %v", name, e)
		}
	}
}

// FuzzParse: no input makes it panic or fail as if it were our fault, and what
// was taken has its bounds.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, in(PasswordURN, `{"username":"ann","password":"x"}`), in(AccountLookupURN, `{"lookupParameters":{"username":"ann"}}`),
		in(ExternalIdentityURN, `{"provider":{"name":"google"}}`), in(PasskeyURN, `{"credential":{"id":"a"}}`),
		`{"schemas":["` + ConsentURN + `"],"approved":true,"optionalScopes":["email"],"unlockACR":"MFA"}`, in(pluggedURN, `{"answer":""}`),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parse(data, AuthenticationURN)
		if err != nil {
			if _, ours := errors.AsType[*scim.Error](err); !ours && !errors.As(err, new(*schema.Error)) {
				t.Fatalf("parse(%q): %v", data, err)
			}
			return
		}
		if len(m.scopes) > mostScopes || len(m.answers) > len(m.named) {
			t.Fatalf("parse(%q) = %+v", data, m)
		}
		for i, g := range m.answers {
			if !strings.HasPrefix(g.urn, "urn:") || i > 0 && m.answers[i-1].urn >= g.urn {
				t.Fatalf("parse(%q): answers %v", data, m.answers)
			}
		}
	})
}

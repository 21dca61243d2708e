package server

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/oidc"
)

func TestExplain(t *testing.T) {
	t.Parallel()
	acrs, err := ACRs(config.Default())
	if err != nil {
		t.Fatal(err)
	}
	single, mfa, admin := acrs[0], acrs[1], acrs[2]
	closed := single
	closed.When = []acr.Condition{{IP: &acr.IPCondition{}}}
	password := acr.Enrolment{Factor: acr.Password, Credential: "password"}
	mail := acr.Enrolment{Factor: acr.EmailOTP, Credential: "secondFactorEmail"}
	x := acr.Context{Now: time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC), User: "ann"}
	for _, test := range []struct {
		name  string
		r     acr.Requirement
		has   []acr.Enrolment
		acr   string
		asked [][]acr.Factor
		fails acr.Reason
		why   string
	}{
		{
			"who has no second factor",
			acr.Requirement{Candidates: []acr.ACR{mfa, single}},
			[]acr.Enrolment{password},
			"Default",
			[][]acr.Factor{{acr.Password}},
			"", "no usable factor for need 2: passkey, totp, email_otp",
		},
		{
			"who has one",
			acr.Requirement{Candidates: []acr.ACR{mfa, single}},
			[]acr.Enrolment{password, mail},
			"MFA",
			[][]acr.Factor{{acr.Password}, {acr.EmailOTP}},
			"", "MFA comes first and is in reach",
		},
		{
			"asked for what cannot be had",
			acr.Requirement{Asked: true, Candidates: []acr.ACR{mfa}},
			[]acr.Enrolment{password},
			"", nil, acr.Unreachable, "no usable factor",
		},
		{
			"a floor that cannot be met",
			acr.Requirement{Candidates: []acr.ACR{mfa}, Floors: []acr.ACR{admin}},
			[]acr.Enrolment{password, mail},
			"MFA", nil, acr.Unreachable, "no usable factor for need 2: passkey, totp, sms_otp",
		},
		{
			"conditions",
			acr.Requirement{Candidates: []acr.ACR{closed}},
			[]acr.Enrolment{password},
			"", nil, acr.ContextUnmet, "condition does not hold",
		},
		{
			"downgraded",
			acr.Requirement{Asked: true, Candidates: []acr.ACR{mfa}, Fallback: []acr.ACR{single}},
			[]acr.Enrolment{password},
			"Default",
			[][]acr.Factor{{acr.Password}},
			"", "no usable factor",
		},
		{
			"who can log in with nothing",
			acr.Requirement{Candidates: []acr.ACR{single}},
			nil,
			"", nil, acr.Unreachable, "need 1",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := explain(authn.User{ID: "ann", UserName: "ann"}, oidc.Client{ID: "app"}, test.r, test.has, x)
			if got.ACR != test.acr || got.Fails != test.fails || !cmp.Equal(got.Asked, test.asked) {
				t.Errorf("acr %q, asked %v, fails %q, want %q, %v, %q", got.ACR, got.Asked, got.Fails, test.acr, test.asked, test.fails)
			}
			var why []string
			for _, f := range got.Findings {
				why = append(why, f.Why)
			}
			if text := strings.Join(why, "\n"); !strings.Contains(text, test.why) {
				t.Errorf("findings say\n%s\nwant %q", text, test.why)
			}
		})
	}
}

package acr_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/authn/acr"
)

// Explain says of every ACR why it was chosen or not.
func TestExplain(t *testing.T) {
	t.Parallel()
	closed := mfa()
	closed.Name, closed.When = "Office", []acr.Condition{{IP: &acr.IPCondition{In: []netip.Prefix{prefix("198.51.100.0/24")}}}}
	two := acr.ACR{Name: "Two", Distinct: true, Needs: []acr.Need{need(-1, acr.EmailOTP), need(-1, acr.TOTP)}}
	key := acr.ACR{Name: "Key", Needs: []acr.Need{need(-1, acr.Passkey)}}
	codes := acr.ACR{Name: "Codes", Needs: []acr.Need{need(-1, acr.EmailOTP), need(-1, acr.EmailOTP)}}
	r := acr.Requirement{
		Txn: txn, Asked: true,
		Candidates: []acr.ACR{closed, key, two, codes, mfa(), single()},
		Floors:     []acr.ACR{single()},
		UserFloor:  []acr.ACR{mfa(), single()},
		Scopes:     map[string]acr.ACR{"pay": admin()},
	}
	ledger := []acr.Proof{proof(acr.Password, time.Hour, past), proof(acr.TOTP, 7*time.Hour, past)}
	has := enrolled(acr.Password, acr.TOTP, acr.EmailOTP)
	d, findings := acr.Explain(r, ledger, has, here())
	if got := asks(t, d); got.AnyOf[0] != acr.TOTP {
		t.Errorf("%+v is asked for", got)
	}
	for i, want := range []struct {
		acr         string
		role        acr.Role
		chosen, met bool
		why         string
	}{
		{"Office", acr.RoleCandidate, false, false, "condition does not hold: ip in [198.51.100.0/24]"},
		{"Key", acr.RoleCandidate, false, false, "no usable factor for need 1: passkey."},
		{"Two", acr.RoleCandidate, false, false, "not of different categories"},
		{"Codes", acr.RoleCandidate, false, false, "too few factors"},
		{"MFA", acr.RoleCandidate, true, false, "totp or email_otp is stale"},
		{"Default", acr.RoleCandidate, false, true, "MFA comes first and is in reach."},
		{"Default", acr.RoleFloor, true, true, "proofs of this session meet it"},
		{"MFA", acr.RoleUserFloor, true, false, "totp or email_otp is stale"},
		{"Default", acr.RoleUserFloor, false, true, "MFA comes first"},
		{"MFA-Admin", acr.RoleScope, false, false, "totp is stale"},
	} {
		f := findings[i]
		if f.ACR != want.acr || f.Role != want.role || f.Chosen != want.chosen || f.Met != want.met || !strings.Contains(f.Why, want.why) {
			t.Errorf("finding %d is %+v, want %+v", i, f, want)
		}
	}
}

func TestExplainEnrolmentAndNobody(t *testing.T) {
	t.Parallel()
	r := acr.Requirement{Txn: txn, MayEnrol: true, Candidates: []acr.ACR{mfa()}}
	_, findings := acr.Explain(r, nil, enrolled(acr.Password), here())
	if len(findings) != 1 || !strings.Contains(findings[0].Why, "or voice_otp must be enrolled first") {
		t.Errorf("findings = %+v", findings)
	}
	nobody := here()
	nobody.User = ""
	_, findings = acr.Explain(r, nil, nil, nobody)
	if len(findings) != 1 || findings[0].Why != "Nobody has logged in yet." {
		t.Errorf("findings = %+v", findings)
	}
}

func TestConditionString(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]acr.Condition{
		"time in UTC, every day, from 1h0m0s to 2h0m0s": {Time: &acr.TimeCondition{Zone: time.UTC, From: time.Hour, To: 2 * time.Hour}},
		"time in UTC, [Monday], from 0s to 2h0m0s":      {Time: &acr.TimeCondition{Zone: time.UTC, Days: []time.Weekday{time.Monday}, To: 2 * time.Hour}},
		"header X-Zone":           {Header: &acr.HeaderCondition{Name: "X-Zone", Present: true}},
		"device remembered: true": {Device: &acr.DeviceCondition{Remembered: true}},
		"one that tests nothing":  {},
	} {
		if got := c.String(); got != want {
			t.Errorf("String = %q, want %q", got, want)
		}
	}
}

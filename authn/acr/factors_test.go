package acr_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn/acr"
)

// The same channel twice is not two factors, whether the ACR is distinct or not.
func TestFirstFactorCodeIsNotSecond(t *testing.T) {
	t.Parallel()
	codes := acr.ACR{Name: "Codes", Needs: []acr.Need{
		need(-1, acr.Password, acr.EmailOTP), need(-1, acr.EmailOTP, acr.TOTP),
	}}
	mail := proof(acr.EmailOTP, time.Minute, txn)
	again := mail
	again.ID, again.At = "again", noon
	for _, distinct := range []bool{false, true} {
		codes.Distinct = distinct
		r := acr.Requirement{Txn: txn, Candidates: []acr.ACR{codes}}
		got := asks(t, acr.Decide(r, []acr.Proof{mail, again}, enrolled(acr.Password, acr.EmailOTP, acr.TOTP), here()))
		if distinct {
			// A code by mail and one of an app are both of possession: only the
			// password helps.
			if !cmp.Equal(got.AnyOf, []acr.Factor{acr.Password}) {
				t.Errorf("distinct: %+v is asked for", got)
			}
			continue
		}
		if !cmp.Equal(got.AnyOf, []acr.Factor{acr.TOTP}) {
			t.Errorf("not distinct: %+v is asked for", got)
		}
	}
	// One number is one credential, by SMS or by a call.
	phone := acr.ACR{Name: "Phone", Needs: []acr.Need{need(-1, acr.SMSOTP), need(-1, acr.VoiceOTP)}}
	sms, call := proof(acr.SMSOTP, 0, txn), proof(acr.VoiceOTP, 0, txn)
	sms.Credential, call.Credential = "number", "number"
	has := []acr.Enrolment{{Factor: acr.SMSOTP, Credential: "number"}, {Factor: acr.VoiceOTP, Credential: "number"}}
	failed(t, acr.Decide(acr.Requirement{Txn: txn, Candidates: []acr.ACR{phone}}, []acr.Proof{sms, call}, has, here()), acr.Unreachable)
}

// A passkey that verified its user covers two categories and may meet two needs
// that both list it; without verification it is one factor.
func TestPasskey(t *testing.T) {
	t.Parallel()
	r := acr.Requirement{Txn: txn, Candidates: []acr.ACR{mfa()}}
	has := enrolled(acr.Passkey)
	for name, methods := range map[string][]string{
		"pin": {"hwk", "pin", "user"}, "finger": {"fpt", "swk", "user"}, "not told how": {"hwk", "user"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := issued(t, acr.Decide(r, []acr.Proof{passkey(time.Minute, past, methods...)}, has, here()))
			if len(got.Proofs) != 1 || got.AMR[len(got.AMR)-1] != methods[len(methods)-1] || !slices.Contains(got.AMR, "mfa") {
				t.Errorf("Issue = %+v", got)
			}
		})
	}
	t.Run("touched only: a first factor and no more", func(t *testing.T) {
		t.Parallel()
		touched := passkey(time.Minute, past, "hwk")
		asks(t, acr.Decide(r, []acr.Proof{touched}, has, here()))
		both := []acr.Proof{touched, proof(acr.Password, 0, txn)}
		if got := asks(t, acr.Decide(r, both, enrolled(acr.Password, acr.Passkey), here())); got.First || got.AnyOf[0] != acr.Passkey {
			t.Errorf("beside a password %+v is asked for", got)
		}
		plain := acr.Requirement{Txn: txn, Candidates: []acr.ACR{{Name: "Default", Needs: []acr.Need{first()}}}}
		got := issued(t, acr.Decide(plain, []acr.Proof{touched}, enrolled(acr.Passkey), here()))
		if !cmp.Equal(got.AMR, []string{"hwk"}) {
			t.Errorf("amr = %v", got.AMR)
		}
	})
	t.Run("a password and a verified passkey are two categories, whatever verified", func(t *testing.T) {
		t.Parallel()
		verified := passkey(0, txn, "swk", "user")
		got := issued(t, acr.Decide(r, []acr.Proof{proof(acr.Password, 0, txn), verified}, enrolled(acr.Password, acr.Passkey), here()))
		if !slices.Contains(got.AMR, "mfa") || !slices.Contains(got.AMR, "swk") {
			t.Errorf("amr = %v", got.AMR)
		}
		three := acr.ACR{Name: "Three", Distinct: true, Needs: []acr.Need{need(-1, acr.Password), need(-1, acr.Passkey), need(-1, acr.Passkey)}}
		alone := acr.Requirement{Txn: txn, Candidates: []acr.ACR{three}}
		failed(t, acr.Decide(alone, []acr.Proof{proof(acr.Password, 0, txn), verified}, enrolled(acr.Password, acr.Passkey), here()), acr.Unreachable)
	})
	t.Run("only where both needs list it", func(t *testing.T) {
		t.Parallel()
		r := acr.Requirement{Txn: txn, Candidates: []acr.ACR{{Name: "App", Distinct: true, Needs: []acr.Need{first(), need(-1, acr.TOTP)}}}}
		got := asks(t, acr.Decide(r, []acr.Proof{passkey(0, past, "hwk", "pin", "user")}, enrolled(acr.Passkey, acr.TOTP), here()))
		if got.AnyOf[0] != acr.TOTP {
			t.Errorf("%+v is asked for", got)
		}
	})
	t.Run("never three needs", func(t *testing.T) {
		t.Parallel()
		three := acr.ACR{Name: "Three", Needs: []acr.Need{need(-1, acr.Passkey), need(-1, acr.Passkey), need(-1, acr.Passkey)}}
		r := acr.Requirement{Txn: txn, Candidates: []acr.ACR{three}}
		failed(t, acr.Decide(r, []acr.Proof{passkey(0, txn, "hwk", "pin", "user")}, has, here()), acr.Unreachable)
	})
}

// The needs are met by a real assignment: what meets the first need may be
// wanted for the second.
func TestAssignment(t *testing.T) {
	t.Parallel()
	loose := acr.ACR{Name: "Loose", Needs: []acr.Need{need(-1, acr.Password, acr.EmailOTP), need(-1, acr.EmailOTP)}}
	r := acr.Requirement{Txn: txn, Candidates: []acr.ACR{loose}}
	ledger := []acr.Proof{proof(acr.EmailOTP, 0, txn), proof(acr.Password, time.Hour, past)}
	got := issued(t, acr.Decide(r, ledger, enrolled(acr.Password, acr.EmailOTP), here()))
	if !cmp.Equal(got.Proofs, []string{ledger[1].ID, ledger[0].ID}) {
		t.Errorf("proofs %v count", got.Proofs)
	}
	// Of all assignments that with the newest oldest proof counts.
	two := acr.ACR{Name: "Two", Needs: []acr.Need{need(-1, acr.Password, acr.EmailOTP), need(-1, acr.TOTP, acr.EmailOTP)}}
	r.Candidates = []acr.ACR{two}
	ledger = []acr.Proof{
		proof(acr.Password, 9*time.Hour, past), proof(acr.EmailOTP, time.Hour, past), proof(acr.TOTP, 2*time.Hour, past),
	}
	got = issued(t, acr.Decide(r, ledger, enrolled(acr.Password, acr.EmailOTP, acr.TOTP), here()))
	if !got.AuthTime.Equal(noon.Add(-2 * time.Hour)) {
		t.Errorf("auth_time is %s ago", noon.Sub(got.AuthTime))
	}
	// Every factor that leaves the rest possible is offered, no other.
	r.Candidates = []acr.ACR{mfa()}
	step := asks(t, acr.Decide(r, []acr.Proof{proof(acr.Password, 0, txn)},
		enrolled(acr.Password, acr.SMSOTP, acr.TOTP, acr.SecondPassword, acr.RecoveryCode), here()))
	if !cmp.Equal(step.AnyOf, []acr.Factor{acr.TOTP, acr.SMSOTP, acr.RecoveryCode}) || len(step.Usable) != 3 ||
		step.Usable[0].Factor != acr.SMSOTP {
		t.Errorf("%+v is asked for, want the factors of the need and the enrolments in their order", step)
	}
}

// A recovery code counts only where it was given.
func TestRecoveryCodeOfThisTransaction(t *testing.T) {
	t.Parallel()
	r := acr.Requirement{Txn: txn, Candidates: []acr.ACR{mfa()}}
	has := enrolled(acr.Password, acr.TOTP)
	password := proof(acr.Password, time.Minute, past)
	got := issued(t, acr.Decide(r, []acr.Proof{password, proof(acr.RecoveryCode, time.Second, txn)}, has, here()))
	if !cmp.Equal(got.AMR, []string{"mfa", "otp", "pwd"}) {
		t.Errorf("amr = %v", got.AMR)
	}
	step := asks(t, acr.Decide(r, []acr.Proof{password, proof(acr.RecoveryCode, time.Second, past)}, has, here()))
	if step.AnyOf[0] != acr.TOTP {
		t.Errorf("%+v is asked for", step)
	}
}

// A remembered browser spares the second factor where a need lists it, is never
// in amr or auth_time, and does not do when new proofs are asked for.
func TestDeviceCookieIsNotOTP(t *testing.T) {
	t.Parallel()
	remembering := mfa()
	remembering.Needs[1] = need(24*time.Hour, acr.TOTP, acr.Device)
	lifting := mfa()
	lifting.Needs[1].Unless = []acr.Condition{{Device: &acr.DeviceCondition{Remembered: true, MaxAge: new(24 * time.Hour)}}}
	ledger := []acr.Proof{proof(acr.Password, time.Minute, past)}
	has := enrolled(acr.Password, acr.TOTP)
	x := here()
	x.Device = new(noon.Add(-10 * time.Hour))
	for name, a := range map[string]acr.ACR{"listed": remembering, "lifting": lifting} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := acr.Requirement{Txn: txn, Candidates: []acr.ACR{a}}
			got := issued(t, acr.Decide(r, ledger, has, x))
			if !cmp.Equal(got.AMR, []string{"pwd"}) || len(got.Proofs) != 1 || !got.AuthTime.Equal(noon.Add(-time.Minute)) {
				t.Errorf("Issue = %+v", got)
			}
			login, recent := r, r
			login.Login, recent.MaxAge = true, new(24*time.Hour)
			fresh := []acr.Proof{proof(acr.Password, 0, txn)}
			for _, r := range []acr.Requirement{login, recent} {
				if step := asks(t, acr.Decide(r, fresh, has, x)); step.AnyOf[0] != acr.TOTP {
					t.Errorf("%+v: %+v is asked for", r, step)
				}
			}
			old := x
			old.Device = new(noon.Add(-25 * time.Hour))
			asks(t, acr.Decide(r, ledger, has, old))
			old.Device = nil
			asks(t, acr.Decide(r, ledger, has, old))
		})
	}
	// A row of the ledger that calls itself a device is none.
	forged := proof(acr.Device, 0, txn)
	asks(t, acr.Decide(acr.Requirement{Txn: txn, Candidates: []acr.ACR{remembering}}, append(ledger, forged), has, here()))
	// A remembered browser alone proves nothing.
	alone := acr.ACR{Name: "Alone", Needs: []acr.Need{need(-1, acr.Device)}}
	failed(t, acr.Decide(acr.Requirement{Txn: txn, Candidates: []acr.ACR{alone}}, nil, has, x), acr.Unreachable)
}

// RFC 8176: the methods of all counted proofs, mfa with two categories, mca with
// the telephone beside the internet.
func TestMethods(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		second acr.Factor
		want   []string
	}{
		{acr.TOTP, []string{"mfa", "otp", "pwd"}},
		{acr.EmailOTP, []string{"mfa", "otp", "pwd"}},
		{acr.RecoveryCode, []string{"mfa", "otp", "pwd"}},
		{acr.SMSOTP, []string{"mca", "mfa", "otp", "pwd", "sms"}},
		{acr.VoiceOTP, []string{"mca", "mfa", "otp", "pwd", "tel"}},
		{acr.SecondPassword, []string{"pwd"}},
	} {
		a := acr.ACR{Name: "Any", Needs: []acr.Need{first(), need(-1, test.second)}}
		p := proof(test.second, 0, txn)
		p.AMR = append([]string{"mfa", "mca"}, p.AMR...) // what a row says of itself does not count
		if test.second == acr.TOTP {
			p.AMR = nil // and a row that says nothing has the methods of its factor
		}
		got := issued(t, acr.Decide(acr.Requirement{Txn: txn, Candidates: []acr.ACR{a}},
			[]acr.Proof{proof(acr.Password, 0, txn), p}, enrolled(acr.Password, test.second), here()))
		if !cmp.Equal(got.AMR, test.want) {
			t.Errorf("%s: amr = %v, want %v", test.second, got.AMR, test.want)
		}
	}
}

// When the request names no ACR, a met floor or the ACR of a scope with more
// needs is what the token says; when it does, the chosen candidate.
func TestStrongerACRIsSaid(t *testing.T) {
	t.Parallel()
	ledger := []acr.Proof{proof(acr.Password, time.Hour, past), proof(acr.TOTP, time.Minute, past)}
	has := enrolled(acr.Password, acr.TOTP)
	for _, test := range []struct {
		name string
		r    acr.Requirement
		want string
		amr  []string
	}{
		{"candidate", acr.Requirement{Candidates: []acr.ACR{single()}}, "Default", []string{"pwd"}},
		{"floor", acr.Requirement{Candidates: []acr.ACR{single()}, Floors: []acr.ACR{admin()}}, "MFA-Admin", []string{"mfa", "otp", "pwd"}},
		{"user floor", acr.Requirement{Candidates: []acr.ACR{single()}, UserFloor: []acr.ACR{mfa()}}, "MFA", []string{"mfa", "otp", "pwd"}},
		{"scope", acr.Requirement{Candidates: []acr.ACR{single()}, Scopes: map[string]acr.ACR{"pay": mfa()}}, "MFA", []string{"mfa", "otp", "pwd"}},
		{"floor with as many needs", acr.Requirement{Candidates: []acr.ACR{mfa()}, Floors: []acr.ACR{admin()}}, "MFA", []string{"mfa", "otp", "pwd"}},
		{"asked", acr.Requirement{Asked: true, Candidates: []acr.ACR{single()}, Floors: []acr.ACR{admin()}}, "Default", []string{"mfa", "otp", "pwd"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.r.Txn = txn
			got := issued(t, acr.Decide(test.r, ledger, has, here()))
			if got.ACR != test.want || !cmp.Equal(got.AMR, test.amr) {
				t.Errorf("acr %q, amr %v, want %q, %v", got.ACR, got.AMR, test.want, test.amr)
			}
		})
	}
}

// Scopes are granted whose ACR is met; the others stay locked and hold up
// nothing.
func TestScopeLockedUntilVerified(t *testing.T) {
	t.Parallel()
	fresh := mfa()
	fresh.Since = noon.Add(-time.Minute) // the consent page was shown a minute ago
	r := acr.Requirement{
		Txn: txn, Candidates: []acr.ACR{single()},
		Scopes: map[string]acr.ACR{"read": single(), "pay": mfa(), "pay-now": fresh},
	}
	has := enrolled(acr.Password, acr.TOTP)
	ledger := []acr.Proof{proof(acr.Password, 2*time.Minute, txn)}
	scopes := func(more ...acr.Proof) []string {
		return issued(t, acr.Decide(r, append(ledger, more...), has, here())).Scopes
	}
	if got := scopes(); !cmp.Equal(got, []string{"read"}) {
		t.Errorf("with a password %v are granted", got)
	}
	if got := scopes(proof(acr.TOTP, 90*time.Second, txn)); !cmp.Equal(got, []string{"pay", "read"}) {
		t.Errorf("with a code from before the page %v are granted", got)
	}
	now := []acr.Proof{proof(acr.Password, 30*time.Second, txn), proof(acr.TOTP, time.Second, txn)}
	if got := scopes(now...); !cmp.Equal(got, []string{"pay", "pay-now", "read"}) {
		t.Errorf("with proofs of the page %v are granted", got)
	}
	for i := range now {
		now[i].Txn = past
	}
	if got := scopes(now...); !cmp.Equal(got, []string{"pay", "read"}) {
		t.Errorf("with proofs of another transaction %v are granted", got)
	}
	if !acr.Reachable(fresh, r, ledger, has, here()) || acr.Reachable(fresh, r, ledger, enrolled(acr.Password), here()) {
		t.Error("a locked scope can be verified by whoever has the factor, and by nobody else")
	}
}

// A command of an administrator vouches for nothing that an ACR asks for.
func TestCommandNeverCounts(t *testing.T) {
	t.Parallel()
	r := acr.Requirement{Txn: txn, Candidates: []acr.ACR{single()}}
	asks(t, acr.Decide(r, []acr.Proof{proof(acr.Command, 0, txn)}, enrolled(acr.Password), here()))
}

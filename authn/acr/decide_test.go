package acr_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sallyport-id/sallyport/authn/acr"
)

// noon is when the tests play: a Tuesday, half a second past the second.
var noon = time.Date(2026, 3, 3, 12, 0, 0, 5e8, time.UTC)

const (
	ann  = "user-ann"
	txn  = "txn-now"
	past = "txn-earlier"
)

func need(maxAge time.Duration, factors ...acr.Factor) acr.Need {
	n := acr.Need{AnyOf: factors}
	if maxAge >= 0 {
		n.MaxAge = &maxAge
	}
	return n
}

func first() acr.Need { return need(12*time.Hour, acr.Password, acr.Passkey, acr.Federated) }

func single() acr.ACR { return acr.ACR{Name: "Default", Needs: []acr.Need{first()}} }

func mfa() acr.ACR {
	return acr.ACR{Name: "MFA", Distinct: true, Needs: []acr.Need{
		first(), need(6*time.Hour, acr.Passkey, acr.TOTP, acr.EmailOTP, acr.SMSOTP, acr.VoiceOTP, acr.RecoveryCode),
	}}
}

func admin() acr.ACR {
	return acr.ACR{Name: "MFA-Admin", Distinct: true, Needs: []acr.Need{
		first(), need(6*time.Hour, acr.Passkey, acr.TOTP, acr.SMSOTP, acr.VoiceOTP, acr.RecoveryCode),
	}}
}

// proof is one of Ann's, made so long ago.
func proof(f acr.Factor, ago time.Duration, in string) acr.Proof {
	return acr.Proof{
		ID: fmt.Sprintf("%s@%s/%s", f, ago, in), Session: "s", User: ann, Txn: in,
		Factor: f, Credential: "id of " + string(f), AMR: f.AMR(), At: noon.Add(-ago),
	}
}

func passkey(ago time.Duration, in string, amr ...string) acr.Proof {
	p := proof(acr.Passkey, ago, in)
	p.AMR = amr
	return p
}

func enrolled(factors ...acr.Factor) []acr.Enrolment {
	var out []acr.Enrolment
	for _, f := range factors {
		out = append(out, acr.Enrolment{Factor: f, Credential: "id of " + string(f)})
	}
	return out
}

func here() acr.Context {
	return acr.Context{Now: noon, User: ann, IP: netip.MustParseAddr("192.0.2.7")}
}

func want(t *testing.T, got, want acr.Decision) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(acr.Step{}, "Usable")); diff != "" {
		t.Errorf("Decide (-want +got):\n%s", diff)
	}
}

// asks are the factors of the first step.
func asks(t *testing.T, d acr.Decision) acr.Step {
	t.Helper()
	p, ok := d.(acr.Prompt)
	if !ok || len(p.Steps) == 0 {
		t.Fatalf("Decide = %#v, want a prompt", d)
	}
	return p.Steps[0]
}

func issued(t *testing.T, d acr.Decision) acr.Issue {
	t.Helper()
	i, ok := d.(acr.Issue)
	if !ok {
		t.Fatalf("Decide = %#v, want an issue", d)
	}
	return i
}

func failed(t *testing.T, d acr.Decision, reason acr.Reason) {
	t.Helper()
	if d != (acr.Fail{Reason: reason}) {
		t.Errorf("Decide = %#v, want Fail %s", d, reason)
	}
}

// The decisions of section 4 of the specification of the provider, one sentence
// each.
func TestDecide(t *testing.T) {
	t.Parallel()
	const hour = time.Hour
	both := enrolled(acr.Password, acr.TOTP)
	pw := func(ago time.Duration) acr.Proof { return proof(acr.Password, ago, past) }
	otp := func(ago time.Duration) acr.Proof { return proof(acr.TOTP, ago, past) }
	askFirst := func(r acr.StepReason, factors ...acr.Factor) acr.Prompt {
		return acr.Prompt{Steps: []acr.Step{{AnyOf: factors, First: true, Reason: r}}}
	}
	askSecond := func(r acr.StepReason, factors ...acr.Factor) acr.Prompt {
		return acr.Prompt{Steps: []acr.Step{{AnyOf: factors, Reason: r}}}
	}
	two := acr.Issue{
		ACR: "MFA", AMR: []string{"mfa", "otp", "pwd"}, AuthTime: noon.Add(-2 * hour),
		Proofs: []string{pw(2 * hour).ID, otp(hour).ID},
	}
	for _, test := range []struct {
		name   string
		r      acr.Requirement
		ledger []acr.Proof
		has    []acr.Enrolment
		want   acr.Decision
	}{
		{
			"nothing permitted fails at once", acr.Requirement{Txn: txn}, nil, both, acr.Fail{Reason: acr.NotPermitted},
		},
		{
			"no proof: the first factor is asked, then the second",
			acr.Requirement{Txn: txn, Candidates: []acr.ACR{mfa()}},
			nil, both,
			acr.Prompt{Steps: []acr.Step{
				{AnyOf: []acr.Factor{acr.Password}, First: true, Reason: acr.Missing},
				{AnyOf: []acr.Factor{acr.TOTP}, Reason: acr.Missing},
			}},
		},
		{
			"met: acr, amr with mfa, auth_time of the oldest counted proof",
			acr.Requirement{Txn: txn, Candidates: []acr.ACR{mfa()}},
			[]acr.Proof{pw(2 * hour), otp(hour)},
			both, two,
		},
		{
			"of several proofs the newest count",
			acr.Requirement{Txn: txn, Candidates: []acr.ACR{mfa()}},
			[]acr.Proof{pw(9 * hour), otp(5 * hour), pw(2 * hour), otp(hour), otp(3 * hour)},
			both, two,
		},
		{
			"only the stale need is asked again",
			acr.Requirement{Txn: txn, Candidates: []acr.ACR{mfa()}},
			[]acr.Proof{pw(7 * hour), otp(7 * hour)},
			both,
			askSecond(acr.Stale, acr.TOTP),
		},
		{
			"a stale first factor is asked although the second is fresh",
			acr.Requirement{Txn: txn, Candidates: []acr.ACR{mfa()}},
			[]acr.Proof{pw(13 * hour), otp(hour)},
			both,
			askFirst(acr.Stale, acr.Password),
		},
		{
			"silent and the first factor stale: login_required",
			acr.Requirement{Txn: txn, Silent: true, Candidates: []acr.ACR{mfa()}},
			[]acr.Proof{pw(13 * hour), otp(hour)},
			both,
			acr.Fail{Reason: acr.LoginRequired},
		},
		{
			"silent and the second factor missing: interaction_required",
			acr.Requirement{Txn: txn, Silent: true, Candidates: []acr.ACR{mfa()}},
			[]acr.Proof{pw(hour)},
			both,
			acr.Fail{Reason: acr.InteractionRequired},
		},
		{
			"silent and met: issued",
			acr.Requirement{Txn: txn, Silent: true, Candidates: []acr.ACR{mfa()}},
			[]acr.Proof{pw(2 * hour), otp(hour)},
			both, two,
		},
		{
			"max_age of the request bounds every need",
			acr.Requirement{Txn: txn, MaxAge: new(90 * time.Minute), Candidates: []acr.ACR{mfa()}},
			[]acr.Proof{pw(2 * hour), otp(hour)},
			both, askFirst(acr.Fresh, acr.Password),
		},
		{
			"max_age of the request never widens that of a need",
			acr.Requirement{Txn: txn, MaxAge: new(100 * hour), Candidates: []acr.ACR{mfa()}},
			[]acr.Proof{pw(2 * hour), otp(7 * hour)},
			both, askSecond(acr.Stale, acr.TOTP),
		},
		{
			"a floor holds besides the candidate",
			acr.Requirement{Txn: txn, Asked: true, Candidates: []acr.ACR{single()}, Floors: []acr.ACR{mfa()}},
			[]acr.Proof{pw(hour)},
			both, askSecond(acr.Missing, acr.TOTP),
		},
		{
			"one step serves candidate and floor",
			acr.Requirement{Txn: txn, Candidates: []acr.ACR{mfa()}, Floors: []acr.ACR{admin()}},
			[]acr.Proof{pw(hour)},
			enrolled(acr.Password, acr.EmailOTP, acr.TOTP), askSecond(acr.Missing, acr.TOTP),
		},
		{
			"a floor out of reach fails once the first factor is proved",
			acr.Requirement{Txn: txn, Candidates: []acr.ACR{single()}, Floors: []acr.ACR{mfa()}},
			[]acr.Proof{pw(hour)},
			enrolled(acr.Password),
			acr.Fail{Reason: acr.Unreachable},
		},
		{
			"may enrol: the missing factor is enrolled",
			acr.Requirement{Txn: txn, MayEnrol: true, Candidates: []acr.ACR{admin()}},
			[]acr.Proof{pw(hour)},
			enrolled(acr.Password),
			acr.Prompt{Steps: []acr.Step{{
				AnyOf: []acr.Factor{acr.Passkey, acr.TOTP, acr.SMSOTP, acr.VoiceOTP}, Enrol: true, Reason: acr.Missing,
			}}},
		},
		{
			"another user than the subject",
			acr.Requirement{Txn: txn, Subject: "user-bob", Candidates: []acr.ACR{single()}},
			[]acr.Proof{pw(hour)},
			both,
			acr.Fail{Reason: acr.WrongUser},
		},
		{
			"another user than the subject, silent",
			acr.Requirement{Txn: txn, Silent: true, Subject: "user-bob", Candidates: []acr.ACR{single()}},
			[]acr.Proof{pw(hour)},
			both,
			acr.Fail{Reason: acr.LoginRequired},
		},
		{
			"downgrade goes on with what is permitted and says what was reached",
			acr.Requirement{Txn: txn, Asked: true, Candidates: []acr.ACR{mfa()}, Fallback: []acr.ACR{single()}},
			[]acr.Proof{pw(hour)},
			enrolled(acr.Password),
			acr.Issue{ACR: "Default", AMR: []string{"pwd"}, AuthTime: noon.Add(-hour), Proofs: []string{pw(hour).ID}},
		},
		{
			"downgrade where nothing that was asked for is known",
			acr.Requirement{Txn: txn, Asked: true, Fallback: []acr.ACR{single()}},
			[]acr.Proof{pw(hour)},
			both,
			acr.Issue{ACR: "Default", AMR: []string{"pwd"}, AuthTime: noon.Add(-hour), Proofs: []string{pw(hour).ID}},
		},
		{
			"downgrade does not lower a floor",
			acr.Requirement{
				Txn: txn, Asked: true, Candidates: []acr.ACR{admin()}, Fallback: []acr.ACR{single()}, Floors: []acr.ACR{mfa()},
			},
			[]acr.Proof{pw(hour)},
			enrolled(acr.Password),
			acr.Fail{Reason: acr.Unreachable},
		},
		{
			"downgrade is for what is out of reach, not for what is stale",
			acr.Requirement{Txn: txn, Asked: true, Candidates: []acr.ACR{mfa()}, Fallback: []acr.ACR{single()}},
			[]acr.Proof{pw(hour), otp(9 * hour)},
			both, askSecond(acr.Stale, acr.TOTP),
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			want(t, acr.Decide(test.r, test.ledger, test.has, here()), test.want)
		})
	}
}

// Before a user is known the step is the first factor: any that begins a
// candidate, and whatever the user may turn out to have.
func TestUnknownUser(t *testing.T) {
	t.Parallel()
	nobody := here()
	nobody.User = ""
	byMail := acr.ACR{Name: "Mail", Needs: []acr.Need{need(-1, acr.EmailOTP, acr.Password)}}
	r := acr.Requirement{Txn: txn, Candidates: []acr.ACR{mfa(), byMail}}
	ledger := []acr.Proof{proof(acr.Password, 0, txn), proof(acr.TOTP, 0, txn)}
	want(t, acr.Decide(r, ledger, enrolled(acr.Password), nobody), acr.Prompt{Steps: []acr.Step{{
		AnyOf: []acr.Factor{acr.Password, acr.Passkey, acr.Federated, acr.EmailOTP}, First: true, Reason: acr.Missing,
	}}})
	t.Run("only factors that begin every floor too", func(t *testing.T) {
		t.Parallel()
		r := r
		r.Floors = []acr.ACR{byMail}
		if got := asks(t, acr.Decide(r, nil, nil, nobody)).AnyOf; !cmp.Equal(got, []acr.Factor{acr.Password, acr.EmailOTP}) {
			t.Errorf("first factors are %v", got)
		}
	})
	t.Run("silent", func(t *testing.T) {
		t.Parallel()
		r := r
		r.Silent = true
		failed(t, acr.Decide(r, ledger, nil, nobody), acr.LoginRequired)
	})
	t.Run("the subject is not known yet", func(t *testing.T) {
		t.Parallel()
		r := r
		r.Subject = ann
		if !asks(t, acr.Decide(r, nil, nil, nobody)).First {
			t.Error("the first step is not a first factor")
		}
	})
}

// A candidate out of reach is passed over; one whose proofs are stale is not.
func TestUnreachableFallsThrough(t *testing.T) {
	t.Parallel()
	r := acr.Requirement{Txn: txn, Candidates: []acr.ACR{mfa(), single()}}
	password := []acr.Proof{proof(acr.Password, time.Minute, past)}
	if got := issued(t, acr.Decide(r, password, enrolled(acr.Password), here())); got.ACR != "Default" {
		t.Errorf("without a second factor acr = %q, want Default", got.ACR)
	}
	if got := asks(t, acr.Decide(r, password, enrolled(acr.Password, acr.TOTP), here())); got.First || got.AnyOf[0] != acr.TOTP {
		t.Errorf("with a second factor %+v is asked for", got)
	}
	silent := r
	silent.Silent = true
	failed(t, acr.Decide(silent, password, enrolled(acr.Password, acr.TOTP), here()), acr.InteractionRequired)

	locked := enrolled(acr.Password, acr.TOTP)
	locked[1].LockedTill = noon.Add(time.Hour)
	if got := asks(t, acr.Decide(r, password, locked, here())); len(got.Usable) != 1 || got.Usable[0].LockedTill.IsZero() {
		t.Errorf("a factor locked for a while is reachable: %+v", got)
	}
	// Two factors of one category do not meet an ACR that is distinct.
	knowledge := acr.ACR{Name: "Two", Distinct: true, Needs: []acr.Need{first(), need(-1, acr.SecondPassword)}}
	r.Candidates = []acr.ACR{knowledge, single()}
	if got := issued(t, acr.Decide(r, password, enrolled(acr.Password, acr.SecondPassword), here())); got.ACR != "Default" {
		t.Errorf("two passwords gave %q", got.ACR)
	}
	r.Candidates[0].Distinct = false
	if got := asks(t, acr.Decide(r, password, enrolled(acr.Password, acr.SecondPassword), here())); got.AnyOf[0] != acr.SecondPassword {
		t.Errorf("not distinct: %+v is asked for", got)
	}
}

// Whether a user has a second factor shows only after the first is proved.
func TestUnmetHiddenBeforeFirstFactor(t *testing.T) {
	t.Parallel()
	r := acr.Requirement{Txn: txn, Asked: true, Candidates: []acr.ACR{mfa()}}
	stale := []acr.Proof{proof(acr.Password, 13*time.Hour, past)}
	with := asks(t, acr.Decide(r, stale, enrolled(acr.Password, acr.TOTP), here()))
	without := asks(t, acr.Decide(r, stale, enrolled(acr.Password), here()))
	if diff := cmp.Diff(with, without); diff != "" {
		t.Errorf("the first step differs (-with +without):\n%s", diff)
	}
	silent := r
	silent.Silent = true
	failed(t, acr.Decide(silent, stale, enrolled(acr.Password), here()), acr.LoginRequired)
	failed(t, acr.Decide(silent, stale, enrolled(acr.Password, acr.TOTP), here()), acr.LoginRequired)

	fresh := []acr.Proof{proof(acr.Password, time.Hour, past)}
	failed(t, acr.Decide(r, fresh, enrolled(acr.Password), here()), acr.Unreachable)
	failed(t, acr.Decide(silent, fresh, enrolled(acr.Password), here()), acr.Unreachable)
	// Nobody is asked for ever for a first factor that he does not have.
	r.Candidates = []acr.ACR{{Name: "Key", Needs: []acr.Need{need(-1, acr.Passkey)}}}
	failed(t, acr.Decide(r, fresh, enrolled(acr.Password), here()), acr.Unreachable)
}

// acr_values=Default in a URL does not switch off a second factor that the user
// has switched on.
func TestAcrValuesCannotLowerUserFloor(t *testing.T) {
	t.Parallel()
	r := acr.Requirement{
		Txn: txn, Asked: true, Candidates: []acr.ACR{single()}, UserFloor: []acr.ACR{mfa(), single()},
	}
	password := []acr.Proof{proof(acr.Password, time.Minute, past)}
	both := enrolled(acr.Password, acr.TOTP)
	if got := asks(t, acr.Decide(r, password, both, here())); got.AnyOf[0] != acr.TOTP {
		t.Errorf("the second factor is not asked for: %+v", got)
	}
	got := issued(t, acr.Decide(r, append(password, proof(acr.TOTP, 0, txn)), both, here()))
	if got.ACR != "Default" || !cmp.Equal(got.AMR, []string{"mfa", "otp", "pwd"}) {
		t.Errorf("acr %q, amr %v: what was asked for is answered, with all that was proved", got.ACR, got.AMR)
	}
	if got := issued(t, acr.Decide(r, password, enrolled(acr.Password), here())); got.ACR != "Default" {
		t.Errorf("who has no second factor gets %q", got.ACR)
	}
	// The floor makes nobody enrol.
	r.MayEnrol = true
	if got := issued(t, acr.Decide(r, password, enrolled(acr.Password), here())); got.ACR != "Default" {
		t.Errorf("who has no second factor and may enrol gets %q", got.ACR)
	}
	r.UserFloor = nil // user_floor: off
	if got := issued(t, acr.Decide(r, password, both, here())); got.ACR != "Default" {
		t.Errorf("without the floor acr = %q", got.ACR)
	}
}

// prompt=login: a fresh password over an old code is not MFA.
func TestPromptLoginNeedsEveryFactor(t *testing.T) {
	t.Parallel()
	both := enrolled(acr.Password, acr.TOTP)
	r := acr.Requirement{Txn: txn, Login: true, Candidates: []acr.ACR{mfa()}}
	ledger := []acr.Proof{proof(acr.Password, time.Minute, past), proof(acr.TOTP, time.Minute, past)}
	if got := asks(t, acr.Decide(r, ledger, both, here())); !got.First || got.Reason != acr.Fresh {
		t.Errorf("asked first for %+v", got)
	}
	ledger = append(ledger, proof(acr.Password, time.Second, txn))
	if got := asks(t, acr.Decide(r, ledger, both, here())); got.First || got.AnyOf[0] != acr.TOTP || got.Reason != acr.Fresh {
		t.Errorf("then for %+v", got)
	}
	ledger = append(ledger, proof(acr.TOTP, 0, txn))
	if got := issued(t, acr.Decide(r, ledger, both, here())); !got.AuthTime.Equal(noon.Add(-time.Second)) {
		t.Errorf("auth_time = %v", got.AuthTime)
	}
	// A transaction without an id has no proofs of its own.
	r.Txn = ""
	for i := range ledger {
		ledger[i].Txn = ""
	}
	asks(t, acr.Decide(r, ledger, both, here()))
}

// max_age=0, like prompt=login, ends after each factor was shown once, however
// long the person takes.
func TestMaxAgeZeroTerminates(t *testing.T) {
	t.Parallel()
	for _, r := range []acr.Requirement{
		{Txn: txn, MaxAge: new(time.Duration(0)), Candidates: []acr.ACR{single()}},
		{Txn: txn, MaxAge: new(time.Duration(0)), Candidates: []acr.ACR{mfa()}},
		{Txn: txn, Login: true, Candidates: []acr.ACR{single()}},
		{Txn: txn, Login: true, MaxAge: new(time.Duration(0)), Candidates: []acr.ACR{mfa()}, Floors: []acr.ACR{admin()}},
	} {
		x := here()
		// In the same second, but of another transaction.
		ledger := []acr.Proof{proof(acr.Password, 0, past), proof(acr.TOTP, 0, past)}
		steps := 0
		for ; ; steps++ {
			d := acr.Decide(r, ledger, enrolled(acr.Password, acr.TOTP), x)
			if _, ok := d.(acr.Issue); ok {
				break
			}
			if steps == 3 {
				t.Fatalf("still %#v after three proofs", d)
			}
			p := proof(asks(t, d).AnyOf[0], 0, txn)
			x.Now = x.Now.Add(4 * time.Minute)
			p.At, p.ID = x.Now, fmt.Sprint("proof ", steps)
			ledger = append(ledger, p)
		}
		if steps != len(r.Candidates[0].Needs) {
			t.Errorf("%+v was issued after %d proofs", r, steps)
		}
	}
}

// Ninety seconds at the page of the code under max_age=60: issued.
func TestSlowUserSmallMaxAge(t *testing.T) {
	t.Parallel()
	r := acr.Requirement{Txn: txn, MaxAge: new(time.Minute), Candidates: []acr.ACR{mfa()}}
	ledger := []acr.Proof{proof(acr.Password, 90*time.Second, txn), proof(acr.TOTP, 0, txn)}
	got := issued(t, acr.Decide(r, ledger, enrolled(acr.Password, acr.TOTP), here()))
	if !got.AuthTime.Equal(noon.Add(-90 * time.Second)) {
		t.Errorf("auth_time = %v", got.AuthTime)
	}
}

// The example of the original: a password every twelve hours, a code every six,
// neither in between, over a day on one session.
func TestPassword12hTOTP6h(t *testing.T) {
	t.Parallel()
	both := enrolled(acr.Password, acr.TOTP)
	start := time.Date(2026, 3, 3, 6, 0, 0, 0, time.UTC)
	var ledger []acr.Proof
	var log []string
	for minutes := range 24*60 + 1 {
		now := start.Add(time.Duration(minutes) * time.Minute)
		in := fmt.Sprint("txn ", minutes)
		r := acr.Requirement{Txn: in, Candidates: []acr.ACR{mfa()}}
		x := acr.Context{Now: now, User: ann}
		for range 3 {
			d := acr.Decide(r, ledger, both, x)
			if _, ok := d.(acr.Issue); ok {
				break
			}
			f := asks(t, d).AnyOf[0]
			log = append(log, fmt.Sprintf("%s %s", now.Format("02T15:04"), f))
			ledger = append(ledger, acr.Proof{
				ID: fmt.Sprint(len(ledger)), User: ann, Txn: in, Factor: f, Credential: "id of " + string(f), AMR: f.AMR(), At: now,
			})
		}
	}
	if diff := cmp.Diff([]string{
		"03T06:00 password", "03T06:00 totp", "03T12:01 totp", "03T18:01 password", "03T18:02 totp", "04T00:03 totp",
	}, log); diff != "" {
		t.Errorf("what was asked for (-want +got):\n%s", diff)
	}
}

// Age is counted in whole seconds of both times, so that the answer equals what
// a relying party computes from auth_time; the limit itself still counts.
func TestFreshnessInWholeSeconds(t *testing.T) {
	t.Parallel()
	r := acr.Requirement{Txn: txn, MaxAge: new(time.Minute), Candidates: []acr.ACR{single()}}
	for _, test := range []struct {
		ago   time.Duration
		fresh bool
	}{
		{59 * time.Second, true},
		{60 * time.Second, true},
		{60*time.Second + 500*time.Millisecond, true}, // at …:00.0, now …:00.5
		{60*time.Second + 501*time.Millisecond, false},
		{61 * time.Second, false},
		{-time.Second, true}, // another node's clock is ahead
	} {
		d := acr.Decide(r, []acr.Proof{proof(acr.Password, test.ago, past)}, enrolled(acr.Password), here())
		if _, ok := d.(acr.Issue); ok != test.fresh {
			t.Errorf("a password of %s ago under max_age=60: %#v", test.ago, d)
		}
	}
}

// A need with max_age 0 counts only proofs of this transaction, even of this
// second.
func TestNeedOfThisTransaction(t *testing.T) {
	t.Parallel()
	r := acr.Requirement{Txn: txn, Candidates: []acr.ACR{{Name: "Now", Needs: []acr.Need{need(0, acr.Password)}}}}
	asks(t, acr.Decide(r, []acr.Proof{proof(acr.Password, 0, past)}, enrolled(acr.Password), here()))
	issued(t, acr.Decide(r, []acr.Proof{proof(acr.Password, time.Hour, txn)}, enrolled(acr.Password), here()))
}

// Proofs of one account never count for another.
func TestSwitchAccountEmptiesLedger(t *testing.T) {
	t.Parallel()
	r := acr.Requirement{Txn: txn, Candidates: []acr.ACR{mfa()}}
	of := here()
	of.User = "user-bob"
	ledger := []acr.Proof{proof(acr.Password, 0, txn), proof(acr.TOTP, 0, txn)}
	if got := asks(t, acr.Decide(r, ledger, enrolled(acr.Password, acr.TOTP), of)); !got.First || got.Reason != acr.Missing {
		t.Errorf("Bob is asked for %+v", got)
	}
}

func TestSubject(t *testing.T) {
	t.Parallel()
	r := acr.Requirement{Txn: txn, Subject: ann, Candidates: []acr.ACR{single()}}
	issued(t, acr.Decide(r, []acr.Proof{proof(acr.Password, 0, past)}, enrolled(acr.Password), here()))
}

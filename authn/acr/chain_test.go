package acr_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sallyport-id/sallyport/authn/acr"
)

// chained is an ACR of a password and a chain.
func chained(links ...acr.Link) acr.ACR {
	return acr.ACR{Name: "C", Needs: []acr.Need{
		{AnyOf: []acr.Factor{acr.Password}}, {Chain: links, ChainName: "second"},
	}}
}

func link(f acr.Factor, c acr.Control) acr.Link { return acr.Link{Factor: f, Control: c} }

// original is what the documentation of the original says of a chain: the
// authenticators are evaluated in order, each control says whether to go on, a
// required one that failed fails the chain, and otherwise the result of the last
// one evaluated is that of the chain.
func original(links []acr.Link, succeeds func(acr.Factor) bool) (asked []acr.Factor, success bool) {
	failed, last := false, false
	for _, l := range links {
		asked = append(asked, l.Factor)
		last = succeeds(l.Factor)
		required := l.Control == acr.RequiredContinue || l.Control == acr.RequiredStopOnFailure
		failed = failed || required && !last
		if !last && l.Control == acr.RequiredStopOnFailure || last && l.Control == acr.OptionalStopOnSuccess {
			break
		}
	}
	return asked, last && !failed
}

// person shows what succeeds and gives up what does not, until there is an
// answer.
func person(t interface{ Fatalf(string, ...any) }, a acr.ACR, has []acr.Enrolment, succeeds func(acr.Factor) bool) (asked []acr.Factor, success bool) {
	r := acr.Requirement{Txn: txn, Candidates: []acr.ACR{a}}
	ledger := []acr.Proof{{ID: "p0", User: ann, Txn: txn, Factor: acr.Password, Credential: "password", At: noon}}
	for range 20 {
		switch d := acr.Decide(r, ledger, has, here()).(type) {
		case acr.Issue:
			return asked, true
		case acr.Fail:
			return asked, false
		case acr.Prompt:
			step := d.Steps[0]
			if step.First || len(step.AnyOf) != 1 {
				t.Fatalf("asked for %+v", step)
			}
			f := step.AnyOf[0]
			asked = append(asked, f)
			switch {
			case succeeds(f):
				ledger = append(ledger, acr.Proof{ID: string(f), User: ann, Txn: txn, Factor: f, Credential: string(f), At: noon})
			case len(step.Skip) == 0:
				return asked, false
			default:
				r.Skipped = append(r.Skipped, step.Skip...)
			}
		}
	}
	t.Fatalf("no answer after 20 steps, asked %v", asked)
	return nil, false
}

// TestChainAsDocumented drives random chains with a person who has every factor
// and shows some of them: what is asked, in which order, and the result are
// those of the original's description.
func TestChainAsDocumented(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		factors := rapid.SliceOfNDistinct(rapid.SampledFrom([]acr.Factor{
			acr.TOTP, acr.EmailOTP, acr.SMSOTP, acr.SecondPassword, acr.RecoveryCode,
		}), 1, 5, rapid.ID).Draw(t, "factors")
		var links []acr.Link
		for _, f := range factors {
			links = append(links, link(f, rapid.SampledFrom(acr.Controls()).Draw(t, string(f))))
		}
		shown := map[acr.Factor]bool{}
		var has []acr.Enrolment
		for _, f := range factors {
			shown[f] = rapid.Bool().Draw(t, "shows "+string(f))
			has = append(has, acr.Enrolment{Factor: f, Credential: string(f)})
		}
		has = append(has, acr.Enrolment{Factor: acr.Password, Credential: "password"})
		succeeds := func(f acr.Factor) bool { return shown[f] }
		wantAsked, want := original(links, succeeds)
		asked, got := person(t, chained(links...), has, succeeds)
		if got != want || !slices.Equal(asked, wantAsked) {
			t.Fatalf("chain %v, shows %v: asked %v, result %v; the original asks %v, result %v", links, shown, asked, got, wantAsked, want)
		}
	})
}

func TestChains(t *testing.T) {
	t.Parallel()
	all := acr.Factors()
	for _, test := range []struct {
		name  string
		links []acr.Link
		has   []acr.Factor
		shows []acr.Factor
		asked []acr.Factor
		ok    bool
	}{
		{
			"an app, or else a text message",
			[]acr.Link{link(acr.TOTP, acr.OptionalStopOnSuccess), link(acr.SMSOTP, acr.OptionalStopOnSuccess)},
			all,
			[]acr.Factor{acr.TOTP},
			[]acr.Factor{acr.TOTP},
			true,
		},
		{
			"the second when the first is given up",
			[]acr.Link{link(acr.TOTP, acr.OptionalStopOnSuccess), link(acr.SMSOTP, acr.OptionalStopOnSuccess)},
			all,
			[]acr.Factor{acr.SMSOTP},
			[]acr.Factor{acr.TOTP, acr.SMSOTP},
			true,
		},
		{
			"what the user does not have has failed",
			[]acr.Link{link(acr.TOTP, acr.OptionalStopOnSuccess), link(acr.SMSOTP, acr.OptionalStopOnSuccess)},
			[]acr.Factor{acr.Password, acr.SMSOTP},
			[]acr.Factor{acr.SMSOTP},
			[]acr.Factor{acr.SMSOTP},
			true,
		},
		{
			"a required failure shows only at the end",
			[]acr.Link{link(acr.TOTP, acr.RequiredContinue), link(acr.SMSOTP, acr.RequiredContinue)},
			all,
			[]acr.Factor{acr.SMSOTP},
			[]acr.Factor{acr.TOTP, acr.SMSOTP},
			false,
		},
		{
			"or at once",
			[]acr.Link{link(acr.TOTP, acr.RequiredStopOnFailure), link(acr.SMSOTP, acr.RequiredContinue)},
			all,
			[]acr.Factor{acr.SMSOTP},
			[]acr.Factor{acr.TOTP},
			false,
		},
		{
			"what is optional and not last may fail",
			[]acr.Link{link(acr.EmailOTP, acr.OptionalContinue), link(acr.TOTP, acr.RequiredContinue)},
			all,
			[]acr.Factor{acr.TOTP},
			[]acr.Factor{acr.EmailOTP, acr.TOTP},
			true,
		},
		{
			"the result of the last one counts",
			[]acr.Link{link(acr.TOTP, acr.RequiredContinue), link(acr.EmailOTP, acr.OptionalContinue)},
			all,
			[]acr.Factor{acr.TOTP},
			[]acr.Factor{acr.TOTP, acr.EmailOTP},
			false,
		},
		{
			"what is required and not there asks for nothing",
			[]acr.Link{link(acr.EmailOTP, acr.OptionalContinue), link(acr.TOTP, acr.RequiredContinue)},
			[]acr.Factor{acr.Password, acr.EmailOTP},
			[]acr.Factor{acr.EmailOTP},
			nil, false,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var has []acr.Enrolment
			for _, f := range test.has {
				has = append(has, acr.Enrolment{Factor: f, Credential: string(f)})
			}
			asked, ok := person(t, chained(test.links...), has, func(f acr.Factor) bool { return slices.Contains(test.shows, f) })
			if diff := cmp.Diff(test.asked, asked); diff != "" || ok != test.ok {
				t.Errorf("result %v, asked (-want +got):\n%s", ok, diff)
			}
		})
	}
}

// TestChainOfLogin begins a login with any of the leading authenticators of a
// chain, and goes on with what is required behind the one that was shown.
func TestChainOfLogin(t *testing.T) {
	t.Parallel()
	a := acr.ACR{Name: "C", Needs: []acr.Need{{ChainName: "login", Chain: []acr.Link{
		link(acr.Passkey, acr.OptionalStopOnSuccess), link(acr.Password, acr.RequiredStopOnFailure), link(acr.TOTP, acr.RequiredContinue),
	}}}}
	r := acr.Requirement{Txn: txn, Candidates: []acr.ACR{a}}
	nobody := here()
	nobody.User = ""
	d := acr.Decide(r, nil, nil, nobody)
	if p, ok := d.(acr.Prompt); !ok || !slices.Equal(p.Steps[0].AnyOf, []acr.Factor{acr.Passkey, acr.Password}) || !p.Steps[0].First {
		t.Fatalf("a login begins with %+v", d)
	}
	has := []acr.Enrolment{{Factor: acr.Passkey, Credential: "k"}, {Factor: acr.Password, Credential: "password"}, {Factor: acr.TOTP, Credential: "t"}}
	proof := func(f acr.Factor, c string) acr.Proof {
		return acr.Proof{ID: c, User: ann, Txn: txn, Factor: f, Credential: c, At: noon}
	}
	if d := acr.Decide(r, []acr.Proof{proof(acr.Passkey, "k")}, has, here()); !isIssue(d) {
		t.Errorf("after a passkey: %+v", d)
	}
	d = acr.Decide(r, []acr.Proof{proof(acr.Password, "password")}, has, here())
	if p, ok := d.(acr.Prompt); !ok || p.Steps[0].First || !slices.Equal(p.Steps[0].AnyOf, []acr.Factor{acr.TOTP}) {
		t.Errorf("after a password: %+v", d)
	}
	if d := acr.Decide(r, []acr.Proof{proof(acr.Password, "password"), proof(acr.TOTP, "t")}, has, here()); !isIssue(d) {
		t.Errorf("after password and app: %+v", d)
	}
	r.Silent = true
	if d := acr.Decide(r, []acr.Proof{proof(acr.Password, "password")}, has, here()); d != (acr.Fail{Reason: acr.InteractionRequired}) {
		t.Errorf("silent, after a password: %+v", d)
	}
}

func isIssue(d acr.Decision) bool {
	_, ok := d.(acr.Issue)
	return ok
}

// TestChainGivenUpLowersNothing falls to no weaker candidate when a factor that
// is within reach was given up.
func TestChainGivenUpLowersNothing(t *testing.T) {
	t.Parallel()
	weak := acr.ACR{Name: "Weak", Needs: []acr.Need{{AnyOf: []acr.Factor{acr.Password}}}}
	strong := chained(link(acr.TOTP, acr.RequiredContinue))
	r := acr.Requirement{Txn: txn, Candidates: []acr.ACR{strong, weak}, Skipped: []string{"second/0/totp"}}
	has := []acr.Enrolment{{Factor: acr.Password, Credential: "password"}, {Factor: acr.TOTP, Credential: "t"}}
	ledger := []acr.Proof{{ID: "p", User: ann, Txn: txn, Factor: acr.Password, Credential: "password", At: noon}}
	if d := acr.Decide(r, ledger, has, here()); d != (acr.Fail{Reason: acr.ChainFailed}) {
		t.Errorf("got %+v", d)
	}
}

// TestChainGivenUpOutOfReach: whoever has one of the factors of a chain and
// gives it up does not get in by a weaker ACR, though the rest of the chain is
// out of reach then.
func TestChainGivenUpOutOfReach(t *testing.T) {
	t.Parallel()
	strong := chained(link(acr.Passkey, acr.OptionalStopOnSuccess), link(acr.TOTP, acr.RequiredContinue))
	weak := acr.ACR{Name: "Weak", Needs: []acr.Need{{AnyOf: []acr.Factor{acr.Password}}}}
	has := []acr.Enrolment{{Factor: acr.Password, Credential: "password"}, {Factor: acr.Passkey, Credential: "passkey:1"}}
	ledger := []acr.Proof{{ID: "p", User: ann, Txn: txn, Factor: acr.Password, Credential: "password", At: noon}}
	for name, r := range map[string]acr.Requirement{
		"candidate":  {Candidates: []acr.ACR{strong, weak}},
		"fallback":   {Candidates: []acr.ACR{strong}, Fallback: []acr.ACR{weak}},
		"floor":      {Candidates: []acr.ACR{weak}, Floors: []acr.ACR{strong}},
		"user floor": {Candidates: []acr.ACR{weak}, UserFloor: []acr.ACR{strong, weak}},
	} {
		r.Txn = txn
		p, ok := acr.Decide(r, ledger, has, here()).(acr.Prompt)
		if !ok || len(p.Steps) != 1 || len(p.Steps[0].Skip) == 0 {
			t.Fatalf("%s: asks %+v", name, p)
		}
		r.Skipped = p.Steps[0].Skip
		if d := acr.Decide(r, ledger, has, here()); d != (acr.Fail{Reason: acr.ChainFailed}) {
			t.Errorf("%s: after giving the passkey up: %+v", name, d)
		}
	}
}

// TestChainGivenUpNeverWeaker gives up whatever is offered, in random chains and
// for random users: who had to show something more gets in by nothing less.
func TestChainGivenUpNeverWeaker(t *testing.T) {
	t.Parallel()
	weak := acr.ACR{Name: "Weak", Needs: []acr.Need{{AnyOf: []acr.Factor{acr.Password}}}}
	rapid.Check(t, func(t *rapid.T) {
		kinds := []acr.Factor{acr.Passkey, acr.TOTP, acr.EmailOTP, acr.SMSOTP}
		factors := rapid.SliceOfNDistinct(rapid.SampledFrom(kinds), 1, 4, rapid.ID[acr.Factor]).Draw(t, "chain")
		var links []acr.Link
		for _, f := range factors {
			links = append(links, link(f, rapid.SampledFrom(acr.Controls()).Draw(t, "control")))
		}
		has := []acr.Enrolment{{Factor: acr.Password, Credential: "password"}}
		for _, f := range kinds {
			if rapid.Bool().Draw(t, string(f)) {
				has = append(has, acr.Enrolment{Factor: f, Credential: string(f)})
			}
		}
		r := acr.Requirement{
			Txn: txn, Candidates: []acr.ACR{chained(links...), weak}, MayEnrol: rapid.Bool().Draw(t, "may enrol"),
		}
		ledger := []acr.Proof{{ID: "p", User: ann, Txn: txn, Factor: acr.Password, Credential: "password", At: noon}}
		for asked := 0; ; asked++ {
			switch d := acr.Decide(r, ledger, has, here()).(type) {
			case acr.Issue:
				if asked > 0 {
					t.Fatalf("after %v was given up: %+v", r.Skipped, d)
				}
				return
			case acr.Fail:
				return
			case acr.Prompt:
				if len(d.Steps[0].Skip) == 0 {
					return
				}
				r.Skipped = append(r.Skipped, d.Steps[0].Skip...)
			}
			if asked > 20 {
				t.Fatalf("no answer, asked for %v", r.Skipped)
			}
		}
	})
}

// TestPluggedKnowledgeIsNotMFA: what a plugged-in factor rests on says whether
// amr has mfa, not that its name is not known.
func TestPluggedKnowledgeIsNotMFA(t *testing.T) {
	t.Parallel()
	a := acr.ACR{Name: "A", Needs: []acr.Need{{AnyOf: []acr.Factor{acr.Password}}, {AnyOf: []acr.Factor{"pin"}}}}
	for category, want := range map[acr.Category][]string{
		acr.Knowledge: {"pin", "pwd"}, acr.Possession: {"mfa", "pin", "pwd"}, acr.Inherence: {"mfa", "pin", "pwd"},
	} {
		ledger := []acr.Proof{
			{ID: "p", User: ann, Txn: txn, Factor: acr.Password, Credential: "password", At: noon},
			{ID: "q", User: ann, Txn: txn, Factor: "pin", Credential: "pin:1", Category: category, AMR: []string{"pin"}, At: noon},
		}
		got, _ := acr.Decide(acr.Requirement{Txn: txn, Candidates: []acr.ACR{a}}, ledger, nil, here()).(acr.Issue)
		if d := cmp.Diff(want, got.AMR); d != "" {
			t.Errorf("%s (-want +got):\n%s", category, d)
		}
	}
}

// TestChainDistinct compares categories between needs, not within a chain.
func TestChainDistinct(t *testing.T) {
	t.Parallel()
	a := chained(link(acr.TOTP, acr.RequiredContinue), link(acr.SMSOTP, acr.RequiredContinue))
	a.Distinct = true
	if err := acr.Validate([]acr.ACR{a}); err != nil {
		t.Error(err)
	}
	b := chained(link(acr.SecondPassword, acr.RequiredContinue))
	b.Distinct = true
	if err := acr.Validate([]acr.ACR{b}); err == nil || !strings.Contains(err.Error(), "can never be met") {
		t.Errorf("a second password beside a password: %v", err)
	}
}

func TestValidateChains(t *testing.T) {
	t.Parallel()
	login := func(links ...acr.Link) acr.ACR {
		return acr.ACR{Name: "C", Needs: []acr.Need{{Chain: links, ChainName: "login"}}}
	}
	long := []acr.Link{link(acr.Password, acr.RequiredContinue)}
	for len(long) <= acr.MaxLinks {
		long = append(long, link(acr.TOTP, acr.OptionalContinue))
	}
	token := acr.Plugged{Factor: "token", Category: acr.Possession, First: true}
	for _, test := range []struct {
		name string
		a    acr.ACR
		want string // "": nothing is wrong
	}{
		{"a plugged-in authenticator", login(link("token", acr.RequiredContinue)), ""},
		{"unknown", login(link("tokens", acr.RequiredContinue)), `"tokens" is not a factor`},
		{"no such criterion", login(link(acr.Password, "required")), `"required" is not a criterion`},
		{"twice", login(link(acr.Password, acr.RequiredContinue), link(acr.Password, acr.OptionalContinue)), "lists password twice"},
		{"too long", login(long...), "8 authenticators at most"},
		{"begins with an app", login(link(acr.TOTP, acr.RequiredContinue)), "which can only list factors that begin a login"},
		{
			"an app suffices when the password fails",
			login(link(acr.Password, acr.OptionalContinue), link(acr.TOTP, acr.RequiredContinue)),
			"which can only list factors that begin a login",
		},
		{"both forms", acr.ACR{Name: "C", Needs: []acr.Need{{
			AnyOf: []acr.Factor{acr.Password}, Chain: []acr.Link{link(acr.Password, acr.RequiredContinue)},
		}}}, "any_of or a chain, not both"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := acr.Validate([]acr.ACR{test.a}, token)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// TestChainBesideFloor lets a link be given up that a floor would take too; the
// floor then asks for what else it takes.
func TestChainBesideFloor(t *testing.T) {
	t.Parallel()
	r := acr.Requirement{Txn: txn, Candidates: []acr.ACR{
		chained(link(acr.TOTP, acr.OptionalStopOnSuccess), link(acr.EmailOTP, acr.OptionalStopOnSuccess)),
	}, Floors: []acr.ACR{{Name: "MFA", Needs: []acr.Need{
		{AnyOf: []acr.Factor{acr.Password}}, {AnyOf: []acr.Factor{acr.TOTP, acr.EmailOTP}},
	}}}}
	has := []acr.Enrolment{
		{Factor: acr.Password, Credential: "password"}, {Factor: acr.TOTP, Credential: "t"}, {Factor: acr.EmailOTP, Credential: "e"},
	}
	ledger := []acr.Proof{{ID: "p", User: ann, Txn: txn, Factor: acr.Password, Credential: "password", At: noon}}
	p, ok := acr.Decide(r, ledger, has, here()).(acr.Prompt)
	if !ok || len(p.Steps) != 1 || len(p.Steps[0].Skip) != 1 || !slices.Equal(p.Steps[0].AnyOf, []acr.Factor{acr.TOTP}) {
		t.Fatalf("asks %+v", p)
	}
	r.Skipped = p.Steps[0].Skip
	p, ok = acr.Decide(r, ledger, has, here()).(acr.Prompt)
	if !ok || !slices.Equal(p.Steps[0].AnyOf, []acr.Factor{acr.EmailOTP}) {
		t.Fatalf("then asks %+v", p)
	}
}

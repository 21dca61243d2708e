package acr_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sallyport-id/sallyport/authn/acr"
)

// scene is everything that a decision depends on.
type scene struct {
	r      acr.Requirement
	ledger []acr.Proof
	has    []acr.Enrolment
	x      acr.Context
}

func (s scene) decide() acr.Decision { return acr.Decide(s.r, s.ledger, s.has, s.x) }

var (
	ages    = []time.Duration{0, time.Minute, time.Hour, 6 * time.Hour, 12 * time.Hour}
	seconds = []acr.Factor{
		acr.Passkey, acr.TOTP, acr.EmailOTP, acr.SMSOTP, acr.VoiceOTP, acr.SecondPassword, acr.RecoveryCode, acr.Device,
	}
	firsts = []acr.Factor{acr.Password, acr.Passkey, acr.Federated, acr.EmailOTP}
)

func drawAge(t *rapid.T, label string) *time.Duration {
	if rapid.Bool().Draw(t, label+" without limit") {
		return nil
	}
	return new(rapid.SampledFrom(ages).Draw(t, label))
}

func drawNeed(t *rapid.T, of []acr.Factor) acr.Need {
	factors := rapid.SliceOfNDistinct(rapid.SampledFrom(of), 1, 3, rapid.ID).Draw(t, "any_of")
	return acr.Need{AnyOf: factors, MaxAge: drawAge(t, "need")}
}

func drawACR(t *rapid.T) acr.ACR {
	a := acr.ACR{Name: rapid.StringMatching(`[A-Z]{3}`).Draw(t, "name"), Needs: []acr.Need{drawNeed(t, firsts)}}
	for range rapid.IntRange(0, 2).Draw(t, "further needs") {
		a.Needs = append(a.Needs, drawNeed(t, seconds))
	}
	a.Distinct = rapid.Bool().Draw(t, "distinct")
	return a
}

func drawACRs(t *rapid.T, label string) []acr.ACR {
	var out []acr.ACR
	for range rapid.IntRange(0, 2).Draw(t, label) {
		out = append(out, drawACR(t))
	}
	return out
}

// drawRequest draws what a request can choose.
func drawRequest(t *rapid.T, r acr.Requirement) acr.Requirement {
	r.Candidates = drawACRs(t, "candidates")
	r.Fallback = drawACRs(t, "fallback")
	r.MaxAge = drawAge(t, "max_age")
	r.Login = rapid.Bool().Draw(t, "login")
	r.Silent = rapid.Bool().Draw(t, "silent")
	r.Asked = rapid.Bool().Draw(t, "asked")
	return r
}

func drawProof(t *rapid.T, id int) acr.Proof {
	p := acr.Proof{
		ID: fmt.Sprint("p", id), User: ann, Txn: rapid.SampledFrom([]string{txn, past}).Draw(t, "txn"),
		Factor: rapid.SampledFrom(acr.Factors()).Draw(t, "factor"),
		At:     noon.Add(-rapid.SampledFrom(append(ages, 20*time.Hour)).Draw(t, "ago")),
	}
	p.Credential = fmt.Sprint(p.Factor, rapid.IntRange(0, 1).Draw(t, "credential"))
	p.AMR = p.Factor.AMR()
	if p.Factor == acr.Passkey {
		p.AMR = rapid.SampledFrom([][]string{{"hwk"}, {"hwk", "user"}, {"hwk", "pin", "user"}, {"fpt", "hwk", "user"}}).Draw(t, "amr")
	}
	return p
}

func drawScene(t *rapid.T) scene {
	s := scene{x: here(), r: acr.Requirement{Txn: txn}}
	s.r.Floors = drawACRs(t, "floors")
	s.r.UserFloor = drawACRs(t, "user floor")
	s.r.MayEnrol = rapid.Bool().Draw(t, "may enrol")
	s.r = drawRequest(t, s.r)
	for i := range rapid.IntRange(0, 6).Draw(t, "proofs") {
		s.ledger = append(s.ledger, drawProof(t, i))
	}
	for _, f := range rapid.SliceOfNDistinct(rapid.SampledFrom(acr.Factors()), 0, 5, rapid.ID).Draw(t, "enrolled") {
		s.has = append(s.has, acr.Enrolment{Factor: f, Credential: fmt.Sprint(f, 0)})
	}
	if rapid.Bool().Draw(t, "remembered") {
		s.x.Device = new(noon.Add(-rapid.SampledFrom(ages).Draw(t, "remembered ago")))
	}
	return s
}

// meets is the definition of a met ACR in the plainest form: some choice of a
// counting proof and a category for each need, with no credential twice but a
// verified passkey, no passkey behind the first need that verified nobody, and
// no category twice where they must be distinct.
func (s scene) meets(a acr.ACR) bool {
	ledger := slices.Clone(s.ledger)
	if s.x.Device != nil {
		ledger = append(ledger, acr.Proof{ID: "device", User: ann, Factor: acr.Device, Credential: "the device", At: *s.x.Device})
	}
	return s.meetsFrom(a, ledger, nil, nil)
}

func (s scene) meetsFrom(a acr.ACR, ledger, taken []acr.Proof, categories []string) bool {
	at := len(taken)
	if at == len(a.Needs) {
		return true
	}
	for _, p := range ledger {
		if p.Factor == acr.Device && p.ID != "device" || !s.counts(p, a.Needs[at]) || !mayMeet(p, taken) {
			continue
		}
		if at > 0 && p.Factor == acr.Passkey && !verified(p) {
			continue
		}
		for _, c := range categoriesOf(p) {
			if a.Distinct && slices.Contains(categories, c) {
				continue
			}
			if s.meetsFrom(a, ledger, append(slices.Clone(taken), p), append(slices.Clone(categories), c)) {
				return true
			}
		}
	}
	return false
}

func (s scene) counts(p acr.Proof, n acr.Need) bool {
	switch {
	case !slices.Contains(n.AnyOf, p.Factor):
		return false
	case p.Factor == acr.Device && (s.r.Login || s.r.MaxAge != nil):
		return false
	case p.Txn == s.r.Txn:
		return true
	case p.Factor == acr.RecoveryCode || s.r.Login:
		return false
	}
	old := s.x.Now.Unix() - p.At.Unix()
	for _, limit := range []*time.Duration{n.MaxAge, s.r.MaxAge} {
		if limit != nil && (*limit == 0 || old > int64(*limit/time.Second)) {
			return false
		}
	}
	return true
}

func verified(p acr.Proof) bool {
	return p.Factor == acr.Passkey && (slices.Contains(p.AMR, "user") || slices.Contains(p.AMR, "fpt"))
}

func mayMeet(p acr.Proof, taken []acr.Proof) bool {
	n := 0
	for _, q := range taken {
		if q.Credential == p.Credential {
			n++
			if !verified(p) || !verified(q) {
				return false
			}
		}
	}
	return n < 2
}

func categoriesOf(p acr.Proof) []string {
	switch {
	case p.Factor == acr.Password || p.Factor == acr.SecondPassword || p.Factor == acr.Federated:
		return []string{"knowledge"}
	case verified(p) && slices.Contains(p.AMR, "fpt"):
		return []string{"possession", "inherence"}
	case verified(p):
		return []string{"possession", "knowledge"}
	default:
		return []string{"possession"}
	}
}

func TestDecideProperties(t *testing.T) {
	t.Parallel()
	check := func(name string, property func(*rapid.T)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, property)
		})
	}
	check("issue implies every need met", func(t *rapid.T) {
		s := drawScene(t)
		i, ok := s.decide().(acr.Issue)
		if !ok {
			return
		}
		for _, f := range s.r.Floors {
			if !s.meets(f) {
				t.Fatalf("floor %+v is not met, yet %+v", f, i)
			}
		}
		if !slices.ContainsFunc(slices.Concat(s.r.Candidates, s.r.Fallback), s.meets) {
			t.Fatalf("no candidate is met, yet %+v", i)
		}
		if i.ACR == "" || i.AuthTime.IsZero() || len(i.Proofs) == 0 || !slices.IsSorted(i.AMR) {
			t.Fatalf("incomplete: %+v", i)
		}
		for _, p := range s.ledger {
			if slices.Contains(i.Proofs, p.ID) && p.At.Before(i.AuthTime) {
				t.Fatalf("auth_time %v is after a counted proof of %v", i.AuthTime, p.At)
			}
		}
	})
	check("a candidate and floors that are met are issued", func(t *rapid.T) {
		s := drawScene(t)
		s.r.UserFloor, s.r.Fallback = nil, nil
		met := len(s.r.Candidates) > 0 && s.meets(s.r.Candidates[0])
		for _, f := range s.r.Floors {
			met = met && s.meets(f)
		}
		if _, ok := s.decide().(acr.Issue); met && !ok {
			// A remembered browser alone proves nothing, whatever lists it.
			t.Fatalf("all is met, yet %#v", s.decide())
		}
	})
	check("no request lowers a floor", func(t *rapid.T) {
		s := drawScene(t)
		other := s
		other.r = drawRequest(t, s.r)
		if _, ok := other.decide().(acr.Issue); !ok {
			return
		}
		for _, f := range s.r.Floors {
			plain := s
			plain.r.Login, plain.r.MaxAge = false, nil
			if !plain.meets(f) {
				t.Fatalf("floor %+v is not met without the request, yet issued for %+v", f, other.r)
			}
		}
	})
	check("a new proof never turns an answer into a question", func(t *rapid.T) {
		s := drawScene(t)
		if _, ok := s.decide().(acr.Issue); !ok {
			return
		}
		p := drawProof(t, 100)
		p.Txn, p.At = txn, noon
		more := s
		more.ledger = append(slices.Clone(s.ledger), p)
		if _, ok := more.decide().(acr.Issue); !ok {
			t.Fatalf("with %+v: %#v", p, more.decide())
		}
	})
	check("no proof turns an answer into a question", func(t *rapid.T) {
		s := drawScene(t)
		more := s
		more.ledger = append(slices.Clone(s.ledger), drawProof(t, 100))
		if _, ok := s.decide().(acr.Issue); ok {
			if _, ok := more.decide().(acr.Issue); !ok {
				t.Fatalf("with %+v: %#v", more.ledger[len(more.ledger)-1], more.decide())
			}
		}
	})
	check("time never turns a question into an answer", func(t *rapid.T) {
		s := drawScene(t)
		later := s
		later.x.Now = s.x.Now.Add(rapid.SampledFrom(ages).Draw(t, "later"))
		if _, ok := s.decide().(acr.Issue); ok {
			return
		}
		if _, ok := later.decide().(acr.Issue); ok {
			t.Fatalf("%#v became %#v", s.decide(), later.decide())
		}
	})
	check("the order of the ledger is irrelevant", func(t *rapid.T) {
		s := drawScene(t)
		shuffled := s
		shuffled.ledger = rapid.Permutation(s.ledger).Draw(t, "permutation")
		if diff := cmp.Diff(s.decide(), shuffled.decide()); diff != "" {
			t.Fatal(diff)
		}
	})
	check("silent asks nothing and answers the same", func(t *rapid.T) {
		s := drawScene(t)
		s.r.Silent = false
		silent := s
		silent.r.Silent = true
		switch d := silent.decide().(type) {
		case acr.Prompt:
			t.Fatalf("silent: %+v", d)
		case acr.Issue:
			if diff := cmp.Diff(s.decide(), acr.Decision(d)); diff != "" {
				t.Fatal(diff)
			}
		case acr.Fail:
			_, asks := s.decide().(acr.Prompt)
			if quiet := d.Reason == acr.LoginRequired || d.Reason == acr.InteractionRequired; quiet != asks {
				t.Fatalf("silent %#v, else %#v", d, s.decide())
			}
		}
	})
	check("an answer to every question ends the questions", finishes)
	check("explain decides the same", func(t *rapid.T) {
		s := drawScene(t)
		d, findings := acr.Explain(s.r, s.ledger, s.has, s.x)
		if diff := cmp.Diff(s.decide(), d); diff != "" {
			t.Fatal(diff)
		}
		if n := len(s.r.Candidates) + len(s.r.Fallback) + len(s.r.Floors) + len(s.r.UserFloor); len(findings) != n {
			t.Fatalf("%d findings for %d ACRs", len(findings), n)
		}
		for _, f := range findings {
			if f.Why == "" || f.ACR == "" {
				t.Fatalf("nothing is said: %+v", f)
			}
		}
	})
}

// finishes gives what is asked for until nothing is: every step offers something
// that the user has or may enrol, and each proof leads on.
func finishes(t *rapid.T) {
	s := drawScene(t)
	s.r.Silent = false
	for range 20 {
		d := s.decide()
		p, ok := d.(acr.Prompt)
		if !ok {
			if f, failed := d.(acr.Fail); failed && len(s.ledger) > 6 && f.Reason != acr.Unreachable {
				t.Fatalf("after proofs: %#v", d)
			}
			return
		}
		for _, step := range p.Steps {
			if len(step.AnyOf) == 0 || len(step.Usable) == 0 && !step.Enrol {
				t.Fatalf("a step asks for nothing: %+v", step)
			}
		}
		step := p.Steps[0]
		e := acr.Enrolment{Factor: step.AnyOf[0], Credential: fmt.Sprint("new ", step.AnyOf[0])}
		if len(step.Usable) > 0 {
			e = rapid.SampledFrom(step.Usable).Draw(t, "shown")
		} else {
			s.has = append(s.has, e)
		}
		answer := acr.Proof{
			ID: fmt.Sprint("a", len(s.ledger)), User: ann, Txn: txn, Factor: e.Factor, Credential: e.Credential,
			AMR: e.Factor.AMR(), At: noon,
		}
		if e.Factor == acr.Passkey {
			answer.AMR = []string{"hwk", "user"}
		}
		s.ledger = append(s.ledger, answer)
	}
	t.Fatalf("still asks after 20 proofs: %#v", s.decide())
}

// Whatever the inputs, Decide answers, and never with an empty question.
func FuzzDecide(f *testing.F) {
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) {
		s := drawScene(t)
		s.x.User = rapid.SampledFrom([]string{"", ann, "user-bob"}).Draw(t, "user")
		s.r.Subject = rapid.SampledFrom([]string{"", ann}).Draw(t, "subject")
		s.r.Txn = rapid.SampledFrom([]string{"", txn}).Draw(t, "txn")
		if rapid.Bool().Draw(t, "odd") {
			s.r.Candidates = append(s.r.Candidates, acr.ACR{}, acr.ACR{Needs: []acr.Need{{}}})
		}
		switch d := s.decide().(type) {
		case acr.Prompt:
			if len(d.Steps) == 0 || s.r.Silent {
				t.Fatalf("Decide = %#v", d)
			}
		case acr.Issue:
			if s.x.User != ann || s.r.Subject != "" && s.r.Subject != ann {
				t.Fatalf("issued for %q, subject %q, on proofs of %q", s.x.User, s.r.Subject, ann)
			}
		case acr.Fail:
			if d.Reason == "" {
				t.Fatal("failed without a reason")
			}
		default:
			t.Fatalf("Decide = %#v", d)
		}
	}))
}

package acr

import (
	"slices"
	"time"
)

// judge weighs ACRs for one requirement, user and moment.
type judge struct {
	r      Requirement
	x      Context
	ledger []Proof // of the user, newest first
	has    []Enrolment
}

func newJudge(r Requirement, ledger []Proof, has []Enrolment, x Context) *judge {
	j := &judge{r: r, x: x, ledger: ledgerOf(ledger, x)}
	for _, e := range has {
		if e.Factor != Device && x.User != "" { // nobody can be asked to show a remembered browser
			j.has = append(j.has, e)
		}
	}
	return j
}

// want is a need that is not lifted.
type want struct {
	Need
	index int // of the need in the ACR
	first bool
	skip  string // key of a link that can be given up
}

// plan is how an ACR is met, or would be: an option for each of its needs.
type plan struct {
	acr    ACR
	wants  []want
	picked []option
	enrols bool // a factor must be enrolled for it
	doomed bool // a chain fails at its end
}

// met reports whether nothing is left to ask for.
func (p *plan) met() bool {
	return !p.doomed && !slices.ContainsFunc(p.picked, func(o option) bool { return o.proof == nil })
}

// proofs returns those that count, in the order of the needs.
func (p *plan) proofs() []Proof {
	var out []Proof
	for _, o := range p.picked {
		if o.proof != nil {
			out = append(out, *o.proof)
		}
	}
	return out
}

// plan returns how the user can meet an ACR with the fewest further proofs, nil
// if that is out of reach. Of the ways through its chains the first counts that
// is met, else the first in reach, and only if there is none, one that fails at
// its end.
func (j *judge) plan(a ACR, mayEnrol bool) *plan {
	variants := j.variants(a)
	for _, v := range variants {
		if v.doomed || len(v.wants) == 0 {
			continue
		}
		if picked := j.met(a, v.wants); picked != nil {
			return &plan{acr: a, wants: v.wants, picked: picked}
		}
	}
	for _, enrol := range []bool{false, true} {
		for _, v := range variants {
			if v.doomed || len(v.wants) == 0 || enrol && !mayEnrol {
				continue
			}
			if p := j.reach(a, v.wants, enrol); p != nil {
				return p
			}
		}
	}
	if p := j.doomed(a, variants); p != nil {
		return p
	}
	return j.forgone(a, mayEnrol)
}

// forgone is the plan for an ACR that was in reach before links of its chains
// were given up: it stays the one that counts, and fails. Were it out of reach,
// giving up would let its user in by a weaker one.
func (j *judge) forgone(a ACR, mayEnrol bool) *plan {
	if len(j.r.Skipped) == 0 {
		return nil
	}
	whole := *j
	whole.r.Skipped = nil
	if whole.plan(a, mayEnrol) == nil {
		return nil
	}
	return &plan{acr: a, doomed: true}
}

// doomed is the plan for a chain in which something required was given up: it
// goes on to its end.
func (j *judge) doomed(a ACR, variants []variant) *plan {
	for _, v := range variants {
		if !v.doomed {
			continue
		}
		p := &plan{acr: a, wants: v.wants}
		if len(v.wants) > 0 {
			if p.picked = j.met(a, v.wants); p.picked == nil {
				p = j.reach(a, v.wants, false)
			}
		}
		if p != nil {
			p.doomed = true
			return p
		}
	}
	return nil
}

// reach plans what the user could still show. Out of reach is what neither the
// enrolments alone suffice for nor the proofs alone: if a mixture did, one more
// proof could turn an answer into a question.
func (j *judge) reach(a ACR, wants []want, enrol bool) *plan {
	p := &plan{acr: a, wants: wants, enrols: enrol}
	if assign(j.slots(wants, func(w want) []option { return p.askable(j, w) }), a.Distinct, len(wants)) == nil {
		return nil
	}
	for asks := 1; asks <= len(wants) && p.picked == nil; asks++ {
		p.picked = assign(j.slots(wants, func(w want) []option {
			return append(j.proved(a, w), p.askable(j, w)...)
		}), a.Distinct, asks)
	}
	return p
}

// askable are the options without a proof.
func (p *plan) askable(j *judge, w want) []option {
	if p.enrols {
		return j.possible(w)
	}
	return j.enrolled(w)
}

// met returns the assignment of fresh proofs whose oldest proof is the newest
// possible, nil if there is none.
func (j *judge) met(a ACR, wants []want) []option {
	slots := j.slots(wants, func(w want) []option { return j.proved(a, w) })
	if assign(slots, a.Distinct, 0) == nil {
		return nil
	}
	for _, oldest := range times(slots) {
		recent := make([][]option, len(slots))
		for i, options := range slots {
			for _, o := range options {
				if !o.at.Before(oldest) {
					recent[i] = append(recent[i], o)
				}
			}
		}
		if picked := assign(recent, a.Distinct, 0); picked != nil {
			return picked
		}
	}
	return nil
}

// times returns when the proofs were made, newest first.
func times(slots [][]option) []time.Time {
	var out []time.Time
	for _, options := range slots {
		for _, o := range options {
			out = append(out, o.at)
		}
	}
	slices.SortFunc(out, func(a, b time.Time) int { return b.Compare(a) })
	return slices.CompactFunc(out, time.Time.Equal)
}

func (j *judge) slots(wants []want, options func(want) []option) [][]option {
	out := make([][]option, len(wants))
	for i, w := range wants {
		out[i] = options(w)
	}
	return out
}

// proved are the fresh proofs for a need, newest first; of those of one
// credential with the same worth only the newest matters.
func (j *judge) proved(a ACR, w want) []option {
	var out []option
	for i := range j.ledger {
		if !j.r.fresh(j.ledger[i], w.Need, a, j.x) || !w.first && !j.ledger[i].asSecond() {
			continue
		}
		o := ofProof(&j.ledger[i]).of(w)
		same := func(other option) bool {
			return other.key == o.key && slices.Equal(other.categories, o.categories)
		}
		if !slices.ContainsFunc(out, same) {
			out = append(out, o)
		}
	}
	return out
}

// enrolled are what the user could show for a need.
func (j *judge) enrolled(w want) []option {
	var out []option
	for i, e := range j.has {
		if slices.Contains(w.AnyOf, e.Factor) {
			out = append(out, ofEnrolment(&j.has[i]).of(w))
		}
	}
	return out
}

// possible are those and what the user could enrol. The factor that begins a
// login cannot be enrolled in it.
func (j *judge) possible(w want) []option {
	out := j.enrolled(w)
	if w.first {
		return out
	}
	for _, f := range w.AnyOf {
		if f.Enrolable() {
			o := ofEnrolment(&Enrolment{Factor: f, Credential: "new " + string(f)}).of(w)
			o.enrolment = nil
			out = append(out, o)
		}
	}
	return out
}

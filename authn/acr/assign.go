package acr

import (
	"slices"
	"time"
)

// option is a proof that could meet a need, or one that the user could still
// give: an enrolment, or a factor to be enrolled.
type option struct {
	key        string // the credential
	need       int    // the need that it is for
	factor     Factor
	categories []Category
	double     bool // a passkey that verifies its user may meet two needs
	at         time.Time
	proof      *Proof
	enrolment  *Enrolment
}

// key is which credential it is; a factor of which there is one per user needs
// no name.
func key(f Factor, credential string) string {
	if credential == "" {
		return "factor " + string(f)
	}
	return "credential " + credential
}

func ofProof(p *Proof) option {
	return option{
		key: key(p.Factor, p.Credential), factor: p.Factor, categories: p.categories(), double: p.second() != "", at: p.At, proof: p,
	}
}

// ofEnrolment expects that a passkey will verify its user, as every passkey
// prompt for a second factor asks for.
func ofEnrolment(e *Enrolment) option {
	o := option{key: key(e.Factor, e.Credential), factor: e.Factor, categories: []Category{e.Factor.category()}, enrolment: e}
	if e.Category != "" {
		o.categories = []Category{e.Category}
	}
	if e.Factor == Passkey {
		o.categories, o.double = []Category{Possession, Knowledge}, true
	}
	return o
}

// of says which need the option is for.
func (o option) of(w want) option {
	o.need = w.index
	return o
}

// assignment gives each slot an option, such that a credential meets one need
// and, where that is asked for, each need another category. It is found by
// trying the options of a slot in their order: there are few needs and few
// credentials.
type assignment struct {
	slots    [][]option
	distinct bool
	// asks is how many options may be without a proof.
	asks int

	picked     []option
	used       map[string]int
	double     map[string]bool
	categories []claimedCategory
}

// claimedCategory is a category that stands for a need.
type claimedCategory struct {
	Category
	need int
}

// assign returns the first assignment with at most asks options that are no
// proofs, or nil.
func assign(slots [][]option, distinct bool, asks int) []option {
	a := &assignment{
		slots: slots, distinct: distinct, asks: asks,
		picked: make([]option, 0, len(slots)), used: map[string]int{}, double: map[string]bool{},
	}
	if !a.fill() {
		return nil
	}
	return a.picked
}

func (a *assignment) fill() bool {
	slot := len(a.picked)
	if slot == len(a.slots) {
		return true
	}
	for _, o := range a.slots[slot] {
		if a.free(o) && a.try(o) {
			return true
		}
	}
	return false
}

// free reports whether the credential of o may meet one more need.
func (a *assignment) free(o option) bool {
	if o.proof == nil && a.asks == 0 {
		return false
	}
	switch a.used[o.key] {
	case 0:
		return true
	case 1:
		return o.double && a.double[o.key]
	default:
		return false
	}
}

// try picks o and fills the other slots, once per category that it may stand
// for.
func (a *assignment) try(o option) bool {
	before := a.double[o.key]
	a.picked = append(a.picked, o)
	a.used[o.key]++
	a.double[o.key] = o.double
	if o.proof == nil {
		a.asks--
	}
	if a.fillWith(o) {
		return true
	}
	if o.proof == nil {
		a.asks++
	}
	a.double[o.key] = before
	a.used[o.key]--
	a.picked = a.picked[:len(a.picked)-1]
	return false
}

// fillWith fills the other slots for each category that o may stand for. The
// links of one chain are one need.
func (a *assignment) fillWith(o option) bool {
	if !a.distinct {
		return a.fill()
	}
	for _, c := range o.categories {
		taken := func(other claimedCategory) bool { return other.Category == c && other.need != o.need }
		if slices.ContainsFunc(a.categories, taken) {
			continue
		}
		a.categories = append(a.categories, claimedCategory{c, o.need})
		if a.fill() {
			return true
		}
		a.categories = a.categories[:len(a.categories)-1]
	}
	return false
}

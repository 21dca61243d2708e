package acr

import (
	"fmt"
	"slices"
)

// Link is one authenticator of a chain.
type Link struct {
	Factor  Factor
	Control Control
}

// Control says what the result of an authenticator does to its chain. The names
// are those of the product whose configuration this form comes from.
type Control string

// The controls. A factor that the user does not have, or gives up, has failed.
const (
	// RequiredContinue must succeed. The chain goes on either way, so that a
	// failure shows only at its end.
	RequiredContinue Control = "required-continue"
	// RequiredStopOnFailure must succeed, and a failure ends the chain.
	RequiredStopOnFailure Control = "required-stop-on-failure"
	// OptionalStopOnSuccess need not succeed, and a success ends the chain.
	OptionalStopOnSuccess Control = "optional-stop-on-success"
	// OptionalContinue need not succeed, and the chain goes on either way.
	OptionalContinue Control = "optional-continue"
)

// Controls returns every control.
func Controls() []Control {
	return []Control{RequiredContinue, RequiredStopOnFailure, OptionalStopOnSuccess, OptionalContinue}
}

func (c Control) optional() bool { return c == OptionalStopOnSuccess || c == OptionalContinue }

// path is one way through a chain: the links that succeed on it.
type path struct {
	links []int
	// doomed: the chain fails at the end of it, since something was given up.
	doomed bool
	// back: it returns to a link that was passed over before.
	back bool
}

// walk finds the ways through a chain.
type walk struct {
	links          []Link
	gaveUp, passed func(i int) bool
	found          []path
}

// paths returns the ways through a chain, success of an earlier link first. The
// result of the last link on the way is that of the chain, provided that all
// required ones succeed.
func paths(links []Link, gaveUp, passed func(i int) bool) []path {
	w := &walk{links: links, gaveUp: gaveUp, passed: passed}
	w.from(0, path{}, false, false)
	slices.SortStableFunc(w.found, func(a, b path) int {
		switch {
		case a.back == b.back:
			return 0
		case a.back:
			return 1
		default:
			return -1
		}
	})
	return w.found
}

// from goes on at link i. last is the result before it, gave tells that a link
// on the way was given up.
func (w *walk) from(i int, p path, last, gave bool) {
	if i == len(w.links) {
		p.doomed = p.doomed || !last
		if last || gave {
			w.found = append(w.found, p)
		}
		return
	}
	control, given := w.links[i].Control, w.gaveUp(i)
	if !given {
		with := path{links: append(slices.Clone(p.links), i), doomed: p.doomed, back: p.back || w.passed(i)}
		if control == OptionalStopOnSuccess {
			w.found = append(w.found, with)
		} else {
			w.from(i+1, with, true, gave)
		}
	}
	switch {
	case control.optional():
		w.from(i+1, p, false, gave || given)
	case given && control == RequiredContinue:
		p.doomed = true
		w.from(i+1, p, false, true)
	case given:
		p.doomed = true
		w.found = append(w.found, p)
	}
}

// never is the answer for a chain that nobody has touched.
func never(int) bool { return false }

// key names a link among what was given up in a transaction.
func (n Need) key(i int) string { return fmt.Sprintf("%s/%d/%s", n.ChainName, i, n.Chain[i].Factor) }

// leading are the factors that a login by the need can begin with: any_of, or
// the links of its chain up to the first that is required.
func (n Need) leading() []Factor {
	if len(n.Chain) == 0 {
		return n.AnyOf
	}
	var out []Factor
	for _, l := range n.Chain {
		if !slices.Contains(out, l.Factor) {
			out = append(out, l.Factor)
		}
		if !l.Control.optional() {
			break
		}
	}
	return out
}

// Begins returns the factors that a login to the ACR can begin with.
func (a ACR) Begins() []Factor {
	if len(a.Needs) == 0 {
		return nil
	}
	return a.Needs[0].leading()
}

// variant is what must be shown on one way through the chains of an ACR; one
// without chains has one.
type variant struct {
	wants  []want
	doomed bool
}

// expand lists the variants of an ACR, the preferred first.
func (a ACR) expand(lapses func(Need) bool, ways func(Need) []path) []variant {
	out := []variant{{}}
	for i, n := range a.Needs {
		if lapses(n) {
			continue
		}
		if len(n.Chain) == 0 {
			for k := range out {
				out[k].wants = append(out[k].wants, want{Need: n, index: i, first: i == 0})
			}
			continue
		}
		var next []variant
		for _, v := range out {
			for _, p := range ways(n) {
				next = append(next, v.along(n, i, p))
			}
		}
		out = next
	}
	return out
}

// along continues a variant on one way through a chain.
func (v variant) along(n Need, index int, p path) variant {
	out := variant{wants: slices.Clone(v.wants), doomed: v.doomed || p.doomed}
	for pos, i := range p.links {
		w := want{
			Need:  Need{AnyOf: []Factor{n.Chain[i].Factor}, MaxAge: n.MaxAge, Unless: n.Unless},
			index: index, first: index == 0 && pos == 0,
		}
		if n.Chain[i].Control != RequiredStopOnFailure {
			w.skip = n.key(i)
		}
		out.wants = append(out.wants, w)
	}
	return out
}

// variants are those of a requirement, by what was shown and given up.
func (j *judge) variants(a ACR) []variant {
	return a.expand(
		func(n Need) bool { return j.r.lapses(n, j.x) },
		func(n Need) []path {
			shown := make([]bool, len(n.Chain))
			for i, l := range n.Chain {
				w := want{Need: Need{AnyOf: []Factor{l.Factor}, MaxAge: n.MaxAge}}
				shown[i] = len(j.proved(a, w)) > 0
			}
			return paths(n.Chain,
				func(i int) bool { return !shown[i] && slices.Contains(j.r.Skipped, n.key(i)) },
				func(i int) bool {
					return !shown[i] && n.Chain[i].Control.optional() && slices.Contains(shown[i+1:], true)
				})
		})
}

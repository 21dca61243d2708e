package acr

import (
	"cmp"
	"slices"
	"time"
)

// age is how old at is, in whole seconds of both times, as a relying party
// computes it from auth_time.
func age(now, at time.Time) time.Duration {
	return time.Duration(now.Unix()-at.Unix()) * time.Second
}

// wantsNew reports whether the request bounds the age of proofs, so that a
// remembered browser does not do.
func (r Requirement) wantsNew() bool { return r.Login || r.MaxAge != nil }

// limit returns the greatest age of a proof for a need; nil: none. It is 0 when
// only proofs of the transaction count.
func (r Requirement) limit(n Need) *time.Duration {
	switch {
	case r.Login:
		return new(time.Duration(0))
	case n.MaxAge == nil:
		return r.MaxAge
	case r.MaxAge == nil:
		return n.MaxAge
	default:
		return new(min(*n.MaxAge, *r.MaxAge))
	}
}

// fresh reports whether a proof counts for a need of an ACR, by the age of both
// and by the rules of single factors.
func (r Requirement) fresh(p Proof, n Need, a ACR, x Context) bool {
	if !slices.Contains(n.AnyOf, p.Factor) {
		return false
	}
	ours := r.Txn != "" && p.Txn == r.Txn
	if !a.Since.IsZero() {
		return ours && !p.At.Before(a.Since) && p.Factor != Device
	}
	switch {
	case ours:
		return true
	case p.Factor == RecoveryCode, p.Factor == Device && r.wantsNew():
		return false
	}
	limit := r.limit(n)
	return limit == nil || *limit > 0 && age(x.Now, p.At) <= *limit
}

// ledgerOf returns the proofs of the user, newest first, a remembered browser
// among them. The order is total, so that it does not depend on that of the
// ledger.
func ledgerOf(ledger []Proof, x Context) []Proof {
	if x.User == "" {
		return nil
	}
	var out []Proof
	for _, p := range ledger {
		if p.User == x.User && p.Factor != Device {
			out = append(out, p)
		}
	}
	if x.Device != nil {
		out = append(out, Proof{User: x.User, Factor: Device, Credential: string(Device), At: *x.Device})
	}
	slices.SortStableFunc(out, func(a, b Proof) int {
		return cmp.Or(b.At.Compare(a.At), cmp.Compare(b.ID, a.ID))
	})
	return out
}

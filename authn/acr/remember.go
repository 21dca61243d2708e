package acr

import "slices"

// RememberedBy returns the factors for all of which a remembered browser can
// stand: those that are named wherever it is. A browser that was remembered with
// a weaker one would stand for a stronger one elsewhere: one e-mail for the app
// that another ACR insists on. nil: no ACR names a remembered browser beside
// another factor, and so any will do.
func RememberedBy(acrs []ACR) []Factor {
	var out []Factor
	for _, a := range acrs {
		for _, n := range a.Needs {
			beside, stands := n.besideDevice()
			switch {
			case !stands:
			case out == nil:
				out = beside
			default:
				out = slices.DeleteFunc(out, func(f Factor) bool { return !slices.Contains(beside, f) })
			}
		}
	}
	return out
}

// besideDevice returns the factors for which a remembered browser stands in a
// need; false for none.
func (n Need) besideDevice() ([]Factor, bool) {
	out := []Factor{}
	for _, f := range n.AnyOf {
		if f != Device {
			out = append(out, f)
		}
	}
	for _, l := range n.Chain {
		if l.Factor != Device {
			out = append(out, l.Factor)
		}
	}
	lifts := slices.ContainsFunc(n.Unless, func(c Condition) bool { return c.Device != nil && c.Device.Remembered })
	listed := slices.Contains(n.AnyOf, Device) || slices.ContainsFunc(n.Chain, func(l Link) bool { return l.Factor == Device })
	return out, (lifts || listed) && len(out) > 0
}

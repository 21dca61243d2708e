package filter

// all joins two predicates by and. Chains become one flat list, so that the
// canonical text does not depend on parentheses; constants vanish.
func all(left, right Predicate) Predicate {
	if c, ok := left.(Constant); ok {
		if !c {
			return c
		}
		return right
	}
	if c, ok := right.(Constant); ok {
		if !c {
			return c
		}
		return left
	}
	var terms []Predicate
	for _, side := range []Predicate{left, right} {
		if a, ok := side.(*All); ok {
			terms = append(terms, a.Terms...)
			continue
		}
		terms = append(terms, side)
	}
	return &All{Terms: terms}
}

// anyOf joins two predicates by or, as all does by and.
func anyOf(left, right Predicate) Predicate {
	if c, ok := left.(Constant); ok {
		if c {
			return c
		}
		return right
	}
	if c, ok := right.(Constant); ok {
		if c {
			return c
		}
		return left
	}
	var terms []Predicate
	for _, side := range []Predicate{left, right} {
		if a, ok := side.(*Any); ok {
			terms = append(terms, a.Terms...)
			continue
		}
		terms = append(terms, side)
	}
	return &Any{Terms: terms}
}

func none(term Predicate) Predicate {
	switch t := term.(type) {
	case Constant:
		return !t
	case *None:
		return t.Term
	default:
		return &None{Term: term}
	}
}

package filter

// all joins two predicates by and. Chains become one flat list, so that the
// canonical text does not depend on parentheses; constants vanish. Both sides
// are the binder's own and may be reused.
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
	chain, ok := left.(*All)
	if !ok {
		chain = &All{Terms: []Predicate{left}}
	}
	if r, ok := right.(*All); ok {
		chain.Terms = append(chain.Terms, r.Terms...)
	} else {
		chain.Terms = append(chain.Terms, right)
	}
	return chain
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
	chain, ok := left.(*Any)
	if !ok {
		chain = &Any{Terms: []Predicate{left}}
	}
	if r, ok := right.(*Any); ok {
		chain.Terms = append(chain.Terms, r.Terms...)
	} else {
		chain.Terms = append(chain.Terms, right)
	}
	return chain
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

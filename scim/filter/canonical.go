package filter

import (
	"strings"

	"github.com/sallyport-id/sallyport/schema"
)

// Print returns one text for all spellings of a filter: canonical names,
// operands as comparison keys, no needless parentheses. Predicates that differ
// print differently. It is bound into cursors and never parsed.
func Print(p Predicate) string {
	var b strings.Builder
	printPredicate(&b, p, false)
	return b.String()
}

// printPredicate prints names as sub-attributes when inside brackets.
func printPredicate(b *strings.Builder, p Predicate, inside bool) {
	switch p := p.(type) {
	case *All:
		printTerms(b, p.Terms, " and ", inside)
	case *Any:
		printTerms(b, p.Terms, " or ", inside)
	case *None:
		b.WriteString("not (")
		printPredicate(b, p.Term, inside)
		b.WriteByte(')')
	case Constant:
		if p {
			b.WriteString("true")
			return
		}
		b.WriteString("false")
	case *Element:
		b.WriteString(p.Ref.String())
		b.WriteByte('[')
		printPredicate(b, p.Where, true)
		b.WriteByte(']')
	case *Test:
		printTest(b, p, inside)
	}
}

// printTerms prints a list in parentheses with the joining word, which stands
// behind a single term too, so that no two predicates share a text.
func printTerms(b *strings.Builder, terms []Predicate, word string, inside bool) {
	b.WriteByte('(')
	for i, t := range terms {
		if i > 0 {
			b.WriteString(word)
		}
		printPredicate(b, t, inside)
	}
	if len(terms) < 2 {
		b.WriteString(word)
	}
	b.WriteByte(')')
}

func printTest(b *strings.Builder, t *Test, inside bool) {
	b.WriteString(testName(t.Ref, inside))
	b.WriteByte(' ')
	b.WriteString(string(t.Op))
	switch {
	case t.Op == Pr:
	case t.Null:
		b.WriteString(" null")
	default:
		b.WriteByte(' ')
		quote(b, t.Key)
	}
}

func testName(ref schema.Ref, inside bool) string {
	switch {
	case !inside:
		return ref.String()
	case ref.Sub == nil:
		return "value"
	default:
		return ref.Sub.Name
	}
}

package filter

import (
	"strings"
)

// String returns the path as written: [URN:]name[.sub], or a URN alone.
func (a AttrPath) String() string {
	if a.URN == "" && a.Sub == "" {
		return a.Name
	}
	var b strings.Builder
	a.print(&b)
	return b.String()
}

func (a AttrPath) print(b *strings.Builder) {
	b.WriteString(a.URN)
	if a.Name == "" {
		return
	}
	if a.URN != "" {
		b.WriteByte(':')
	}
	b.WriteString(a.Name)
	if a.Sub != "" {
		b.WriteByte('.')
		b.WriteString(a.Sub)
	}
}

// String returns the path so that ParsePath gives an equal Path.
func (p Path) String() string {
	var b strings.Builder
	p.Attr.print(&b)
	if p.Filter != nil {
		b.WriteByte('[')
		printExpr(&b, p.Filter)
		b.WriteByte(']')
	}
	if p.Sub != "" {
		b.WriteByte('.')
		b.WriteString(p.Sub)
	}
	return b.String()
}

// String prints the expression; parsing it again gives an equal one.
func (e *And) String() string { return printed(e) }

// String prints the expression; parsing it again gives an equal one.
func (e *Or) String() string { return printed(e) }

// String prints the expression; parsing it again gives an equal one.
func (e *Not) String() string { return printed(e) }

// String prints the expression; parsing it again gives an equal one.
func (e *Compare) String() string { return printed(e) }

// String prints the expression; parsing it again gives an equal one.
func (e *ValuePath) String() string { return printed(e) }

func printed(e Expr) string {
	var b strings.Builder
	printExpr(&b, e)
	return b.String()
}

func printExpr(b *strings.Builder, e Expr) {
	switch e := e.(type) {
	case *Or:
		printExpr(b, e.Left)
		b.WriteString(" or ")
		// A chain is read from the left, so only a right side that is itself
		// a chain needs parentheses.
		_, chain := e.Right.(*Or)
		printSide(b, e.Right, chain)
	case *And:
		_, weaker := e.Left.(*Or)
		printSide(b, e.Left, weaker)
		b.WriteString(" and ")
		printSide(b, e.Right, isChain(e.Right))
	case *Not:
		b.WriteString("not ")
		printSide(b, e.Expr, true)
	case *Compare:
		e.Path.print(b)
		printOperation(b, e.Op, e.Value)
	case *ValuePath:
		e.Path.print(b)
		b.WriteByte('[')
		printExpr(b, e.Filter)
		b.WriteByte(']')
		if e.Sub != "" {
			b.WriteByte('.')
			b.WriteString(e.Sub)
			printOperation(b, e.Op, e.Value)
		}
	}
}

func isChain(e Expr) bool {
	switch e.(type) {
	case *And, *Or:
		return true
	default:
		return false
	}
}

func printSide(b *strings.Builder, e Expr, parentheses bool) {
	if !parentheses {
		printExpr(b, e)
		return
	}
	b.WriteByte('(')
	printExpr(b, e)
	b.WriteByte(')')
}

func printOperation(b *strings.Builder, op Op, v Value) {
	b.WriteByte(' ')
	b.WriteString(string(op))
	if op == Pr {
		return
	}
	b.WriteByte(' ')
	switch v.Kind {
	case Null:
		b.WriteString("null")
	case String:
		quote(b, v.Text)
	case Number, Bool:
		b.WriteString(v.Text)
	}
}

// quote writes a JSON string.
func quote(b *strings.Builder, s string) {
	const hex = "0123456789abcdef"
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"', c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ':
			b.WriteString(`\u00`)
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&0xf])
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
}

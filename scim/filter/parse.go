package filter

import (
	"strings"
	"unicode/utf8"

	"github.com/sallyport-id/sallyport/schema"
)

// Limits bounds one filter or PATCH path. A field that is not positive means
// its default. What exceeds a limit is refused before anything is evaluated.
type Limits struct {
	Length      int // bytes of text; default 8192
	Comparisons int // attribute comparisons, those inside […] included; default 50
	Nesting     int // parentheses and brackets inside one another; default 16
}

// The defaults of Limits.
const (
	DefaultLength      = 8192
	DefaultComparisons = 50
	DefaultNesting     = 16
)

func (l Limits) withDefaults() Limits {
	if l.Length <= 0 {
		l.Length = DefaultLength
	}
	if l.Comparisons <= 0 {
		l.Comparisons = DefaultComparisons
	}
	if l.Nesting <= 0 {
		l.Nesting = DefaultNesting
	}
	return l
}

// Parse reads a filter (RFC 7644 section 3.4.2.2). Every fault is a
// *schema.Error with code invalidFilter. Of the policy it reads
// UnquotedFilterValues; `meta.resourceType eq User`, an example of the RFC
// itself, is taken unless RefuseUnquotedResourceType. Time is linear in the text.
func Parse(text string, l Limits, p schema.Policy) (Expr, error) {
	ps, err := newParser(text, l, schema.InvalidFilter)
	if err != nil {
		return nil, err
	}
	ps.unquoted = p.UnquotedFilterValues
	ps.noTypeName = p.RefuseUnquotedResourceType
	e, err := ps.or()
	if err != nil {
		return nil, err
	}
	if ps.next() != 0 {
		return nil, ps.fault(ps.pos, AttrPath{}, `The filter goes on with something other than "and" or "or"`)
	}
	return e, nil
}

// ParsePath reads a PATCH path (RFC 7644 section 3.5.2). Every fault is a
// *schema.Error with code invalidPath.
//
// Text alone cannot tell the URN of an extension from an attribute: a path
// that is only "urn:example:2.0:User" comes back as the attribute "User" of
// "urn:example:2.0", and the caller asks the resource type whether both
// together name an extension. Where the last segment cannot be an attribute
// name ("urn:example:User:1.0") the whole path is the URN and Name is empty.
func ParsePath(text string, l Limits) (Path, error) {
	ps, err := newParser(text, l, schema.InvalidPath)
	if err != nil {
		return Path{}, err
	}
	ps.blanks()
	path, err := ps.path()
	if err != nil {
		return Path{}, err
	}
	if ps.next() != 0 {
		return Path{}, ps.fault(ps.pos, path.Attr, "The path goes on where it should end,")
	}
	return path, nil
}

// parser is a recursive descent over the grammar of RFC 7644 figure 1: or
// binds weaker than and, and weaker than not.
type parser struct {
	scanner
	limits      Limits
	comparisons int
	depth       int
	inside      bool // between brackets, where no second pair may stand
	unquoted    bool
	noTypeName  bool // meta.resourceType takes no unquoted value either
}

func newParser(text string, l Limits, code schema.Code) (*parser, error) {
	ps := &parser{scanner: scanner{text: text, code: code}, limits: l.withDefaults()}
	what := "filter"
	if code == schema.InvalidPath {
		what = "path"
	}
	if len(text) > ps.limits.Length {
		return nil, plain(code, "The %s is longer than %d bytes; shorten it or split the request.", what, ps.limits.Length)
	}
	if !utf8.ValidString(text) {
		return nil, plain(code, "The %s is not valid UTF-8.", what)
	}
	for i := range len(text) {
		if text[i] < ' ' {
			return nil, ps.fault(i, AttrPath{}, `The %s has a control character, which must be written as \uXXXX inside a string,`, what)
		}
	}
	if ps.next() == 0 {
		return nil, plain(code, "The %s is empty.", what)
	}
	return ps, nil
}

func (ps *parser) or() (Expr, error) {
	left, err := ps.and()
	if err != nil {
		return nil, err
	}
	for ps.keyword("or") {
		right, err := ps.and()
		if err != nil {
			return nil, err
		}
		left = &Or{Left: left, Right: right}
	}
	return left, nil
}

func (ps *parser) and() (Expr, error) {
	left, err := ps.term()
	if err != nil {
		return nil, err
	}
	for ps.keyword("and") {
		right, err := ps.term()
		if err != nil {
			return nil, err
		}
		left = &And{Left: left, Right: right}
	}
	return left, nil
}

// term reads a group, its negation, or a comparison.
func (ps *parser) term() (Expr, error) {
	switch {
	case ps.next() == '(':
		return ps.nested(')')
	case ps.negation():
		e, err := ps.nested(')')
		if err != nil {
			return nil, err
		}
		return &Not{Expr: e}, nil
	default:
		return ps.comparison()
	}
}

// nested reads an expression between the bracket at the current position and
// the given closing one.
func (ps *parser) nested(closing byte) (Expr, error) {
	open := ps.pos
	ps.pos++
	if ps.depth++; ps.depth > ps.limits.Nesting {
		return nil, plain(ps.code, "Parentheses and brackets are nested deeper than %d.", ps.limits.Nesting)
	}
	e, err := ps.or()
	if err != nil {
		return nil, err
	}
	if ps.next() != closing {
		if ps.pos < len(ps.text) {
			return nil, ps.fault(ps.pos, AttrPath{}, "Expected \"and\", \"or\" or \"%c\"", closing)
		}
		return nil, ps.fault(open, AttrPath{}, "The closing \"%c\" is missing for what opens", closing)
	}
	ps.pos++
	ps.depth--
	return e, nil
}

func (ps *parser) comparison() (Expr, error) {
	path, err := ps.attrPath()
	if err != nil {
		return nil, err
	}
	if ps.peek() == '[' {
		return ps.valuePath(path)
	}
	c := &Compare{Path: path}
	c.Op, c.Value, err = ps.operation(path)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// valuePath reads `[filter]` and, when it follows, `.sub op value`.
func (ps *parser) valuePath(path AttrPath) (Expr, error) {
	filter, sub, err := ps.brackets(path)
	if err != nil {
		return nil, err
	}
	v := &ValuePath{Path: path, Filter: filter, Sub: sub, Op: Pr}
	if sub == "" {
		return v, nil
	}
	path.Sub = sub
	if v.Op, v.Value, err = ps.operation(path); err != nil {
		return nil, err
	}
	return v, nil
}

// brackets reads `[filter]` and the sub-attribute that may follow.
func (ps *parser) brackets(path AttrPath) (filter Expr, sub string, err error) {
	if ps.inside || path.Sub != "" || path.Name == "" {
		// RFC 7643 section 2.3.8: a complex attribute holds no complex one.
		return nil, "", ps.fault(ps.pos, path, "Brackets may only follow a whole attribute, as in emails[type eq \"work\"], not what stands before them")
	}
	ps.inside = true
	filter, err = ps.nested(']')
	if err != nil {
		return nil, "", err
	}
	ps.inside = false
	if ps.peek() != '.' {
		return filter, "", nil
	}
	ps.pos++
	start := ps.pos
	if sub = ps.word(); !attributeName(sub) {
		return nil, "", ps.fault(start, path, "The name of a sub-attribute of %s is expected", shown(path))
	}
	return filter, sub, nil
}

// operation reads `op value`, or `pr`.
func (ps *parser) operation(path AttrPath) (Op, Value, error) {
	ps.blanks()
	start := ps.pos
	op, ok := operator(ps.word())
	if !ok {
		return "", Value{}, ps.fault(start, path, "Attribute %s must be followed by one of eq, ne, co, sw, ew, pr, gt, ge, lt, le", shown(path))
	}
	if ps.comparisons++; ps.comparisons > ps.limits.Comparisons {
		return "", Value{}, plain(ps.code, "There are more than %d comparisons; split the request.", ps.limits.Comparisons)
	}
	if op == Pr {
		return op, Value{}, nil
	}
	v, err := ps.value(path)
	return op, v, err
}

// value reads the right side of a comparison.
func (ps *parser) value(path AttrPath) (Value, error) {
	if ps.next() == '"' {
		text, err := ps.quoted(path)
		if err != nil {
			return Value{}, err
		}
		return Value{Kind: String, Text: text}, nil
	}
	start := ps.pos
	switch w := ps.word(); {
	case w == "":
		return Value{}, ps.fault(start, path, "A value to compare %s with is expected", shown(path))
	case w == "null":
		return Value{Kind: Null}, nil
	case w == "true", w == "false":
		return Value{Kind: Bool, Text: w}, nil
	case schema.IsNumber(w):
		return Value{Kind: Number, Text: w}, nil
	case (ps.unquoted || !ps.noTypeName && resourceTypeName(path)) && w[0] != '\'':
		return Value{Kind: String, Text: w}, nil
	default:
		return Value{}, ps.fault(start, path, "The value to compare %s with must stand in double quotes, unless it is a number, true, false or null,", shown(path))
	}
}

// resourceTypeName is the one attribute that RFC 7644 (section 3.4.2.2, last
// example) compares with an unquoted value.
func resourceTypeName(p AttrPath) bool {
	return p.URN == "" && strings.EqualFold(p.Name, "meta") && strings.EqualFold(p.Sub, "resourceType")
}

// attrPath reads [URN:]name[.sub].
func (ps *parser) attrPath() (AttrPath, error) {
	start := ps.pos
	a, ok := splitPath(ps.word())
	if !ok {
		return AttrPath{}, ps.fault(start, AttrPath{}, "The name of an attribute is expected")
	}
	return a, nil
}

func splitPath(w string) (AttrPath, bool) {
	var a AttrPath
	if i := strings.LastIndexByte(w, ':'); i >= 0 {
		if a.URN = w[:i]; !uri(a.URN) {
			return a, false
		}
		w = w[i+1:]
	}
	name, sub, dotted := strings.Cut(w, ".")
	if !attributeName(name) || dotted && !attributeName(sub) {
		return a, false
	}
	a.Name, a.Sub = name, sub
	return a, true
}

// path reads a PATCH path.
func (ps *parser) path() (Path, error) {
	start := ps.pos
	w := ps.word()
	attr, ok := splitPath(w)
	if !ok {
		if strings.IndexByte(w, ':') <= 0 || !uri(w) {
			return Path{}, ps.fault(start, AttrPath{}, "The name of an attribute is expected")
		}
		attr = AttrPath{URN: w}
	}
	if ps.peek() != '[' {
		return Path{Attr: attr}, nil
	}
	filter, sub, err := ps.brackets(attr)
	if err != nil {
		return Path{}, err
	}
	return Path{Attr: attr, Filter: filter, Sub: sub}, nil
}

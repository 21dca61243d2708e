package validation

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/validation/delivery"
)

// Path is one attribute of a user whose values are validated.
type Path struct {
	// Key is the id of its list item: no dot, no slash.
	Key string
	// Text is the path as configured, which is how answers name it.
	Text string

	canonical string // one text for every spelling
	channel   delivery.Channel
	ref       schema.Ref   // the attribute, with Sub for a part of a single complex one
	match     *matchFilter // picks an element of a multi-valued attribute
	value     *schema.Attribute
}

// matchFilter is [sub eq "text"].
type matchFilter struct {
	sub  *schema.Attribute
	text string
}

var errPath = errors.New("not an attribute path")

// longestPath bounds a path in a request, in bytes.
const longestPath = 512

// parsePath reads a path such as secondFactorEmail, name.familyName or
// emails[type eq "home"].value, with or without a URN before it. Names are
// matched without case, spaces do not matter (RFC 7644 section 3.10). It must
// end at a string that clients may write.
func parsePath(rt *schema.ResourceType, text string) (*Path, error) {
	if len(text) > longestPath {
		return nil, errPath
	}
	text = strings.TrimSpace(text)
	p := &Path{Text: text}
	head, rest, filtered := strings.Cut(text, "[")
	ref, err := rt.LookupPath(strings.TrimSpace(head), schema.Policy{})
	if err != nil || ref.Attr == nil || ref.Attr.Relation || ref.Attr.Derived {
		return nil, errPath
	}
	p.ref, p.value = ref, ref.Target()
	p.canonical = ref.String()
	if filtered {
		if err := p.readFilter(rest); err != nil {
			return nil, err
		}
	}
	multi := ref.Attr.MultiValued
	if multi != filtered || p.value.MultiValued || p.value.Type != schema.String || p.value.Mutability != schema.ReadWrite ||
		ref.Attr.Mutability != schema.ReadWrite {
		return nil, errPath
	}
	return p, nil
}

// readFilter reads what follows the opening bracket: sub eq "text"].value
func (p *Path) readFilter(rest string) error {
	if p.ref.Sub != nil || p.ref.Attr.Type != schema.Complex {
		return errPath
	}
	end := strings.LastIndexByte(rest, ']')
	if end < 0 {
		return errPath
	}
	tail, dotted := strings.CutPrefix(strings.TrimSpace(rest[end+1:]), ".")
	if p.value = p.ref.Attr.SubAttribute(strings.TrimSpace(tail)); !dotted || p.value == nil {
		return errPath
	}
	name, text, ok := equality(rest[:end])
	sub := p.ref.Attr.SubAttribute(name)
	if !ok || text == "" || sub == nil || sub.Type != schema.String || sub.MultiValued || sub.Mutability != schema.ReadWrite || sub == p.value {
		return errPath
	}
	p.match = &matchFilter{sub: sub, text: text}
	if !sub.CaseExact {
		text = schema.Fold(text)
	}
	quoted, err := json.Marshal(text)
	if err != nil {
		return fmt.Errorf("%w: %w", errPath, err)
	}
	p.canonical += "[" + sub.Name + " eq " + string(quoted) + "]." + p.value.Name
	return nil
}

// equality reads name eq "text" (RFC 7644 section 3.4.2.2), the text quoted as
// in JSON.
func equality(s string) (name, text string, ok bool) {
	name, rest, _ := strings.Cut(strings.TrimSpace(s), " ")
	op, rest, _ := strings.Cut(strings.TrimSpace(rest), " ")
	rest = strings.TrimSpace(rest)
	if !strings.EqualFold(op, "eq") || !strings.HasPrefix(rest, `"`) {
		return "", "", false
	}
	if err := json.Unmarshal([]byte(rest), &text); err != nil {
		return "", "", false
	}
	return name, text, true
}

// Get returns the present value, "" if there is none.
func (p *Path) Get(o schema.Object) string {
	holder := o
	if p.ref.URN != "" {
		holder, _ = o[p.ref.URN].(schema.Object)
	}
	v := holder[p.ref.Attr.Name]
	switch {
	case p.match != nil:
		if e := p.element(v); e != nil {
			v = e[p.value.Name]
		} else {
			v = nil
		}
	case p.ref.Sub != nil:
		complexValue, _ := v.(schema.Object)
		v = complexValue[p.value.Name]
	}
	text, _ := v.(string)
	return text
}

// element is the first one that the filter picks and that has a value, else the
// first that it picks, nil if there is none.
func (p *Path) element(v any) schema.Object {
	list, _ := v.([]any)
	var first schema.Object
	for _, e := range list {
		o, _ := e.(schema.Object)
		text, _ := o[p.match.sub.Name].(string)
		if text != p.match.text && (p.match.sub.CaseExact || schema.Fold(text) != schema.Fold(p.match.text)) {
			continue
		}
		if _, ok := o[p.value.Name].(string); ok {
			return o
		}
		if first == nil {
			first = o
		}
	}
	return first
}

// Set writes the value: into the element that the filter picks, or into a new
// one that it picks.
func (p *Path) Set(o schema.Object, value string) {
	holder := o
	if p.ref.URN != "" {
		container, ok := o[p.ref.URN].(schema.Object)
		if !ok {
			container = schema.Object{}
			o[p.ref.URN] = container
		}
		holder = container
	}
	name := p.ref.Attr.Name
	switch {
	case p.match != nil:
		if e := p.element(holder[name]); e != nil {
			e[p.value.Name] = value
			return
		}
		list, _ := holder[name].([]any)
		holder[name] = append(list, schema.Object{p.match.sub.Name: p.match.text, p.value.Name: value})
	case p.ref.Sub != nil:
		complexValue, ok := holder[name].(schema.Object)
		if !ok {
			complexValue = schema.Object{}
			holder[name] = complexValue
		}
		complexValue[p.value.Name] = value
	default:
		holder[name] = value
	}
}

// Clear takes the value away: of a multi-valued attribute the whole element that
// the filter picks, for the rest of it describes that value.
func (p *Path) Clear(o schema.Object) {
	holder := o
	if p.ref.URN != "" {
		holder, _ = o[p.ref.URN].(schema.Object)
	}
	name := p.ref.Attr.Name
	switch {
	case p.match != nil:
		list, _ := holder[name].([]any)
		gone := p.element(holder[name])
		rest := make([]any, 0, len(list))
		for _, e := range list {
			if one, ok := e.(schema.Object); gone == nil || !ok || !same(one, gone) {
				rest = append(rest, e)
			}
		}
		if len(rest) == 0 {
			delete(holder, name)
			return
		}
		holder[name] = rest
	case p.ref.Sub != nil:
		if complexValue, ok := holder[name].(schema.Object); ok {
			delete(complexValue, p.value.Name)
		}
	default:
		delete(holder, name)
	}
}

// same reports whether two objects are one, not only alike.
func same(a, b schema.Object) bool {
	return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer()
}

// normal returns the normalised form of a value of the path: an address with
// its domain in lower-case A-labels, or a number in E.164 form.
func (p *Path) normal(value string) (string, error) {
	if p.channel.Telephone() {
		phone, err := delivery.ParsePhone(value)
		if err != nil {
			return "", badPhone().Because(err)
		}
		return phone.E164, nil
	}
	address, err := delivery.ParseEmail(value)
	if err != nil {
		return "", badEmail().Because(err)
	}
	return address, nil
}

// comparable is normal for values that may be anything.
func (p *Path) comparable(value string) string {
	if n, err := p.normal(value); err == nil {
		return n
	}
	return value
}

// Paths are the configured paths of both kinds.
type Paths struct {
	rt    *schema.ResourceType
	email []*Path
	phone []*Path
}

// The paths that are validated when nothing is configured.
const (
	DefaultEmailPath = "secondFactorEmail"
	DefaultPhonePath = "secondFactorPhoneNumber"
)

// NewPaths reads the configured paths, each "path" or "key=path"; the key of a
// path without one is the path in lower case, which it must be able to be. An
// empty list is the default. All faults are reported at once.
func NewPaths(registry *schema.Registry, email, phone []string) (*Paths, error) {
	ps := &Paths{rt: registry.ByName("User")}
	if len(email) == 0 {
		email = []string{DefaultEmailPath}
	}
	if len(phone) == 0 {
		phone = []string{DefaultPhonePath}
	}
	var errs []error
	keys, texts := map[string]bool{}, map[string]bool{}
	add := func(list *[]*Path, ch delivery.Channel, configured []string) {
		for _, one := range configured {
			p, err := ps.configured(one, ch)
			switch {
			case err != nil:
				errs = append(errs, err)
			case texts[p.canonical]:
				errs = append(errs, fmt.Errorf("attribute path %q is configured twice", p.Text))
			case keys[string(ch)+p.Key]:
				errs = append(errs, fmt.Errorf("key %q is configured twice", p.Key))
			default:
				texts[p.canonical], keys[string(ch)+p.Key] = true, true
				*list = append(*list, p)
			}
		}
	}
	add(&ps.email, delivery.Email, email)
	add(&ps.phone, delivery.SMS, phone)
	return ps, errors.Join(errs...)
}

func (ps *Paths) configured(one string, ch delivery.Channel) (*Path, error) {
	key, text, named := strings.Cut(one, "=")
	if !named || strings.ContainsAny(key, "[\" ") {
		key, text = strings.ToLower(one), one
	}
	p, err := parsePath(ps.rt, text)
	if err != nil {
		return nil, fmt.Errorf("attribute path %q: must name a text of User that clients may write, "+
			"such as secondFactorEmail or home=emails[type eq \"home\"].value", one)
	}
	if p.Key = strings.TrimSpace(key); !plainKey(p.Key) {
		return nil, fmt.Errorf("attribute path %q needs a key of letters, digits, - and _ before it, as in home=%s", one, text)
	}
	p.channel = ch
	return p, nil
}

func plainKey(key string) bool {
	return key != "" && len(key) <= 64 && strings.Trim(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == ""
}

// All returns the paths of both kinds.
func (ps *Paths) All() []*Path {
	return append(append([]*Path(nil), ps.email...), ps.phone...)
}

// Texts returns the paths of both kinds as configured, without their keys.
func (ps *Paths) Texts() []string {
	var out []string
	for _, p := range ps.All() {
		out = append(out, p.Text)
	}
	return out
}

// find returns the configured path that a text names, in any spelling.
func (ps *Paths) find(list []*Path, text string) (*Path, bool) {
	asked, err := parsePath(ps.rt, text)
	if err != nil {
		return nil, false
	}
	for _, p := range list {
		if p.canonical == asked.canonical {
			return p, true
		}
	}
	return nil, false
}

// byCanonical returns the configured path of a state.
func byCanonical(list []*Path, canonical string) (*Path, bool) {
	for _, p := range list {
		if p.canonical == canonical {
			return p, true
		}
	}
	return nil, false
}

// filtered returns the paths that a list filter picks, all for "". Only
// attributePath eq "…" is known.
func (ps *Paths) filtered(list []*Path, filter string, urn string) ([]*Path, error) {
	if strings.TrimSpace(filter) == "" {
		return list, nil
	}
	name, text, ok := equality(filter)
	if ok {
		if prefix := len(urn) + 1; len(name) > prefix && strings.EqualFold(name[:prefix], urn+":") {
			name = name[prefix:]
		}
	}
	if !ok || !strings.EqualFold(name, memberPath) {
		return nil, scim.NewError(http.StatusBadRequest, scim.TypeInvalidFilter,
			`This list takes the filter attributePath eq "…" only.`)
	}
	if p, found := ps.find(list, text); found {
		return []*Path{p}, nil
	}
	return nil, nil
}

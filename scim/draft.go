package scim

import (
	"bytes"
	"context"
	"net/http"
	"strings"

	"github.com/sallyport-id/sallyport/schema"
)

// draft is a resource as a POST or PUT body gives it: the part that becomes
// the document, and what lives beside it. It is made before the transaction.
type draft struct {
	object  schema.Object
	members []Member
	// named reports whether the body names the relation attribute at all.
	named    bool
	password *string // nil: none given
	cleared  []schema.Ref
	dropped  int
}

// draft reads a body (RFC 7644 sections 3.3 and 3.5.1).
func (s *Service) draft(caller Caller, rt *schema.ResourceType, body schema.Object) (*draft, error) {
	p := s.profileOf(caller)
	object, report, err := s.accept(rt, body, p)
	if err != nil {
		return nil, err
	}
	d := &draft{object: object, dropped: len(report.Dropped), cleared: rt.Cleared(body, p.Policy)}
	info := s.types[rt]
	if info.relation != nil {
		if err := s.takeMembers(d, info.relation); err != nil {
			return nil, err
		}
	}
	if info.user {
		d.takePassword()
	}
	return d, nil
}

// takeMembers moves the relation attribute out of the object, each id once.
func (s *Service) takeMembers(d *draft, ref *schema.Ref) error {
	name := ref.Attr.Name
	elements, ok := d.object[name].([]any)
	delete(d.object, name)
	d.named = ok
	if len(elements) > s.limits.MemberValues {
		return Errorf(http.StatusRequestEntityTooLarge, "",
			"%s names %d members; one request may name at most %d. Add the others with PATCH.",
			name, len(elements), s.limits.MemberValues)
	}
	seen := make(map[string]bool, len(elements))
	for _, element := range elements {
		m, err := memberOf(element, ref)
		if err != nil {
			return err
		}
		if !seen[m.Value] {
			seen[m.Value] = true
			d.members = append(d.members, m)
		}
	}
	return nil
}

// memberOf reads one element of members. display and $ref are the server's:
// the current name and location of the member are joined when it is read.
func memberOf(element any, ref *schema.Ref) (Member, error) {
	o, _ := element.(schema.Object)
	value, _ := o["value"].(string)
	if strings.TrimSpace(value) == "" {
		return Member{}, Errorf(http.StatusBadRequest, TypeInvalidValue,
			"Each element of %s needs a value, the id of a User or Group.", ref.Attr.Name)
	}
	if sub := ref.Attr.SubAttribute("value"); sub == nil || !sub.CaseExact {
		value = schema.Fold(value)
	}
	typ, _ := o["type"].(string)
	return Member{Value: value, Type: typ}, nil
}

// takePassword moves the password out of the object.
func (d *draft) takePassword() {
	if password, ok := d.object["password"].(string); ok {
		d.password = &password
	}
	delete(d.object, "password")
}

// hash returns the hash of a password, or nil for none and for a caller whose
// passwords are placeholders that must not become credentials. It is called
// before the transaction, because hashing is slow on purpose. document gives
// that of the user as it will be.
func (s *Service) hash(ctx context.Context, caller Caller, password *string, document func() (schema.Object, error)) (*string, error) {
	if password == nil {
		return nil, nil
	}
	if caller.restricted() {
		return nil, refuseSelf("password")
	}
	if caller.IgnorePasswords {
		return nil, nil
	}
	user, err := document()
	if err != nil {
		return nil, err
	}
	hash, err := s.cfg.Passwords.Hash(ctx, *password, user)
	if err != nil {
		return nil, err
	}
	return &hash, nil
}

// isActive reports whether a user may log in: active unless it says otherwise.
func isActive(o schema.Object) bool { return o["active"] != false }

// finish gives the object what the server adds, checks it, and encodes it.
func (s *Service) finish(rt *schema.ResourceType, o schema.Object, id string, p *Profile) ([]byte, error) {
	if s.types[rt].user {
		if _, ok := o["active"]; !ok {
			o["active"] = true
		}
	}
	o["id"] = id
	if err := rt.CheckLimits(o, s.documentLimits()); err != nil {
		return nil, err
	}
	if err := rt.Validate(o, p.Policy); err != nil {
		return nil, err
	}
	doc := rt.Encode(o)
	// The document must be able to hold what is appended to it.
	if !bytes.HasSuffix(doc, []byte("}")) || len(doc) < 3 {
		panic("scim: schema encoded an empty document")
	}
	return doc, nil
}

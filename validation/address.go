package validation

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/validation/delivery"
	"github.com/sallyport-id/sallyport/validation/state"
)

// messagePrefix begins the URNs of the messages.
const messagePrefix = "urn:pingidentity:scim:api:messages:2.0:"

// Members of the address messages, as clients write them.
const (
	memberPath     = "attributePath"
	memberValue    = "attributeValue"
	memberProvider = "messagingProvider"
	memberCode     = "verifyCode"
)

// addressKind is one kind of address: its messages, scopes and paths.
type addressKind struct {
	resource     string
	urn          string
	resourceType string
	own, admin   string // scopes
	state        state.Kind
	telephone    bool
	paths        *Paths
	list         []*Path
}

func addressKinds(paths *Paths) []*addressKind {
	return []*addressKind{{
		resource: "validatedEmailAddresses", urn: messagePrefix + "EmailValidationRequest",
		resourceType: "Email Address Validator", own: "validate_email_address", admin: "validated_email_address",
		state: state.KindEmail, paths: paths, list: paths.email,
	}, {
		resource: "validatedPhoneNumbers", urn: messagePrefix + "TelephonyValidationRequest",
		resourceType: "Telephony Validator", own: "validate_phone_number", admin: "validated_phone_number",
		state: state.KindPhone, telephone: true, paths: paths, list: paths.phone,
	}}
}

// on binds a method of the service to one kind.
func on[Req, Resp any](fn func(ctx context.Context, k *addressKind, t Target, req Req) (Resp, error), k *addressKind) func(context.Context, Target, Req) (Resp, error) {
	return func(ctx context.Context, t Target, req Req) (Resp, error) { return fn(ctx, k, t, req) }
}

// addressRequest is the body of POST and PUT, of every generation of clients.
type addressRequest struct {
	path, value, provider string
	subject, text         string // chosen by the caller
	language              string
	code                  string
}

// decode reads a body. readOnly members, id and meta are ignored.
func (k *addressKind) decode(m *members) (addressRequest, error) {
	m.message(k.urn)
	req := addressRequest{path: m.text(memberPath), value: m.text(memberValue), code: m.text(memberCode)}
	if !k.telephone {
		req.subject, req.text = m.text("messageSubject"), m.text("messageText")
		return req, m.done()
	}
	req.provider, req.language = m.text(memberProvider), m.text("language")
	message := m.object("message")
	req.text = message.text("message")
	if l := message.text("language"); req.language == "" {
		req.language = l
	}
	return req, m.done(message)
}

// addressRecord is the reply about one address.
type addressRecord struct {
	Schemas           []string `json:"schemas"`
	ID                string   `json:"id"`
	Meta              meta     `json:"meta"`
	AttributePath     string   `json:"attributePath"`
	AttributeValue    string   `json:"attributeValue,omitempty"`
	MessagingProvider string   `json:"messagingProvider,omitempty"`
	Validated         bool     `json:"validated"`
	ValidatedAt       string   `json:"validatedAt,omitempty"`
	CodeSent          bool     `json:"codeSent"`
}

func (r addressRecord) location() string { return r.Meta.Location }

// record describes a value at a path under an id: the key of the path, or a
// state.
func (s *Service) record(ctx context.Context, k *addressKind, t Target, p *Path, id, value string) (addressRecord, error) {
	r := addressRecord{
		Schemas: []string{k.urn}, ID: id, AttributePath: p.Text, AttributeValue: value,
		Meta: meta{ResourceType: k.resourceType, Location: t.Location(id)},
	}
	if value == "" {
		return r, nil
	}
	at, ok, err := s.cfg.Records.Validated(ctx, t.User.ID, p.canonical, p.comparable(value))
	if err != nil {
		return r, err
	}
	if ok {
		r.Validated, r.ValidatedAt = true, dateTime(at)
	}
	return r, nil
}

// item is the record of the present value of a path.
func (s *Service) item(ctx context.Context, k *addressKind, t Target, p *Path) (addressRecord, error) {
	r, err := s.record(ctx, k, t, p, p.Key, p.Get(t.User.Object))
	if err != nil {
		return r, err
	}
	r.CodeSent, err = s.cfg.Challenges.Pending(ctx, t.User.ID, string(k.state), p.canonical, s.now())
	return r, err
}

// listReply is a ListResponse (RFC 7644 section 3.4.2) of anything.
type listReply[T any] struct {
	Schemas      []string `json:"schemas"`
	TotalResults int      `json:"totalResults"`
	StartIndex   int      `json:"startIndex"`
	ItemsPerPage int      `json:"itemsPerPage"`
	Resources    []T      `json:"Resources"`
}

const listURN = "urn:ietf:params:scim:api:messages:2.0:ListResponse"

// paged cuts the page that a query asks for out of all items (RFC 7644 section
// 3.4.2.4).
func paged[T any](t Target, all []T) (int, []T, error) {
	start, err := t.number("startIndex", 1)
	if err != nil {
		return 0, nil, err
	}
	count, err := t.number("count", len(all))
	if err != nil {
		return 0, nil, err
	}
	start = max(1, start)
	from := min(start-1, len(all))
	return start, all[from : from+min(max(0, count), len(all)-from)], nil
}

// number is a query parameter that is a whole number.
func (t Target) number(name string, def int) (int, error) {
	text := t.parameter(name)
	if text == "" {
		return def, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, invalidValue(name + " must be a whole number.")
	}
	return int(n), nil
}

// parameter is a query parameter; its name is matched without case.
func (t Target) parameter(name string) string {
	return t.Query.Get(strings.ToLower(name))
}

func (s *Service) listAddresses(ctx context.Context, k *addressKind, t Target, _ none) (listReply[addressRecord], error) {
	reply := listReply[addressRecord]{Schemas: []string{listURN}}
	picked, err := k.paths.filtered(k.list, t.parameter("filter"), k.urn)
	if err != nil {
		return reply, err
	}
	start, page, err := paged(t, picked)
	if err != nil {
		return reply, err
	}
	reply.TotalResults, reply.StartIndex, reply.ItemsPerPage = len(picked), start, len(page)
	reply.Resources = make([]addressRecord, 0, len(page))
	for _, p := range page {
		r, err := s.item(ctx, k, t, p)
		if err != nil {
			return reply, err
		}
		reply.Resources = append(reply.Resources, r)
	}
	return reply, nil
}

// showAddress answers for the key of a path, and for a state with what waits
// for its code. It costs no attempt.
func (s *Service) showAddress(ctx context.Context, k *addressKind, t Target, _ none) (addressRecord, error) {
	if p := k.byKey(t.Key); p != nil {
		return s.item(ctx, k, t, p)
	}
	claims, p, err := s.openAddress(ctx, k, t)
	if err == nil {
		err = s.judge(ctx, t, claims)
	}
	if e := scim.AsError(err); e != nil && e.Status != http.StatusInternalServerError {
		return addressRecord{}, notFound()
	}
	if err != nil {
		return addressRecord{}, err
	}
	row, err := s.cfg.Challenges.Challenge(ctx, claims.JTI)
	if err != nil || row.Judge(s.now()) != nil {
		return addressRecord{}, notFound()
	}
	return s.pendingRecord(ctx, k, t, p, claims)
}

// pendingRecord is the record of a code that was sent and awaits its PUT.
func (s *Service) pendingRecord(ctx context.Context, k *addressKind, t Target, p *Path, claims state.Claims) (addressRecord, error) {
	r, err := s.record(ctx, k, t, p, t.Key, claims.Value)
	r.MessagingProvider, r.CodeSent = claims.Provider, true
	return r, err
}

// byKey returns the path with that list key, or nil.
func (k *addressKind) byKey(key string) *Path {
	for _, p := range k.list {
		if p.Key == key {
			return p
		}
	}
	return nil
}

// openAddress opens the state in the path of a request.
func (s *Service) openAddress(ctx context.Context, k *addressKind, t Target) (state.Claims, *Path, error) {
	claims, err := s.open(ctx, t, k.state, t.Key)
	if err != nil {
		return claims, nil, err
	}
	p, ok := byCanonical(k.list, claims.Path)
	if !ok { // configured no longer
		return claims, nil, stateInvalid()
	}
	return claims, p, nil
}

// mask is what may be shown of a destination.
func (k *addressKind) mask(value string) string {
	if k.telephone {
		return delivery.Mask(delivery.SMS, value)
	}
	return delivery.Mask(delivery.Email, value)
}

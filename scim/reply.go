package scim

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/sallyport-id/sallyport/schema"
)

// view is how one request sees the resources of one type: everything that an
// answer depends on besides the stored record.
type view struct {
	rt     *schema.ResourceType
	info   *typeInfo
	pr     *schema.Projection
	p      *Profile
	base   string
	domain string
	// place is the quoted URL of a resource up to its id.
	place []byte

	verbatim bool // the document can be sent as it is stored
	members  bool // the relation attribute is wanted
	groups   bool // the derived attribute is wanted
	meta     bool
}

func (s *Service) view(caller Caller, rt *schema.ResourceType, pr *schema.Projection, base string) *view {
	info := s.types[rt]
	v := &view{
		rt: rt, info: info, pr: pr, p: s.profileOf(caller), base: s.baseOr(base), domain: caller.Domain,
		verbatim: rt.Verbatim(pr) && (pr == nil || wholeOrNone(pr, info.relation, info.derived, info.meta)),
		members:  info.relation != nil && pr.Wants(*info.relation),
		groups:   info.derived != nil && pr.Wants(*info.derived),
		meta:     info.meta == nil || pr.Wants(*info.meta),
	}
	v.place = appendString(nil, location(v.base, rt, ""))
	v.place = v.place[:len(v.place)-1]
	return v
}

// wholeOrNone reports whether the projection shows each attribute with all its
// sub-attributes or not at all, so that appending it needs no second look.
func wholeOrNone(pr *schema.Projection, refs ...*schema.Ref) bool {
	for _, ref := range refs {
		if ref == nil || !pr.Wants(*ref) {
			continue
		}
		for _, sub := range ref.Attr.Sub {
			if !pr.Wants(schema.Ref{URN: ref.URN, Attr: ref.Attr, Sub: sub}) {
				return false
			}
		}
	}
	return true
}

// linked is what the rows beside the documents add to a page of resources.
type linked struct {
	members map[string][]Member
	groups  map[string][]Membership
}

// link loads members and groups of a page, in one query each and only those
// that the view shows.
func (s *Service) link(ctx context.Context, v *view, recs []Record) (linked, error) {
	var l linked
	var err error
	if v.members && len(recs) > 0 {
		ids := make([]string, len(recs))
		for i := range recs {
			ids[i] = recs[i].ID
		}
		if l.members, err = s.cfg.Members.Members(ctx, ids, v.domain); err != nil {
			return l, err
		}
	}
	if !v.groups {
		return l, nil
	}
	var ids []string
	for i := range recs {
		if recs[i].HasGroups {
			ids = append(ids, recs[i].ID)
		}
	}
	if len(ids) > 0 {
		l.groups, err = s.cfg.Members.Groups(ctx, ids, v.domain)
	}
	return l, err
}

// render answers an operation with one resource.
func (s *Service) render(ctx context.Context, v *view, rec *Record, status int) (*Resource, error) {
	var l linked
	if v.members || v.groups && rec.HasGroups {
		var err error
		if l, err = s.link(ctx, v, []Record{*rec}); err != nil {
			return nil, err
		}
	}
	res := v.bare(rec, status)
	res.Body = v.appendBody(make([]byte, 0, len(rec.Doc)+320), rec, l)
	return res, nil
}

// bare is an answer without body.
func (v *view) bare(rec *Record, status int) *Resource {
	return &Resource{
		Status:   status,
		ID:       rec.ID,
		Version:  etag(rec.Version),
		Location: location(v.base, v.rt, rec.ID),
	}
}

// appendBody appends the JSON that the client sees: the stored document as it
// is, with members or groups and meta put before its closing brace. Only a
// projection or a profile that asks for less or for another form looks inside.
func (v *view) appendBody(b []byte, rec *Record, l linked) []byte {
	if v.verbatim && !v.p.FlattenSecondFactor {
		return v.appendWhole(b, rec, l)
	}
	doc := v.appendWhole(nil, rec, l)
	if !v.verbatim {
		doc = v.rt.Project(doc, v.pr)
	}
	if v.p.FlattenSecondFactor && v.info.user {
		doc = v.p.flatten(doc)
	}
	return append(b, doc...)
}

func (v *view) appendWhole(b []byte, rec *Record, l linked) []byte {
	b = append(b, rec.Doc[:len(rec.Doc)-1]...)
	if v.members {
		b = v.appendMembers(b, l.members[rec.ID])
	}
	if v.groups {
		b = v.appendGroups(b, l.groups[rec.ID])
	}
	if v.meta {
		b = v.appendMeta(b, rec)
	}
	return append(b, '}')
}

// appendMembers adds Group.members (RFC 7643 section 4.2); nothing without
// members, since unassigned attributes are left out (section 2.5).
func (v *view) appendMembers(b []byte, members []Member) []byte {
	for i, m := range members {
		if i == 0 {
			b = append(b, `,"members":[`...)
		} else {
			b = append(b, ',')
		}
		b = append(b, `{"value":`...)
		b = appendString(b, m.Value)
		b = append(b, `,"$ref":`...)
		b = appendString(b, v.base+"/"+m.Type+"s/"+m.Value)
		if m.Display != "" {
			b = append(b, `,"display":`...)
			b = appendString(b, m.Display)
		}
		b = append(b, `,"type":`...)
		b = appendString(b, m.Type)
		b = append(b, '}')
	}
	if len(members) > 0 {
		b = append(b, ']')
	}
	return b
}

// appendGroups adds User.groups (RFC 7643 section 4.1.2).
func (v *view) appendGroups(b []byte, groups []Membership) []byte {
	for i, g := range groups {
		if i == 0 {
			b = append(b, `,"groups":[`...)
		} else {
			b = append(b, ',')
		}
		b = append(b, `{"value":`...)
		b = appendString(b, g.Group)
		b = append(b, `,"$ref":`...)
		b = appendString(b, v.base+"/Groups/"+g.Group)
		if g.Display != "" {
			b = append(b, `,"display":`...)
			b = appendString(b, g.Display)
		}
		if g.Direct {
			b = append(b, `,"type":"direct"}`...)
		} else {
			b = append(b, `,"type":"indirect"}`...)
		}
	}
	if len(groups) > 0 {
		b = append(b, ']')
	}
	return b
}

// appendMeta adds meta (RFC 7643 section 3.1). version equals the ETag.
func (v *view) appendMeta(b []byte, rec *Record) []byte {
	b = append(b, `,"meta":{"resourceType":`...)
	b = appendString(b, v.rt.Name)
	b = append(b, `,"created":"`...)
	b = appendTime(b, rec.Created)
	b = append(b, `","lastModified":"`...)
	b = appendTime(b, rec.LastModified)
	b = append(b, `","location":`...)
	b = append(b, v.place...)
	open := len(b)
	b = appendString(b, rec.ID)
	b = append(b[:open], b[open+1:]...) // the quotes are those of place and of the id
	b = append(b, `,"version":"W/\"`...)
	b = strconv.AppendInt(b, rec.Version, 10)
	return append(b, `\""}`...)
}

// appendTime adds an xsd:dateTime in UTC (RFC 7643 section 2.3.5), with as many
// digits of the microseconds as say something. A page has hundreds of times:
// a layout that is read anew for each costs more than the rest of its meta.
func appendTime(b []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	if year < 0 || year > 9999 {
		return t.AppendFormat(b, "2006-01-02T15:04:05.999999Z07:00")
	}
	hour, minute, second := t.Clock()
	b = appendTwo(appendTwo(b, year/100), year%100)
	b = appendTwo(append(b, '-'), int(month))
	b = appendTwo(append(b, '-'), day)
	b = appendTwo(append(b, 'T'), hour)
	b = appendTwo(append(b, ':'), minute)
	b = appendTwo(append(b, ':'), second)
	if micros := t.Nanosecond() / 1000; micros > 0 {
		b = appendTwo(append(b, '.'), micros/10000)
		b = appendTwo(b, micros/100%100)
		b = bytes.TrimRight(appendTwo(b, micros%100), "0")
	}
	return append(b, 'Z')
}

func appendTwo(b []byte, n int) []byte { return append(b, digits[n/10], digits[n%10]) }

const digits = "0123456789"

// appendString adds a JSON string. Almost all are plain and are copied.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			return appendEscaped(b, s)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

func appendEscaped(b []byte, s string) []byte {
	quoted, err := json.Marshal(s)
	if err != nil { // cannot happen: json.Marshal repairs invalid UTF-8
		return append(b, `""`...)
	}
	return append(b, quoted...)
}

// notModified is the 304 answer (RFC 7644 section 3.14).
func (v *view) notModified(rec *Record) *Resource { return v.bare(rec, http.StatusNotModified) }

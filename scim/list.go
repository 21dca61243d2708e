package scim

import (
	"context"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim/filter"
)

// List is the answer to a query.
type List struct {
	// Body is the complete ListResponse.
	Body []byte
	// Total is totalResults, Items how many resources Body holds.
	Total int64
	Items int
	// Next and Previous are cursors, "" where there is no such page or the
	// query pages by index.
	Next, Previous string

	buffer *[]byte // what Body stands in
}

// buffers are bodies that were sent. A page is large, and making room for it
// again and again costs more than filling it.
type buffers struct{ pool sync.Pool }

// largestKept bounds the buffers that are kept, in bytes.
const largestKept = 4 << 20

// take returns an empty buffer with room for size bytes.
func (p *buffers) take(size int) *[]byte {
	if b, ok := p.pool.Get().(*[]byte); ok && cap(*b) >= size {
		return b
	}
	b := make([]byte, 0, size)
	return &b
}

// release gives the buffer of Body back. Body must not be used any more.
func (p *buffers) release(l *List) {
	if l.buffer != nil && cap(*l.buffer) <= largestKept {
		p.pool.Put(l.buffer)
	}
	l.Body, l.buffer = nil, nil
}

// List answers a query on one resource type, or on all of them when rt is nil
// (RFC 7644 sections 3.4.2 and 3.4.3, RFC 9865). base is the public base URL
// for locations, "" for the first one. ErrTooMany past the time limit.
func (s *Service) List(ctx context.Context, caller Caller, rt *schema.ResourceType, q ListQuery, base string) (*List, error) {
	plan, err := s.plan(caller, rt, q, base)
	if err != nil {
		return nil, err
	}
	var list *List
	answer := func(ctx context.Context, page *Page) (err error) {
		list, err = s.answer(ctx, plan, page)
		return err
	}
	// Members are part of what an entity tag stands for.
	if plan.members() {
		plan.query.Then = answer
	}
	page, err := s.cfg.Resources.Query(ctx, plan.query)
	if err == nil && plan.query.Then == nil {
		err = answer(ctx, page)
	}
	return list, err
}

// listPlan is a checked query on its way through the store.
type listPlan struct {
	query  Query
	views  map[string]*view // by resource type name
	start  int64            // startIndex; 0 with cursors
	bound  [16]byte
	cursor *cursor // the one that was sent; nil on a first page and without cursors
	paged  bool    // by cursor
	count  int
}

// members reports whether the answer shows members.
func (plan *listPlan) members() bool {
	for _, v := range plan.views {
		if v.members {
			return true
		}
	}
	return false
}

func (s *Service) plan(caller Caller, rt *schema.ResourceType, q ListQuery, base string) (*listPlan, error) {
	plan := &listPlan{views: map[string]*view{}}
	plan.query = Query{Domain: caller.Domain, BaseURL: s.baseOr(base), Total: true}
	parts := []string{caller.Domain}
	var err error
	if rt == nil {
		err = s.rootSources(caller, q, plan, &parts)
	} else {
		err = s.typeSource(caller, rt, q, plan, &parts)
	}
	if err != nil {
		return nil, err
	}
	plan.query.Descending = q.Descending && q.SortBy != ""
	parts = append(parts, strconv.FormatBool(plan.query.Descending))
	plan.bound = bind(parts...)
	if q.Cursor == nil {
		s.pageByIndex(plan, q)
		return plan, nil
	}
	return plan, s.pageByCursor(plan, q)
}

// typeSource binds the query to one resource type.
func (s *Service) typeSource(caller Caller, rt *schema.ResourceType, q ListQuery, plan *listPlan, parts *[]string) error {
	p := s.profileOf(caller)
	pr, err := s.projectionOf(rt, q.Attributes, q.Excluded, p)
	if err != nil {
		return err
	}
	src := Source{Type: rt}
	if src.Where, err = s.where(q, p, func(e filter.Expr) (filter.Predicate, error) { return filter.Bind(e, rt, p.Policy) }); err != nil {
		return err
	}
	if q.SortBy != "" {
		if src.Sort, err = s.sortRef(rt, q.SortBy, p); err != nil {
			return err
		}
	}
	plan.add(s.view(caller, rt, pr, plan.query.BaseURL), src, parts)
	return nil
}

// rootSources binds the query to every resource type (RFC 7644 section
// 3.4.2.1). An attribute that only some types have is absent in the others.
// Sorting by one that none has is refused.
func (s *Service) rootSources(caller Caller, q ListQuery, plan *listPlan, parts *[]string) error {
	p := s.profileOf(caller)
	sorted := false
	var sortErr error
	for _, rt := range s.cfg.Registry.Types() {
		pr, err := s.projectionOf(rt, q.Attributes, q.Excluded, p)
		if err != nil {
			return err
		}
		src := Source{Type: rt}
		if src.Where, err = s.where(q, p, func(e filter.Expr) (filter.Predicate, error) { return filter.BindRoot(e, rt, p.Policy) }); err != nil {
			return err
		}
		if q.SortBy != "" {
			if src.Sort, err = s.sortRef(rt, q.SortBy, p); err != nil {
				sortErr = err
			}
			sorted = sorted || src.Sort != nil
		}
		plan.add(s.view(caller, rt, pr, plan.query.BaseURL), src, parts)
	}
	if q.SortBy != "" && !sorted {
		return sortErr
	}
	return nil
}

// add takes one type into the plan and what a cursor is bound to.
func (plan *listPlan) add(v *view, src Source, parts *[]string) {
	plan.query.Sources = append(plan.query.Sources, src)
	plan.views[src.Type.Name] = v
	where, order := "", ""
	if src.Where != nil {
		where = filter.Print(src.Where)
	}
	if src.Sort != nil {
		order = src.Sort.String()
	}
	*parts = append(*parts, src.Type.Name, where, order, v.pr.Canonical())
}

// where parses the filter and binds it. RFC 7644 section 3.4.2.2: a filter is
// never ignored, an empty one included.
func (s *Service) where(q ListQuery, p *Profile, bindTo func(filter.Expr) (filter.Predicate, error)) (filter.Predicate, error) {
	if q.Filter == nil {
		return nil, nil
	}
	e, err := filter.Parse(*q.Filter, s.limits.Filter, p.Policy)
	if err != nil {
		return nil, err
	}
	return bindTo(e)
}

// sortRef resolves sortBy (RFC 7644 section 3.4.2.3). A complex attribute is
// sorted by its value; without one it needs a sub-attribute.
func (s *Service) sortRef(rt *schema.ResourceType, sortBy string, p *Profile) (*schema.Ref, error) {
	ref, err := rt.LookupPath(sortBy, p.Policy)
	if err != nil || ref.Attr == nil {
		return nil, Errorf(http.StatusBadRequest, TypeInvalidValue, "sortBy names %.64q, which is no attribute of %s.", sortBy, rt.Name)
	}
	if ref.Attr.Type == schema.Complex && ref.Sub == nil {
		ref.Sub = ref.Attr.SubAttribute("value")
	}
	switch target := ref.Target(); {
	case hidden(ref.Attr) || hidden(target):
		return nil, Errorf(http.StatusForbidden, TypeSensitive, "sortBy may not name %s.", ref)
	case ref.Attr.Relation || ref.Attr.Derived && ref.Attr.Name != "meta":
		return nil, Errorf(http.StatusBadRequest, TypeInvalidValue, "sortBy may not name %s, whose values are other resources.", ref.Attr.Name)
	case target.Type == schema.Complex:
		return nil, Errorf(http.StatusBadRequest, TypeInvalidValue, "sortBy names %s, which has several parts; name one, such as %s.%s.",
			ref, ref, firstSub(target))
	}
	return &ref, nil
}

// hidden reports whether the order of values would tell a secret.
func hidden(a *schema.Attribute) bool {
	return a.Mutability == schema.WriteOnly || a.Returned == schema.ReturnedNever
}

func firstSub(a *schema.Attribute) string {
	if len(a.Sub) == 0 {
		return "value"
	}
	return a.Sub[0].Name
}

// pageSize clamps count (RFC 7644 section 3.4.2.4).
func (s *Service) pageSize(count *int64) int {
	if count == nil {
		return s.limits.DefaultCount
	}
	return int(min(max(*count, 0), int64(s.limits.MaxCount)))
}

// pageByIndex applies startIndex and count.
func (s *Service) pageByIndex(plan *listPlan, q ListQuery) {
	plan.start = max(q.StartIndex, 1)
	plan.count = s.pageSize(q.Count)
	plan.query.Offset = int(min(plan.start-1, math.MaxInt32))
	plan.query.Limit = plan.count
}

// pageByCursor applies cursor and count (RFC 9865 section 2).
func (s *Service) pageByCursor(plan *listPlan, q ListQuery) error {
	plan.paged = true
	plan.count = s.pageSize(q.Count)
	if q.StartIndex > 1 {
		return NewError(http.StatusBadRequest, TypeInvalidCursor, "cursor and startIndex exclude each other; leave one out.")
	}
	plan.query.Limit = plan.count
	if *q.Cursor == "" {
		return nil
	}
	var asked *int
	if q.Count != nil {
		asked = &plan.count
	}
	c, err := s.resume(*q.Cursor, plan.bound, asked)
	if err != nil {
		return err
	}
	plan.cursor, plan.count = &c, c.count
	plan.query.Total, plan.query.Limit = false, c.count
	if c.backward {
		plan.query.Before = &c.at
		plan.query.Limit++ // one more tells whether this is the first page
		return nil
	}
	plan.query.After = &c.at
	return nil
}

// answer builds the ListResponse of a page.
func (s *Service) answer(ctx context.Context, plan *listPlan, page *Page) (*List, error) {
	list := &List{Total: page.Total}
	if plan.cursor != nil {
		list.Total = plan.cursor.total
	}
	s.turn(plan, page, list)
	rows, err := s.linkAll(ctx, plan, page.Records)
	if err != nil {
		return nil, err
	}
	list.Items = len(page.Records)
	list.buffer = s.buffers.take(bodySize(page.Records))
	b := (*list.buffer)[:0]
	b = append(b, `{"schemas":["`+ListURN+`"],"totalResults":`...)
	b = strconv.AppendInt(b, list.Total, 10)
	b = append(b, `,"itemsPerPage":`...)
	b = strconv.AppendInt(b, int64(list.Items), 10)
	if !plan.paged {
		b = append(b, `,"startIndex":`...)
		b = strconv.AppendInt(b, plan.start, 10)
	}
	if list.Next != "" {
		b = append(b, `,"nextCursor":"`+list.Next+`"`...)
	}
	if list.Previous != "" {
		b = append(b, `,"previousCursor":"`+list.Previous+`"`...)
	}
	b = append(b, `,"Resources":[`...)
	for i := range page.Records {
		if i > 0 {
			b = append(b, ',')
		}
		rec := &page.Records[i]
		b = plan.views[rec.Type].appendBody(b, rec, rows[rec.Type])
	}
	b = append(b, `]}`...)
	list.Body, *list.buffer = b, b
	return list, nil
}

// bodySize is room for a list of these resources.
func bodySize(recs []Record) int {
	size := 1024
	for i := range recs {
		size += len(recs[i].Doc) + 320
	}
	return size
}

// turn finds the cursors to the neighbouring pages and drops the extra row
// that a page backwards was read with.
func (s *Service) turn(plan *listPlan, page *Page, list *List) {
	if !plan.paged || plan.count == 0 {
		return
	}
	next, previous := page.More, plan.cursor != nil
	if plan.cursor != nil && plan.cursor.backward {
		next, previous = true, len(page.Records) > plan.count
		if previous {
			page.Records, page.Keys = page.Records[1:], page.Keys[1:]
		}
	}
	if len(page.Records) == 0 {
		return
	}
	c := cursor{issued: s.cfg.Now().UTC().Truncate(time.Second), query: plan.bound, count: plan.count, total: list.Total}
	if next {
		c.at = page.Keys[len(page.Keys)-1]
		list.Next = c.seal(s.cursors)
	}
	if previous {
		c.at, c.backward = page.Keys[0], true
		list.Previous = c.seal(s.cursors)
	}
}

// linkAll loads the members and groups of a page, in one query each for all
// resources of a type.
func (s *Service) linkAll(ctx context.Context, plan *listPlan, recs []Record) (map[string]linked, error) {
	rows := make(map[string]linked, len(plan.views))
	for name, v := range plan.views {
		some := recs
		if len(plan.views) > 1 {
			some = slices.DeleteFunc(slices.Clone(recs), func(r Record) bool { return r.Type != name })
		}
		l, err := s.link(ctx, v, some)
		if err != nil {
			return nil, err
		}
		rows[name] = l
	}
	return rows, nil
}

// tidy removes what some clients put into paths besides the resource: Entra's
// flags as a segment of their own (RFC 7644 section 1.3 keeps base URIs free of
// them), a trailing slash, and the ".scim" suffix of RFC 7644 section 3.8.
func tidy(path string) string {
	if strings.Contains(path, "/aadOptscim062020") || strings.Contains(path, "/AzureAdScimPatch2017") {
		segments := strings.Split(path, "/")
		kept := segments[:0]
		for _, segment := range segments {
			if segment != "aadOptscim062020" && segment != "AzureAdScimPatch2017" {
				kept = append(kept, segment)
			}
		}
		path = strings.Join(kept, "/")
	}
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	return trimSuffix(path)
}

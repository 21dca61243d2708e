package scim

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/schema"
)

// SearchURN is the schema of a query by POST (RFC 7644 section 3.4.3).
const SearchURN = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"

// ListQuery is what a client asks of a list (RFC 7644 section 3.4.2, RFC 9865
// section 2), the same in a URL and in a SearchRequest.
type ListQuery struct {
	Filter     *string
	Attributes []string
	Excluded   []string
	SortBy     string
	Descending bool
	StartIndex int64   // 1-based; below 1 is 1
	Count      *int64  // nil: the default page size
	Cursor     *string // nil: index paging; "" asks for the first page
}

// Names of the query parameters and of the SearchRequest members.
const (
	paramFilter     = "filter"
	paramAttributes = "attributes"
	paramExcluded   = "excludedattributes"
	paramSortBy     = "sortby"
	paramSortOrder  = "sortorder"
	paramStartIndex = "startindex"
	paramCount      = "count"
	paramCursor     = "cursor"
)

// params are the query parameters of the protocol by lower-case name. Others,
// such as aadOptscim062020, are not ours and are left out.
type params map[string]string

// queryParams reads the query of the URL. A repeated or broken parameter is
// refused: choosing one of two filters would answer another question.
func queryParams(c echo.Context) (params, error) {
	raw := c.Request().URL.RawQuery
	if raw == "" {
		return nil, nil
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return nil, NewError(http.StatusBadRequest, TypeInvalidSyntax,
			"The query of the URL is not well formed; percent-encode its values.")
	}
	out := params{}
	for name, all := range values {
		key := strings.ToLower(name)
		switch key {
		case paramFilter, paramAttributes, paramExcluded, paramSortBy, paramSortOrder, paramStartIndex, paramCount, paramCursor:
		default:
			continue
		}
		if _, twice := out[key]; twice || len(all) > 1 {
			return nil, Errorf(http.StatusBadRequest, TypeInvalidValue, "The query parameter %s is given more than once.", name)
		}
		out[key] = all[0]
	}
	return out, nil
}

// names splits a comma-separated list of attribute names.
func names(list string) []string {
	var out []string
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name != "" {
			out = append(out, name)
		}
	}
	return out
}

// projection is the projection that the query of the URL asks for.
func (s *Service) projection(rt *schema.ResourceType, q params, p *Profile) (*schema.Projection, error) {
	return s.projectionOf(rt, names(q[paramAttributes]), names(q[paramExcluded]), p)
}

func (s *Service) projectionOf(rt *schema.ResourceType, attributes, excluded []string, p *Profile) (*schema.Projection, error) {
	if len(attributes) == 0 && len(excluded) == 0 {
		return nil, nil
	}
	if n := max(len(attributes), len(excluded)); n > s.limits.Names {
		return nil, Errorf(http.StatusBadRequest, TypeInvalidValue,
			"attributes and excludedAttributes may name at most %d attributes, not %d.", s.limits.Names, n)
	}
	return rt.NewProjection(attributes, excluded, p.Policy)
}

// listQuery reads a query from the URL.
func listQuery(q params) (ListQuery, error) {
	out := ListQuery{
		Attributes: names(q[paramAttributes]),
		Excluded:   names(q[paramExcluded]),
		SortBy:     q[paramSortBy],
		StartIndex: 1,
	}
	if text, ok := q[paramFilter]; ok {
		out.Filter = &text
	}
	if text, ok := q[paramCursor]; ok {
		out.Cursor = &text
	}
	var err error
	if out.Descending, err = descending(q[paramSortOrder]); err != nil {
		return out, err
	}
	if text, ok := q[paramStartIndex]; ok {
		if out.StartIndex, err = integer(text, "startIndex", TypeInvalidValue); err != nil {
			return out, err
		}
	}
	if text, ok := q[paramCount]; ok {
		n, err := integer(text, "count", out.countFault())
		if err != nil {
			return out, err
		}
		out.Count = &n
	}
	return out, nil
}

// countFault is the keyword for a count that is none (RFC 9865 section 2.1
// has its own for cursor paging).
func (q ListQuery) countFault() ErrorType {
	if q.Cursor != nil {
		return TypeInvalidCount
	}
	return TypeInvalidValue
}

// integer reads a whole number. What is too large for the type is as good as
// the largest, since page sizes and positions are clamped anyway.
func integer(text, name string, fault ErrorType) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		if strings.HasPrefix(text, "-") {
			return math.MinInt64, nil
		}
		return math.MaxInt64, nil
	}
	if err != nil {
		return 0, Errorf(http.StatusBadRequest, fault, "%s must be a whole number.", name)
	}
	return n, nil
}

// descending reads sortOrder (RFC 7644 section 3.4.2.3).
func descending(order string) (bool, error) {
	switch strings.ToLower(order) {
	case "", "ascending":
		return false, nil
	case "descending":
		return true, nil
	}
	return false, NewError(http.StatusBadRequest, TypeInvalidValue, "sortOrder must be ascending or descending.")
}

// searchQuery reads a SearchRequest (RFC 7644 section 3.4.3). Its member names
// ignore case, as attribute names do.
func searchQuery(body schema.Object, p *Profile) (ListQuery, error) {
	out := ListQuery{StartIndex: 1}
	r := searchReader{members: map[string]any{}, loose: p.LooseShapes}
	for name, value := range body {
		r.members[strings.ToLower(name)] = value
	}
	if err := r.checkSchemas(p); err != nil {
		return out, err
	}
	out.Filter = r.text(paramFilter, "filter")
	out.Cursor = r.text(paramCursor, "cursor")
	out.Attributes = r.list(paramAttributes, "attributes")
	out.Excluded = r.list(paramExcluded, "excludedAttributes")
	if sortBy := r.text(paramSortBy, "sortBy"); sortBy != nil {
		out.SortBy = *sortBy
	}
	if order := r.text(paramSortOrder, "sortOrder"); order != nil && r.err == nil {
		out.Descending, r.err = descending(*order)
	}
	if n := r.number(paramStartIndex, "startIndex", TypeInvalidValue); n != nil {
		out.StartIndex = *n
	}
	out.Count = r.number(paramCount, "count", out.countFault())
	return out, r.err
}

// searchReader takes typed members from a SearchRequest and keeps the first
// fault.
type searchReader struct {
	members map[string]any
	loose   bool
	err     error
}

func (r *searchReader) fail(fault ErrorType, name, what string) {
	if r.err == nil {
		r.err = Errorf(http.StatusBadRequest, fault, "%s must be %s.", name, what)
	}
}

// checkSchemas wants the URN of the message (RFC 7644 section 3.4.3).
func (r *searchReader) checkSchemas(p *Profile) error {
	if p.SchemasOptional {
		return nil
	}
	list, _ := r.members["schemas"].([]any)
	for _, item := range list {
		if urn, ok := item.(string); ok && strings.EqualFold(urn, SearchURN) {
			return nil
		}
	}
	return NewError(http.StatusBadRequest, TypeInvalidSyntax, "schemas of a search request must hold "+SearchURN+".")
}

func (r *searchReader) text(key, name string) *string {
	switch v := r.members[key].(type) {
	case nil:
		return nil
	case string:
		return &v
	}
	r.fail(TypeInvalidValue, name, "a string")
	return nil
}

func (r *searchReader) list(key, name string) []string {
	switch v := r.members[key].(type) {
	case nil:
		return nil
	case string:
		if r.loose {
			return names(v)
		}
	case []any:
		var out []string
		for _, item := range v {
			text, ok := item.(string)
			if !ok {
				r.fail(TypeInvalidValue, name, "an array of strings")
				return nil
			}
			out = append(out, names(text)...)
		}
		return out
	}
	r.fail(TypeInvalidValue, name, "an array of strings")
	return nil
}

func (r *searchReader) number(key, name string, fault ErrorType) *int64 {
	var text string
	switch v := r.members[key].(type) {
	case nil:
		return nil
	case json.Number:
		text = v.String()
	case string:
		if r.loose {
			text = v
		}
	}
	n, err := integer(text, name, fault)
	if err != nil {
		if r.err == nil {
			r.err = err
		}
		return nil
	}
	return &n
}

// preference reads the "return" preference of the Prefer header (RFC 7240
// section 4.2). The first one counts, unknown ones are ignored.
func preference(h http.Header) Preference {
	for _, line := range h.Values("Prefer") {
		for item := range strings.FieldsFuncSeq(line, func(r rune) bool { return r == ',' || r == ';' }) {
			name, value, _ := strings.Cut(item, "=")
			if !strings.EqualFold(strings.TrimSpace(name), "return") {
				continue
			}
			p := Preference(strings.ToLower(strings.Trim(strings.TrimSpace(value), `"`)))
			if p == PreferMinimal || p == PreferRepresentation {
				return p
			}
		}
	}
	return PreferNothing
}

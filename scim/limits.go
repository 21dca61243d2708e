package scim

import (
	"time"

	"github.com/sallyport-id/sallyport/scim/filter"
)

// Limits bounds what one request may ask for. Zero fields take the default in
// the comment. What ServiceProviderConfig publishes comes from here.
type Limits struct {
	Body      int64 // bytes of a request body: 1 MiB
	GroupBody int64 // bytes of a body for /Groups: 16 MiB
	BulkBody  int64 // bytes of a bulk body (bulk.maxPayloadSize): 4,194,304
	Depth     int   // nesting of a JSON body: 32
	Elements  int   // elements of a multi-valued attribute other than members: 1,000
	Names     int   // names in attributes or excludedAttributes: 100

	Filter filter.Limits // of a filter or PATCH path: 8,192 bytes, 50 comparisons, 16 levels

	DefaultCount  int           // page size when count is absent: 100
	MaxCount      int           // largest page (filter.maxResults, pagination.maxPageSize): 500
	CursorTimeout time.Duration // life of a cursor: 3,600 s

	BulkOperations  int // operations of a bulk request (bulk.maxOperations): 1,000
	PatchOperations int // operations of a PATCH: 1,000
	MemberValues    int // members named in one request: 10,000

	Rate  int // requests per second and token on this node: 2,000; at least 25; negative: no limit
	Burst int // requests at once: 4,000
}

// withDefaults fills the zero fields.
func (l Limits) withDefaults() Limits {
	l.Body = orDefault(l.Body, 1<<20)
	l.GroupBody = orDefault(l.GroupBody, 16<<20)
	l.BulkBody = orDefault(l.BulkBody, 4194304)
	l.Depth = orDefault(l.Depth, 32)
	l.Elements = orDefault(l.Elements, 1000)
	l.Names = orDefault(l.Names, 100)
	l.Filter.Length = orDefault(l.Filter.Length, 8192)
	l.Filter.Comparisons = orDefault(l.Filter.Comparisons, 50)
	l.Filter.Nesting = orDefault(l.Filter.Nesting, 16)
	l.DefaultCount = orDefault(l.DefaultCount, 100)
	l.MaxCount = orDefault(l.MaxCount, 500)
	l.DefaultCount = min(l.DefaultCount, l.MaxCount)
	l.CursorTimeout = orDefault(l.CursorTimeout, time.Hour)
	l.BulkOperations = orDefault(l.BulkOperations, 1000)
	l.PatchOperations = orDefault(l.PatchOperations, 1000)
	l.MemberValues = orDefault(l.MemberValues, 10000)
	if l.Rate == 0 {
		l.Rate = 2000
	}
	l.Burst = orDefault(l.Burst, max(4000, 2*l.Rate))
	return l
}

// orDefault returns v, or d when v is not set.
func orDefault[T int | int64 | time.Duration](v, d T) T {
	if v <= 0 {
		return d
	}
	return v
}

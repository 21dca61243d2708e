package transfer

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/scim/filter"
)

// exportPage is how many resources are read at once; of groups fewer, since
// their members come with them.
const (
	exportPage      = 1000
	exportGroupPage = 20
)

// Export says what to export.
type Export struct {
	Directory
	// Domain is the provisioning domain; "" is all.
	Domain string
	// Types are the names of the resource types; empty is all of them.
	Types []string
	// Done counts the resources written, for whoever shows progress.
	Done *atomic.Int64
}

// Run writes one resource a line, users first, each as SCIM JSON with meta and
// a group's members; secrets are not in it. Import reads it back. Resources
// that change meanwhile are written as they are when their turn comes.
func (ex *Export) Run(ctx context.Context, w io.Writer) error {
	out := bufio.NewWriterSize(w, 256<<10)
	for _, rt := range ex.Registry.Types() {
		if !ex.wants(rt.Name) {
			continue
		}
		if err := ex.export(ctx, rt, out); err != nil {
			return fmt.Errorf("export %s: %w", rt.Endpoint, err)
		}
	}
	return out.Flush()
}

func (ex *Export) wants(name string) bool {
	return len(ex.Types) == 0 || slices.Contains(ex.Types, name)
}

func (ex *Export) export(ctx context.Context, rt *schema.ResourceType, out *bufio.Writer) error {
	relation := relationOf(rt)
	size := exportPage
	if relation != "" {
		size = exportGroupPage
	}
	return EachPage(ctx, ex.Resources, Selection{Type: rt, Domain: ex.Domain, Page: size}, func(records []scim.Record) error {
		var members map[string][]scim.Member
		if relation != "" {
			ids := make([]string, len(records))
			for i := range records {
				ids[i] = records[i].ID
			}
			var err error
			if members, err = ex.Members.Members(ctx, ids, ex.Domain); err != nil {
				return err
			}
		}
		for i := range records {
			if err := writeLine(out, &records[i], relation, members[records[i].ID]); err != nil {
				return err
			}
		}
		if ex.Done != nil {
			ex.Done.Add(int64(len(records)))
		}
		return nil
	})
}

type exportMeta struct {
	ResourceType string `json:"resourceType"`
	Created      string `json:"created"`
	LastModified string `json:"lastModified"`
	Version      string `json:"version"`
}

type exportMember struct {
	Value string `json:"value"`
	Type  string `json:"type,omitempty"`
}

// writeLine writes the stored document with meta and members behind it.
func writeLine(out *bufio.Writer, r *scim.Record, relation string, members []scim.Member) error {
	if len(r.Doc) < 2 {
		return fmt.Errorf("document of %s is empty", r.ID)
	}
	_, _ = out.Write(r.Doc[:len(r.Doc)-1])
	if len(members) > 0 {
		list := make([]exportMember, len(members))
		for i, m := range members {
			list[i] = exportMember{Value: m.Value, Type: m.Type}
		}
		text, err := json.Marshal(list)
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(out, ",%q:", relation)
		_, _ = out.Write(text)
	}
	meta, err := json.Marshal(exportMeta{
		ResourceType: r.Type,
		Created:      r.Created.UTC().Format(time.RFC3339Nano), LastModified: r.LastModified.UTC().Format(time.RFC3339Nano),
		Version: fmt.Sprintf(`W/"%d"`, r.Version),
	})
	if err != nil {
		return err
	}
	_, _ = out.WriteString(`,"meta":`)
	_, _ = out.Write(meta)
	_, err = out.WriteString("}\n") // reports any failure of the writes before
	return err
}

// Selection names resources to walk over.
type Selection struct {
	Type   *schema.ResourceType
	Where  filter.Predicate // nil: all
	Domain string           // "": every domain
	Page   int              // resources per page; 0 is 1,000
	Limit  int              // at most that many; 0 is all
}

// EachPage calls fn with one page after the other, in the order of ids.
func EachPage(ctx context.Context, store scim.ResourceStore, s Selection, fn func([]scim.Record) error) error {
	if s.Page <= 0 {
		s.Page = exportPage
	}
	q := scim.Query{Sources: []scim.Source{{Type: s.Type, Where: s.Where}}, Domain: s.Domain, Limit: s.Page}
	left := s.Limit
	for {
		if s.Limit > 0 {
			q.Limit = min(s.Page, left)
		}
		page, err := store.Query(ctx, q)
		if err != nil {
			return err
		}
		if len(page.Records) > 0 {
			if err := fn(page.Records); err != nil {
				return err
			}
		}
		left -= len(page.Records)
		if !page.More || len(page.Records) == 0 || s.Limit > 0 && left <= 0 {
			return nil
		}
		last := page.Keys[len(page.Keys)-1]
		q.After = &last
	}
}

package patch_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/schema"
)

// disagreement is a case on which an engine and this package, under the policy
// of the RFC, came to different results.
type disagreement struct {
	engine       string
	c            patchCase
	op           patchOp
	ours, theirs result
	// under runs the case, or a variant of its operation, under another policy.
	under func(p schema.Policy, edit func(*patchOp)) result
	// sequence runs other operations on the document.
	sequence func(ops ...patchOp) result
}

func (d disagreement) refused(code schema.Code) bool {
	return strings.HasPrefix(d.ours.Error, string(code)+":") && d.theirs.Error == ""
}

// before is the document that the operation met.
func (d disagreement) before() result {
	var doc map[string]any
	if err := json.Unmarshal(d.c.Doc, &doc); err != nil {
		return result{Error: err.Error()}
	}
	return result{Doc: tidyDoc(doc)}
}

// withoutListed is the document without the elements that are equal to one
// that the operation lists.
func (d disagreement) withoutListed() result {
	out := d.before()
	listed, _ := d.op.Value.([]any)
	list, _ := out.Doc[d.op.attr].([]any)
	list = slices.DeleteFunc(list, func(e any) bool {
		return slices.ContainsFunc(listed, func(v any) bool { return cmp.Equal(v, e) })
	})
	out.Doc[d.op.attr] = list
	out.Doc = tidyDoc(out.Doc)
	return out
}

// like tells whether the engine did what this package does under a policy that
// is set to the deviation, so that nothing else can hide behind it.
func (d disagreement) like(change func(*schema.Policy), edit func(*patchOp)) bool {
	p := rfcPolicy()
	if change != nil {
		change(&p)
	}
	return d.theirs.Error == "" && alike(d.under(p, edit), d.theirs)
}

// alike compares documents but for what deviation "elements" says.
func alike(a, b result) bool {
	if a.Error != "" || b.Error != "" {
		return a.Error != "" && b.Error != ""
	}
	return cmp.Equal(joined(a.Doc), joined(b.Doc))
}

// joined makes one of the elements that have the same type and value, and
// forgets their order and which is primary.
func joined(doc map[string]any) map[string]any {
	out := map[string]any{}
	for name, v := range doc {
		list, isList := v.([]any)
		if !isList {
			out[name] = v
			continue
		}
		var kept []map[string]any
		for _, e := range list {
			o, isObject := e.(map[string]any)
			if !isObject {
				continue
			}
			copied := map[string]any{}
			for k, v := range o {
				if k != "primary" {
					copied[k] = v
				}
			}
			same := slices.IndexFunc(kept, func(have map[string]any) bool {
				if have["value"] == nil && copied["value"] == nil {
					return cmp.Equal(have, copied)
				}
				return have["value"] == copied["value"] && have["type"] == copied["type"]
			})
			if same < 0 {
				kept = append(kept, copied)
				continue
			}
			for k, v := range copied {
				if kept[same][k] == nil {
					kept[same][k] = v
				}
			}
		}
		slices.SortFunc(kept, func(a, b map[string]any) int {
			return strings.Compare(shown(a), shown(b))
		})
		out[name] = kept
	}
	return out
}

// deviation is a known disagreement, with the answer of the RFC.
type deviation struct {
	name, engine, rfc string
	explains          func(d disagreement) bool
}

func deviations() []deviation {
	readOnly := func(d disagreement) bool {
		return d.refused(schema.MutabilityErr) && slices.Contains([]string{"id", "groups", "meta"}, d.op.attr)
	}
	elements := func(d disagreement) bool { return alike(d.ours, d.theirs) }
	primaries := func(d disagreement) bool {
		return d.refused(schema.InvalidValue) && strings.HasSuffix(d.ours.Error, "primary; one at most can be")
	}
	const onePrimary = "RFC 7643 section 2.4: true at most once; 400 invalidValue"
	const noList = "RFC 7644 section 3.5.2.2 gives the value no meaning; removing all would lose data, so 400 invalidSyntax"
	return []deviation{
		{
			name: "read-only attributes change", engine: "scim-patch", explains: readOnly,
			rfc: "RFC 7644 section 3.5.2: a client must not modify them; 400 mutability",
		},
		{
			name: "required attributes go", engine: "scim-patch",
			rfc: "RFC 7644 section 3.5.2.2: 400 mutability",
			explains: func(d disagreement) bool {
				return d.refused(schema.MutabilityErr) && d.op.Op == "remove" && d.op.attr == "userName"
			},
		},
		{
			name: "unknown attributes are stored", engine: "scim-patch",
			rfc: "RFC 7644 section 3.12: 400 invalidPath",
			explains: func(d disagreement) bool {
				return d.refused(schema.InvalidPath) && slices.Contains([]string{"nope", "emails.nope"}, d.op.attr)
			},
		},
		{
			name: "values of the wrong type are stored", engine: "scim-patch",
			rfc: "RFC 7644 section 3.12: 400 invalidValue",
			explains: func(d disagreement) bool {
				return d.refused(schema.InvalidValue) && d.op.Value == "x" && slices.Contains([]string{"active", "name"}, d.op.attr)
			},
		},
		{
			name: "a value beside the removal of a singular attribute is refused", engine: "scim-patch",
			rfc: "RFC 7644 section 3.5.2.2 gives the value no meaning: the attribute is removed",
			explains: func(d disagreement) bool {
				return d.op.Op == "remove" && d.op.Value != nil && d.ours.Error == "" && strings.Contains(d.theirs.Error, "only for array properties")
			},
		},
		{
			name: "removal by a value path without match is refused", engine: "scim-patch",
			rfc: "RFC 7644 section 3.5.2.2: nothing is selected, nothing changes",
			explains: func(d disagreement) bool {
				return d.op.Op == "remove" && d.op.filter && d.theirs.Error != "" && d.ours.agrees(d.before())
			},
		},
		{
			name: "replacing selected elements merges them", engine: "scim-patch",
			rfc: "RFC 7644 section 3.5.2.3: the matching values are replaced",
			explains: func(d disagreement) bool {
				return d.op.Op == "replace" && d.op.filter && d.op.sub == "" && d.like(nil, func(op *patchOp) { op.Op = "add" })
			},
		},
		{
			name: "a complex attribute without path is replaced as a whole", engine: "scim-patch",
			rfc: "RFC 7644 sections 3.5.2.1 and 3.5.2.3: sub-attributes not listed stay",
			explains: func(d disagreement) bool {
				return d.op.Path == "" && d.like(func(p *schema.Policy) { p.ReplaceComplexWhole = true }, func(op *patchOp) { op.Op = "replace" })
			},
		},
		{
			name: "a removal with a list removes the elements equal to one listed", engine: "scim-patch", rfc: noList,
			explains: func(d disagreement) bool {
				return d.op.Op == "remove" && d.refused(schema.InvalidSyntax) && d.withoutListed().agrees(d.theirs)
			},
		},
		{
			name: "an operation makes two elements primary", engine: "scim-patch", rfc: onePrimary, explains: primaries,
		},
		{
			name: "adding to elements that a value path does not find does nothing", engine: "scim-patch",
			rfc: "RFC 7644 section 3.5.2.1 leaves it open; a change that was not made must not be answered with success, so 400 noTarget as for replace",
			explains: func(d disagreement) bool {
				return d.refused(schema.NoTarget) && d.op.Op == "add" && d.op.sub == "" && d.theirs.agrees(d.before())
			},
		},
		{
			name: "an element is created where a value path matches none", engine: "scim-patch",
			rfc: "RFC 7644 section 3.5.2.3: 400 noTarget (the policies that want it created have it created)",
			explains: func(d disagreement) bool {
				return d.refused(schema.NoTarget) && d.like(func(p *schema.Policy) { p.CreateOnMiss = true }, nil)
			},
		},
		{
			name: "elements stand twice, and two are primary", engine: "scim-patch", explains: elements,
			rfc: "RFC 7643 section 2.4 and RFC 7644 section 3.5.2: one for each type and value, and the new primary resets the old",
		},
		{
			name: "read-only attributes change", engine: "scimmy", explains: readOnly,
			rfc: "RFC 7644 section 3.5.2: a client must not modify them; 400 mutability",
		},
		{
			name: "replacing lists without path appends", engine: "scimmy",
			rfc: "RFC 7644 section 3.5.2.3: the values of a multi-valued attribute are all replaced",
			explains: func(d disagreement) bool {
				return d.op.Op == "replace" && d.op.Path == "" && d.like(nil, func(op *patchOp) { op.Op = "add" })
			},
		},
		{
			name: "a complex attribute is replaced as a whole", engine: "scimmy",
			rfc: "RFC 7644 section 3.5.2.3: sub-attributes not listed stay",
			explains: func(d disagreement) bool {
				return d.op.Op == "replace" && d.op.attr == "name" && d.op.sub == "" && d.like(func(p *schema.Policy) { p.ReplaceComplexWhole = true }, nil)
			},
		},
		{
			name: "replacing elements where a value path matches none appends them", engine: "scimmy",
			rfc: "RFC 7644 section 3.5.2.3: 400 noTarget",
			explains: func(d disagreement) bool {
				return d.refused(schema.NoTarget) && d.op.Op == "replace" && d.op.sub == "" && d.like(nil, func(op *patchOp) {
					op.Op, op.Path, op.Value = "add", op.attr, []any{op.Value}
				})
			},
		},
		{
			name: "a removal with a list removes the elements that one listed describes", engine: "scimmy", rfc: noList,
			explains: func(d disagreement) bool {
				return d.op.Op == "remove" && d.refused(schema.InvalidSyntax) && d.like(func(p *schema.Policy) { p.RemoveMemberList = true }, nil)
			},
		},
		{
			name: "an operation makes two elements primary", engine: "scimmy", rfc: onePrimary, explains: primaries,
		},
		{
			name: "replace removes first, so that the value path finds less", engine: "scimmy",
			rfc: "RFC 7644 section 3.5.2.3: the values that the path selects are replaced",
			explains: func(d disagreement) bool {
				if d.op.Op != "replace" || !d.op.filter || d.op.sub == "" {
					return false
				}
				first, then := d.op, d.op
				first.Op, first.Value, then.Op = "remove", nil, "add"
				return alike(d.sequence(first, then), d.theirs)
			},
		},
		{
			name: "elements stand twice, change their order, and two are primary", engine: "scimmy", explains: elements,
			rfc: "RFC 7643 section 2.4 and RFC 7644 section 3.5.2: one for each type and value, and the new primary resets the old",
		},
	}
}

func TestDifferentialPatch(t *testing.T) {
	t.Parallel()
	rt := resourceType(t, "User")
	cases := corpus(t, rt, 4000)
	boxed := make([]any, len(cases))
	for i, c := range cases {
		boxed[i] = c
	}
	lines := runOracle(t, boxed)
	known := deviations()
	used := map[string]int{}
	for i, c := range cases {
		var theirs map[string]result
		if err := json.Unmarshal(lines[i], &theirs); err != nil {
			t.Fatal(err)
		}
		ours := own(t, rt, rfcPolicy(), c)
		for _, engine := range []string{"scim-patch", "scimmy"} {
			r := theirs[engine]
			r.Doc = tidyDoc(r.Doc)
			if ours.agrees(r) {
				used[engine]++
				continue
			}
			d := disagreement{engine: engine, c: c, op: c.Ops[0], ours: ours, theirs: r}
			d.under = func(p schema.Policy, edit func(*patchOp)) result {
				op := d.op
				if edit != nil {
					edit(&op)
				}
				return own(t, rt, p, patchCase{Doc: c.Doc, Ops: []patchOp{op}})
			}
			d.sequence = func(ops ...patchOp) result {
				return own(t, rt, rfcPolicy(), patchCase{Doc: c.Doc, Ops: ops})
			}
			i := slices.IndexFunc(known, func(v deviation) bool { return v.engine == engine && v.explains(d) })
			if i < 0 {
				t.Errorf("%s disagrees\n  doc    %s\n  ops    %s\n  ours   %s\n  theirs %s", engine, c.Doc, shown(c.Ops), ours, r)
				continue
			}
			used[engine+": "+known[i].name]++
		}
	}
	for _, v := range known {
		if used[v.engine+": "+v.name] == 0 {
			t.Errorf("the deviation %q of %s never occurs; take it off the list", v.name, v.engine)
		}
	}
	t.Logf("agreements and deviations: %v", used)
}

package patch_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim/patch"
)

// Row 81: a failing last operation restores all. On this level that means
// that the caller's document is untouched and the plan can be applied again.
func TestPatchAtomic(t *testing.T) {
	t.Parallel()
	rt := resourceType(t, "User")
	doc := document(t, rt, babs)
	before := string(rt.Encode(doc))
	const good = `{"op":"replace","path":"title","value":"Chief"},{"op":"add","path":"emails","value":[{"value":"n@example.com","type":"other","primary":true}]},` +
		`{"op":"replace","path":"emails[type eq \"work\"].value","value":"w@example.com"},{"op":"remove","path":"name.givenName"},`
	tests := []struct {
		name, last string
		fails      schema.Code
	}{
		{"noTarget", `{"op":"replace","path":"emails[type eq \"none\"].value","value":"x"}`, "noTarget"},
		{"required", `{"op":"remove","path":"userName"}`, "mutability"},
		{"read-only", `{"op":"replace","path":"id","value":"x"}`, "mutability"},
		{"type", `{"op":"replace","path":"active","value":"yes"}`, "invalidValue"},
		{"invalid as a whole", `{"op":"replace","path":"userName","value":" "}`, "invalidValue"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := change(t, rt, rfcPolicy(), doc, good+tc.last)
			if c := code(t, err); c != tc.fails {
				t.Fatalf("PATCH = %v, want code %q", err, tc.fails)
			}
			if got := string(rt.Encode(doc)); got != before {
				t.Errorf("document changed by a failed request: %s", got)
			}
		})
	}
	t.Run("the plan keeps nothing of a document", func(t *testing.T) {
		t.Parallel()
		plan, err := parse(t, rt, rfcPolicy(), strings.TrimSuffix(good, ","))
		if err != nil {
			t.Fatal(err)
		}
		var results []string
		for range 3 {
			o := doc.Clone()
			if _, err := plan.Apply(o, rt, rfcPolicy()); err != nil {
				t.Fatal(err)
			}
			results = append(results, string(rt.Encode(o)))
			for _, e := range o["emails"].([]any) {
				e.(schema.Object)["value"] = "spoiled"
			}
		}
		if results[0] != results[1] || results[1] != results[2] {
			t.Errorf("applying a plan again differs: %q", results)
		}
	})
	t.Run("an error names the operation", func(t *testing.T) {
		t.Parallel()
		_, _, err := change(t, rt, rfcPolicy(), doc, good+`{"op":"remove","path":"userName"}`)
		if err == nil || !strings.Contains(err.Error(), "operation 5") || !strings.Contains(err.Error(), "userName") {
			t.Errorf("PATCH = %v, want the operation and the attribute named", err)
		}
	})
}

// Row 81: each operation sees the one before.
func TestRow81_OperationsInOrder(t *testing.T) {
	t.Parallel()
	runSteps(t, resourceType(t, "User"), rfcPolicy(), []step{
		{
			name: "add then select", doc: `{"userName":"u"}`,
			ops:  `{"op":"add","path":"emails","value":[{"type":"work","value":"a@b"}]},{"op":"replace","path":"emails[type eq \"work\"].value","value":"c@d"}`,
			want: `{"userName":"u","emails":[{"type":"work","value":"c@d"}]}`,
		},
		{
			name: "select what was removed", doc: `{"userName":"u","emails":[{"type":"work","value":"a@b"}]}`,
			ops: `{"op":"remove","path":"emails"},{"op":"replace","path":"emails[type eq \"work\"].value","value":"c@d"}`, fails: "noTarget",
		},
		{
			name: "undone is unchanged", doc: `{"userName":"u","title":"a"}`,
			ops: `{"op":"replace","path":"title","value":"b"},{"op":"replace","path":"title","value":"a"}`,
		},
		{
			name: "removed and set again is unchanged", doc: `{"userName":"u","name":{"givenName":"a"}}`,
			ops: `{"op":"remove","path":"name"},{"op":"add","path":"name.givenName","value":"a"}`,
		},
	})
}

// Row 93 and row 16: setting primary true resets the others.
func TestPatchPrimary(t *testing.T) {
	t.Parallel()
	const two = `{"userName":"u","emails":[{"value":"a@b","type":"work","primary":true},{"value":"c@d","type":"home"}]}`
	runSteps(t, resourceType(t, "User"), rfcPolicy(), []step{
		{
			name: "add a primary", doc: two,
			ops:  `{"op":"add","path":"emails","value":[{"value":"e@f","type":"other","primary":true}]}`,
			want: `{"userName":"u","emails":[{"value":"a@b","type":"work","primary":false},{"value":"c@d","type":"home"},{"value":"e@f","type":"other","primary":true}]}`,
		},
		{
			name: "by value path", doc: two,
			ops:  `{"op":"replace","path":"emails[type eq \"home\"].primary","value":true}`,
			want: `{"userName":"u","emails":[{"value":"a@b","type":"work","primary":false},{"value":"c@d","type":"home","primary":true}]}`,
		},
		{
			name: "whole element by value path", doc: two,
			ops:  `{"op":"replace","path":"emails[type eq \"home\"]","value":{"value":"c@d","type":"home","primary":true}}`,
			want: `{"userName":"u","emails":[{"value":"a@b","type":"work","primary":false},{"value":"c@d","type":"home","primary":true}]}`,
		},
		{
			name: "adding an existing element as primary", doc: two,
			ops:  `{"op":"add","path":"emails","value":[{"value":"c@d","type":"home","primary":true}]}`,
			want: `{"userName":"u","emails":[{"value":"a@b","type":"work","primary":false},{"value":"c@d","type":"home","primary":true}]}`,
		},
		{
			name: "without path", doc: two,
			ops:  `{"op":"add","value":{"emails":[{"value":"e@f","primary":true}]}}`,
			want: `{"userName":"u","emails":[{"value":"a@b","type":"work","primary":false},{"value":"c@d","type":"home"},{"value":"e@f","primary":true}]}`,
		},
		{
			name: "false leaves the others", doc: two,
			ops:  `{"op":"replace","path":"emails[type eq \"home\"].primary","value":false}`,
			want: `{"userName":"u","emails":[{"value":"a@b","type":"work","primary":true},{"value":"c@d","type":"home","primary":false}]}`,
		},
		{name: "the primary again", doc: two, ops: `{"op":"replace","path":"emails[type eq \"work\"].primary","value":true}`},
		{
			name: "replace the list", doc: two,
			ops:  `{"op":"replace","path":"emails","value":[{"value":"z@z","primary":true}]}`,
			want: `{"userName":"u","emails":[{"value":"z@z","primary":true}]}`,
		},
		{
			name: "two in one list", doc: two,
			ops: `{"op":"add","path":"emails","value":[{"value":"x@x","primary":true},{"value":"y@y","primary":true}]}`, fails: "invalidValue",
		},
		{
			name: "two by one value path", doc: two,
			ops: `{"op":"replace","path":"emails[value pr].primary","value":true}`, fails: "invalidValue",
		},
		{
			name: "the second operation wins", doc: two,
			ops:  `{"op":"add","path":"emails","value":[{"value":"x@x","primary":true}]},{"op":"add","path":"emails","value":[{"value":"y@y","primary":true}]}`,
			want: `{"userName":"u","emails":[{"value":"a@b","type":"work","primary":false},{"value":"c@d","type":"home"},{"value":"x@x","primary":false},{"value":"y@y","primary":true}]}`,
		},
	})
}

// Rows 27, 28, 33 and 89.
func TestPatchMutability(t *testing.T) {
	t.Parallel()
	t.Run("row 27 read-only", func(t *testing.T) {
		t.Parallel()
		var steps []step
		for _, path := range []string{
			"id", "meta", "meta.version", "meta.lastModified", "groups", "groups.value", `groups[value eq \"x\"]`, "schemas",
			`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.displayName`,
		} {
			for _, op := range []string{
				`{"op":"replace","path":"` + path + `","value":"x"}`, `{"op":"add","path":"` + path + `","value":"x"}`, `{"op":"remove","path":"` + path + `"}`,
			} {
				steps = append(steps, step{name: op, doc: babs, ops: op, fails: "mutability"})
			}
		}
		for _, p := range []schema.Policy{rfcPolicy(), compatPolicy(), strictPolicy(), pingPolicy()} {
			runSteps(t, resourceType(t, "User"), p, steps)
		}
	})
	const dev = `{"label":"L","zones":[{"value":"z"}],"serial":"S1","codes":["A"],"tags":["t"],
	 "slots":[{"value":"s","type":"a","bay":1,"health":"ok"}],"origin":{"country":"CH"},"owner":{"value":"o","since":"2020-01-01T00:00:00Z","display":"Olga"},
	 "` + rackURN + `":{"rack":"r","asset":"as","checked":"yes"}}`
	with := func(old, new string) string {
		out := strings.Replace(dev, old, new, 1)
		if out == dev {
			t.Fatalf("nothing to replace: %s", old)
		}
		return out
	}
	t.Run("row 28 immutable", func(t *testing.T) {
		t.Parallel()
		const bare = `{"label":"L","zones":[{"value":"z"}]}`
		runSteps(t, resourceType(t, "Device"), rfcPolicy(), []step{
			{name: "set once", doc: bare, ops: `{"op":"add","path":"serial","value":"S"}`, want: `{"label":"L","serial":"S","zones":[{"value":"z"}]}`},
			{name: "set once by replace", doc: bare, ops: `{"op":"replace","path":"serial","value":"S"}`, want: `{"label":"L","serial":"S","zones":[{"value":"z"}]}`},
			{name: "set once and again", doc: bare, ops: `{"op":"add","path":"serial","value":"S"},{"op":"add","path":"serial","value":"T"}`, fails: "mutability"},
			{name: "the same again", doc: dev, ops: `{"op":"replace","path":"serial","value":"S1"}`},
			{name: "other value", doc: dev, ops: `{"op":"replace","path":"serial","value":"S2"}`, fails: "mutability"},
			{name: "add other value", doc: dev, ops: `{"op":"add","value":{"serial":"S2"}}`, fails: "mutability"},
			{name: "remove", doc: dev, ops: `{"op":"remove","path":"serial"}`, fails: "mutability"},
			{name: "null", doc: dev, ops: `{"op":"replace","path":"serial","value":null}`, fails: "mutability"},
			{name: "remove what is not set", doc: bare, ops: `{"op":"remove","path":"serial"}`},
			{name: "list set once", doc: bare, ops: `{"op":"add","path":"codes","value":["A","B"]}`, want: `{"label":"L","codes":["A","B"],"zones":[{"value":"z"}]}`},
			{name: "list has it", doc: dev, ops: `{"op":"add","path":"codes","value":["A"]}`},
			{name: "list grows", doc: dev, ops: `{"op":"add","path":"codes","value":["B"]}`, fails: "mutability"},
			{name: "list replaced", doc: dev, ops: `{"op":"replace","path":"codes","value":["B"]}`, fails: "mutability"},
			{name: "list element removed", doc: dev, ops: `{"op":"remove","path":"codes[value eq \"A\"]"}`, fails: "mutability"},
			{name: "list removed", doc: dev, ops: `{"op":"remove","path":"codes"}`, fails: "mutability"},
			{name: "complex gains a part", doc: dev, ops: `{"op":"add","path":"origin.year","value":2020}`, fails: "mutability"},
			{name: "complex loses a part", doc: dev, ops: `{"op":"remove","path":"origin.country"}`, fails: "mutability"},
			{name: "complex the same", doc: dev, ops: `{"op":"replace","path":"origin","value":{"country":"CH"}}`},
			{name: "sub-attribute", doc: dev, ops: `{"op":"replace","path":"owner.since","value":"2021-01-01T00:00:00Z"}`, fails: "mutability"},
			{name: "sub-attribute removed with its attribute", doc: dev, ops: `{"op":"remove","path":"owner"}`, fails: "mutability"},
			{name: "sub-attribute removed", doc: dev, ops: `{"op":"remove","path":"owner.since"}`, fails: "mutability"},
			{name: "sub-attribute of an element", doc: dev, ops: `{"op":"replace","path":"slots[value eq \"s\"].bay","value":2}`, fails: "mutability"},
			{name: "sub-attribute of an element the same", doc: dev, ops: `{"op":"replace","path":"slots[value eq \"s\"].bay","value":1}`},
			{name: "element with another immutable part", doc: dev, ops: `{"op":"replace","path":"slots[value eq \"s\"]","value":{"value":"s","bay":2}}`, fails: "mutability"},
			{name: "in an extension", doc: dev, ops: `{"op":"replace","path":"` + rackURN + `:asset","value":"other"}`, fails: "mutability"},
			{name: "with its extension", doc: dev, ops: `{"op":"remove","path":"` + rackURN + `"}`, fails: "mutability"},
		})
	})
	t.Run("row 28 immutable under strict", func(t *testing.T) {
		t.Parallel()
		runSteps(t, resourceType(t, "Device"), strictPolicy(), []step{
			{name: "whole complex", doc: dev, ops: `{"op":"replace","path":"owner","value":{"value":"p"}}`, fails: "mutability"},
			{
				name: "whole complex keeps the read-only parts", doc: dev, ops: `{"op":"replace","path":"owner","value":{"value":"o","since":"2020-01-01T00:00:00Z","$ref":"x"}}`,
				want: with(`"owner":{"value":"o",`, `"owner":{"value":"o","$ref":"x",`),
			},
		})
	})
	t.Run("rows 33 and 89 required", func(t *testing.T) {
		t.Parallel()
		runSteps(t, resourceType(t, "Device"), rfcPolicy(), []step{
			{name: "remove", doc: dev, ops: `{"op":"remove","path":"label"}`, fails: "mutability"},
			{name: "null", doc: dev, ops: `{"op":"replace","path":"label","value":null}`, fails: "mutability"},
			{name: "null without path", doc: dev, ops: `{"op":"replace","value":{"label":null}}`, fails: "mutability"},
			{name: "list", doc: dev, ops: `{"op":"remove","path":"zones"}`, fails: "mutability"},
			{name: "empty list", doc: dev, ops: `{"op":"replace","path":"zones","value":[]}`, fails: "mutability"},
			{name: "last element", doc: dev, ops: `{"op":"remove","path":"zones[value eq \"z\"]"}`, fails: "mutability"},
			{name: "sub-attribute", doc: dev, ops: `{"op":"remove","path":"zones[value eq \"z\"].value"}`, fails: "mutability"},
			{name: "sub-attribute of every element", doc: dev, ops: `{"op":"remove","path":"zones.value"}`, fails: "mutability"},
			{name: "no match", doc: dev, ops: `{"op":"remove","path":"zones[value eq \"y\"]"}`},
			{name: "in an extension", doc: dev, ops: `{"op":"remove","path":"` + rackURN + `:rack"}`, fails: "mutability"},
			{name: "one of two", doc: with(`[{"value":"z"}]`, `[{"value":"z"},{"value":"y"}]`), ops: `{"op":"remove","path":"zones[value eq \"y\"]"}`, want: dev},
		})
		runSteps(t, resourceType(t, "User"), rfcPolicy(), []step{
			{name: "userName", doc: babs, ops: `{"op":"remove","path":"userName"}`, fails: "mutability"},
			{name: "manager.value", doc: `{"userName":"u","` + schema.EnterpriseUserURN + `":{"manager":{"value":"m"}}}`, ops: `{"op":"remove","path":"` + schema.EnterpriseUserURN + `:manager.value"}`, fails: "mutability"},
		})
	})
	t.Run("an extension without what is read-only", func(t *testing.T) {
		t.Parallel()
		const rack = `"` + rackURN + `":{"rack":"r"}`
		runSteps(t, resourceType(t, "Device"), rfcPolicy(), []step{
			{name: "goes", doc: `{"label":"L","zones":[{"value":"z"}],` + rack + `}`, ops: `{"op":"remove","path":"` + strings.ToUpper(rackURN) + `"}`, want: `{"label":"L","zones":[{"value":"z"}]}`},
			{name: "stays when it needs what would go", doc: with(`"asset":"as",`, ``), ops: `{"op":"remove","path":"` + rackURN + `"}`, fails: "mutability"},
		})
		runSteps(t, resourceType(t, "User"), rfcPolicy(), []step{
			{
				name: "keeps the read-only part", doc: `{"userName":"u","` + schema.SecondFactorURN + `":{"secondFactorEnabled":true,"accountVerified":true}}`,
				ops:  `{"op":"remove","path":"` + schema.SecondFactorURN + `"}`,
				want: `{"userName":"u","` + schema.SecondFactorURN + `":{"accountVerified":true}}`,
			},
		})
	})
}

// Rows 85 and 91: an element is created from the eq terms of the value path,
// and two operations on one missing element make one element.
func TestPatchValuePathCreate(t *testing.T) {
	t.Parallel()
	const none = `{"userName":"u"}`
	runSteps(t, resourceType(t, "User"), compatPolicy(), []step{
		{
			name: "two operations, one element", doc: none,
			ops: `{"op":"Add","path":"emails[type eq \"work\"].value","value":"a@b"},{"op":"Add","path":"emails[type eq \"work\"].display","value":"A"},` +
				`{"op":"Replace","path":"emails[type eq \"work\"].primary","value":"True"}`,
			want: `{"userName":"u","emails":[{"value":"a@b","display":"A","type":"work","primary":true}]}`,
		},
		{
			name: "replace creates too", doc: `{"userName":"u","emails":[{"type":"home","value":"h@h"}]}`,
			ops:  `{"op":"replace","path":"emails[type eq \"work\"].value","value":"a@b"}`,
			want: `{"userName":"u","emails":[{"type":"home","value":"h@h"},{"type":"work","value":"a@b"}]}`,
		},
		{
			name: "several terms", doc: none,
			ops:  `{"op":"add","path":"phoneNumbers[type eq \"mobile\" and primary eq true].value","value":"1"}`,
			want: `{"userName":"u","phoneNumbers":[{"type":"mobile","primary":true,"value":"1"}]}`,
		},
		{
			name: "terms in parentheses", doc: none,
			ops:  `{"op":"add","path":"phoneNumbers[(type eq \"mobile\") and (display eq null)].value","value":"1"}`,
			want: `{"userName":"u","phoneNumbers":[{"type":"mobile","value":"1"}]}`,
		},
		{
			name: "whole element", doc: none,
			ops:  `{"op":"add","path":"addresses[type eq \"work\"]","value":{"country":"CH"}}`,
			want: `{"userName":"u","addresses":[{"type":"work","country":"CH"}]}`,
		},
		{
			name: "a created primary resets the others", doc: `{"userName":"u","roles":[{"value":"x","primary":true}]}`,
			ops:  `{"op":"add","path":"roles[primary eq \"True\" and type eq \"t\"].value","value":"y"}`,
			want: `{"userName":"u","roles":[{"value":"x","primary":false},{"value":"y","type":"t","primary":true}]}`,
		},
		{name: "or", doc: none, ops: `{"op":"add","path":"emails[type eq \"work\" or type eq \"home\"].value","value":"a@b"}`, fails: "noTarget"},
		{name: "not", doc: none, ops: `{"op":"add","path":"emails[not (type eq \"work\")].value","value":"a@b"}`, fails: "noTarget"},
		{name: "another operator", doc: none, ops: `{"op":"add","path":"emails[type sw \"work\"].value","value":"a@b"}`, fails: "noTarget"},
		{name: "contradiction", doc: none, ops: `{"op":"add","path":"emails[type eq \"work\" and type eq \"home\"].value","value":"a@b"}`, fails: "noTarget"},
		{name: "nothing to set", doc: none, ops: `{"op":"add","path":"emails[type eq \"work\"].value","value":""}`},
		{name: "remove without match", doc: none, ops: `{"op":"remove","path":"emails[type eq \"work\"].value"}`},
		{
			name: "every element, none there", doc: none, ops: `{"op":"add","path":"emails.value","value":"a@b"}`,
			want: `{"userName":"u","emails":[{"value":"a@b"}]}`,
		},
	})
	runSteps(t, resourceType(t, "Device"), compatPolicy(), []step{
		{
			name: "never from a read-only sub-attribute", doc: `{"label":"L","zones":[{"value":"z"}]}`,
			ops: `{"op":"add","path":"slots[health eq \"bad\"].value","value":"s"}`, fails: "noTarget",
		},
		{
			name: "simple elements are not created", doc: `{"label":"L","zones":[{"value":"z"}]}`,
			ops: `{"op":"replace","path":"tags[value eq \"a\"]","value":"b"}`, fails: "noTarget",
		},
	})
}

// Rows 83, 84, 87, 90 and 92: add, remove and replace on every kind of
// attribute.
func TestPatchSemantics(t *testing.T) {
	t.Parallel()
	const e1, e2 = `{"value":"a@b","type":"work"}`, `{"value":"c@d","type":"home"}`
	runSteps(t, resourceType(t, "User"), rfcPolicy(), []step{
		{name: "row 83 add a list appends", doc: `{"userName":"u","emails":[` + e1 + `]}`, ops: `{"op":"add","path":"emails","value":[` + e2 + `]}`, want: `{"userName":"u","emails":[` + e1 + `,` + e2 + `]}`},
		{name: "row 83 add merges a complex", doc: `{"userName":"u","name":{"givenName":"g"}}`, ops: `{"op":"add","path":"name","value":{"familyName":"f"}}`, want: `{"userName":"u","name":{"familyName":"f","givenName":"g"}}`},
		{name: "row 83 add replaces a single value", doc: `{"userName":"u","title":"t"}`, ops: `{"op":"add","path":"title","value":"s"}`, want: `{"userName":"u","title":"s"}`},
		{name: "row 84 the same value", doc: `{"userName":"u","title":"t"}`, ops: `{"op":"add","path":"title","value":"t"}`},
		{name: "row 84 the same element", doc: `{"userName":"u","emails":[` + e1 + `]}`, ops: `{"op":"add","path":"emails","value":[` + e1 + `]}`},
		{name: "row 84 the same element in other case", doc: `{"userName":"u","emails":[` + e1 + `]}`, ops: `{"op":"add","path":"emails","value":[{"value":"A@B","type":"Work"}]}`},
		{name: "row 84 the same address without value", doc: `{"userName":"u","addresses":[{"type":"work","country":"CH"}]}`, ops: `{"op":"add","path":"addresses","value":[{"country":"CH","type":"work"}]}`},
		{name: "row 84 nothing", doc: `{"userName":"u","emails":[` + e1 + `]}`, ops: `{"op":"add","path":"emails","value":[]}`},
		{name: "row 17 more about the same element", doc: `{"userName":"u","emails":[` + e1 + `]}`, ops: `{"op":"add","path":"emails","value":[{"value":"a@b","type":"work","display":"A"}]}`, want: `{"userName":"u","emails":[{"value":"a@b","display":"A","type":"work"}]}`},
		{name: "twice in one list", doc: `{"userName":"u"}`, ops: `{"op":"add","path":"emails","value":[` + e1 + `,` + e1 + `]}`, want: `{"userName":"u","emails":[` + e1 + `]}`},
		{name: "row 87 one of two", doc: `{"userName":"u","emails":[` + e1 + `,` + e2 + `]}`, ops: `{"op":"remove","path":"emails[type eq \"home\"]"}`, want: `{"userName":"u","emails":[` + e1 + `]}`},
		{name: "row 87 the last one", doc: `{"userName":"u","emails":[` + e1 + `]}`, ops: `{"op":"remove","path":"emails[type eq \"work\"]"}`, want: `{"userName":"u"}`},
		{name: "row 87 a sub-attribute of the matches", doc: `{"userName":"u","emails":[` + e1 + `,` + e2 + `]}`, ops: `{"op":"remove","path":"emails[type eq \"home\"].type"}`, want: `{"userName":"u","emails":[` + e1 + `,{"value":"c@d"}]}`},
		{name: "row 87 the last sub-attribute", doc: `{"userName":"u","emails":[{"type":"work"}]}`, ops: `{"op":"remove","path":"emails[type eq \"work\"].type"}`, want: `{"userName":"u"}`},
		{name: "row 87 a sub-attribute of a complex", doc: `{"userName":"u","name":{"givenName":"g","familyName":"f"}}`, ops: `{"op":"remove","path":"name.givenName"}`, want: `{"userName":"u","name":{"familyName":"f"}}`},
		{name: "row 87 the last of a complex", doc: `{"userName":"u","name":{"givenName":"g"}}`, ops: `{"op":"remove","path":"name.givenName"}`, want: `{"userName":"u"}`},
		{name: "row 87 nothing there", doc: `{"userName":"u"}`, ops: `{"op":"remove","path":"name.givenName"},{"op":"remove","path":"emails"},{"op":"remove","path":"title"}`},
		{name: "row 90 a complex keeps the rest", doc: `{"userName":"u","name":{"givenName":"g","familyName":"f"}}`, ops: `{"op":"replace","path":"name","value":{"familyName":"h"}}`, want: `{"userName":"u","name":{"familyName":"h","givenName":"g"}}`},
		{name: "row 90 null in a complex", doc: `{"userName":"u","name":{"givenName":"g","familyName":"f"}}`, ops: `{"op":"replace","path":"name","value":{"familyName":null}}`, want: `{"userName":"u","name":{"givenName":"g"}}`},
		{name: "row 90 a list as a whole", doc: `{"userName":"u","emails":[` + e1 + `]}`, ops: `{"op":"replace","path":"emails","value":[` + e2 + `]}`, want: `{"userName":"u","emails":[` + e2 + `]}`},
		{name: "row 90 without path only what is given", doc: `{"userName":"u","title":"t","emails":[` + e1 + `]}`, ops: `{"op":"replace","value":{"title":"s"}}`, want: `{"userName":"u","title":"s","emails":[` + e1 + `]}`},
		{name: "row 92 not there yet", doc: `{"userName":"u"}`, ops: `{"op":"replace","path":"title","value":"t"},{"op":"replace","path":"emails","value":[` + e1 + `]}`, want: `{"userName":"u","title":"t","emails":[` + e1 + `]}`},
		{name: "add merges into the selected element", doc: `{"userName":"u","emails":[` + e1 + `]}`, ops: `{"op":"add","path":"emails[type eq \"work\"]","value":{"display":"A"}}`, want: `{"userName":"u","emails":[{"value":"a@b","display":"A","type":"work"}]}`},
		{name: "replace takes the selected element's place", doc: `{"userName":"u","emails":[` + e1 + `]}`, ops: `{"op":"replace","path":"emails[type eq \"work\"]","value":{"value":"x@y"}}`, want: `{"userName":"u","emails":[{"value":"x@y"}]}`},
		{name: "null for the selected element", doc: `{"userName":"u","emails":[` + e1 + `,` + e2 + `]}`, ops: `{"op":"replace","path":"emails[type eq \"work\"]","value":null}`, want: `{"userName":"u","emails":[` + e2 + `]}`},
		{name: "all matches change", doc: `{"userName":"u","emails":[` + e1 + `,` + e2 + `]}`, ops: `{"op":"replace","path":"emails[value pr].display","value":"D"}`, want: `{"userName":"u","emails":[{"value":"a@b","display":"D","type":"work"},{"value":"c@d","display":"D","type":"home"}]}`},
		{name: "matches that become the same are one", doc: `{"userName":"u","emails":[{"value":"a@b","type":"work","primary":true},{"value":"b@b","type":"work","display":"B"}]}`, ops: `{"op":"replace","path":"emails[type eq \"work\"].value","value":"x@y"}`, want: `{"userName":"u","emails":[{"value":"x@y","display":"B","type":"work","primary":true}]}`},
		{name: "a sub-attribute of every element", doc: `{"userName":"u","emails":[` + e1 + `,` + e2 + `]}`, ops: `{"op":"replace","path":"emails.type","value":"other"}`, want: `{"userName":"u","emails":[{"value":"a@b","type":"other"},{"value":"c@d","type":"other"}]}`},
		{name: "row 18 another spelling is a change", doc: `{"userName":"u","title":"Boss"}`, ops: `{"op":"replace","path":"title","value":"boss"}`, want: `{"userName":"u","title":"boss"}`},
		{name: "row 3 names in any case", doc: `{"userName":"u"}`, ops: `{"OP":"Replace","Path":"NAME.givenname","VALUE":"g"}`, want: `{"userName":"u","name":{"givenName":"g"}}`},
		{name: "brackets on a single value", doc: `{"userName":"u"}`, ops: `{"op":"replace","path":"name[familyName eq \"x\"].givenName","value":"g"}`, fails: "invalidPath"},
		{name: "a filter on an unknown sub-attribute", doc: babs, ops: `{"op":"remove","path":"emails[nope eq \"x\"]"}`, fails: "invalidFilter"},
		{name: "row 94 upper-case URN", doc: `{"userName":"u"}`, ops: `{"op":"replace","path":"` + strings.ToUpper(schema.EnterpriseUserURN) + `:Department","value":"d"}`, want: `{"userName":"u","` + schema.EnterpriseUserURN + `":{"department":"d"}}`},
		{name: "row 94 core URN", doc: `{"userName":"u"}`, ops: `{"op":"replace","path":"` + schema.UserURN + `:name.givenName","value":"g"}`, want: `{"userName":"u","name":{"givenName":"g"}}`},
		{name: "row 2 the last extension attribute", doc: `{"userName":"u","` + schema.EnterpriseUserURN + `":{"department":"d"}}`, ops: `{"op":"remove","path":"` + schema.EnterpriseUserURN + `:department"}`, want: `{"userName":"u"}`},
		{name: "row 94 remove a container", doc: `{"userName":"u","` + schema.EnterpriseUserURN + `":{"department":"d","division":"v"}}`, ops: `{"op":"remove","path":"` + schema.EnterpriseUserURN + `"}`, want: `{"userName":"u"}`},
		{name: "row 94 null for a container", doc: `{"userName":"u","` + schema.EnterpriseUserURN + `":{"department":"d"}}`, ops: `{"op":"replace","value":{"` + schema.EnterpriseUserURN + `":null}}`, want: `{"userName":"u"}`},
		{name: "row 94 a container merges", doc: `{"userName":"u","` + schema.EnterpriseUserURN + `":{"department":"d"}}`, ops: `{"op":"replace","path":"` + schema.EnterpriseUserURN + `","value":{"division":"v"}}`, want: `{"userName":"u","` + schema.EnterpriseUserURN + `":{"department":"d","division":"v"}}`},
		{name: "row 94 an attribute of another schema in a container", doc: `{"userName":"u"}`, ops: `{"op":"add","value":{"` + schema.EnterpriseUserURN + `":{"` + schema.SecondFactorURN + `:department":"d"}}}`, fails: "invalidPath"},
		{name: "row 94 the core schema as a container", doc: `{"userName":"u"}`, ops: `{"op":"add","value":{"` + schema.UserURN + `":{"title":"t"}}},{"op":"add","path":"` + schema.UserURN + `","value":{"nickName":"n"}}`, want: `{"userName":"u","title":"t","nickName":"n"}`},
		{name: "a removal list where it is not allowed", doc: `{"userName":"u","emails":[` + e1 + `]}`, ops: `{"op":"remove","path":"emails","value":[` + e1 + `]}`, fails: "invalidSyntax"},
		{name: "a value beside the removal of a single attribute", doc: `{"userName":"u","title":"t"}`, ops: `{"op":"remove","path":"title","value":"x"}`, want: `{"userName":"u"}`},
	})
	runSteps(t, resourceType(t, "User"), compatPolicy(), []step{
		{name: "a removal list removes what it names", doc: `{"userName":"u","emails":[` + e1 + `,` + e2 + `]}`, ops: `{"op":"remove","path":"emails","value":[{"value":"A@B"}]}`, want: `{"userName":"u","emails":[` + e2 + `]}`},
		{name: "a removal list that names others", doc: `{"userName":"u","emails":[` + e1 + `]}`, ops: `{"op":"remove","path":"emails","value":[{"value":"a@b","type":"home"}]}`},
		{name: "an empty removal list", doc: `{"userName":"u","emails":[` + e1 + `]}`, ops: `{"op":"remove","path":"emails","value":[]}`},
	})
}

// Simple multi-valued attributes and multi-valued sub-attributes of types that
// JSON files define.
func TestPatchCustomType(t *testing.T) {
	t.Parallel()
	const zones = `"zones":[{"value":"z"}]`
	runSteps(t, resourceType(t, "Device"), rfcPolicy(), []step{
		{name: "append", doc: `{"label":"L",` + zones + `,"tags":["a"]}`, ops: `{"op":"add","path":"tags","value":["B","A","b"]}`, want: `{"label":"L",` + zones + `,"tags":["a","B"]}`},
		{name: "integers compare by value", doc: `{"label":"L",` + zones + `,"ports":[1,22]}`, ops: `{"op":"add","path":"ports","value":[22]}`},
		{name: "remove one", doc: `{"label":"L",` + zones + `,"tags":["a","b"]}`, ops: `{"op":"remove","path":"tags[value eq \"a\"]"}`, want: `{"label":"L",` + zones + `,"tags":["b"]}`},
		{name: "replace one", doc: `{"label":"L",` + zones + `,"ports":[1,2]}`, ops: `{"op":"replace","path":"ports[value eq 1]","value":3}`, want: `{"label":"L",` + zones + `,"ports":[3,2]}`},
		{name: "replace one by another that is there", doc: `{"label":"L",` + zones + `,"ports":[1,2]}`, ops: `{"op":"replace","path":"ports[value eq 1]","value":2}`, want: `{"label":"L",` + zones + `,"ports":[2]}`},
		{name: "multi-valued sub-attribute grows", doc: `{"label":"L",` + zones + `,"owner":{"value":"o","shifts":["a"]}}`, ops: `{"op":"add","path":"owner","value":{"shifts":["A","b"]}}`, want: `{"label":"L",` + zones + `,"owner":{"value":"o","shifts":["a","b"]}}`},
		{name: "multi-valued sub-attribute replaced", doc: `{"label":"L",` + zones + `,"owner":{"value":"o","shifts":["a"]}}`, ops: `{"op":"replace","path":"owner.shifts","value":["b"]}`, want: `{"label":"L",` + zones + `,"owner":{"value":"o","shifts":["b"]}}`},
		{name: "multi-valued sub-attribute of an element", doc: `{"label":"L",` + zones + `,"slots":[{"value":"s","marks":["a"]}]}`, ops: `{"op":"add","path":"slots[value eq \"s\"].marks","value":["b"]}`, want: `{"label":"L",` + zones + `,"slots":[{"value":"s","marks":["a","b"]}]}`},
		{name: "row 24 a new value drops what described the old", doc: `{"label":"L",` + zones + `,"owner":{"value":"o","$ref":"../o","display":"Olga"}}`, ops: `{"op":"replace","path":"owner.value","value":"p"}`, want: `{"label":"L",` + zones + `,"owner":{"value":"p"}}`},
		{name: "row 24 a new value with its address", doc: `{"label":"L",` + zones + `,"owner":{"value":"o","$ref":"../o"}}`, ops: `{"op":"replace","path":"owner","value":{"$ref":"../p","value":"p"}}`, want: `{"label":"L",` + zones + `,"owner":{"value":"p","$ref":"../p"}}`},
		{name: "row 24 the same value", doc: `{"label":"L",` + zones + `,"owner":{"value":"o","$ref":"../o","display":"Olga"}}`, ops: `{"op":"replace","path":"owner","value":{"value":"o","display":"Eve"}}`},
		{name: "row 13 no fraction", doc: `{"label":"L",` + zones + `}`, ops: `{"op":"replace","path":"height","value":1.5}`, fails: "invalidValue"},
		{name: "row 13 more than 53 bits", doc: `{"label":"L",` + zones + `}`, ops: `{"op":"replace","path":"height","value":9223372036854775807}`, want: `{"label":"L",` + zones + `,"height":9223372036854775807}`},
	})
}

// The password never reaches the document (row 20).
func TestPatchPassword(t *testing.T) {
	t.Parallel()
	rt := resourceType(t, "User")
	tests := []struct {
		name, ops string
		policy    schema.Policy
		set       string
		cleared   bool
		fails     schema.Code
	}{
		{name: "set", ops: `{"op":"replace","path":"password","value":"s3cret"}`, set: "s3cret"},
		{name: "set without path", ops: `{"op":"add","value":{"password":"s3cret","title":"t"}}`, set: "s3cret"},
		{name: "the last one counts", ops: `{"op":"replace","path":"password","value":"a"},{"op":"replace","path":"PASSWORD","value":"b"}`, set: "b"},
		{name: "remove", ops: `{"op":"remove","path":"password"}`, cleared: true},
		{name: "null", ops: `{"op":"replace","path":"password","value":null}`, cleared: true},
		{name: "removed and set", ops: `{"op":"remove","path":"password"},{"op":"add","path":"password","value":"n"}`, set: "n"},
		{name: "set and removed", ops: `{"op":"add","path":"password","value":"n"},{"op":"remove","path":"password"}`, cleared: true},
		{name: "wrong type", ops: `{"op":"replace","path":"password","value":7}`, fails: "invalidValue"},
		{name: "brackets", ops: `{"op":"replace","path":"password[value eq \"x\"]","value":"y"}`, fails: "invalidPath"},
		{name: "refused", ops: `{"op":"replace","path":"password","value":"s3cret"}`, policy: strictPolicy(), fails: "invalidValue"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			plan, err := parse(t, rt, tc.policy, tc.ops)
			if c := code(t, err); c != tc.fails {
				t.Fatalf("Parse(%s) = %v, want code %q", tc.ops, err, tc.fails)
			}
			if err != nil {
				if strings.Contains(err.Error(), "s3cret") {
					t.Errorf("error shows the password: %v", err)
				}
				return
			}
			got := ""
			if plan.Password != nil {
				got = *plan.Password
			}
			if got != tc.set || plan.ClearPassword != tc.cleared {
				t.Errorf("Parse(%s) sets %q, clears %v; want %q, %v", tc.ops, got, plan.ClearPassword, tc.set, tc.cleared)
			}
			o := document(t, rt, `{"userName":"u"}`)
			if _, err := plan.Apply(o, rt, tc.policy); err != nil {
				t.Fatal(err)
			}
			if _, there := o["password"]; there {
				t.Errorf("the document holds the password")
			}
		})
	}
}

// "schemas" of a document follows its extensions (row 2).
func TestRow2_SchemasFollowTheContent(t *testing.T) {
	t.Parallel()
	rt := resourceType(t, "User")
	o := document(t, rt, `{"schemas":["`+schema.UserURN+`"],"userName":"u"}`)
	got, changed, err := change(t, rt, rfcPolicy(), o, `{"op":"add","path":"`+schema.EnterpriseUserURN+`:department","value":"d"}`)
	if err != nil || !changed {
		t.Fatalf("PATCH = %v, %v", changed, err)
	}
	if diff := cmp.Diff([]any{schema.UserURN, schema.EnterpriseUserURN}, got["schemas"]); diff != "" {
		t.Errorf("schemas after add (-want +got):\n%s", diff)
	}
	got, _, err = change(t, rt, rfcPolicy(), got, `{"op":"remove","path":"`+schema.EnterpriseUserURN+`"}`)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]any{schema.UserURN}, got["schemas"]); diff != "" {
		t.Errorf("schemas after remove (-want +got):\n%s", diff)
	}
}

// Section 7: limits of one request.
func TestPatchLimits(t *testing.T) {
	t.Parallel()
	user, group := resourceType(t, "User"), resourceType(t, "Group")
	op := `{"op":"replace","path":"title","value":"x"},`
	ops := func(n int) string { return strings.TrimSuffix(strings.Repeat(op, n), ",") }
	ids := func(n int) string {
		return `{"op":"add","path":"members","value":[` + strings.TrimSuffix(strings.Repeat(`{"value":"a"},`, n), ",") + `]}`
	}
	mails := func(from, n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,{"value":"m%d"}`, from+i)
		}
		return `{"op":"add","path":"emails","value":[` + b.String()[1:] + `]}`
	}
	wide := `{"op":"remove","path":"emails[` + strings.TrimSuffix(strings.Repeat(`not (type eq \"a\") and `, 50), " and ") + `]"}`
	tests := []struct {
		name  string
		rt    *schema.ResourceType
		ops   string
		l     patch.Limits
		fails schema.Code
	}{
		{"1,000 operations", user, ops(1000), patch.Limits{}, ""},
		{"1,001 operations", user, ops(1001), patch.Limits{}, "tooLarge"},
		{"own limit", user, ops(3), patch.Limits{Operations: 2}, "tooLarge"},
		{"10,000 members", group, ids(10000), patch.Limits{}, ""},
		{"10,001 members", group, ids(10001), patch.Limits{}, "tooLarge"},
		{"10,001 members in two operations", group, ids(10000) + "," + ids(1), patch.Limits{}, "tooLarge"},
		{"own member limit", group, ids(3), patch.Limits{MemberValues: 2}, "tooLarge"},
		{"selected members count", group, `{"op":"remove","path":"members[value eq \"a\"]"},{"op":"remove","path":"members[value eq \"b\"]"}`, patch.Limits{MemberValues: 1}, "tooLarge"},
		{"1,000 elements", user, mails(0, 1000), patch.Limits{}, ""},
		{"1,001 elements", user, mails(0, 1001), patch.Limits{}, "invalidValue"},
		{"1,001 elements in two operations", user, mails(0, 1000) + "," + mails(1000, 1), patch.Limits{}, "invalidValue"},
		{"1,001 elements by value path", user, mails(0, 1000) + `,{"op":"add","path":"emails[value eq \"new\"].type","value":"work"}`, patch.Limits{}, "invalidValue"},
		{"own element limit", user, mails(0, 3), patch.Limits{Elements: 2}, "invalidValue"},
		{"100 paths of 50 comparisons", user, strings.TrimSuffix(strings.Repeat(wide+",", 100), ","), patch.Limits{}, ""},
		{"101 paths of 50 comparisons", user, strings.TrimSuffix(strings.Repeat(wide+",", 101), ","), patch.Limits{}, "tooLarge"},
		{"own limit of comparisons", user, wide, patch.Limits{Comparisons: 49}, "tooLarge"},
		{"path too long", user, `{"op":"remove","path":"emails[value eq \"` + strings.Repeat("x", 8200) + `\"]"}`, patch.Limits{}, "invalidPath"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			plan, err := patch.Parse(decode(t, message(tc.ops)), tc.rt, compatPolicy(), tc.l)
			if err == nil {
				_, err = plan.Apply(schema.Object{}, tc.rt, compatPolicy())
			}
			if c := code(t, err); c != tc.fails {
				t.Errorf("PATCH = %v, want code %q", err, tc.fails)
			}
		})
	}
}

// Row 79, row 80 and malformed messages.
func TestPatchMessage(t *testing.T) {
	t.Parallel()
	rt := resourceType(t, "User")
	const urn = `"schemas":["` + patch.MessageURN + `"]`
	tests := []struct {
		name, body  string
		rfc, compat schema.Code
	}{
		{"no schemas", `{"Operations":[{"op":"remove","path":"title"}]}`, "invalidSyntax", ""},
		{"empty schemas", `{"schemas":[],"Operations":[{"op":"remove","path":"title"}]}`, "invalidSyntax", ""},
		{"schemas no list", `{"schemas":"` + patch.MessageURN + `","Operations":[{"op":"remove","path":"title"}]}`, "invalidSyntax", ""},
		{"another URN", `{"schemas":["urn:x"],"Operations":[{"op":"remove","path":"title"}]}`, "invalidSyntax", ""},
		{"one more URN", `{"schemas":["` + patch.MessageURN + `","urn:x"],"Operations":[{"op":"remove","path":"title"}]}`, "invalidSyntax", ""},
		{"URN in upper case", `{"schemas":["` + strings.ToUpper(patch.MessageURN) + `"],"operations":[{"op":"remove","path":"title"}]}`, "", ""},
		{"no operations", `{` + urn + `}`, "invalidSyntax", "invalidSyntax"},
		{"empty operations", `{` + urn + `,"Operations":[]}`, "invalidSyntax", ""},
		{"null operations", `{` + urn + `,"Operations":null}`, "invalidSyntax", ""},
		{"one operation for the list", `{` + urn + `,"Operations":{"op":"remove","path":"title"}}`, "invalidSyntax", ""},
		{"operations a string", `{` + urn + `,"Operations":"remove"}`, "invalidSyntax", "invalidSyntax"},
		{"operation a string", `{` + urn + `,"Operations":["remove"]}`, "invalidSyntax", "invalidSyntax"},
		{"no op", `{` + urn + `,"Operations":[{"path":"title"}]}`, "invalidSyntax", "invalidSyntax"},
		{"op a number", `{` + urn + `,"Operations":[{"op":1,"path":"title"}]}`, "invalidSyntax", "invalidSyntax"},
		{"op of JSON Patch", `{` + urn + `,"Operations":[{"op":"move","path":"title"}]}`, "invalidSyntax", "invalidSyntax"},
		{"add without value", `{` + urn + `,"Operations":[{"op":"add","path":"title"}]}`, "invalidValue", "invalidValue"},
		{"path a number", `{` + urn + `,"Operations":[{"op":"remove","path":1}]}`, "invalidPath", "invalidPath"},
		{"path empty", `{` + urn + `,"Operations":[{"op":"add","path":"","value":{"title":"t"}}]}`, "invalidPath", ""},
		{"path null", `{` + urn + `,"Operations":[{"op":"add","path":null,"value":{"title":"t"}}]}`, "", ""},
		{"path malformed", `{` + urn + `,"Operations":[{"op":"remove","path":"emails[type eq"}]}`, "invalidPath", "invalidPath"},
		{"path with more behind it", `{` + urn + `,"Operations":[{"op":"remove","path":"emails[type eq \"a\"].value x"}]}`, "invalidPath", "invalidPath"},
		{"the core schema as path", `{` + urn + `,"Operations":[{"op":"remove","path":"` + schema.UserURN + `"}]}`, "invalidPath", "invalidPath"},
		{"a set of attributes that is none", `{` + urn + `,"Operations":[{"op":"add","value":7}]}`, "invalidValue", "invalidValue"},
		{"a container that is none", `{` + urn + `,"Operations":[{"op":"add","path":"` + schema.EnterpriseUserURN + `","value":7}]}`, "invalidValue", "invalidValue"},
		{"a complex that is none", `{` + urn + `,"Operations":[{"op":"add","path":"name","value":7}]}`, "invalidValue", "invalidValue"},
		{"an element that is none", `{` + urn + `,"Operations":[{"op":"add","path":"emails[type eq \"a\"]","value":{}}]}`, "invalidValue", "invalidValue"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := patch.Parse(decode(t, tc.body), rt, rfcPolicy(), patch.Limits{})
			if c := code(t, err); c != tc.rfc {
				t.Errorf("rfc: Parse(%s) = %v, want code %q", tc.body, err, tc.rfc)
			}
			_, err = patch.Parse(decode(t, tc.body), rt, compatPolicy(), patch.Limits{})
			if c := code(t, err); c != tc.compat {
				t.Errorf("compat: Parse(%s) = %v, want code %q", tc.body, err, tc.compat)
			}
		})
	}
}

// Of several faults in the value of one of several operations each says which
// operation it concerns.
func TestPatchSeveralFaults(t *testing.T) {
	t.Parallel()
	_, err := parse(t, resourceType(t, "User"), rfcPolicy(), `{"op":"remove","path":"title"},{"op":"add","path":"emails","value":[{"primary":"x","value":7}]}`)
	all, ok := errors.AsType[schema.Errors](err)
	if !ok || len(all) != 2 {
		t.Fatalf("Parse() = %v, want two faults", err)
	}
	for _, e := range all {
		if e.Code != schema.InvalidValue || !strings.HasPrefix(e.Detail, "operation 2: emails.") {
			t.Errorf("fault %v does not say where it is", e)
		}
	}
}

// Details are sentences for the client: they name what is wrong, never repeat
// much of the input.
func TestPatchDetails(t *testing.T) {
	t.Parallel()
	rt := resourceType(t, "User")
	long := strings.Repeat("x", 5000)
	for _, ops := range []string{
		`{"op":"` + long + `","path":"title"}`,
		`{"op":"add","path":"` + long + `","value":1}`,
		`{"op":"add","value":{"` + long + `":1}}`,
		`{"op":"add","value":{"name":{"` + long + `":1}}}`,
		`{"op":"add","path":"emails[type eq \"a\"].` + long + `","value":1}`,
	} {
		_, err := parse(t, rt, rfcPolicy(), ops)
		e, ok := errors.AsType[*schema.Error](err)
		if !ok || e.Detail == "" || len(e.Detail) > 500 {
			t.Errorf("Parse(%.40s…) = %.200v, want a short detail", ops, err)
		}
	}
}

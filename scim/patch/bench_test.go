package patch_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim/patch"
)

// BenchmarkPatch measures reading and applying a request, after JSON decoding
// and without the copy of the document: one attribute by path, Entra ID's five
// attributes, and 1,000 members.
func BenchmarkPatch(b *testing.B) {
	user, group := resourceType(b, "User"), resourceType(b, "Group")
	var members strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&members, `,{"value":"0199b0c4-0000-7000-8000-%012d"}`, i)
	}
	tests := []struct {
		name string
		rt   *schema.ResourceType
		doc  string
		ops  string
	}{
		{"OneAttribute", user, babs, `{"op":"replace","path":"title","value":"%s"}`},
		{"ValuePath", user, babs, `{"op":"replace","path":"emails[type eq \"work\"].value","value":"%s"}`},
		{"FiveAttributes", user, babs, `{"op":"Replace","path":"name.givenName","value":"%s"},{"op":"Replace","path":"emails[type eq \"work\"].value","value":"a@b"},` +
			`{"op":"Replace","path":"active","value":"True"},{"op":"Add","path":"externalId","value":"7"},{"op":"Add","path":"` + schema.EnterpriseUserURN + `:department","value":"d"}`},
		{"Members1000", group, `{"displayName":"G"}`, `{"op":"add","path":"members","value":[` + members.String()[1:] + `]},{"op":"replace","path":"externalId","value":"%s"}`},
	}
	for _, tc := range tests {
		b.Run(tc.name, func(b *testing.B) {
			p := compatPolicy()
			doc := document(b, tc.rt, tc.doc)
			bodies := []schema.Object{decode(b, message(fmt.Sprintf(tc.ops, "x"))), decode(b, message(fmt.Sprintf(tc.ops, "y")))}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				plan, err := patch.Parse(bodies[i&1], tc.rt, p, patch.Limits{})
				if err != nil {
					b.Fatal(err)
				}
				if changed, err := plan.Apply(doc, tc.rt, p); err != nil || !changed {
					b.Fatal(changed, err)
				}
				i++
			}
		})
	}
}

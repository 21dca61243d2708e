package storage

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
)

// TestOperandsAreParameters: filters of one shape share one statement text, and
// nothing that a client wrote stands in it.
func TestOperandsAreParameters(t *testing.T) {
	t.Parallel()
	shapes := []string{
		`userName eq %q`, `title co %q and not (nickName ew %q)`, `emails[type eq %q and value sw %q].value ne %q`,
		`displayName gt %q or externalId eq %q`, `groups.display eq %q`, `meta.location eq %q`,
		`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value eq %q`,
	}
	for _, kind := range []dialect{dialectSQLite, dialectPostgres} {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			db := openPlain(t, kind, nil)
			rt := db.registry.ByName("User")
			for _, shape := range shapes {
				texts := map[string]bool{}
				for _, operand := range []string{"xq1xq", "xq'2xq", `xq"; --`} {
					operands := make([]any, strings.Count(shape, "%q"))
					for i := range operands {
						operands[i] = operand
					}
					q := scim.Query{
						Sources: []scim.Source{source(t, rt, fmt.Sprintf(shape, operands...), "emails.value")},
						Limit:   10, Offset: 3, BaseURL: "https://xq.example", Domain: "xq",
					}
					text, err := db.newRun(q).pageText(t.Context(), blockStart{}, asked{version: true})
					if err != nil {
						t.Fatal(err)
					}
					if strings.Contains(text.String(), "xq") {
						t.Errorf("%s: an operand stands in the text: %s", shape, text.String())
					}
					texts[text.String()] = true
				}
				if len(texts) != 1 {
					t.Errorf("%s has %d texts, want one", shape, len(texts))
				}
			}
		})
	}
}

// TestNoNullLeaks: below a negation every condition is true or false.
func TestNoNullLeaks(t *testing.T) {
	t.Parallel()
	for _, kind := range []dialect{dialectSQLite, dialectPostgres} {
		t.Run(kind.String(), func(t *testing.T) {
			t.Parallel()
			db := openPlain(t, kind, nil)
			seed(t, db, 1)
			rt := db.registry.ByName("User")
			for _, ref := range rt.Attributes() {
				if ref.Attr.Returned == schema.ReturnedNever || ref.Attr.Type == schema.Complex || ref.Attr.Type == schema.Boolean {
					continue
				}
				for _, op := range []string{"eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"} {
					text := ref.String() + " " + op + ` "u"`
					s := source(t, rt, text, "")
					c := &compiler{sqlText: &sqlText{dialect: kind}, rt: rt, base: "b"}
					cond := c.condition(s.Where, scope{}, true)
					var null bool
					if err := db.pool.QueryRowContext(t.Context(), "SELECT ("+cond+") IS NULL FROM resources r", c.args...).Scan(&null); err != nil {
						t.Fatalf("%s: %s: %v", text, cond, err)
					}
					if null {
						t.Errorf("%s is NULL: %s", text, cond)
					}
				}
			}
		})
	}
}

package schema_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/schema"
)

// fullUser is a user of about 1.2 kB, the size that performance figures speak
// of.
const fullUser = `{
  "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
  "externalId": "701984",
  "userName": "bjensen@example.com",
  "name": {"formatted": "Ms. Barbara J Jensen, III", "familyName": "Jensen", "givenName": "Barbara", "middleName": "Jane"},
  "displayName": "Babs Jensen",
  "nickName": "Babs",
  "profileUrl": "https://login.example.com/bjensen",
  "emails": [
    {"value": "bjensen@example.com", "type": "work", "primary": true},
    {"value": "babs@jensen.org", "type": "home"}
  ],
  "addresses": [
    {"streetAddress": "100 Universal City Plaza", "locality": "Hollywood", "region": "CA", "postalCode": "91608",
     "country": "US", "formatted": "100 Universal City Plaza\nHollywood, CA 91608 USA", "type": "work"}
  ],
  "phoneNumbers": [{"value": "+1-555-555-5555", "type": "work"}, {"value": "+1-555-555-4444", "type": "mobile"}],
  "userType": "Employee",
  "title": "Tour Guide",
  "preferredLanguage": "en-US",
  "locale": "en-US",
  "timezone": "America/Los_Angeles",
  "active": true,
  "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {
    "employeeNumber": "701984", "costCenter": "4130", "organization": "Universal Studios", "division": "Theme Park",
    "department": "Tour Operations", "manager": {"value": "26118915-6090-4610-87e4-49d8ca9f808d"}
  }
}`

// response is the document that a server sends for fullUser, with meta.
func response(t testing.TB, u *schema.ResourceType) []byte {
	t.Helper()
	o := accept(t, u, fullUser, rfc)
	o["id"] = "0193a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"
	doc := u.Encode(o)
	return append(doc[:len(doc)-1], `,"meta":{"resourceType":"User","created":"2026-11-01T12:00:00Z","lastModified":"2026-11-01T12:00:00Z","location":"https://id.example.com/scim/v2/Users/0193a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b","version":"W/\"1\""}}`...)
}

// BenchmarkAcceptUser is what a POST costs besides HTTP and the database.
func BenchmarkAcceptUser(b *testing.B) {
	u := userType(b)
	data := []byte(fullUser)
	b.Run("all", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			in, err := schema.Decode(data, schema.Limits{})
			if err != nil {
				b.Fatal(err)
			}
			o, _, err := u.Accept(in, rfc, schema.Limits{})
			if err != nil {
				b.Fatal(err)
			}
			if err := u.Validate(o, rfc); err != nil {
				b.Fatal(err)
			}
			u.Encode(o)
			u.Keys(o)
		}
	})
	b.Run("baseline-encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var v map[string]any
			if err := json.Unmarshal(data, &v); err != nil {
				b.Fatal(err)
			}
			if _, err := json.Marshal(v); err != nil {
				b.Fatal(err)
			}
		}
	})
	in, o := decode(b, fullUser), accept(b, u, fullUser, rfc)
	doc := u.Encode(o)
	steps := []struct {
		name string
		run  func()
	}{
		{"decode", func() { _, _ = schema.Decode(data, schema.Limits{}) }},
		{"accept", func() { _, _, _ = u.Accept(in, rfc, schema.Limits{}) }},
		{"validate", func() { _ = u.Validate(o, rfc) }},
		{"encode", func() { u.Encode(o) }},
		{"keys", func() { u.Keys(o) }},
		{"parse", func() { _, _ = u.Parse(doc) }},
	}
	for _, s := range steps {
		b.Run(s.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.run()
			}
		})
	}
}

// BenchmarkProject compares the token scan with decoding and encoding.
func BenchmarkProject(b *testing.B) {
	u := userType(b)
	doc := response(b, u)
	attributes, err := u.NewProjection([]string{"userName", "emails.value", "active"}, nil, rfc)
	if err != nil {
		b.Fatal(err)
	}
	excluded, err := u.NewProjection(nil, []string{"addresses", "name.formatted"}, rfc)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("attributes", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(doc)))
		for b.Loop() {
			u.Project(doc, attributes)
		}
	})
	b.Run("excluded", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(doc)))
		for b.Loop() {
			u.Project(doc, excluded)
		}
	})
	b.Run("baseline-decode-encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			o, err := u.Parse(doc)
			if err != nil {
				b.Fatal(err)
			}
			u.Encode(o)
		}
	})
	b.Run("baseline-encoding-json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var v map[string]any
			if err := json.Unmarshal(doc, &v); err != nil {
				b.Fatal(err)
			}
			if _, err := json.Marshal(v); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkFold(b *testing.B) {
	for name, s := range map[string]string{
		"ascii":   "Barbara.Jensen@Example.COM",
		"lower":   "barbara.jensen@example.com",
		"unicode": "Bärbel Jürgensen-Ægir",
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				schema.Fold(s)
			}
		})
	}
	b.Run("baseline-ToLower", func(b *testing.B) {
		for b.Loop() {
			strings.ToLower("Barbara.Jensen@Example.COM")
		}
	})
}

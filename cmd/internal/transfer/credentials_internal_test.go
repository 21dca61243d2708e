package transfer

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/schema"
)

func newParser(tb testing.TB, takes bool) *parser {
	tb.Helper()
	registry, err := schema.Load(nil, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return &parser{registry: registry, credentials: takes}
}

func credentialsRow(members string) []byte {
	return []byte(`{"userName":"ann","schemas":["urn:ietf:params:scim:schemas:core:2.0:User","` + credentialsURN + `"],"` + credentialsURN + `":` + members + `}`)
}

// The credentials of a row are apart from its resource, whatever the case of
// their names.
func TestCredentialsOfARow(t *testing.T) {
	t.Parallel()
	p := newParser(t, true)
	for _, c := range []struct {
		members string
		want    *Credentials
		fault   string
	}{
		{`null`, nil, ""},
		{`{}`, nil, ""},
		{`{"passwordHash":null,"totpSecret":""}`, nil, ""},
		{`{"passwordHash":" {SSHA}x "}`, &Credentials{PasswordHash: "{SSHA}x"}, ""},
		{
			`{"TOTPSECRET":"ABCD","totpAlgorithm":"SHA256","totpDigits":8,"totpPeriod":60,"validated":["a"," b "]}`,
			&Credentials{TOTPSecret: "ABCD", TOTPAlgorithm: "SHA256", TOTPDigits: 8, TOTPPeriod: 60, Validated: []string{"a", "b"}}, "",
		},
		{`[]`, nil, "must be an object"},
		{`"x"`, nil, "must be an object"},
		{`{"password":"x"}`, nil, `no member "password"`},
		{`{"totpDigits":6.5}`, nil, "whole number"},
		{`{"totpDigits":-6}`, nil, "whole number"},
		{`{"totpPeriod":99999999999}`, nil, "whole number"},
		{`{"totpPeriod":true}`, nil, "whole number"},
		{`{"validated":{"a":1}}`, nil, "array of attribute paths"},
		{`{"validated":[null]}`, nil, "array of attribute paths"},
		{`{"totpSecret":["A"]}`, nil, "must be a string"},
	} {
		it := p.parse(rawRow{line: 1, json: credentialsRow(c.members)})
		if c.fault != "" {
			if it.err == nil || !strings.Contains(it.err.Error(), c.fault) {
				t.Errorf("%s: %v, want %q", c.members, it.err, c.fault)
			}
			continue
		}
		if diff := cmp.Diff(c.want, it.credentials); it.err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", c.members, it.err, diff)
		}
		if _, left := find(it.body, credentialsURN); left || len(it.body["schemas"].([]any)) != 1 {
			t.Errorf("%s: left in the resource: %v", c.members, it.body)
		}
	}
}

// Without the flag a row with credentials is refused, and one without is not.
func TestCredentialsNeedTheFlag(t *testing.T) {
	t.Parallel()
	p := newParser(t, false)
	if it := p.parse(rawRow{line: 1, json: credentialsRow(`{"passwordHash":"x"}`)}); it.err == nil {
		t.Error("credentials were taken")
	}
	if it := p.parse(rawRow{line: 1, json: credentialsRow(`{}`)}); it.err != nil {
		t.Errorf("no credentials: %v", it.err)
	}
}

// FuzzCredentials: no row makes the reader panic, and what it refuses is told
// without the values.
func FuzzCredentials(f *testing.F) {
	for _, seed := range []string{`{"passwordHash":"marker"}`, `{"totpDigits":1e9}`, `{"validated":["marker"]}`, `null`, `[1]`} {
		f.Add(seed)
	}
	p := newParser(f, true)
	f.Fuzz(func(t *testing.T, members string) {
		it := p.parse(rawRow{line: 1, json: credentialsRow(members)})
		if it.err == nil && it.credentials != nil && it.typ.Name != "User" {
			t.Errorf("credentials of a %s", it.typ.Name)
		}
	})
}

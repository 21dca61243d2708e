package scim

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/schema"
)

func userResource(t *testing.T) *schema.ResourceType {
	t.Helper()
	registry, err := schema.Load(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return registry.ByName(userType)
}

// Every spelling of a path leads to the same attribute; what names neither an
// attribute nor one value is refused.
func TestParseAttributePath(t *testing.T) {
	t.Parallel()
	rt := userResource(t)
	const second = schema.SecondFactorURN + ":secondFactorEmail"
	for text, want := range map[string]string{
		"displayName": "displayName", "DISPLAYNAME": "displayName", "name": "name", "name.givenName": "name.givenName",
		"secondFactorEmail": second, "SecondFactorEMAIL": second, second: second,
		"phoneNumbers":                         "phoneNumbers",
		schema.UserURN + ":nickName":           "nickName",
		`emails[type eq "home"].value`:         "emails.value",
		`Emails[Type EQ "home"].VALUE`:         "emails.value",
		schema.EnterpriseUserURN + ":division": schema.EnterpriseUserURN + ":division",
	} {
		p, err := parseAttributePath(rt, text)
		if err != nil || p.ref.String() != want {
			t.Errorf("parseAttributePath(%q) = %s, %v, want %s", text, p.ref, err, want)
		}
	}
	for _, text := range []string{
		"", "nothing", "name.nothing", "emails.value", `emails[type eq "home"]`, `emails[type eq "home"].nothing`,
		`emails[nothing eq "home"].value`, `emails[type eq].value`, schema.SecondFactorURN, "urn:nothing:2.0:User:x", "a b",
	} {
		if p, err := parseAttributePath(rt, text); err == nil {
			t.Errorf("parseAttributePath(%q) = %v, want an error", text, p.ref)
		}
	}
}

// strip takes out the value and what was made for it, and nothing else.
func TestStripAttribute(t *testing.T) {
	t.Parallel()
	rt := userResource(t)
	for name, c := range map[string]struct {
		path         string
		before, want string
	}{
		"top level":         {"displayName", `{"displayName":"a","title":"b"}`, `{"title":"b"}`},
		"absent":            {"displayName", `{"title":"b"}`, `{"title":"b"}`},
		"extension":         {"secondFactorEmail", `{"` + schema.SecondFactorURN + `":{"secondFactorEmail":"a@b.c","secondFactorEnabled":true}}`, `{"` + schema.SecondFactorURN + `":{"secondFactorEnabled":true}}`},
		"last of extension": {"secondFactorEmail", `{"title":"b","` + schema.SecondFactorURN + `":{"secondFactorEmail":"a@b.c"}}`, `{"title":"b"}`},
		"part of complex":   {"name.givenName", `{"name":{"givenName":"a","familyName":"b"}}`, `{"name":{"familyName":"b"}}`},
		"last of complex":   {"name.givenName", `{"name":{"givenName":"a"}}`, `{}`},
		"whole list":        {"emails", `{"emails":[{"value":"a@b.c"}]}`, `{}`},
		"element made for it": {
			`emails[type eq "home"].value`, `{"emails":[{"type":"work","value":"w@b.c"},{"type":"home","value":"h@b.c"}]}`,
			`{"emails":[{"type":"work","value":"w@b.c"}]}`,
		},
		"element with more": {
			`emails[type eq "home"].value`, `{"emails":[{"type":"home","value":"h@b.c","primary":true}]}`, `{"emails":[{"type":"home","primary":true}]}`,
		},
		"the only element": {`emails[type eq "home"].value`, `{"emails":[{"type":"home","value":"h@b.c"}]}`, `{}`},
	} {
		p, err := parseAttributePath(rt, c.path)
		if err != nil {
			t.Fatal(err)
		}
		o, err := schema.Decode([]byte(c.before), schema.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		want, err := schema.Decode([]byte(c.want), schema.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		p.strip(o)
		if diff := cmp.Diff(want, o); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// A wrong path in the configuration stops the start and is named.
func TestSelfPathsNameTheFault(t *testing.T) {
	t.Parallel()
	registry, err := schema.Load(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := selfPaths(Config{Registry: registry, SelfWritable: []string{"title", "favouriteColour"}}); err == nil || !strings.Contains(err.Error(), "favouriteColour") {
		t.Errorf("selfPaths = %v, want the name of the attribute", err)
	}
	paths, err := selfPaths(Config{Registry: registry})
	if err != nil || len(paths) != 1+len(factorAttributes)+len(selfWritable) {
		t.Errorf("selfPaths = %d paths, %v", len(paths), err)
	}
}

package server

import (
	"strings"
	"testing"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/schema"
)

// TestAttributeOfAnAuthenticatorByEveryPath: docs/extending.md lets attribute be
// the path of any text of users; employeeNumber is the one of its example.
func TestAttributeOfAnAuthenticatorByEveryPath(t *testing.T) {
	t.Parallel()
	const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	registry, err := loadSchemas(config.SCIM{})
	if err != nil {
		t.Fatal(err)
	}
	d := &Directory{Registry: registry}
	user := schema.Object{
		"userName": "ann", "nickName": "nick", "name": schema.Object{"givenName": "Ann"},
		"emails":   []any{schema.Object{"type": "home", "value": "h@example.org"}, schema.Object{"type": "work", "value": "w@example.org"}},
		enterprise: schema.Object{"employeeNumber": "4711"},
	}
	for path, want := range map[string]string{
		"nickName":                      "nick",
		"nickname":                      "nick",
		"name.givenName":                "Ann",
		"employeeNumber":                "4711",
		enterprise + ":employeeNumber":  "4711",
		`emails[type eq "work"].value`:  "w@example.org",
		`emails[type eq "other"].value`: "",
		"secondFactorEmail":             "",
	} {
		get, err := d.valueOf(path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if got := get(user); got != want {
			t.Errorf("%s = %q, want %q", path, got, want)
		}
	}
	if get, err := d.valueOf(""); get != nil || err != nil {
		t.Error("no path: everybody has the factor, yet a value is read")
	}
	for _, path := range []string{"nothing", "emails", "name", "groups", "active", "emails.value"} {
		if _, err := d.valueOf(path); err == nil || !strings.Contains(err.Error(), `"`+path+`" must name a text of users`) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

package schema_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/schema"
)

// parse reads any JSON value as a PATCH operation carries it.
func parse(t testing.TB, text string) any {
	t.Helper()
	return decode(t, `{"v":`+text+`}`)["v"]
}

func TestAcceptValue(t *testing.T) {
	t.Parallel()
	u := userType(t)
	tests := []struct {
		path, value string
		policy      schema.Policy
		want        any
	}{
		{"userName", `"B"`, rfc, "B"},
		{"title", `null`, rfc, nil},
		{"title", `""`, rfc, ""},
		{"title", `""`, compat, nil},
		{"active", `"False"`, compat, false},
		{"name", `{"GivenName":"B","familyName":null}`, rfc, schema.Object{"givenName": "B"}},
		{"name.givenName", `"B"`, rfc, "B"},
		{"emails", `[{"value":"x","primary":true}]`, rfc, []any{schema.Object{"value": "x", "primary": true}}},
		{"emails", `[]`, rfc, nil},
		{"emails", `{"value":"x"}`, compat, []any{schema.Object{"value": "x"}}},
		{"emails", `[{"primary":"True"}]`, compat, []any{schema.Object{"primary": true}}},
		{enterprise + ":manager", `"m"`, compat, schema.Object{"value": "m", "$ref": "../Users/m"}},
		{enterprise + ":manager", `[{"$ref":"x/Users/m","value":"m"}]`, compat, schema.Object{"value": "m", "$ref": "../Users/m"}},
		{enterprise + ":manager", `""`, compat, nil},
		{enterprise + ":manager.value", `"m"`, rfc, "m"},
		{enterprise, `{"department":"D","manager":null}`, rfc, schema.Object{"department": "D"}},
		{enterprise, `null`, rfc, nil},
		{enterprise, `{}`, rfc, nil},
		{second, `{"accountVerified":true}`, rfc, nil},
	}
	for _, tt := range tests {
		got, err := u.AcceptValue(ref(t, u, tt.path), parse(t, tt.value), tt.policy)
		if err != nil {
			t.Errorf("AcceptValue(%s, %s) = %v", tt.path, tt.value, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("AcceptValue(%s, %s) (-want +got):\n%s", tt.path, tt.value, diff)
		}
	}
}

func TestAcceptValueFaults(t *testing.T) {
	t.Parallel()
	u := userType(t)
	unknown := schema.Policy{UnknownInPatch: schema.UnknownInvalidPath}
	tests := []struct {
		path, value string
		policy      schema.Policy
		code        schema.Code
		at          string
	}{
		{"userName", `7`, rfc, schema.InvalidValue, "userName"},
		{"active", `"False"`, rfc, schema.InvalidValue, "active"},
		{"emails", `{"value":"x"}`, rfc, schema.InvalidValue, "emails"},
		{"emails", `[{"value":7}]`, rfc, schema.InvalidValue, "emails.value"},
		{"name", `{"nick":"x"}`, unknown, schema.InvalidPath, "name.nick"},
		{"name", `{"nick":"x"}`, strict, schema.InvalidSyntax, "name.nick"},
		{enterprise, `{"rank":"x"}`, unknown, schema.InvalidPath, enterprise + ":rank"},
		{enterprise, `"x"`, rfc, schema.InvalidValue, enterprise},
		{"password", `"x"`, strict, schema.InvalidValue, "password"},
		{"id", `"x"`, compat, schema.MutabilityErr, "id"},
		{"meta", `{"version":"x"}`, compat, schema.MutabilityErr, "meta"},
		{"meta.version", `"x"`, compat, schema.MutabilityErr, "meta.version"},
		{"groups", `[]`, compat, schema.MutabilityErr, "groups"},
		{enterprise + ":manager.displayName", `"x"`, compat, schema.MutabilityErr, enterprise + ":manager.displayName"},
		{second + ":accountVerified", `true`, compat, schema.MutabilityErr, second + ":accountVerified"},
	}
	for _, tt := range tests {
		_, err := u.AcceptValue(ref(t, u, tt.path), parse(t, tt.value), tt.policy)
		wantFault(t, err, tt.code, tt.at)
	}
	_, err := u.AcceptValue(ref(t, u, "name"), parse(t, `{"givenName":1,"familyName":2}`), rfc)
	if got := len(faults(t, err)); got != 2 {
		t.Errorf("AcceptValue reports %d faults, want both", got)
	}
	if _, err := u.AcceptValue(schema.Ref{URN: "urn:no:such"}, nil, rfc); err == nil {
		t.Error("AcceptValue of an unknown container = nil, want an error")
	}
}

func TestAcceptElement(t *testing.T) {
	t.Parallel()
	u, g, d := userType(t), groupType(t), deviceType(t)
	tests := []struct {
		rt          *schema.ResourceType
		path, value string
		policy      schema.Policy
		want        any
	}{
		{u, "emails", `{"Value":"x"}`, rfc, schema.Object{"value": "x"}},
		{u, "emails", `"x"`, compat, schema.Object{"value": "x"}},
		{u, "emails", `{}`, rfc, nil},
		{g, "members", `{"value":"u","display":"x","$ref":"../Users/u","type":"User"}`, rfc, schema.Object{"value": "u", "$ref": "../Users/u", "type": "User"}},
		{g, "members", `"u"`, compat, schema.Object{"value": "u"}},
		{g, "members", `{"$ref":"https://x/Users/u"}`, rfc, schema.Object{"$ref": "https://x/Users/u", "value": "u"}},
		{d, "tags", `"a"`, rfc, "a"},
		{d, "ports", `{"value":1}`, rfc, schema.Object{"value": json.Number("1")}},
		{d, "ports", `1`, compat, schema.Object{"value": json.Number("1")}},
	}
	for _, tt := range tests {
		got, err := tt.rt.AcceptElement(ref(t, tt.rt, tt.path), parse(t, tt.value), tt.policy)
		if err != nil {
			t.Errorf("AcceptElement(%s, %s) = %v", tt.path, tt.value, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("AcceptElement(%s, %s) (-want +got):\n%s", tt.path, tt.value, diff)
		}
	}
	_, err := u.AcceptElement(ref(t, u, "emails"), parse(t, `"x"`), rfc)
	wantFault(t, err, schema.InvalidValue, "emails")
	_, err = u.AcceptElement(ref(t, u, "groups"), parse(t, `{"value":"g"}`), compat)
	wantFault(t, err, schema.MutabilityErr, "groups")
	if _, err := u.AcceptElement(schema.Ref{URN: enterprise}, nil, rfc); err == nil {
		t.Error("AcceptElement of a container = nil, want an error")
	}
}

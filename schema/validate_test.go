package schema_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/schema"
)

// wantInvalid builds an Object and wants it refused.
func wantInvalid(t *testing.T, rt *schema.ResourceType, body string, path string) {
	t.Helper()
	wantFault(t, rt.Validate(accept(t, rt, body, rfc), rfc), schema.InvalidValue, path)
}

func wantValid(t *testing.T, rt *schema.ResourceType, body string) {
	t.Helper()
	if err := rt.Validate(accept(t, rt, body, rfc), rfc); err != nil {
		t.Errorf("Validate(%s) = %v, want nil", body, err)
	}
}

func group(rest string) string { return `{"schemas":["` + schema.GroupURN + `"]` + rest + `}` }

// TestRow33_Required covers rows 22, 24 and 33.
func TestRow33_Required(t *testing.T) {
	t.Parallel()
	u, g, d := userType(t), groupType(t), deviceType(t)
	wantInvalid(t, u, `{"schemas":["`+schema.UserURN+`"],"title":"x"}`, "userName")
	wantInvalid(t, u, `{"schemas":["`+schema.UserURN+`"],"userName":" "}`, "userName")
	wantInvalid(t, g, group(``), "displayName")
	wantInvalid(t, g, group(`,"displayName":""`), "displayName")
	wantInvalid(t, g, group(`,"displayName":"g","members":[{"type":"User"}]`), "members.value")
	wantInvalid(t, u, `{`+coreUser+`,"`+enterprise+`":{"manager":{"value":""}}}`, enterprise+":manager.value")
	device := `{"schemas":["` + deviceURN + `"],"name":"d"`
	wantInvalid(t, d, device+`,"`+locationURN+`":{"floor":1}}`, locationURN+":site")
	wantInvalid(t, d, device+`,"owner":{"secretary":"x"}}`, "owner.value")
	wantValid(t, d, device+`}`)
	wantValid(t, u, fullUser)
	wantValid(t, g, group(`,"displayName":"g","members":[{"value":"u"},{"value":"u"}]`))
}

// TestRow26_RequiredExtension: a file may demand an extension of a built-in type.
func TestRow26_RequiredExtension(t *testing.T) {
	t.Parallel()
	types := fstest.MapFS{"user.json": {Data: []byte(`{"name":"User","endpoint":"/Users","schema":"` + schema.UserURN + `",
		"schemaExtensions":[{"schema":"` + enterprise + `","required":true}]}`)}}
	u := load(t, nil, types).ByName("User")
	wantInvalid(t, u, `{`+coreUser+`}`, enterprise)
	wantInvalid(t, u, `{`+coreUser+`,"`+enterprise+`":{}}`, enterprise)
	wantValid(t, u, `{`+coreUser+`,"`+enterprise+`":{"department":"x"}}`)
}

func TestRow16_PrimaryOnce(t *testing.T) {
	t.Parallel()
	u := userType(t)
	wantInvalid(t, u, `{`+coreUser+`,"emails":[{"value":"a","primary":true},{"value":"b","primary":true}]}`, "emails.primary")
	wantValid(t, u, `{`+coreUser+`,"emails":[{"value":"a","primary":true},{"value":"b","primary":false},{"value":"c"}],"roles":[{"value":"r","primary":true}]}`)
	wantInvalid(t, deviceType(t), `{"schemas":["`+deviceURN+`"],"name":"d","ports":[{"primary":true},{"primary":true}]}`, "ports.primary")
}

func TestRow17_TypeAndValueOnce(t *testing.T) {
	t.Parallel()
	u := userType(t)
	wantInvalid(t, u, `{`+coreUser+`,"emails":[{"value":"A@x","type":"work"},{"value":"a@X","type":"WORK"}]}`, "emails")
	wantInvalid(t, u, `{`+coreUser+`,"emails":[{"value":"a"},{"value":"a"}]}`, "emails")
	wantValid(t, u, `{`+coreUser+`,"emails":[{"value":"a","type":"work"},{"value":"a","type":"home"},{"value":"a"}]}`)
	wantValid(t, u, `{`+coreUser+`,"addresses":[{"type":"work"},{"type":"work"}],"emails":[{"type":"x"},{"type":"x"}]}`)
	wantInvalid(t, deviceType(t), `{"schemas":["`+deviceURN+`"],"name":"d","ports":[{"value":1},{"value":1}]}`, "ports")

	var many strings.Builder
	for i := range 500 {
		many.WriteString(`{"value":"x` + strings.Repeat("y", i) + `"},`)
	}
	wantValid(t, u, `{`+coreUser+`,"emails":[`+strings.TrimSuffix(many.String(), ",")+`]}`)
	wantInvalid(t, u, `{`+coreUser+`,"emails":[`+many.String()+`{"value":"XYYYYYYYYYYYYYYYYYYYYY"}]}`, "emails")
}

func TestRow19_UserNamePrecis(t *testing.T) {
	t.Parallel()
	u := userType(t)
	body := func(name string) string {
		return `{"schemas":["` + schema.UserURN + `"],"userName":"` + name + `"}`
	}
	for _, bad := range []string{" a", "a ", `a\tb`, `a\u200bb`, `\u00a0`, `a\u2028b`, `☃`, `\ufb01x`, `\u0627a`} {
		wantInvalid(t, u, body(bad), "userName")
	}
	for _, good := range []string{"bjensen", "B Jensen", "a  b", "jürgen@bücher.example", "山田太郎", "ﾔﾏﾀﾞ", "İstanbul", "ΣΊΣΥΦΟΣ", `DOM\\user`, `it's`} {
		wantValid(t, u, body(good))
	}
	// Only userName is a name in that sense.
	wantValid(t, u, `{`+coreUser+`,"displayName":" ☃ "}`)
}

func TestValidateReportsAllFaults(t *testing.T) {
	t.Parallel()
	u := userType(t)
	o := accept(t, u, `{"schemas":["`+schema.UserURN+`"],"emails":[{"primary":true},{"primary":true}],"`+enterprise+`":{"manager":{"value":" "}}}`, rfc)
	var got []string
	for _, e := range faults(t, u.Validate(o, rfc)) {
		got = append(got, e.Path)
	}
	if diff := cmp.Diff([]string{"emails.primary", enterprise + ":manager.value", "userName"}, got); diff != "" {
		t.Errorf("paths (-want +got):\n%s", diff)
	}
}

// TestRow28_Immutable: an immutable value that is set must be sent as it is.
func TestRow28_Immutable(t *testing.T) {
	t.Parallel()
	d := deviceType(t)
	device := func(rest string) schema.Object {
		return accept(t, d, `{"schemas":["`+deviceURN+`"],"name":"d"`+rest+`}`, rfc)
	}
	old := device(`,"serial":"S1","owner":{"value":"u","secretary":"x"}`)
	for name, tt := range map[string]struct {
		new  schema.Object
		path string
	}{
		"same":                  {device(`,"serial":"S1","owner":{"value":"u"}`), ""},
		"other attribute":       {device(`,"serial":"S1","owner":{"value":"u","secretary":"y"},"count":1`), ""},
		"changed":               {device(`,"serial":"s1","owner":{"value":"u"}`), "serial"},
		"left out":              {device(`,"owner":{"value":"u"}`), "serial"},
		"sub-attribute changed": {device(`,"serial":"S1","owner":{"value":"v"}`), "owner.value"},
		"sub-attribute dropped": {device(`,"serial":"S1"`), "owner.value"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := d.CheckImmutable(old, tt.new)
			if tt.path != "" {
				wantFault(t, err, schema.MutabilityErr, tt.path)
			} else if err != nil {
				t.Errorf("CheckImmutable = %v, want nil", err)
			}
		})
	}
	if err := d.CheckImmutable(device(``), old); err != nil {
		t.Errorf("CheckImmutable of a first value = %v, want nil", err)
	}
	// Row 22: members are immutable each, but the list may change.
	g := groupType(t)
	if err := g.CheckImmutable(accept(t, g, group(`,"displayName":"g","members":[{"value":"a"}]`), rfc),
		accept(t, g, group(`,"displayName":"h","members":[{"value":"b"}]`), rfc)); err != nil {
		t.Errorf("CheckImmutable of members = %v, want nil", err)
	}
}

func TestRow93_ResetPrimary(t *testing.T) {
	t.Parallel()
	u := userType(t)
	o := accept(t, u, `{`+coreUser+`,"emails":[{"value":"a","primary":true},{"value":"b","primary":true},{"value":"c"},{"value":"d","primary":false}]}`, rfc)
	u.ResetPrimary(o, ref(t, u, "emails"), 1)
	want := parse(t, `[{"value":"a","primary":false},{"value":"b","primary":true},{"value":"c"},{"value":"d","primary":false}]`)
	if diff := cmp.Diff(want, o["emails"]); diff != "" {
		t.Errorf("emails (-want +got):\n%s", diff)
	}
	before := o.Clone()
	u.ResetPrimary(o, ref(t, u, "title"), 0)
	u.ResetPrimary(o, ref(t, u, "roles"), 0)
	u.ResetPrimary(o, ref(t, u, enterprise+":manager"), 0)
	u.ResetPrimary(o, schema.Ref{URN: enterprise}, 0)
	if diff := cmp.Diff(before, o); diff != "" {
		t.Errorf("ResetPrimary without primaries changed the Object:\n%s", diff)
	}
}

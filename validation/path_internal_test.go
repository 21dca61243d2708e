package validation

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/schema"
)

func registry(tb testing.TB) *schema.Registry {
	tb.Helper()
	r, err := schema.Load(nil, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func decoded(tb testing.TB, text string) schema.Object {
	tb.Helper()
	o, err := schema.Decode([]byte(text), schema.Limits{})
	if err != nil {
		tb.Fatal(err)
	}
	return o
}

// decodedOrNil is decoded, and nil for "".
func decodedOrNil(tb testing.TB, text string) schema.Object {
	tb.Helper()
	if text == "" {
		return nil
	}
	return decoded(tb, text)
}

const (
	secondURN = "urn:sallyport:params:scim:schemas:extension:secondfactor:2.0:User"
	coreURN   = "urn:ietf:params:scim:schemas:core:2.0:User"
)

// TestPathSpellings: every spelling of a path is the same path.
func TestPathSpellings(t *testing.T) {
	t.Parallel()
	rt := registry(t).ByName("User")
	for want, spellings := range map[string][]string{
		secondURN + ":secondFactorEmail": {"secondFactorEmail", "SECONDFACTOREMAIL", " secondFactorEmail ", strings.ToUpper(secondURN) + ":secondfactoremail"},
		"name.familyName":                {"name.familyName", "NAME.FAMILYNAME", coreURN + ":name.familyname"},
		`emails[type eq "home"].value`: {
			`emails[type eq "home"].value`, `Emails[TYPE EQ "HOME"].Value`, `emails[ type  eq  "home" ].value`, `emails [type eq "home"] . value`,
			coreURN + `:emails[type eq "home"].value`, `emails[type eq "\u0068ome"].value`,
		},
		"displayName": {"displayName", coreURN + ":displayName"},
	} {
		for _, text := range spellings {
			p, err := parsePath(rt, text)
			if err != nil {
				t.Errorf("parsePath(%q): %v", text, err)
				continue
			}
			if p.canonical != want {
				t.Errorf("parsePath(%q) = %q, want %q", text, p.canonical, want)
			}
		}
	}
}

// TestPathRefusals: what is no single text that clients may write.
func TestPathRefusals(t *testing.T) {
	t.Parallel()
	rt := registry(t).ByName("User")
	for _, text := range []string{
		"", " ", "nosuch", "emails", "emails.value", "emails[].value", `emails[type eq "home"]`, `emails[type eq "home"].nosuch`,
		`emails[type ne "home"].value`, `emails[type eq home].value`, `emails[type eq ""].value`, `emails[type eq "home].value`, `emails[type eq "home"`, `emails[type eq "home"].value.x`,
		`emails[type eq "a" or type eq "b"].value`, `emails[value eq "a"].value`, `emails[primary eq true].value`, `displayName[type eq "home"].value`,
		`name[familyName eq "x"].givenName`, `groups[type eq "x"].value`, "name", "active", "id", "meta.version", "groups.value", "schemas", "password",
		secondURN, secondURN + ":accountVerified", secondURN + ":secondFactorEnabled", `emails[type eq "home"].value` + strings.Repeat(" ", 600),
	} {
		if p, err := parsePath(rt, text); err == nil {
			t.Errorf("parsePath(%q) = %q, want an error", text, p.canonical)
		}
	}
}

// TestPathGetSet: reading and writing the value, whatever is there already.
func TestPathGetSet(t *testing.T) {
	t.Parallel()
	rt := registry(t).ByName("User")
	for _, one := range []struct{ path, before, was, after string }{
		{"secondFactorEmail", `{}`, "", `{"` + secondURN + `":{"secondFactorEmail":"new"}}`},
		{
			"secondFactorEmail", `{"` + secondURN + `":{"secondFactorEmail":"old","secondFactorEnabled":true}}`, "old",
			`{"` + secondURN + `":{"secondFactorEmail":"new","secondFactorEnabled":true}}`,
		},
		{"displayName", `{"displayName":"old"}`, "old", `{"displayName":"new"}`},
		{"name.familyName", `{"name":{"givenName":"g"}}`, "", `{"name":{"givenName":"g","familyName":"new"}}`},
		{"name.familyName", `{}`, "", `{"name":{"familyName":"new"}}`},
		{`emails[type eq "home"].value`, `{}`, "", `{"emails":[{"type":"home","value":"new"}]}`},
		{
			`emails[type eq "home"].value`, `{"emails":[{"value":"w","type":"work"},{"value":"h","type":"HOME","primary":true}]}`, "h",
			`{"emails":[{"value":"w","type":"work"},{"value":"new","type":"HOME","primary":true}]}`,
		},
		{
			`emails[type eq "home"].value`, `{"emails":[{"value":"w","type":"work"},{"value":"x"}]}`, "",
			`{"emails":[{"value":"w","type":"work"},{"value":"x"},{"type":"home","value":"new"}]}`,
		},
		{
			`emails[type eq "home"].value`, `{"emails":[{"type":"home","display":"d"},{"type":"home","value":"x"}]}`, "x",
			`{"emails":[{"type":"home","display":"d"},{"type":"home","value":"new"}]}`,
		},
		{`emails[type eq "home"].value`, `{"emails":[{"type":"home"}]}`, "", `{"emails":[{"type":"home","value":"new"}]}`},
	} {
		p, err := parsePath(rt, one.path)
		if err != nil {
			t.Fatal(err)
		}
		o := decoded(t, one.before)
		if got := p.Get(o); got != one.was {
			t.Errorf("Get %s of %s = %q, want %q", one.path, one.before, got, one.was)
		}
		p.Set(o, "new")
		if diff := cmp.Diff(decoded(t, one.after), o); diff != "" {
			t.Errorf("Set %s of %s (-want +got):\n%s", one.path, one.before, diff)
		}
		if got := p.Get(o); got != "new" {
			t.Errorf("Get %s after Set = %q", one.path, got)
		}
	}
}

// TestNewPaths: keys, defaults, and all faults at once.
func TestNewPaths(t *testing.T) {
	t.Parallel()
	ps, err := NewPaths(registry(t), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if ps.email[0].Key != "secondfactoremail" || ps.phone[0].Key != "secondfactorphonenumber" || len(ps.All()) != 2 {
		t.Errorf("defaults: %q, %q", ps.email[0].Key, ps.phone[0].Key)
	}
	ps, err = NewPaths(registry(t), []string{`home=emails[type eq "home"].value`, "secondFactorEmail"}, []string{`mobile=phoneNumbers[type eq "mobile"].value`})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{`emails[type eq "home"].value`, "secondFactorEmail", `phoneNumbers[type eq "mobile"].value`}, ps.Texts()); diff != "" {
		t.Error(diff)
	}
	if ps.email[0].Key != "home" || !ps.phone[0].channel.Telephone() || ps.email[0].channel.Telephone() {
		t.Errorf("home: %+v", ps.email[0])
	}
	for name, one := range map[string]struct {
		email, phone []string
		faults       int
	}{
		"path without a key":  {[]string{`emails[type eq "home"].value`}, nil, 1},
		"key with a dot":      {[]string{"a.b=secondFactorEmail"}, nil, 1},
		"unknown attributes":  {[]string{"x"}, []string{"y"}, 2},
		"the same path twice": {[]string{"secondFactorEmail", "b=" + secondURN + ":secondFactorEmail"}, nil, 1},
		"the same key twice":  {[]string{"a=secondFactorEmail", "a=displayName"}, nil, 1},
		"in both kinds":       {[]string{"displayName"}, []string{"displayName"}, 1},
	} {
		_, err := NewPaths(registry(t), one.email, one.phone)
		if err == nil || strings.Count(err.Error(), "\n")+1 != one.faults {
			t.Errorf("%s: %v, want %d faults", name, err, one.faults)
		}
	}
}

// TestComparable: the domain of a mailbox has no case, its local part has.
func TestComparable(t *testing.T) {
	t.Parallel()
	ps, err := NewPaths(registry(t), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	p := ps.email[0]
	if a, b := p.comparable("a@EXAMPLE.com"), p.comparable("a@example.com"); a != b {
		t.Errorf("domain case: %q and %q", a, b)
	}
	if a, b := p.comparable("A@example.com"), p.comparable("a@example.com"); a == b {
		t.Errorf("local part case: both %q", a)
	}
	if got := p.comparable("none"); got != "none" {
		t.Errorf("no address: %q", got)
	}
}

// FuzzAttributePath: no panic; a path that is accepted is the same path when its
// canonical text is read; writing makes readable.
func FuzzAttributePath(f *testing.F) {
	for _, seed := range []string{
		"secondFactorEmail", `emails[type eq "home"].value`, secondURN + ":secondFactorEmail", "name.givenName",
		`emails[type eq "\"]"].value`, `addresses[type eq "x"].locality`, "urn:", "[", `a[b eq "`, `emails[type eq "]"].value`,
	} {
		f.Add(seed)
	}
	rt := registry(f).ByName("User")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePath(rt, text)
		if err != nil {
			return
		}
		again, err := parsePath(rt, p.canonical)
		if err != nil && len(p.canonical) <= longestPath || err == nil && again.canonical != p.canonical {
			t.Fatalf("parsePath(%q) = %q, which reads as %v, %v", text, p.canonical, again, err)
		}
		o := schema.Object{}
		p.Set(o, "value")
		if got := p.Get(o); got != "value" {
			t.Fatalf("%q: Get after Set = %q in %v", text, got, o)
		}
	})
}

// FuzzListFilter: no panic, and nothing but a configured path is picked.
func FuzzListFilter(f *testing.F) {
	for _, seed := range []string{`attributePath eq "secondFactorEmail"`, "", `x`, `attributePath eq `, `attributePath eq "`, "attributePath\teq \"\\u0000\""} {
		f.Add(seed)
	}
	ps, err := NewPaths(registry(f), nil, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		picked, err := ps.filtered(ps.email, text, messagePrefix+"EmailValidationRequest")
		if err == nil && len(picked) > len(ps.email) {
			t.Fatalf("filter %q picks %d", text, len(picked))
		}
	})
}

// FuzzBodies: the decoders of bodies never panic, and take their members
// whatever their case.
func FuzzBodies(f *testing.F) {
	for _, seed := range []string{
		`{"schemas":["urn:pingidentity:scim:api:messages:2.0:EmailValidationRequest"],"attributePath":"secondFactorEmail","attributeValue":"a@b.cd","messageSubject":"s","messageText":"%code%"}`,
		`{"message":{"message":"m","language":"en"},"messagingProvider":"p","verifyCode":"1"}`,
		`{"verifyState":"a.b.c.d.e","verifyTotp":"123456"}`, `{"message":[]}`, `{"schemas":5}`, `{"verifyCode":1}`, `{}`,
	} {
		f.Add([]byte(seed))
	}
	ps, err := NewPaths(registry(f), nil, nil)
	if err != nil {
		f.Fatal(err)
	}
	kinds := addressKinds(ps)
	f.Fuzz(func(t *testing.T, data []byte) {
		o, err := schema.Decode(data, schema.Limits{})
		if err != nil {
			return
		}
		var m *members
		if o != nil {
			m = newMembers(o)
		}
		for _, k := range kinds {
			_, _ = k.decode(m)
		}
		if m != nil {
			m.fault = nil
		}
		req, err := decodeTOTP(m)
		if err != nil {
			return
		}
		upper := schema.Object{}
		for name, v := range o {
			upper[strings.ToUpper(name)] = v
		}
		if len(upper) != len(o) {
			return
		}
		if again, err := decodeTOTP(newMembers(upper)); err != nil || again != req {
			t.Fatalf("%s in upper case: %v, %v", data, again, err)
		}
	})
}

// TestBodyRules: null is absent, other types are told by name, schemas must
// name the message if they are there.
func TestBodyRules(t *testing.T) {
	t.Parallel()
	ps, err := NewPaths(registry(t), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	phone := addressKinds(ps)[1]
	for body, want := range map[string]string{
		`{"attributePath":null,"VERIFYCODE":"1","meta":{"x":1},"id":5,"validated":"yes"}`: "",
		`{"attributePath":5}`:          "attributePath must be a JSON string.",
		`{"message":"x"}`:              "message must be a JSON object.",
		`{"message":{"message":true}}`: "message.message must be a JSON string.",
		`{"schemas":["urn:other"]}`:    "schemas must name urn:pingidentity:scim:api:messages:2.0:TelephonyValidationRequest.",
		`{"schemas":[]}`:               "schemas must name urn:pingidentity:scim:api:messages:2.0:TelephonyValidationRequest.",
		`{"schemas":["URN:PingIdentity:scim:api:messages:2.0:telephonyvalidationrequest"]}`: "",
	} {
		_, err := phone.decode(newMembers(decoded(t, body)))
		got := ""
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) || (want == "") != (err == nil) {
			t.Errorf("%s: %v, want %q", body, err, want)
		}
	}
}

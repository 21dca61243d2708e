package validation

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
)

// TestCredentialName: a name is one line of text of at most sixty characters.
func TestCredentialName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"Work phone", "Work phone"},
		{"  Work \t\n phone\x00 ", "Work phone"},
		{"", ""},
		{"\u2028\u00a0", ""},
		{strings.Repeat("é", 80), strings.Repeat("é", LongestCredentialName)},
		{"bad\xffbytes", "bad bytes"},
	} {
		if got := credentialName(c.text); got != c.want {
			t.Errorf("credentialName(%q) = %q, want %q", c.text, got, c.want)
		}
	}
}

// TestCredentialNameHolds: whatever is typed, the name is clean, and cleaning it
// again changes nothing.
func TestCredentialNameHolds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := credentialName(rapid.String().Draw(t, "text"))
		if n := len([]rune(name)); n > LongestCredentialName {
			t.Fatalf("%q has %d characters", name, n)
		}
		if strings.ContainsAny(name, "\x00\n\r\t") || credentialName(name) != name {
			t.Fatalf("%q is not clean", name)
		}
	})
}

// TestFaultOf: every sentence of the API that an owner can meet has a fault, and
// nothing else does.
func TestFaultOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want OwnFault
		wait time.Duration
	}{
		{wrongCode(), FaultCode, 0},
		{stateInvalid(), FaultState, 0},
		{stateExpired(), FaultState, 0},
		{stateUsed(), FaultState, 0},
		{stateSuperseded(), FaultState, 0},
		{accountChanged(), FaultState, 0},
		{tooManyAttempts(time.Minute), FaultTries, time.Minute},
		{tooManyCodes(time.Hour), FaultSends, time.Hour},
		{notDelivered(), FaultDelivery, unavailableRetry},
		{cannotReceive().Because(errors.New("range")), FaultUnreachable, 0},
		{badEmail(), FaultEmail, 0},
		{badPhone(), FaultPhone, 0},
		{required(memberCode), FaultMissing, 0},
		{required(memberNew), FaultMissing, 0},
		{wrongPassword().WithRetryAfter(time.Second), FaultPassword, time.Second},
		{badPassword(), FaultQuality, 0},
		{fmt.Errorf("store: %w", ErrExtraExists), FaultExists, 0},
		{fmt.Errorf("store: %w", ErrTooMany), FaultMany, 0},
		{fmt.Errorf("wrapped: %w", wrongCode()), FaultCode, 0},
		{ErrNotFresh, "", 0},
		{ErrNoCredential, "", 0},
		{notFound(), "", 0},
		{inactive(), "", 0},
		{errors.New("database is gone"), "", 0},
		{nil, "", 0},
	} {
		if got, wait := FaultOf(c.err); got != c.want || wait != c.wait {
			t.Errorf("FaultOf(%v) = %q, %v, want %q, %v", c.err, got, wait, c.want, c.wait)
		}
	}
}

// TestOwnerIsNobodyElse: an owner has every right over the own record and none
// over others.
func TestOwnerIsNobodyElse(t *testing.T) {
	t.Parallel()
	caller := Owner{UserID: "u", SessionID: "s", IP: "192.0.2.7"}.caller()
	if caller.UserID != "u" || caller.SessionID != "s" || caller.IP != "192.0.2.7" || caller.ActorType != "user" {
		t.Errorf("caller = %+v", caller)
	}
	if administers(caller) || caller.Has(scim.ScopeAdmin) {
		t.Error("an owner has rights over others")
	}
	for _, scope := range scim.OwnScopes() {
		if !caller.Has(scope) {
			t.Errorf("an owner lacks %s", scope)
		}
	}
}

// TestPathClear: clearing takes the value, and of a list the element that it
// stands in, and leaves the rest.
func TestPathClear(t *testing.T) {
	t.Parallel()
	registry, err := schema.Load(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	rt := registry.ByName("User")
	work, home := schema.Object{"type": "work", "value": "w@example.com"}, schema.Object{"type": "home", "value": "h@example.com"}
	for _, c := range []struct {
		path         string
		before, want schema.Object
	}{
		{
			"secondFactorEmail",
			schema.Object{schema.SecondFactorURN: schema.Object{"secondFactorEmail": "a@example.com", "secondFactorEnabled": true}},
			schema.Object{schema.SecondFactorURN: schema.Object{"secondFactorEnabled": true}},
		},
		{`emails[type eq "work"].value`, schema.Object{"emails": []any{work, home}}, schema.Object{"emails": []any{home}}},
		{`emails[type eq "work"].value`, schema.Object{"emails": []any{work}}, schema.Object{}},
		{`emails[type eq "work"].value`, schema.Object{"emails": []any{home}}, schema.Object{"emails": []any{home}}},
		{"name.formatted", schema.Object{"name": schema.Object{"formatted": "A", "familyName": "B"}}, schema.Object{"name": schema.Object{"familyName": "B"}}},
		{"secondFactorEmail", schema.Object{}, schema.Object{}},
	} {
		p, err := parsePath(rt, c.path)
		if err != nil {
			t.Fatalf("%s: %v", c.path, err)
		}
		p.Clear(c.before)
		if diff := cmp.Diff(c.want, c.before); diff != "" {
			t.Errorf("Clear(%s): %s", c.path, diff)
		}
		if got := p.Get(c.before); got != "" {
			t.Errorf("after Clear(%s) the value is %q", c.path, got)
		}
	}
}

// TestCredentialFactors: only what can be asked for as a further step can be
// asked for first, and recovery codes are never switched off.
func TestCredentialFactors(t *testing.T) {
	t.Parallel()
	for kind, n := range map[CredentialKind]int{
		CredentialTOTP: 1, CredentialEmail: 1, CredentialPhone: 2, CredentialPasskey: 1, CredentialSecondPassword: 1,
		CredentialRecovery: 0, CredentialFederated: 0,
	} {
		c := Credential{Kind: kind}
		if got := c.Factors(); len(got) != n {
			t.Errorf("%s: factors %v, want %d", kind, got, n)
		}
		if c.Switches() != (kind != CredentialRecovery) {
			t.Errorf("%s: Switches() = %v", kind, c.Switches())
		}
	}
}

package acr_test

import (
	"strings"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/authn/acr"
)

func TestValidate(t *testing.T) {
	t.Parallel()
	if err := acr.Validate([]acr.ACR{single(), mfa(), admin()}); err != nil {
		t.Errorf("Validate = %v", err)
	}
	named := func(name string) acr.ACR { return acr.ACR{Name: name, Needs: []acr.Need{first()}} }
	needs := func(n ...acr.Need) acr.ACR { return acr.ACR{Name: "X", Needs: n} }
	distinct := func(n ...acr.Need) acr.ACR { return acr.ACR{Name: "X", Distinct: true, Needs: n} }
	lifted := first()
	lifted.Unless = []acr.Condition{{Device: &acr.DeviceCondition{Remembered: true}}}
	when := func(c acr.Condition) acr.ACR {
		a := named("X")
		a.When = []acr.Condition{c}
		return a
	}
	for _, test := range []struct {
		name string
		acrs []acr.ACR
		want string
	}{
		{"no name", []acr.ACR{named("")}, "ACR entry 1 needs a name"},
		{"the name 0", []acr.ACR{named("0")}, `must not be named "0"`},
		{"a name with a space", []acr.ACR{named("a b")}, "printable ASCII characters without spaces"},
		{"a name with a quote", []acr.ACR{named(`a"b`)}, "printable ASCII characters without spaces"},
		{"a name beyond ASCII", []acr.ACR{named("é")}, "printable ASCII"},
		{"a long name", []acr.ACR{named(strings.Repeat("a", 65))}, "64 characters at most"},
		{"a name twice", []acr.ACR{named("X"), named("X")}, `ACR "X" is there twice`},
		{"no needs", []acr.ACR{needs()}, "needs at least one need"},
		{"too many needs", []acr.ACR{needs(first(), first(), first(), first(), first())}, "4 needs at most"},
		{"an empty need", []acr.ACR{needs(first(), need(-1))}, "need 2: any_of must list at least one factor"},
		{"an unknown factor", []acr.ACR{needs(first(), need(-1, "retina"))}, `need 2: "retina" is not a factor: they are password, passkey`},
		{"a command is no factor", []acr.ACR{needs(first(), need(-1, acr.Command))}, `"command" is not a factor`},
		{"a factor twice", []acr.ACR{needs(need(-1, acr.Password, acr.Password))}, "password is listed twice"},
		{"no first factor", []acr.ACR{needs(need(-1, acr.TOTP), first())}, "has totp in its first need"},
		{"a remembered browser first", []acr.ACR{needs(need(-1, acr.Password, acr.Device))}, "has device in its first need"},
		{"a first need that lapses", []acr.ACR{needs(lifted)}, "no unless in its first need"},
		{"a negative age", []acr.ACR{needs(acr.Need{AnyOf: first().AnyOf, MaxAge: new(-time.Second)})}, "max_age must be whole seconds from 0 to 30d"},
		{"an endless age", []acr.ACR{needs(need(31*24*time.Hour, acr.Password))}, "from 0 to 30d"},
		{"a broken second", []acr.ACR{needs(need(1500*time.Millisecond, acr.Password))}, "whole seconds"},
		{"four distinct needs", []acr.ACR{distinct(first(), first(), first(), first())}, "3 needs at most"},
		{"distinct but of one category", []acr.ACR{distinct(need(-1, acr.Password), need(-1, acr.SecondPassword))}, "can never be met"},
		{"one credential for two needs", []acr.ACR{needs(need(-1, acr.Password), need(-1, acr.Password))}, "can never be met"},
		{"an empty condition", []acr.ACR{when(acr.Condition{})}, "exactly one of ip, time, header and device"},
		{"no networks", []acr.ACR{when(acr.Condition{IP: &acr.IPCondition{}})}, "ip must have in or not_in"},
		{"no zone", []acr.ACR{when(acr.Condition{Time: &acr.TimeCondition{To: time.Hour}})}, "time must have a zone"},
		{"no span", []acr.ACR{when(acr.Condition{Time: &acr.TimeCondition{Zone: time.UTC}})}, "from and a to that differ"},
		{"no header", []acr.ACR{when(acr.Condition{Header: &acr.HeaderCondition{Present: true}})}, "header must have a name"},
		{"no test of a header", []acr.ACR{when(acr.Condition{Header: &acr.HeaderCondition{Name: "X"}})}, "exactly one of equals"},
		{"two tests of a header", []acr.ACR{when(acr.Condition{Header: &acr.HeaderCondition{Name: "X", Equals: "a", Present: true}})}, "exactly one of equals"},
		{"the age of a new browser", []acr.ACR{when(acr.Condition{Device: &acr.DeviceCondition{MaxAge: new(time.Hour)}})}, "remembered: true beside"},
		{"a condition of a need", []acr.ACR{needs(first(), acr.Need{AnyOf: []acr.Factor{acr.TOTP}, Unless: []acr.Condition{{}}})}, "need 2: unless, condition 1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if err := acr.Validate(test.acrs); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Validate = %v, want %q", err, test.want)
			}
		})
	}
	t.Run("all faults at once", func(t *testing.T) {
		t.Parallel()
		err := acr.Validate([]acr.ACR{named("0"), needs(need(-1, acr.TOTP), need(-1))})
		for _, want := range []string{`named "0"`, "has totp in its first need", "need 2: any_of"} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("Validate = %v, want also %q", err, want)
			}
		}
	})
}

package acr_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn/acr"
)

// TestRememberedBy: a browser is remembered only by what it may stand for
// wherever it counts.
func TestRememberedBy(t *testing.T) {
	t.Parallel()
	of := func(needs ...acr.Need) acr.ACR {
		return acr.ACR{Name: "A", Needs: append([]acr.Need{{AnyOf: []acr.Factor{acr.Password}}}, needs...)}
	}
	one := func(f ...acr.Factor) acr.Need { return acr.Need{AnyOf: f} }
	lifted := one(acr.TOTP, acr.SMSOTP)
	lifted.Unless = []acr.Condition{{Device: &acr.DeviceCondition{Remembered: true}}}
	outside := one(acr.EmailOTP)
	outside.Unless = []acr.Condition{{Device: &acr.DeviceCondition{}}}
	for name, c := range map[string]struct {
		acrs []acr.ACR
		want []acr.Factor
	}{
		"none":            {[]acr.ACR{of(one(acr.TOTP))}, nil},
		"one":             {[]acr.ACR{of(one(acr.Device, acr.TOTP, acr.EmailOTP)), of(one(acr.SMSOTP))}, []acr.Factor{acr.TOTP, acr.EmailOTP}},
		"two":             {[]acr.ACR{of(one(acr.Device, acr.TOTP, acr.EmailOTP)), of(one(acr.TOTP, acr.Device))}, []acr.Factor{acr.TOTP}},
		"nothing common":  {[]acr.ACR{of(one(acr.Device, acr.EmailOTP)), of(one(acr.TOTP, acr.Device))}, []acr.Factor{}},
		"lifted":          {[]acr.ACR{of(lifted), of(one(acr.Device, acr.TOTP, acr.EmailOTP))}, []acr.Factor{acr.TOTP}},
		"not remembered":  {[]acr.ACR{of(outside)}, nil},
		"alone in a need": {[]acr.ACR{of(one(acr.Device), one(acr.TOTP))}, nil},
		"in a chain": {[]acr.ACR{of(acr.Need{ChainName: "c", Chain: []acr.Link{
			link(acr.Device, acr.OptionalStopOnSuccess), link(acr.TOTP, acr.RequiredContinue),
		}})}, []acr.Factor{acr.TOTP}},
	} {
		if d := cmp.Diff(c.want, acr.RememberedBy(c.acrs)); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

package server

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/oidc"
)

// ACRs makes the authentication context classes of the settings, in their order,
// and reports everything that is wrong with them. The settings must have passed
// Validate.
func ACRs(cfg config.Config) ([]acr.ACR, error) {
	out := make([]acr.ACR, len(cfg.ACRs))
	for i, a := range cfg.ACRs {
		made, err := acrOf(cfg, a)
		if err != nil {
			return nil, fmt.Errorf("acrs: %s: %w", a.Name, err)
		}
		if cfg.Policy.Profile == config.ProfileNIST {
			withoutMail(made.Needs)
		}
		out[i] = made
	}
	if err := acr.Validate(out, plugged(cfg)...); err != nil {
		if cfg.Policy.Profile == config.ProfileNIST {
			return nil, fmt.Errorf("acrs (policy.profile nist takes email_otp out of them): %w", err)
		}
		return nil, fmt.Errorf("acrs: %w", err)
	}
	return out, nil
}

// withoutMail takes codes by e-mail out of needs: NIST SP 800-63B-4 section
// 3.1.3.1 bars e-mail as an out-of-band factor.
func withoutMail(needs []acr.Need) {
	for i := range needs {
		needs[i].AnyOf = slices.DeleteFunc(needs[i].AnyOf, func(f acr.Factor) bool { return f == acr.EmailOTP })
		needs[i].Chain = slices.DeleteFunc(needs[i].Chain, func(l acr.Link) bool { return l.Factor == acr.EmailOTP })
	}
}

func acrOf(cfg config.Config, a config.ACR) (acr.ACR, error) {
	out := acr.ACR{Name: a.Name, Distinct: a.Distinct}
	needs := a.Needs
	if len(a.LoginChain) > 0 {
		needs = []config.Need{chained(cfg, a.LoginChain, a.LoginExpires)}
		if len(a.SecondFactorChain) > 0 {
			needs = append(needs, chained(cfg, a.SecondFactorChain, a.SecondFactorExpires))
			out.Distinct = true
		}
	}
	for _, n := range needs {
		made := acr.Need{MaxAge: n.MaxAge, ChainName: n.Chain, Chain: linksOf(cfg.Chains[n.Chain])}
		for _, f := range n.AnyOf {
			made.AnyOf = append(made.AnyOf, acr.Factor(f))
		}
		var err error
		if made.Unless, err = conditionsOf(n.Unless); err != nil {
			return out, err
		}
		out.Needs = append(out.Needs, made)
	}
	var err error
	out.When, err = conditionsOf(a.When)
	return out, err
}

// chained is the need of a shorthand: a chain by its name, or any of the factors.
func chained(cfg config.Config, names []string, age *time.Duration) config.Need {
	if len(names) == 1 && cfg.Chains[names[0]] != nil {
		return config.Need{Chain: names[0], MaxAge: age}
	}
	return config.Need{AnyOf: names, MaxAge: age}
}

func linksOf(chain []config.Link) []acr.Link {
	var out []acr.Link
	for _, l := range chain {
		control := acr.Control(l.Criteria)
		if control == "" {
			control = acr.RequiredContinue
		}
		out = append(out, acr.Link{Factor: acr.Factor(l.Authenticator), Control: control})
	}
	return out
}

func conditionsOf(list []config.Condition) ([]acr.Condition, error) {
	var out []acr.Condition
	for i, c := range list {
		made, err := conditionOf(c)
		if err != nil {
			return nil, fmt.Errorf("condition %d: %w", i+1, err)
		}
		out = append(out, made)
	}
	return out, nil
}

func conditionOf(c config.Condition) (acr.Condition, error) {
	var out acr.Condition
	if err := c.Check(); err != nil {
		return out, err
	}
	if c.IP != nil {
		var err error
		if out.IP, err = ipOf(*c.IP); err != nil {
			return out, err
		}
	}
	if c.Time != nil {
		var err error
		if out.Time, err = timeOf(*c.Time); err != nil {
			return out, err
		}
	}
	if c.Header != nil {
		out.Header = &acr.HeaderCondition{
			Name: http.CanonicalHeaderKey(c.Header.Name), Equals: c.Header.Equals, OneOf: c.Header.OneOf, Present: c.Header.Present,
		}
	}
	if c.Device != nil {
		out.Device = &acr.DeviceCondition{Remembered: c.Device.Remembered, MaxAge: c.Device.MaxAge}
	}
	return out, nil
}

func ipOf(c config.IPCondition) (*acr.IPCondition, error) {
	in, err := config.ParseNetworks(c.In)
	if err != nil {
		return nil, err
	}
	notIn, err := config.ParseNetworks(c.NotIn)
	return &acr.IPCondition{In: in, NotIn: notIn}, err
}

func timeOf(c config.TimeCondition) (*acr.TimeCondition, error) {
	zone, err := config.ParseZone(c.Zone)
	if err != nil {
		return nil, err
	}
	days, err := config.ParseDays(c.Days)
	if err != nil {
		return nil, err
	}
	from, err := config.ParseClock(c.From, 0)
	if err != nil {
		return nil, err
	}
	to, err := config.ParseClock(c.To, 24*time.Hour)
	return &acr.TimeCondition{Zone: zone, Days: days, From: from, To: to}, err
}

// conditionHeaders are the headers that conditions test, by canonical name: all
// that a visit must bring along, when its peer is a trusted proxy.
func conditionHeaders(acrs []acr.ACR) []string {
	var out []string
	add := func(list []acr.Condition) {
		for _, c := range list {
			if c.Header != nil && !slices.Contains(out, c.Header.Name) {
				out = append(out, c.Header.Name)
			}
		}
	}
	for _, a := range acrs {
		add(a.When)
		for _, n := range a.Needs {
			add(n.Unless)
		}
	}
	return out
}

// loginPolicy is what the settings demand of logins to clients.
func loginPolicy(cfg config.Config) (oidc.Policy, error) {
	acrs, err := ACRs(cfg)
	return oidc.Policy{
		ACRs: acrs, DefaultACRs: cfg.DefaultACRs, RequiredACR: cfg.RequiredACR, UserFloorOff: !cfg.UserFloor,
		ACRUnmet: cfg.ACRUnmet, ACRUnmetError: oidc.Code(cfg.ACRUnmetError),
		PermittedFallback: cfg.PermittedACRsMode == config.PermittedFallback,
		InlineEnrolment:   cfg.InlineEnrolment.Enabled,
		RequirePKCE:       cfg.PKCE == config.PKCERequired,
	}, err
}

package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

const day = 24 * time.Hour

// minInitialToken is how long a 128-bit secret is in base64url.
const minInitialToken = 22

// validateLogin checks the settings of logins and of the provider that need no
// knowledge of factors and zones; the server checks the rest of the ACRs when it
// makes them.
func (c *Config) validateLogin(v *faults) {
	v.oneOf("policy.profile", c.Policy.Profile, ProfileDefault, ProfileNIST)
	v.oneOf("acr_unmet", c.ACRUnmet, UnmetFail, UnmetDowngrade)
	v.oneOf("acr_unmet_error", c.ACRUnmetError, UnmetInteraction, UnmetAuthentication)
	v.oneOf("permitted_acrs_mode", c.PermittedACRsMode, PermittedIntersect, PermittedFallback)
	v.oneOf("pkce", c.PKCE, PKCEOptional, PKCERequired)
	v.unless(c.InlineEnrolment.Enabled || len(c.InlineEnrolment.Groups) == 0, "inline_enrolment.groups",
		"must be left out unless inline_enrolment.enabled is true")
	v.unless(!slices.Contains(c.InlineEnrolment.Groups, ""), "inline_enrolment.groups", "must name groups by their display names")
	c.validateACRs(v)
	c.validateServices(v)
	c.validateLives(v)
	c.RememberDevice.validate(v)
	c.Passkeys.validate(v)
	c.validateRegistration(v)
	c.validatePages(v)
}

func (c *Config) validateACRs(v *faults) {
	v.unless(len(c.ACRs) > 0, "acrs", "must define at least one ACR")
	v.unless(len(c.DefaultACRs) > 0, "default_acrs", "must name at least one of acrs")
	for i, a := range c.ACRs {
		key := "acrs: " + a.Name
		if a.Name == "" {
			key = fmt.Sprint("acrs: entry ", i+1)
		}
		v.unless(a.Name != "", key+".name", "must be given: it is what acr_values asks for")
		chains := len(a.LoginChain) > 0 || len(a.SecondFactorChain) > 0 || a.LoginExpires != nil || a.SecondFactorExpires != nil
		v.unless(len(a.Needs) == 0 || !chains, key, "must have needs, or login_chain and second_factor_chain, not both")
		v.unless(!chains || len(a.LoginChain) > 0, key+".login_chain", "must list at least one factor beside the other chain settings")
		v.unless(a.SecondFactorExpires == nil || len(a.SecondFactorChain) > 0, key+".second_factor_expires", "needs second_factor_chain")
	}
	c.validateAuthenticators(v)
	c.validateChains(v)
	c.validateConditions(v)
	for i, name := range c.DefaultACRs {
		c.knownACR(v, "default_acrs", name)
		v.unless(!slices.Contains(c.DefaultACRs[:i], name), "default_acrs", fmt.Sprintf("must name %q once only", name))
	}
	for _, named := range []struct{ key, name string }{
		{"required_acr", c.RequiredACR},
		{"console_required_acr", c.ConsoleRequiredACR},
		{"second_factors.step_up.acr", c.SecondFactors.StepUp.ACR},
		{"second_factors.step_up.login_acr", c.SecondFactors.StepUp.LoginACR},
	} {
		if named.name != "" {
			c.knownACR(v, named.key, named.name)
		}
	}
}

// chainName is the name of a chain.
var chainName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9 _-]{0,63}$`)

// validateChains checks the names of chains and where they are named; what a
// chain may hold is a matter of package acr.
func (c *Config) validateChains(v *faults) {
	for _, name := range slices.Sorted(maps.Keys(c.Chains)) {
		key := "chains." + name
		v.unless(chainName.MatchString(name), key, "must be a name of letters, digits, spaces, _ and -, 64 at most")
		v.unless(len(c.Chains[name]) > 0, key, "must list at least one authenticator")
		for i, l := range c.Chains[name] {
			v.unless(l.Authenticator != "", fmt.Sprintf("%s, entry %d", key, i+1), "must name its authenticator")
			v.unless(l.Authenticator != name, key, "must not have the name of an authenticator")
		}
	}
	for _, a := range c.ACRs {
		for i, n := range a.Needs {
			v.unless(n.Chain == "" || c.Chains[n.Chain] != nil, fmt.Sprintf("acrs: %s.needs, entry %d", a.Name, i+1),
				fmt.Sprintf("names chain %q, which is not one of chains: %s", n.Chain, strings.Join(slices.Sorted(maps.Keys(c.Chains)), ", ")))
		}
	}
}

// validateConditions checks what conditions are made of.
func (c *Config) validateConditions(v *faults) {
	check := func(key string, list []Condition) {
		for i, condition := range list {
			where := fmt.Sprintf("%s, condition %d", key, i+1)
			v.add(where, condition.Check())
			v.unless(condition.Header == nil || len(c.TrustedProxies) > 0, where,
				"tests a header, so trusted_proxies must name the proxy that sets it")
		}
	}
	for _, a := range c.ACRs {
		check("acrs: "+a.Name+".when", a.When)
		for _, n := range a.Needs {
			check("acrs: "+a.Name+".needs: unless", n.Unless)
		}
	}
}

// knownACR checks that an ACR of that name is defined.
func (c *Config) knownACR(v *faults, key, name string) {
	var names []string
	for _, a := range c.ACRs {
		if a.Name != "" {
			names = append(names, a.Name)
		}
	}
	v.unless(slices.Contains(names, name), key,
		fmt.Sprintf("names %q, which is not one of acrs: %s (acrs in the file replace those that are built in: "+
			"define it, or let %s name another)", name, strings.Join(names, ", "), key))
}

// scopeName is a scope token (RFC 6749 section 3.3) that a URL and a list of
// settings can carry too.
var scopeName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/*+~-]{0,127}$`)

// serviceName is the name of a service.
var serviceName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// standardScopes are those that the provider gives a meaning.
func standardScopes() []string {
	return []string{"openid", "profile", "email", "phone", "address", "groups", "offline_access"}
}

func (c *Config) validateServices(v *faults) {
	owner := map[string]string{}
	check := func(key string, scopes map[string]Scope) {
		for _, name := range slices.Sorted(maps.Keys(scopes)) {
			where := key + "." + name
			v.unless(scopeName.MatchString(name), where, "must be a scope name: letters, digits and . _ : / * + ~ -, 128 at most")
			v.unless(!slices.Contains(standardScopes(), name) && !strings.HasPrefix(name, "scim:"), where, "is a scope of the provider already")
			v.unless(owner[name] == "", where, "is defined twice, also by "+owner[name])
			owner[name] = key
			s := scopes[name]
			if s.RequiredACR != "" {
				c.knownACR(v, where+".required_acr", s.RequiredACR)
			}
			v.unless(!s.FreshAtConsent || s.RequiredACR != "", where+".fresh_at_consent", "needs required_acr")
			v.unless(len(s.Description) <= 500 && len(s.ConsentPrompt) <= 500, where, "must have texts of 500 bytes at most")
		}
	}
	check("scopes", c.Scopes)
	audience := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(c.Services)) {
		s, key := c.Services[name], "services."+name
		v.unless(serviceName.MatchString(name), key, "must be a name of letters, digits and . _ -, 64 at most")
		v.unless(s.Audience != "", key+".audience", "must be set: it is what access tokens for the service are made out to")
		v.unless(s.Audience == "" || audience[s.Audience] == "", key+".audience", "is that of "+audience[s.Audience]+" too")
		audience[s.Audience] = key
		v.unless(len(s.Scopes) > 0, key+".scopes", "must define at least one scope")
		check(key+".scopes", s.Scopes)
	}
}

// life is a time span with its bounds.
type life struct {
	key         string
	value       time.Duration
	least, most time.Duration
	bounds      string // of least and most, as they are written
}

func (c *Config) validateLives(v *faults) {
	idle, absolute := c.SessionLife()
	t := c.Tokens
	lives := []life{
		{"session.idle", idle, 5 * time.Minute, 30 * day, "5m to 30d"},
		{"session.absolute", absolute, time.Hour, 30 * day, "1h to 30d"},
		{"tokens.code", t.Code, 10 * time.Second, 10 * time.Minute, "10s to 10m"},
		{"tokens.access_token", t.AccessToken, 30 * time.Second, day, "30s to 24h"},
		{"tokens.id_token", t.IDToken, 30 * time.Second, day, "30s to 24h"},
		{"tokens.refresh_idle", t.RefreshIdle, time.Hour, 365 * day, "1h to 365d"},
		{"tokens.refresh_absolute", t.RefreshAbsolute, time.Hour, 365 * day, "1h to 365d"},
		{"tokens.device_code", t.DeviceCode, 2 * time.Minute, 30 * time.Minute, "2m to 30m"},
		{"tokens.device_interval", t.DeviceInterval, time.Second, time.Minute, "1s to 60s"},
	}
	if c.Policy.Profile == ProfileNIST {
		// NIST SP 800-63B-4 section 2.2.3: an hour without use, a day in all.
		lives[0].most, lives[0].bounds = time.Hour, "5m to 1h with policy.profile nist"
		lives[1].most, lives[1].bounds = day, "1h to 24h with policy.profile nist"
	}
	for _, l := range lives {
		v.unless(l.value >= l.least && l.value <= l.most && l.value%time.Second == 0, l.key, "must be whole seconds from "+l.bounds)
	}
	v.unless(idle <= absolute, "session.idle", "must not exceed session.absolute")
	v.unless(t.RefreshIdle <= t.RefreshAbsolute, "tokens.refresh_idle", "must not exceed tokens.refresh_absolute")
}

func (c *Config) validateRegistration(v *faults) {
	r := c.Registration
	token := r.InitialAccessToken.Reveal()
	v.unless(r.Enabled || !r.Open && token == "", "registration.enabled", "must be true for registration.open and registration.initial_access_token")
	v.unless(!r.Open || token == "", "registration.open, registration.initial_access_token", "exclude each other")
	v.unless(!r.Enabled || r.Open || token != "", "registration.initial_access_token", "must be set, or registration.open: true")
	v.unless(token == "" || len(token) >= minInitialToken, "registration.initial_access_token", "must be of 22 characters at least")
}

var colour = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

func (c *Config) validatePages(v *faults) {
	b := c.Branding
	v.unless(len(b.Name) <= 60, "branding.name", "must be of 60 bytes at most")
	v.unless(b.Colour == "" || colour.MatchString(b.Colour), "branding.colour", "must be a colour such as #1d4ed8")
	v.unless(b.ColourDark == "" || colour.MatchString(b.ColourDark), "branding.colour_dark", "must be a colour such as #93c5fd")
	for _, claim := range slices.Sorted(maps.Keys(c.Claims)) {
		v.unless(!slices.Contains(protocolClaims(), claim), "claims."+claim, "is set by the protocol")
	}
}

// protocolClaims are claims that no attribute of a user may stand for (OpenID
// Connect Core 1.0 section 2, RFC 9068 section 2.2).
func protocolClaims() []string {
	return []string{
		"sub", "iss", "aud", "exp", "iat", "nbf", "jti", "nonce", "azp", "acr", "amr", "auth_time", "sid",
		"at_hash", "c_hash", "client_id", "scope", "cnf", "email_verified", "phone_number_verified",
	}
}

// Warnings are settings that work but that may not do what was meant, each with
// its key.
func (c *Config) Warnings() []string {
	idle, _ := c.SessionLife()
	var out []string
	for _, a := range c.ACRs {
		longest := time.Duration(0)
		for _, n := range a.Needs {
			// A remembered browser outlives the session.
			if n.MaxAge != nil && !slices.Contains(n.AnyOf, "device") {
				longest = max(longest, *n.MaxAge)
			}
		}
		for _, age := range []*time.Duration{a.LoginExpires, a.SecondFactorExpires} {
			if age != nil {
				longest = max(longest, *age)
			}
		}
		if longest > idle {
			out = append(out, fmt.Sprintf("session.idle is %s, shorter than the %s that ACR %q allows a proof: the session ends first", idle, longest, a.Name))
		}
	}
	return out
}

package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
)

// The file form of the specification.
const loginFile = `
trusted_proxies: [10.0.0.0/8]
acrs:
  - {name: Default, needs: [{any_of: [password, passkey, federated], max_age: 12h}]}
  - name: MFA
    distinct: true
    needs: [{any_of: [password, passkey], max_age: 12h}, {any_of: [totp], max_age: 6h, unless: [{device: {remembered: true, max_age: 30d}}]}]
  - {name: Office, needs: [{any_of: [password, passkey], max_age: 12h}], when: [{ip: {in: [192.0.2.0/24]}}, {time: {zone: Europe/Paris, days: mon-fri, from: "07:00", to: "20:00"}}, {header: {name: X-Zone, one_of: [lab, hall]}}]}
  - {name: Chained, login_chain: [password], second_factor_chain: [totp, sms_otp], login_expires: 12h, second_factor_expires: 6h}
  - {name: Linked, login_chain: Office, second_factor_chain: Office}
chains:
  Office: [{authenticator: passkey, criteria: optional-stop-on-success}, {authenticator: password}]
default_acrs: [MFA, Default]
console_required_acr: MFA
required_acr: Default
user_floor: off
acr_unmet: downgrade
acr_unmet_error: unmet_authentication_requirements
permitted_acrs_mode: fallback
inline_enrolment: {enabled: true, groups: [staff]}
services:
  bank:
    audience: https://bank.example
    scopes:
      payments.write: {description: Move money, consent_prompt: Pay for you, required_acr: MFA, fresh_at_consent: true}
scopes: {notes: {description: Read notes}}
claims: {nickname: nickName, picture: ""}
session: {idle: 30m}
policy: {profile: nist}
tokens: {access_token: 10m}
pkce: required
registration: {enabled: true, initial_access_token: "0123456789012345678901"}
backchannel: {allow_private: true}
branding: {name: Acme, colour: "#1d4ed8"}
`

func TestLoginSettingsOfTheFile(t *testing.T) {
	t.Parallel()
	got := load(t, config.Source{File: write(t, "c.yaml", loginFile)})
	want := config.Default()
	want.TrustedProxies = []string{"10.0.0.0/8"}
	want.Chains = map[string][]config.Link{"Office": {
		{Authenticator: "passkey", Criteria: "optional-stop-on-success"}, {Authenticator: "password"},
	}}
	want.ACRs = []config.ACR{
		{Name: "Default", Needs: []config.Need{{AnyOf: []string{"password", "passkey", "federated"}, MaxAge: new(12 * time.Hour)}}},
		{Name: "MFA", Distinct: true, Needs: []config.Need{
			{AnyOf: []string{"password", "passkey"}, MaxAge: new(12 * time.Hour)},
			{AnyOf: []string{"totp"}, MaxAge: new(6 * time.Hour), Unless: []config.Condition{
				{Device: &config.DeviceCondition{Remembered: true, MaxAge: new(30 * 24 * time.Hour)}},
			}},
		}},
		{
			Name: "Office", Needs: []config.Need{{AnyOf: []string{"password", "passkey"}, MaxAge: new(12 * time.Hour)}},
			When: []config.Condition{
				{IP: &config.IPCondition{In: []string{"192.0.2.0/24"}}},
				{Time: &config.TimeCondition{Zone: "Europe/Paris", Days: "mon-fri", From: "07:00", To: "20:00"}},
				{Header: &config.HeaderCondition{Name: "X-Zone", OneOf: []string{"lab", "hall"}}},
			},
		},
		{
			Name: "Chained", LoginChain: []string{"password"}, SecondFactorChain: []string{"totp", "sms_otp"},
			LoginExpires: new(12 * time.Hour), SecondFactorExpires: new(6 * time.Hour),
		},
		{Name: "Linked", LoginChain: []string{"Office"}, SecondFactorChain: []string{"Office"}},
	}
	want.ConsoleRequiredACR, want.RequiredACR, want.UserFloor = "MFA", "Default", false
	want.ACRUnmet, want.ACRUnmetError, want.PermittedACRsMode = "downgrade", "unmet_authentication_requirements", "fallback"
	want.InlineEnrolment = config.InlineEnrolment{Enabled: true, Groups: []string{"staff"}}
	want.Services = map[string]config.Service{"bank": {Audience: "https://bank.example", Scopes: map[string]config.Scope{
		"payments.write": {Description: "Move money", ConsentPrompt: "Pay for you", RequiredACR: "MFA", FreshAtConsent: true},
	}}}
	want.Scopes = map[string]config.Scope{"notes": {Description: "Read notes"}}
	want.Claims = map[string]string{"nickname": "nickName", "picture": ""}
	want.Session.Idle, want.Policy.Profile, want.Tokens.AccessToken = 30*time.Minute, "nist", 10*time.Minute
	want.PKCE = "required"
	want.Registration = config.Registration{Enabled: true, InitialAccessToken: "0123456789012345678901"}
	want.Backchannel.AllowPrivate = true
	want.Branding = config.Branding{Name: "Acme", Colour: "#1d4ed8"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Load (-want +got):\n%s", diff)
	}
	got.InlineEnrolment = config.InlineEnrolment{}
	if err := got.Validate(); err != nil {
		t.Errorf("Validate = %v", err)
	}
	if scopes := got.AllScopes(); len(scopes) != 2 || scopes["payments.write"].RequiredACR != "MFA" {
		t.Errorf("AllScopes = %v", scopes)
	}
}

// A fault in a part of a setting names the part.
func TestFaultsInPartsOfSettings(t *testing.T) {
	t.Parallel()
	_, err := config.Load(config.Source{File: write(t, "c.yaml", `
acrs:
  - {name: MFA, distinct: perhaps, needs: [{any_of: [password], max_age: soon}, {factors: [totp]}]}
  - needs: {any_of: [password]}
  - Default
services: {bank: {scope: {}}}
scopes: [notes]
claims: {name: [displayName]}
`)})
	for _, want := range []string{
		"MFA.distinct: wants true or false",
		`MFA.needs.entry 1.max_age: "soon" is not a time`,
		"MFA.needs.entry 2: factors is not a setting here",
		"entry 2.needs: wants a list of maps",
		"entry 3: wants a map of settings",
		"services: bank: scope is not a setting here",
		"scopes: wants a map",
		"claims: name: wants text, not a list",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Load = %v,\nwant also %q", err, want)
		}
	}
}

func TestLoginFaultsNameTheirKeys(t *testing.T) {
	t.Parallel()
	header := []config.Condition{{Header: &config.HeaderCondition{Name: "X-Zone", Present: true}}}
	when := func(c *config.Config, list ...config.Condition) { c.ACRs[0].When = list }
	for _, test := range []struct {
		key string
		set func(*config.Config)
	}{
		{"policy.profile", func(c *config.Config) { c.Policy.Profile = "strict" }},
		{"acr_unmet must", func(c *config.Config) { c.ACRUnmet = "never" }},
		{"acr_unmet_error", func(c *config.Config) { c.ACRUnmetError = "access_denied" }},
		{"permitted_acrs_mode", func(c *config.Config) { c.PermittedACRsMode = "replace" }},
		{"pkce", func(c *config.Config) { c.PKCE = "plain" }},
		{"inline_enrolment.groups must be left out", func(c *config.Config) { c.InlineEnrolment.Groups = []string{"staff"} }},
		{"inline_enrolment.groups must name groups", func(c *config.Config) {
			c.InlineEnrolment = config.InlineEnrolment{Enabled: true, Groups: []string{""}}
		}},
		{"acrs must define", func(c *config.Config) { c.ACRs = nil }},
		{`acrs: MFA.needs, entry 1 names chain "Nowhere"`, func(c *config.Config) { c.ACRs[1].Needs[0].Chain = "Nowhere" }},
		{"chains.1 must be a name", func(c *config.Config) { c.Chains = map[string][]config.Link{"1": {{Authenticator: "password"}}} }},
		{"chains.A must list", func(c *config.Config) { c.Chains = map[string][]config.Link{"A": {}} }},
		{"chains.A, entry 1 must name", func(c *config.Config) { c.Chains = map[string][]config.Link{"A": {{}}} }},
		{"chains.totp must not", func(c *config.Config) { c.Chains = map[string][]config.Link{"totp": {{Authenticator: "totp"}}} }},
		{"acrs: MFA must have needs", func(c *config.Config) { c.ACRs[1].LoginChain = []string{"password"} }},
		{"acrs: entry 4.login_chain", func(c *config.Config) {
			c.ACRs = append(c.ACRs, config.ACR{SecondFactorChain: []string{"totp"}})
		}},
		{"acrs: X.second_factor_expires", func(c *config.Config) {
			c.ACRs = append(c.ACRs, config.ACR{Name: "X", LoginChain: []string{"password"}, SecondFactorExpires: new(time.Hour)})
		}},
		{"default_acrs must name at least one", func(c *config.Config) { c.DefaultACRs = nil }},
		{`default_acrs names "Gold", which is not one of acrs: Default, MFA, MFA-Admin`, func(c *config.Config) { c.DefaultACRs = []string{"Gold"} }},
		{`default_acrs must name "MFA" once`, func(c *config.Config) { c.DefaultACRs = []string{"MFA", "MFA"} }},
		{"required_acr names", func(c *config.Config) { c.RequiredACR = "Gold" }},
		{"console_required_acr names", func(c *config.Config) { c.ConsoleRequiredACR = "Gold" }},
		{"second_factors.step_up.acr names", func(c *config.Config) { c.SecondFactors.StepUp.ACR = "Gold" }},
		{`acrs: Default.when, condition 1: ip: "inside" is neither`, func(c *config.Config) {
			when(c, config.Condition{IP: &config.IPCondition{NotIn: []string{"inside"}}})
		}},
		{"condition 1: time: zone must be the name", func(c *config.Config) { when(c, config.Condition{Time: &config.TimeCondition{}}) }},
		{`zone "Mars" is not known`, func(c *config.Config) { when(c, config.Condition{Time: &config.TimeCondition{Zone: "Mars"}}) }},
		{"days \"mon-fry\"", func(c *config.Config) {
			when(c, config.Condition{Time: &config.TimeCondition{Zone: "UTC", Days: "mon-fry"}})
		}},
		{`"25:00" must be hh:mm`, func(c *config.Config) {
			when(c, config.Condition{Time: &config.TimeCondition{Zone: "UTC", To: "25:00"}})
		}},
		{"trusted_proxies must name the proxy", func(c *config.Config) { c.ACRs[1].Needs[1].Unless = header }},
		{`"X Zone" is not the name of a header`, func(c *config.Config) {
			c.TrustedProxies = []string{"10.0.0.1"}
			when(c, config.Condition{Header: &config.HeaderCondition{Name: "X Zone"}})
		}},
		{"services.bank.audience must be set", func(c *config.Config) {
			c.Services = map[string]config.Service{"bank": {Scopes: map[string]config.Scope{"pay": {}}}}
		}},
		{"services.bank.scopes must define", func(c *config.Config) { c.Services = map[string]config.Service{"bank": {Audience: "bank"}} }},
		{"services.shop.audience is that of services.bank", func(c *config.Config) {
			s := func(scope string) config.Service {
				return config.Service{Audience: "a", Scopes: map[string]config.Scope{scope: {}}}
			}
			c.Services = map[string]config.Service{"bank": s("pay"), "shop": s("buy")}
		}},
		{"services.a b must be a name", func(c *config.Config) {
			c.Services = map[string]config.Service{"a b": {Audience: "a", Scopes: map[string]config.Scope{"x": {}}}}
		}},
		{"services.bank.scopes.pay is defined twice, also by scopes", func(c *config.Config) {
			c.Scopes = map[string]config.Scope{"pay": {}}
			c.Services = map[string]config.Service{"bank": {Audience: "a", Scopes: map[string]config.Scope{"pay": {}}}}
		}},
		{"scopes.openid is a scope of the provider", func(c *config.Config) { c.Scopes = map[string]config.Scope{"openid": {}} }},
		{"scopes.scim:x is a scope of the provider", func(c *config.Config) { c.Scopes = map[string]config.Scope{"scim:x": {}} }},
		{"must be a scope name", func(c *config.Config) { c.Scopes = map[string]config.Scope{`a"b`: {}} }},
		{"scopes.x.required_acr names", func(c *config.Config) { c.Scopes = map[string]config.Scope{"x": {RequiredACR: "Gold"}} }},
		{"scopes.x.fresh_at_consent needs", func(c *config.Config) { c.Scopes = map[string]config.Scope{"x": {FreshAtConsent: true}} }},
		{"session.idle must be whole seconds from 5m to 30d", func(c *config.Config) { c.Session.Idle = time.Minute }},
		{"session.idle must be whole seconds from 5m to 1h with policy.profile nist", func(c *config.Config) {
			c.Policy.Profile, c.Session.Idle = "nist", 2*time.Hour
		}},
		{"session.absolute must be whole seconds from 1h to 24h with policy.profile nist", func(c *config.Config) {
			c.Policy.Profile, c.Session.Absolute = "nist", 48*time.Hour
		}},
		{"session.absolute", func(c *config.Config) { c.Session.Absolute = 31 * 24 * time.Hour }},
		{"session.idle must not exceed", func(c *config.Config) { c.Session.Idle = 25 * time.Hour }},
		{"tokens.code", func(c *config.Config) { c.Tokens.Code = 11 * time.Minute }},
		{"tokens.access_token", func(c *config.Config) { c.Tokens.AccessToken = time.Second }},
		{"tokens.id_token", func(c *config.Config) { c.Tokens.IDToken = 0 }},
		{"tokens.refresh_idle must not exceed", func(c *config.Config) { c.Tokens.RefreshIdle = 100 * 24 * time.Hour }},
		{"tokens.refresh_absolute", func(c *config.Config) { c.Tokens.RefreshAbsolute = 400 * 24 * time.Hour }},
		{"tokens.device_code", func(c *config.Config) { c.Tokens.DeviceCode = time.Second }},
		{"tokens.device_interval", func(c *config.Config) { c.Tokens.DeviceInterval = 0 }},
		{"registration.enabled must be true", func(c *config.Config) { c.Registration.Open = true }},
		{"registration.initial_access_token must be set", func(c *config.Config) { c.Registration.Enabled = true }},
		{"registration.initial_access_token must be of 22", func(c *config.Config) {
			c.Registration = config.Registration{Enabled: true, InitialAccessToken: "secret"}
		}},
		{"exclude each other", func(c *config.Config) {
			c.Registration = config.Registration{Enabled: true, Open: true, InitialAccessToken: "0123456789012345678901"}
		}},
		{"branding.name", func(c *config.Config) { c.Branding.Name = strings.Repeat("x", 61) }},
		{"branding.colour must", func(c *config.Config) { c.Branding.Colour = "red" }},
		{"branding.colour_dark must", func(c *config.Config) { c.Branding.ColourDark = "#12345" }},
		{"claims.acr is set by the protocol", func(c *config.Config) { c.Claims = map[string]string{"acr": "title"} }},
	} {
		c := config.Default()
		test.set(&c)
		err := c.Validate()
		if err == nil || !strings.Contains(err.Error(), test.key) {
			t.Errorf("Validate = %v, want %q", err, test.key)
		}
		if err != nil && strings.Contains(err.Error(), "0123456789") {
			t.Errorf("Validate shows a secret: %v", err)
		}
	}
}

func TestDays(t *testing.T) {
	t.Parallel()
	const mon, tue, fri, sat, sun = time.Monday, time.Tuesday, time.Friday, time.Saturday, time.Sunday
	for text, want := range map[string][]time.Weekday{
		"":              nil,
		"mon":           {mon},
		"Mon-Tue, fri":  {mon, tue, fri},
		"fri-mon":       {fri, sat, sun, mon},
		"sat,sat , sun": {sat, sun},
	} {
		got, err := config.ParseDays(text)
		if err != nil || !cmp.Equal(got, want) {
			t.Errorf("ParseDays(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"-", "mon-", "monday", "1"} {
		if got, err := config.ParseDays(text); err == nil {
			t.Errorf("ParseDays(%q) = %v, want an error", text, got)
		}
	}
}

// A session that ends before a proof may is worth a warning.
func TestSessionShorterThanACR(t *testing.T) {
	t.Parallel()
	c := config.Default()
	if got := c.Warnings(); len(got) != 0 {
		t.Errorf("Warnings = %q", got)
	}
	c.Session.Idle = 11 * time.Hour
	if got := c.Warnings(); len(got) != 3 || !strings.HasPrefix(got[0], `session.idle is 11h0m0s, shorter than the 12h0m0s that ACR "Default"`) {
		t.Errorf("Warnings = %q", got)
	}
	c = config.Default()
	c.ACRs = []config.ACR{{Name: "Chained", LoginChain: []string{"password"}, LoginExpires: new(20 * time.Hour)}}
	if got := c.Warnings(); len(got) != 1 {
		t.Errorf("Warnings = %q", got)
	}
}

func TestSessionLife(t *testing.T) {
	t.Parallel()
	c := config.Default()
	if idle, absolute := c.SessionLife(); idle != 12*time.Hour || absolute != 24*time.Hour {
		t.Errorf("SessionLife = %s, %s", idle, absolute)
	}
	c.Policy.Profile = config.ProfileNIST
	if idle, absolute := c.SessionLife(); idle != time.Hour || absolute != 24*time.Hour {
		t.Errorf("SessionLife of nist = %s, %s", idle, absolute)
	}
	if c.ServiceName() != "Sallyport" {
		t.Errorf("ServiceName = %q", c.ServiceName())
	}
	c.Branding.Name = "Acme"
	if c.ServiceName() != "Acme" {
		t.Errorf("ServiceName = %q", c.ServiceName())
	}
}

package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Recovery says how people get back into their accounts.
type Recovery struct {
	// Password, UserName and Verify offer a forgotten password, a forgotten user
	// name, and the verification of an account's address.
	Password bool `koanf:"password"`
	UserName bool `koanf:"user_name"`
	Verify   bool `koanf:"verify"`
	// SMS offers a code by SMS, to validated numbers only.
	SMS bool `koanf:"sms"`
	// UnvalidatedAddresses lets messages go to an address of the record that
	// nobody has proved, for users who have proved none.
	UnvalidatedAddresses bool `koanf:"unvalidated_addresses"`
	// LinkLifetime is how long mailed links and codes are good, InviteLifetime how
	// long invitations are.
	LinkLifetime   time.Duration `koanf:"link_lifetime"`
	InviteLifetime time.Duration `koanf:"invite_lifetime"`
}

// SignUp is self-registration. Off by default.
type SignUp struct {
	Enabled bool `koanf:"enabled"`
	// Domains are those whose addresses may have an account; empty: all.
	Domains []string `koanf:"domains"`
	// Attributes are asked for beside the address.
	Attributes []string `koanf:"attributes"`
}

// Bounds of passwords and recovery (security.md 1).
const (
	leastPassword, mostLeastPassword = 8, 64
	leastLongest, mostLongest        = 64, 1024
	mostHistory                      = 24
	leastLink                        = 10 * time.Minute
	mostLink                         = 24 * time.Hour
)

func defaultRecovery() Recovery {
	return Recovery{
		Password: true, UserName: true, Verify: true, SMS: true, UnvalidatedAddresses: true,
		LinkLifetime: time.Hour, InviteLifetime: mostLink,
	}
}

func defaultSignUp() SignUp { return SignUp{Attributes: []string{"givenName", "familyName"}} }

// signUpAttributes are those that a new account may be asked for.
func signUpAttributes() []string {
	return []string{"givenName", "familyName", "displayName", "nickName", "preferredLanguage", "locale", "timezone"}
}

// validateAccounts checks passwords, recovery and registration.
func (c *Config) validateAccounts(v *faults) {
	p := c.Password
	v.unless(p.MinLength == 0 || p.MinLength >= leastPassword && p.MinLength <= mostLeastPassword, "password.min_length", "must be from 8 to 64")
	v.unless(p.MaxLength == 0 || p.MaxLength >= leastLongest && p.MaxLength <= mostLongest, "password.max_length", "must be from 64 to 1024")
	v.unless(p.History >= 0 && p.History <= mostHistory, "password.history", "must be from 0 (none) to 24")
	for _, life := range []struct {
		key   string
		value time.Duration
	}{{"recovery.link_lifetime", c.Recovery.LinkLifetime}, {"recovery.invite_lifetime", c.Recovery.InviteLifetime}} {
		v.unless(life.value == 0 || life.value >= leastLink && life.value <= mostLink, life.key, "must be from 10m to 24h")
	}
	// Else whoever finds an open session could have the next message sent to
	// themselves.
	v.unless(!c.Recovery.UnvalidatedAddresses || !slices.ContainsFunc(c.SelfService.Writable, isEmails), "recovery.unvalidated_addresses",
		"must be false while self_service.writable lets users write emails")
	for _, name := range c.SignUp.Attributes {
		v.unless(slices.Contains(signUpAttributes(), name), "sign_up.attributes",
			fmt.Sprintf("must not have %q: there are %s", name, strings.Join(signUpAttributes(), ", ")))
	}
	for _, domain := range c.SignUp.Domains {
		v.unless(domain != "" && !strings.ContainsAny(domain, "@ *"), "sign_up.domains", "must be domains such as example.org, without @ and *")
	}
}

// isEmails reports whether an attribute path is of the e-mail addresses.
func isEmails(path string) bool {
	path = strings.ToLower(path[strings.LastIndexByte(path, ':')+1:])
	return path == "emails" || strings.HasPrefix(path, "emails.") || strings.HasPrefix(path, "emails[")
}

package config

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
)

// Authenticator is a factor that a service of others judges; see
// docs/extending.md. Its name in the map is that of the factor in ACRs and
// chains.
type Authenticator struct {
	// URL takes the signed requests.
	URL string `koanf:"url"`
	// Secret is what both sides sign with, 32 bytes or more; SecretFile is a file
	// that holds it instead.
	Secret     Secret `koanf:"secret"`
	SecretFile string `koanf:"secret_file"`
	// Label is what pages call it; empty: its name.
	Label string `koanf:"label"`
	// Category is knowledge, possession or inherence.
	Category string `koanf:"category"`
	// AMR is what a proof is called (RFC 8176 section 2).
	AMR []string `koanf:"amr"`
	// Attribute is the path of the attribute of users who have the factor; its
	// value is sent. Empty: every user has it.
	Attribute string `koanf:"attribute"`
	// First lets it begin a login.
	First bool `koanf:"first"`
	// Starts asks the service before an answer is asked for; Waits means that
	// nothing is typed here.
	Starts bool `koanf:"starts"`
	Waits  bool `koanf:"waits"`
	// Digits is the length of answers of digits only; 0: they are any text.
	Digits int `koanf:"digits"`
	// AllowPrivate lets the URL be inside the network, and http there.
	AllowPrivate bool `koanf:"allow_private"`
}

// Bounds of authenticators.
const (
	leastSharedSecret = 32 // bytes
	mostDigits        = 20
)

// authenticatorName is the name of a plugged-in factor.
var authenticatorName = regexp.MustCompile(`^[a-z][a-z0-9_]{1,31}$`)

// amrName is one authentication method reference.
var amrName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)

func (c *Config) validateAuthenticators(v *faults) {
	for _, name := range slices.Sorted(maps.Keys(c.Authenticators)) {
		a, key := c.Authenticators[name], "authenticators."+name
		v.unless(authenticatorName.MatchString(name), key, "must be a name of 2 to 32 lower-case letters, digits and _")
		u, err := url.Parse(a.URL)
		v.unless(err == nil && u.Host != "" && u.User == nil && u.Fragment == "", key+".url", "must be the absolute URL of the service")
		if err == nil && u.Host != "" {
			v.unless(u.Scheme == "https" || u.Scheme == "http" && a.AllowPrivate, key+".url",
				"must be an https URL; http only with allow_private, inside your network")
		}
		v.unless((a.Secret == "") != (a.SecretFile == ""), key+".secret", "must be given, or secret_file")
		v.unless(a.Secret == "" || len(a.Secret) >= leastSharedSecret, key+".secret", "must have 32 bytes or more")
		v.oneOf(key+".category", a.Category, "knowledge", "possession", "inherence")
		v.unless(len(a.AMR) > 0 && !slices.ContainsFunc(a.AMR, func(n string) bool {
			return !amrName.MatchString(n) || n == "mfa" || n == "mca"
		}), key+".amr", "must list what a proof is called (RFC 8176), such as hwk; mfa and mca follow by themselves")
		v.unless(!a.Waits || a.Starts, key+".waits", "needs starts: true")
		v.unless(a.Digits >= 0 && a.Digits <= mostDigits, key+".digits", "must be from 0 to 20")
	}
}

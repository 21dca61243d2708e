package config

import (
	"strings"
	"time"
)

// SecondFactors says what is enrolled as a second factor, and how.
type SecondFactors struct {
	// EmailPaths and PhonePaths are the attributes whose values users validate,
	// each "path" or "key=path", such as secondFactorEmail or
	// home=emails[type eq "home"].value.
	EmailPaths []string `koanf:"email_paths"`
	PhonePaths []string `koanf:"phone_paths"`
	// TrustedMessageTexts lets clients that keep a secret choose the texts of
	// messages, within the rules; otherwise the templates are used.
	TrustedMessageTexts bool `koanf:"trusted_message_texts"`
	// IssuerName is how authenticator apps list the account; empty: the name of
	// the service in messages.
	IssuerName string `koanf:"issuer_name"`
	// Lifetime is that of an enrolment of an authenticator app.
	Lifetime time.Duration `koanf:"enrolment_lifetime"`

	// Notices tells users of changes of their passwords and second factors, at
	// their validated e-mail addresses.
	Notices bool `koanf:"notices"`

	TOTP   TOTP         `koanf:"totp"`
	StepUp StepUp       `koanf:"step_up"`
	Limits FactorLimits `koanf:"limits"`
}

// TOTP is how the secrets of authenticator apps are made (RFC 6238).
type TOTP struct {
	Algorithm   string        `koanf:"algorithm"` // SHA1, SHA256, SHA512
	Digits      int           `koanf:"digits"`
	Period      time.Duration `koanf:"period"`
	Skew        int           `koanf:"skew"` // steps accepted before and after
	SecretBytes int           `koanf:"secret_bytes"`
}

// StepUp says how recent a proof must be before a user changes factors.
type StepUp struct {
	// Age is how old a second factor may be; LoginAge a login of a user who has
	// no second factor yet.
	Age      time.Duration `koanf:"age"`
	LoginAge time.Duration `koanf:"login_age"`
	// ACR and LoginACR are the authentication contexts that a client is told to
	// ask for (RFC 9470).
	ACR      string `koanf:"acr"`
	LoginACR string `koanf:"login_acr"`
}

// SelfService says what users may do with their own tokens.
type SelfService struct {
	// Writable are the attributes that users may write in their own record,
	// besides secondFactorEnabled and the paths of second factors.
	Writable []string `koanf:"writable"`
}

// FactorLimits bounds attempts and sends. 0 is the default of each; the bounds
// are checked where they are used, and named in docs/second-factors.md.
type FactorLimits struct {
	Tries           int           `koanf:"tries"`
	Pause           time.Duration `koanf:"pause"`
	PauseMax        time.Duration `koanf:"pause_max"`
	Ceiling         int           `koanf:"ceiling"`
	PasswordFirst   int           `koanf:"password_first"`
	PasswordCeiling int           `koanf:"password_ceiling"`
	// ResendWaits are the times before the second, third … send of a series.
	ResendWaits     []string `koanf:"resend_waits"`
	SeriesSends     int      `koanf:"series_sends"`
	DestinationHour int      `koanf:"destination_hour"`
	DestinationDay  int      `koanf:"destination_day"`
	UserDay         int      `koanf:"user_day"`
	IPHour          int      `koanf:"ip_hour"`
	ClientHour      int      `koanf:"client_hour"`
	PrefixMinute    int      `koanf:"prefix_minute"`
	TelephoneMinute int      `koanf:"telephone_minute"`
	EmailMinute     int      `koanf:"email_minute"`
	// SpendDay caps the SMS and calls of a day; 0: no cap.
	SpendDay int `koanf:"spend_day"`
}

func defaultSecondFactors() SecondFactors {
	return SecondFactors{
		EmailPaths: []string{"secondFactorEmail"}, PhonePaths: []string{"secondFactorPhoneNumber"},
		TrustedMessageTexts: true, Lifetime: maxCodeLife, Notices: true,
		TOTP:   TOTP{Algorithm: "SHA1", Digits: 6, Period: 30 * time.Second, Skew: 1, SecretBytes: 20},
		StepUp: StepUp{Age: 5 * time.Minute, LoginAge: 15 * time.Minute, ACR: "MFA", LoginACR: "Default"},
	}
}

// validateSecondFactors checks what needs no schema; the rest is checked when
// the service is made.
func (c *Config) validateSecondFactors(v *faults) {
	f := c.SecondFactors
	v.unless(len(f.EmailPaths) > 0, "second_factors.email_paths", "must name at least one attribute")
	v.unless(len(f.PhonePaths) > 0, "second_factors.phone_paths", "must name at least one attribute")
	v.unless(len(f.IssuerName) <= 60 && !strings.Contains(f.IssuerName, ":"), "second_factors.issuer_name",
		"must be of 60 bytes at most, without a colon")
	v.unless(f.Lifetime >= 2*time.Minute && f.Lifetime <= maxCodeLife, "second_factors.enrolment_lifetime", "must be from 2m to 10m")
	for _, age := range []struct {
		key   string
		value time.Duration
	}{{"second_factors.step_up.age", f.StepUp.Age}, {"second_factors.step_up.login_age", f.StepUp.LoginAge}} {
		v.unless(age.value >= time.Minute && age.value <= time.Hour, age.key, "must be from 60s to 1h")
	}
	for _, name := range []struct{ key, value string }{
		{"second_factors.step_up.acr", f.StepUp.ACR}, {"second_factors.step_up.login_acr", f.StepUp.LoginACR},
	} {
		v.unless(name.value != "" && !strings.ContainsAny(name.value, " \"\\"), name.key, "must be a name without spaces and quotes")
	}
	for _, text := range f.Limits.ResendWaits {
		if _, err := ParseDuration(text); err != nil {
			v.add("second_factors.limits.resend_waits", err)
		}
	}
}

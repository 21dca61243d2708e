package config

import (
	"maps"
	"time"
)

// ACR is an authentication context class as the file writes it: needs, or the
// two chains with their intervals as shorthand.
type ACR struct {
	Name  string `koanf:"name"`
	Needs []Need `koanf:"needs"`
	// Distinct asks for proofs of different categories.
	Distinct bool `koanf:"distinct"`
	// When closes the ACR unless all of them hold.
	When []Condition `koanf:"when"`

	// LoginChain and SecondFactorChain are the factors of a first and a second
	// need, the latter with distinct, or the name of one of Chains; LoginExpires
	// and SecondFactorExpires are their ages, no limit when left out. They exclude
	// Needs.
	LoginChain          []string       `koanf:"login_chain"`
	LoginExpires        *time.Duration `koanf:"login_expires"`
	SecondFactorChain   []string       `koanf:"second_factor_chain"`
	SecondFactorExpires *time.Duration `koanf:"second_factor_expires"`
}

// Link is one authenticator of a chain.
type Link struct {
	Authenticator string `koanf:"authenticator"`
	// Criteria is required-continue (the default), required-stop-on-failure,
	// optional-stop-on-success or optional-continue.
	Criteria string `koanf:"criteria"`
}

// Need is one thing that must be shown: any_of, or a chain by its name.
type Need struct {
	AnyOf []string `koanf:"any_of"`
	Chain string   `koanf:"chain"`
	// MaxAge is how old the proof may be; nil: no limit; 0: it must be made in
	// the login at hand.
	MaxAge *time.Duration `koanf:"max_age"`
	// Unless lifts the need when all of them hold.
	Unless []Condition `koanf:"unless"`
}

// Condition is one test of the authentication context: one member is set.
type Condition struct {
	IP     *IPCondition     `koanf:"ip"`
	Time   *TimeCondition   `koanf:"time"`
	Header *HeaderCondition `koanf:"header"`
	Device *DeviceCondition `koanf:"device"`
}

// IPCondition names networks, or lone addresses.
type IPCondition struct {
	In    []string `koanf:"in"`
	NotIn []string `koanf:"not_in"`
}

// TimeCondition is a span of the day in a place.
type TimeCondition struct {
	Zone string `koanf:"zone"` // IANA name
	// Days are "mon" to "sun" and ranges "mon-fri", separated by commas; empty:
	// every day.
	Days string `koanf:"days"`
	// From and To are "hh:mm"; empty: from midnight, to midnight.
	From string `koanf:"from"`
	To   string `koanf:"to"`
}

// HeaderCondition tests a header that a trusted proxy sets: one of Equals, OneOf
// and Present.
type HeaderCondition struct {
	Name    string   `koanf:"name"`
	Equals  string   `koanf:"equals"`
	OneOf   []string `koanf:"one_of"`
	Present bool     `koanf:"present"`
}

// DeviceCondition tests whether the browser is remembered.
type DeviceCondition struct {
	Remembered bool           `koanf:"remembered"`
	MaxAge     *time.Duration `koanf:"max_age"`
}

// Service is a resource server: an API that takes our access tokens. Its
// introspection credential is made by `sallyport service create`.
type Service struct {
	Audience string           `koanf:"audience"`
	Scopes   map[string]Scope `koanf:"scopes"`
}

// Scope is one scope of a service, or of the provider itself.
type Scope struct {
	Description   string `koanf:"description"`
	ConsentPrompt string `koanf:"consent_prompt"`
	// RequiredACR must be met before the scope is granted; empty: none.
	RequiredACR string `koanf:"required_acr"`
	// FreshAtConsent counts only proofs made on the consent page.
	FreshAtConsent bool `koanf:"fresh_at_consent"`
}

// InlineEnrolment lets users who lack a second factor that a login asks for set
// one up on the way.
type InlineEnrolment struct {
	Enabled bool `koanf:"enabled"`
	// Groups bounds it to the members of these groups, by display name; empty:
	// everyone.
	Groups []string `koanf:"groups"`
}

// Policy chooses between sets of bounds.
type Policy struct {
	// Profile is default, or nist: the stricter bounds of NIST SP 800-63B-4.
	Profile string `koanf:"profile"`
}

// The profiles.
const (
	ProfileDefault = "default"
	ProfileNIST    = "nist"
)

// Session is the life of sessions of browsers. 0 takes that of the profile.
type Session struct {
	Idle     time.Duration `koanf:"idle"`
	Absolute time.Duration `koanf:"absolute"`
}

// Tokens are the lives of what the provider issues.
type Tokens struct {
	Code        time.Duration `koanf:"code"`
	AccessToken time.Duration `koanf:"access_token"`
	IDToken     time.Duration `koanf:"id_token"`
	// RefreshIdle ends a refresh token without use, RefreshAbsolute its family.
	RefreshIdle     time.Duration `koanf:"refresh_idle"`
	RefreshAbsolute time.Duration `koanf:"refresh_absolute"`
	DeviceCode      time.Duration `koanf:"device_code"`
	// DeviceInterval is how long a device waits between polls.
	DeviceInterval time.Duration `koanf:"device_interval"`
}

// Branding is how the pages look.
type Branding struct {
	// Name is shown on pages; empty: delivery.service.
	Name string `koanf:"name"`
	// Logo is an SVG or PNG file.
	Logo string `koanf:"logo"`
	// Colour and ColourDark are "#rrggbb" for buttons and links, on light and on
	// dark pages; empty: ours.
	Colour     string `koanf:"colour"`
	ColourDark string `koanf:"colour_dark"`
}

// Registration is dynamic client registration (RFC 7591).
type Registration struct {
	Enabled bool `koanf:"enabled"`
	// Open lets anybody register; otherwise an initial access token is needed.
	Open bool `koanf:"open"`
	// InitialAccessToken is that token, of 22 characters at least.
	InitialAccessToken Secret `koanf:"initial_access_token"`
}

// Backchannel is how clients are told of logouts.
type Backchannel struct {
	// AllowPrivate lets notices go to loopback, link-local and private addresses.
	AllowPrivate bool `koanf:"allow_private"`
}

// The values of acr_unmet, acr_unmet_error, permitted_acrs_mode and pkce.
const (
	UnmetFail           = "fail"
	UnmetDowngrade      = "downgrade"
	UnmetInteraction    = "interaction_required"
	UnmetAuthentication = "unmet_authentication_requirements"
	PermittedIntersect  = "intersect"
	PermittedFallback   = "fallback"
	PKCEOptional        = "optional"
	PKCERequired        = "required"
)

// Lives of sessions that are not configured.
const (
	sessionIdle     = 12 * time.Hour
	sessionIdleNIST = time.Hour
	sessionAbsolute = 24 * time.Hour
)

// SessionLife returns how long a session lives without use, and at most.
func (c *Config) SessionLife() (idle, absolute time.Duration) {
	idle, absolute = c.Session.Idle, c.Session.Absolute
	if absolute == 0 {
		absolute = sessionAbsolute
	}
	if idle == 0 {
		idle = sessionIdle
		if c.Policy.Profile == ProfileNIST {
			idle = sessionIdleNIST
		}
	}
	return idle, absolute
}

// ServiceName is the name of this service on pages.
func (c *Config) ServiceName() string {
	if c.Branding.Name != "" {
		return c.Branding.Name
	}
	return c.Delivery.Service
}

func defaultTokens() Tokens {
	return Tokens{
		Code: time.Minute, AccessToken: 5 * time.Minute, IDToken: 5 * time.Minute,
		RefreshIdle: 30 * 24 * time.Hour, RefreshAbsolute: 90 * 24 * time.Hour,
		DeviceCode: 10 * time.Minute, DeviceInterval: 5 * time.Second,
	}
}

// defaultACRs are three classes: one factor, two, and two without e-mail for
// administrators.
func defaultACRs() []ACR {
	first := func() Need {
		return Need{AnyOf: []string{"password", "passkey", "federated"}, MaxAge: new(12 * time.Hour)}
	}
	second := func(factors ...string) Need { return Need{AnyOf: factors, MaxAge: new(6 * time.Hour)} }
	return []ACR{
		{Name: "Default", Needs: []Need{first()}},
		{Name: "MFA", Distinct: true, Needs: []Need{
			first(), second("passkey", "totp", "email_otp", "sms_otp", "voice_otp", "recovery_code"),
		}},
		{Name: "MFA-Admin", Distinct: true, Needs: []Need{
			first(), second("passkey", "totp", "sms_otp", "voice_otp", "recovery_code"),
		}},
	}
}

// defaultLogin sets what a server does that nobody configured: who has a second
// factor is asked for it.
func defaultLogin(c Config) Config {
	c.ACRs, c.DefaultACRs, c.ConsoleRequiredACR = defaultACRs(), []string{"MFA", "Default"}, "MFA-Admin"
	c.UserFloor = true
	c.ACRUnmet, c.ACRUnmetError, c.PermittedACRsMode = UnmetFail, UnmetInteraction, PermittedIntersect
	c.PKCE = PKCEOptional
	c.Passkeys = defaultPasskeys()
	c.RememberDevice = RememberDevice{Enabled: true, MaxAge: rememberFor}
	c.Policy.Profile = ProfileDefault
	c.Tokens = defaultTokens()
	return c
}

// AllScopes returns every scope of the services and of the provider, by name.
func (c *Config) AllScopes() map[string]Scope {
	out := maps.Clone(c.Scopes)
	if out == nil {
		out = map[string]Scope{}
	}
	for _, s := range c.Services {
		maps.Copy(out, s.Scopes)
	}
	return out
}

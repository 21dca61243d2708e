package config

import (
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// Types of providers elsewhere.
const (
	ProviderOIDC      = "oidc"
	ProviderGoogle    = "google"
	ProviderMicrosoft = "microsoft"
	ProviderFacebook  = "facebook"
	ProviderSAML      = "saml"
)

// How an account elsewhere becomes a user's.
const (
	// LinkLogin: only while the user is logged in, by the user.
	LinkLogin = "login"
	// LinkVerifiedEmail: also by an address that the provider has verified.
	LinkVerifiedEmail = "verified_email"
)

// IdentityProvider is a provider elsewhere at which people log in; see
// docs/federation.md.
type IdentityProvider struct {
	// ID stands in URLs and links: it is never changed.
	ID string `koanf:"id"`
	// Type is oidc, google, microsoft, facebook or saml.
	Type string `koanf:"type"`
	// Name is what people read; empty: that of the type, else the ID.
	Name        string `koanf:"name"`
	Description string `koanf:"description"`
	IconURL     string `koanf:"icon_url"`
	// Disabled takes it off the pages and refuses logins that are under way.
	Disabled bool `koanf:"disabled"`

	// Issuer is that of an OpenID Connect provider; its metadata say the rest.
	Issuer string `koanf:"issuer"`
	// Tenant is that of Microsoft: an id, organizations, consumers or common;
	// Tenants are those whose users may come, for the latter three.
	Tenant       string   `koanf:"tenant"`
	Tenants      []string `koanf:"tenants"`
	ClientID     string   `koanf:"client_id"`
	ClientSecret Secret   `koanf:"client_secret"`
	// ClientSecretFile is a file that holds the secret instead.
	ClientSecretFile string `koanf:"client_secret_file"`
	// AuthMethod is client_secret_basic, client_secret_post or none; empty: as the
	// provider offers it.
	AuthMethod string   `koanf:"token_endpoint_auth_method"`
	Scopes     []string `koanf:"scopes"`
	ACRValues  []string `koanf:"acr_values"`
	Algorithms []string `koanf:"algorithms"`
	FormPost   bool     `koanf:"form_post"`
	UserInfo   bool     `koanf:"userinfo"`
	// APIVersion is that of the Graph API of Facebook; DialogURL and GraphURL are
	// other addresses of it.
	APIVersion string `koanf:"api_version"`
	DialogURL  string `koanf:"dialog_url"`
	GraphURL   string `koanf:"graph_url"`

	// TrustACR lets acr, amr and auth_time of the provider count, for the values of
	// the maps, which name the further factors that a value stands for.
	TrustACR bool                `koanf:"trust_acr"`
	ACRMap   map[string][]string `koanf:"acr_map"`
	AMRMap   map[string][]string `koanf:"amr_map"`
	// TrustEmail believes that an address is verified, of these domains.
	TrustEmail bool     `koanf:"trust_email"`
	Domains    []string `koanf:"domains"`

	// Link is login or verified_email; empty: login.
	Link   string `koanf:"link"`
	Create Create `koanf:"create"`
	// Callbacks are addresses of applications that link by SCIM with a token which
	// belongs to no client.
	Callbacks []string `koanf:"callbacks"`

	// AllowPrivate lets the provider be inside the network, and http there.
	AllowPrivate bool         `koanf:"allow_private"`
	SAML         SAMLProvider `koanf:"saml"`
}

// Create makes users of accounts elsewhere at their first login.
type Create struct {
	Enabled bool `koanf:"enabled"`
	// Attributes name the claim or attribute of the provider that fills an
	// attribute, by its path.
	Attributes map[string]string `koanf:"attributes"`
	// Groups are the ids of the groups that a new user joins.
	Groups []string `koanf:"groups"`
}

// Title is the name that people read.
func (p IdentityProvider) Title() string {
	usual := map[string]string{ProviderGoogle: "Google", ProviderMicrosoft: "Microsoft", ProviderFacebook: "Facebook"}
	for _, name := range []string{p.Name, usual[p.Type], p.ID} {
		if name != "" {
			return name
		}
	}
	return ""
}

var (
	providerID = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,31}$`)
	domainName = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$`)
)

const mostProviders = 50

// vouched are the factors that the word of a provider may stand for.
func vouched() []string { return []string{"totp", "email_otp", "sms_otp", "voice_otp"} }

func (c *Config) validateIdentityProviders(v *faults) {
	v.unless(len(c.IdentityProviders) <= mostProviders, "identity_providers", fmt.Sprintf("must be %d at most", mostProviders))
	seen := map[string]bool{}
	for i, p := range c.IdentityProviders {
		key := "identity_providers: " + p.ID
		if p.ID == "" {
			key = fmt.Sprint("identity_providers: entry ", i+1)
		}
		v.unless(providerID.MatchString(p.ID), key+".id", "must be 1 to 32 lower-case letters, digits, - and _")
		v.unless(!seen[p.ID], key+".id", "must be another than that of the other providers")
		seen[p.ID] = true
		v.unless(len(p.Name) <= 60 && len(p.Description) <= 500, key+".name", "must be of 60 bytes at most, description of 500")
		p.validateType(v, key)
		p.validateTrust(v, key)
		p.validateUsers(v, key, c.SelfService.Writable)
	}
}

func (p IdentityProvider) validateType(v *faults, key string) {
	types := []string{ProviderOIDC, ProviderGoogle, ProviderMicrosoft, ProviderFacebook, ProviderSAML}
	v.oneOf(key+".type", p.Type, types...)
	if !slices.Contains(types, p.Type) {
		return // what goes with it cannot be said
	}
	only := func(set bool, name string, types ...string) {
		v.unless(!set || slices.Contains(types, p.Type), key+"."+name, "goes with the type "+strings.Join(types, " or ")+" only")
	}
	only(p.Issuer != "", "issuer", ProviderOIDC)
	only(p.Tenant != "", "tenant", ProviderMicrosoft)
	only(len(p.Tenants) > 0, "tenants", ProviderMicrosoft)
	only(p.APIVersion != "", "api_version", ProviderFacebook)
	only(p.DialogURL != "" || p.GraphURL != "", "graph_url", ProviderFacebook)
	only(!reflect.ValueOf(p.SAML).IsZero(), "saml", ProviderSAML)
	if p.Type == ProviderSAML {
		p.SAML.validate(v, key+".saml", p.AllowPrivate)
		v.unless(p.ClientID == "" && p.ClientSecret == "" && p.ClientSecretFile == "", key+".client_id", "is nothing that SAML has")
		return
	}
	v.unless(p.Type != ProviderOIDC || webURL(p.Issuer, p.AllowPrivate), key+".issuer",
		"must be the https URL of the provider, without /.well-known (http only with allow_private)")
	v.unless(p.Type != ProviderMicrosoft || p.Tenant != "", key+".tenant", "must be the id of a tenant, organizations, consumers or common")
	v.unless(p.ClientID != "", key+".client_id", "must be given")
	v.unless(p.ClientSecret == "" || p.ClientSecretFile == "", key+".client_secret", "must be given here or by client_secret_file, not both")
	v.unless(p.AuthMethod == "" || slices.Contains([]string{"client_secret_basic", "client_secret_post", "none"}, p.AuthMethod),
		key+".token_endpoint_auth_method", "must be client_secret_basic, client_secret_post or none")
	secret := p.ClientSecret != "" || p.ClientSecretFile != ""
	v.unless(secret || p.Type == ProviderOIDC, key+".client_secret", "must be given")
}

func (p IdentityProvider) validateTrust(v *faults, key string) {
	v.unless(p.TrustACR || len(p.ACRMap) == 0 && len(p.AMRMap) == 0, key+".trust_acr", "must be true for acr_map and amr_map to count")
	for name, list := range map[string]map[string][]string{"acr_map": p.ACRMap, "amr_map": p.AMRMap} {
		for _, value := range slices.Sorted(maps.Keys(list)) {
			for _, factor := range list[value] {
				v.unless(slices.Contains(vouched(), factor), key+"."+name+"."+value, "must list further factors that it stands for: "+strings.Join(vouched(), ", "))
			}
		}
	}
	v.unless(p.TrustEmail == (len(p.Domains) > 0), key+".domains", "must list the domains whose addresses count, with trust_email: true")
	v.unless(!p.TrustEmail || p.Type != ProviderFacebook, key+".trust_email", "must be false: Facebook does not say whether an address is verified")
	for _, d := range p.Domains {
		v.unless(domainName.MatchString(d), key+".domains", fmt.Sprintf("must list domains in lower case, such as example.org, not %q", d))
	}
}

func (p IdentityProvider) validateUsers(v *faults, key string, writable []string) {
	v.unless(p.Link == "" || p.Link == LinkLogin || p.Link == LinkVerifiedEmail, key+".link", "must be login or verified_email")
	if p.Link == LinkVerifiedEmail {
		v.unless(p.TrustEmail, key+".link", "verified_email needs trust_email: true")
		// Whoever could write the address of another into the own record would be
		// given that other's login.
		v.unless(!slices.ContainsFunc(writable, func(w string) bool { return strings.HasPrefix(strings.ToLower(w), "emails") }),
			key+".link", "cannot be verified_email while self_service.writable has emails: a user could write the address of another")
	}
	if p.Create.Enabled {
		v.unless(p.Create.Attributes["userName"] != "", key+".create.attributes", "must name what fills userName")
	}
	for _, u := range p.Callbacks {
		v.unless(webURL(u, true), key+".callbacks", fmt.Sprintf("must list absolute URLs, not %q", u))
	}
	v.unless(p.IconURL == "" || webURL(p.IconURL, false), key+".icon_url", "must be an https URL")
}

// webURL reports whether a text is an absolute https URL, or an http one where
// that is allowed.
func webURL(text string, private bool) bool {
	u, err := url.Parse(text)
	return err == nil && u.Host != "" && u.User == nil && u.Fragment == "" && (u.Scheme == "https" || u.Scheme == "http" && private)
}

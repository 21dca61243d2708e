package oidc

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/schema"
)

// Claims that are not simply an attribute of the user.
const (
	claimEmail         = "email"
	claimEmailVerified = "email_verified"
	claimPhone         = "phone_number"
	claimPhoneVerified = "phone_number_verified"
	claimAddress       = "address"
	claimUpdatedAt     = "updated_at"
	claimGroups        = "groups"
	claimLocale        = "locale"
	claimName          = "name"
)

// claimSource is where a claim comes from.
type claimSource struct {
	scope string   // that asks for it (OpenID Connect Core 1.0 section 5.4)
	paths []string // SCIM attribute paths; the first that has a value wins
}

// standardClaims are the claims of OpenID Connect Core 1.0 section 5.1 that the
// core schema of users can give, and groups.
func standardClaims() map[string]claimSource {
	profile := func(paths ...string) claimSource { return claimSource{ScopeProfile, paths} }
	return map[string]claimSource{
		claimName:            profile("name.formatted", "displayName"),
		"given_name":         profile("name.givenName"),
		"family_name":        profile("name.familyName"),
		"middle_name":        profile("name.middleName"),
		"nickname":           profile("nickName"),
		"preferred_username": profile("userName"),
		"profile":            profile("profileUrl"),
		"picture":            profile("photos.value"),
		"zoneinfo":           profile("timezone"),
		claimLocale:          profile("locale", "preferredLanguage"),
		claimUpdatedAt:       profile(),
		claimEmail:           {ScopeEmail, []string{"emails.value"}},
		claimEmailVerified:   {ScopeEmail, nil},
		claimPhone:           {ScopePhone, []string{"phoneNumbers.value"}},
		claimPhoneVerified:   {ScopePhone, nil},
		claimAddress:         {ScopeAddress, []string{"addresses"}},
		claimGroups:          {ScopeGroups, nil},
	}
}

// claimSources are the standard claims with the changes of the configuration: a
// claim mapped to nothing is never given, and an own claim belongs to the scope
// profile.
func claimSources(changes map[string]string) map[string]claimSource {
	out := standardClaims()
	for name, path := range changes {
		switch source, standard := out[name]; {
		case slices.Contains(protocolClaims(), name):
		case path == "":
			delete(out, name)
		case standard:
			out[name] = claimSource{source.scope, []string{path}}
		default:
			out[name] = claimSource{ScopeProfile, []string{path}}
		}
	}
	return out
}

// protocolClaims say what a token is. No attribute of a user may pass as one.
func protocolClaims() []string {
	return []string{
		"iss", "sub", "aud", "exp", "iat", "nbf", "jti", "nonce", "at_hash", "c_hash", "s_hash", "azp",
		"acr", "amr", "auth_time", "sid", "cnf", "events",
	}
}

// claimNames are all claims about users that may be given, sorted.
func (p *Provider) claimNames() []string {
	return slices.Sorted(maps.Keys(p.sources))
}

// userClaims returns the wanted claims that the user has a value for; others
// are left out (OpenID Connect Core 1.0 section 5.3.2).
func (p *Provider) userClaims(ctx context.Context, u authn.User, want func(claim string) bool) (map[string]any, error) {
	out := make(map[string]any)
	for name, source := range p.sources {
		if !want(name) {
			continue
		}
		value, err := p.claimValue(ctx, u, name, source)
		if err != nil {
			return nil, fmt.Errorf("read claim %s: %w", name, err)
		}
		if value != nil {
			out[name] = value
		}
	}
	return out, nil
}

// claimValue is the value of one claim, nil for none.
func (p *Provider) claimValue(ctx context.Context, u authn.User, name string, s claimSource) (any, error) {
	switch {
	case name == claimEmailVerified && len(s.paths) == 0:
		return p.verified(ctx, u, claimEmail, p.sources[claimEmail])
	case name == claimPhoneVerified && len(s.paths) == 0:
		return p.verified(ctx, u, claimPhone, p.sources[claimPhone])
	case name == claimGroups && len(s.paths) == 0:
		return p.groupNames(ctx, u)
	case name == claimUpdatedAt && len(s.paths) == 0:
		if u.Modified.IsZero() {
			return nil, nil
		}
		return u.Modified.Unix(), nil
	}
	value := firstValue(u.Object, s.paths)
	if text, ok := value.(string); ok {
		switch name {
		case claimPhone:
			value = strings.TrimPrefix(text, "tel:")
		case claimLocale:
			value = languageTag(text)
		}
	}
	if name == claimName && value == nil {
		value = fullName(u.Object)
	}
	if object, ok := value.(schema.Object); ok && name == claimAddress {
		value = addressClaim(object)
	}
	return value, nil
}

// verified tells whether the address that a claim has now is proved; there is
// no such claim without an address.
func (p *Provider) verified(ctx context.Context, u authn.User, claim string, s claimSource) (any, error) {
	value := firstValue(u.Object, s.paths)
	if value == nil {
		return nil, nil
	}
	text, ok := value.(string)
	if !ok || p.cfg.Validated == nil {
		return false, nil
	}
	return p.cfg.Validated(ctx, u, claim, text)
}

// groupNames are the names of the groups of a user, nil for none.
func (p *Provider) groupNames(ctx context.Context, u authn.User) (any, error) {
	groups, err := p.cfg.Users.Groups(ctx, u.ID)
	if err != nil || len(groups) == 0 {
		return nil, err
	}
	names := make([]string, len(groups))
	for i, g := range groups {
		names[i] = g.Name
	}
	return names, nil
}

// fullName puts a name together where the user has no formatted one.
func fullName(o schema.Object) any {
	var parts []string
	for _, path := range []string{"name.givenName", "name.middleName", "name.familyName"} {
		if text, ok := attributeValue(o, path).(string); ok {
			parts = append(parts, text)
		}
	}
	if len(parts) == 0 {
		return nil
	}
	return strings.Join(parts, " ")
}

// languageTag is a locale as BCP 47 writes it: many systems store en_US.
func languageTag(text string) string { return strings.ReplaceAll(text, "_", "-") }

// addressClaim is an address in the form of OpenID Connect Core 1.0 section
// 5.1.1; nil when nothing of it is known.
func addressClaim(o schema.Object) any {
	out := make(map[string]any)
	for from, to := range map[string]string{
		"formatted": "formatted", "streetAddress": "street_address", "locality": "locality",
		"region": "region", "postalCode": "postal_code", "country": "country",
	} {
		if text, ok := o[from].(string); ok && text != "" {
			out[to] = text
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// firstValue is the value of the first path that has one.
func firstValue(o schema.Object, paths []string) any {
	for _, path := range paths {
		if v := attributeValue(o, path); v != nil {
			return v
		}
	}
	return nil
}

// attributeValue follows a SCIM attribute path: "attr", "attr.sub", or either
// behind the URN of an extension and a colon (RFC 7644 section 3.10). Of a
// multi-valued complex attribute it is the primary value, else the first.
func attributeValue(o schema.Object, path string) any {
	if i := strings.LastIndex(path, ":"); i > 0 {
		// A version such as 2.0 in the URN stands before the colon.
		if ext, ok := member(o, path[:i]).(schema.Object); ok {
			o = ext
		} else if !strings.HasPrefix(strings.ToLower(path), "urn:ietf:params:scim:schemas:core:") {
			return nil
		}
		path = path[i+1:]
	}
	name, sub, hasSub := strings.Cut(path, ".")
	value := member(o, name)
	if list, ok := value.([]any); ok {
		chosen, complex := primary(list)
		if !complex {
			return claimJSON(value)
		}
		value = chosen
	}
	object, complex := value.(schema.Object)
	switch {
	case !hasSub:
		return claimJSON(value)
	case !complex:
		return nil
	}
	return claimJSON(member(object, sub))
}

// member finds an attribute whatever the case of its name (RFC 7643 section
// 2.1).
func member(o schema.Object, name string) any {
	if v, ok := o[name]; ok {
		return v
	}
	for key, v := range o {
		if strings.EqualFold(key, name) {
			return v
		}
	}
	return nil
}

// primary is the value that stands for a list; complex tells whether its
// values are objects.
func primary(list []any) (value any, complex bool) {
	for _, v := range list {
		o, ok := v.(schema.Object)
		if !ok {
			return nil, false
		}
		if value == nil {
			value = o
		}
		if is, _ := o["primary"].(bool); is {
			return o, true
		}
	}
	return value, value != nil
}

// claimJSON leaves out what is empty.
func claimJSON(v any) any {
	switch v := v.(type) {
	case string:
		if v == "" {
			return nil
		}
	case []any:
		if len(v) == 0 {
			return nil
		}
	case json.Number:
		if v == "" {
			return nil
		}
	}
	return v
}

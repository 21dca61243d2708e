package oidc

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Scopes of the provider itself (OpenID Connect Core 1.0 sections 5.4, 11).
const (
	ScopeOpenID  = "openid"
	ScopeProfile = "profile"
	ScopeEmail   = "email"
	ScopeAddress = "address"
	ScopePhone   = "phone"
	ScopeGroups  = "groups"
	ScopeOffline = "offline_access"
)

// StandardScopes are those that every provider has.
func StandardScopes() []string {
	return []string{ScopeOpenID, ScopeProfile, ScopeEmail, ScopeAddress, ScopePhone, ScopeGroups, ScopeOffline}
}

// Prefixes of the scopes of the SCIM service. Those of the first and the last
// reach every user, so that no user can give them away: see overDirectory.
const (
	scimScope  = "scim:"
	ownScope   = "urn:pingidentity:scope:"
	adminScope = "urn:pingidentity:scope:admin:"
)

// SCIMPath is where the SCIM service stands, relative to the issuer.
const SCIMPath = "/scim/v2"

// isSCIM reports scopes of the SCIM service.
func isSCIM(scope string) bool {
	return strings.HasPrefix(scope, scimScope) || strings.HasPrefix(scope, ownScope)
}

// overDirectory reports scopes over other users than the one who logs in.
func overDirectory(scope string) bool {
	return strings.HasPrefix(scope, scimScope) || strings.HasPrefix(scope, adminScope)
}

// knownScope is a scope with the audience of the tokens that carry it.
type knownScope struct {
	ServiceScope
	audience string
}

// builtIn reports whether a scope is the provider's own without a declaration.
func builtIn(name string) bool { return slices.Contains(StandardScopes(), name) || isSCIM(name) }

// catalogue looks up scopes; scopes that nobody knows are left out. Services are
// read only when a name asks for them.
func (p *Provider) catalogue(ctx context.Context, names []string) (map[string]knownScope, error) {
	out := make(map[string]knownScope, len(names))
	var unknown bool
	for _, name := range names {
		switch {
		case isSCIM(name):
			out[name] = knownScope{ServiceScope{Name: name}, p.cfg.Issuer + SCIMPath}
		case builtIn(name):
			out[name] = knownScope{ServiceScope{Name: name}, p.cfg.Issuer}
		default:
			unknown = true
		}
	}
	// A declaration adds texts and a required ACR to a built-in scope too.
	for _, s := range p.cfg.Scopes {
		if slices.Contains(names, s.Name) {
			audience := p.cfg.Issuer
			if isSCIM(s.Name) {
				audience += SCIMPath
			}
			out[s.Name] = knownScope{s, audience}
		}
	}
	if !unknown {
		return out, nil
	}
	services, err := p.cfg.Services.Services(ctx)
	if err != nil {
		return nil, fmt.Errorf("look up scopes: %w", err)
	}
	for _, service := range services {
		for _, s := range service.Scopes {
			if _, taken := out[s.Name]; !taken && slices.Contains(names, s.Name) {
				out[s.Name] = knownScope{s, service.Audience}
			}
		}
	}
	return out, nil
}

// allowedScopes cuts what was asked for to what is known and the client may
// have, in the order asked. Others are ignored, and the answer says which
// scopes were given (RFC 6749 section 3.3).
func allowedScopes(c Client, asked []string, known map[string]knownScope) []string {
	var out []string
	for _, name := range asked {
		if _, ok := known[name]; ok && slices.Contains(c.Scopes, name) {
			out = append(out, name)
		}
	}
	return out
}

// userScopes are the scopes that a login can give to a client. What a user
// agrees to is about that user: scopes over the whole directory are for clients
// that act for themselves.
func userScopes(c Client, asked []string, known map[string]knownScope) []string {
	return slices.DeleteFunc(allowedScopes(c, asked, known), overDirectory)
}

// audiences are the audiences of scopes, sorted.
func audiences(scopes []string, known map[string]knownScope) []string {
	var out []string
	for _, name := range scopes {
		if s, ok := known[name]; ok && !slices.Contains(out, s.audience) {
			out = append(out, s.audience)
		}
	}
	slices.Sort(out)
	return out
}

// checkResources refuses resource indicators that none of the scopes is for
// (RFC 8707 section 2): unknown ones, and those of services that the client may
// have no scope of. A resource server that looks at the audience alone is out
// of reach for everybody else's applications.
func checkResources(resources, scopes []string, known map[string]knownScope) error {
	reach := audiences(scopes, known)
	for _, r := range resources {
		if !slices.Contains(reach, r) {
			return &Error{Code: InvalidTarget, Description: "The resource is not known, or none of the scopes is for it."}
		}
	}
	return nil
}

// withinAudience leaves the scopes whose tokens are meant for one of the
// audiences; openid and offline_access concern the login, not a resource.
func withinAudience(scopes []string, known map[string]knownScope, resources []string) []string {
	if len(resources) == 0 {
		return scopes
	}
	return slices.DeleteFunc(slices.Clone(scopes), func(name string) bool {
		s := known[name]
		return name != ScopeOpenID && name != ScopeOffline && !slices.Contains(resources, s.audience)
	})
}

// ScopeTexts returns what the operator says of scopes, by name; scopes that
// nobody knows any more are left out.
func (p *Provider) ScopeTexts(ctx context.Context, names []string) (map[string]ServiceScope, error) {
	known, err := p.catalogue(ctx, names)
	if err != nil {
		return nil, err
	}
	out := make(map[string]ServiceScope, len(known))
	for name, s := range known {
		out[name] = s.ServiceScope
	}
	return out, nil
}

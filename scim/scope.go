package scim

import "slices"

// Prefixes of the scopes of the sub-resources of users: what users may do with
// their own token, and what others may do for them.
const (
	ownPrefix   = "urn:pingidentity:scope:"
	adminPrefix = ownPrefix + "admin:"
)

// ScopeManageProfile lets users read and change their own record, as far as
// Config.SelfWritable says.
const ScopeManageProfile = ownPrefix + "manage_profile"

// OwnScope is the self-service scope with this short name.
func OwnScope(name string) string { return ownPrefix + name }

// AdminScope is the scope with this short name for the records of others.
func AdminScope(name string) string { return adminPrefix + name }

// OwnScopes returns every self-service scope: what a user's own token carries
// unless it is made with less.
func OwnScopes() []string {
	return prefixed(ownPrefix,
		"manage_profile", "validate_email_address", "validate_phone_number", "manage_totp",
		"change_password", "password_quality_requirements", "manage_sessions",
		"manage_external_identities", "manage_consents", "manage_second_password",
		"manage_recovery_codes", "manage_passkeys")
}

// AdminScopes returns every scope for the sub-resources of other users.
// ScopeAdmin implies them all.
func AdminScopes() []string {
	return prefixed(adminPrefix,
		"validated_email_address", "validated_phone_number", "totp", "change_password",
		"password_quality_requirements", "sessions", "external_identities", "consents",
		"account_state", "second_password", "recovery_codes", "passkeys")
}

func prefixed(prefix string, names ...string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = prefix + name
	}
	return out
}

// knownScopes are the scopes that a token may carry; self-service ones make
// sense only for a token that belongs to a user.
func knownScopes(own bool) []string {
	known := append([]string{ScopeRead, ScopeWrite, ScopeAdmin}, AdminScopes()...)
	if own {
		known = append(known, OwnScopes()...)
	}
	return slices.Clip(known)
}

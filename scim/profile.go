package scim

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/sallyport-id/sallyport/schema"
)

// Names of the client profiles.
const (
	ProfileRFC    = "rfc"    // the RFCs to the letter
	ProfileCompat = "compat" // also takes what Entra ID, Okta, OneLogin and JumpCloud send
	ProfileStrict = "strict" // the interop and IPSIE profile drafts
	ProfilePing   = "ping"   // as UnboundID and Ping clients expect
)

// Profile is how the server speaks with one kind of client: the switches of
// docs/scim.md, one field per row of its table. Code asks the field, never the
// name, so that single fields can be set apart for a token. Profiles compare
// with ==.
type Profile struct {
	// Name of the profile that this one is, or was derived from.
	Name string
	// Policy is how strictly input is read.
	schema.Policy

	// PatchUserBody answers a PATCH of a User, or of any type but Group, with
	// 200 and the resource; otherwise with 204 (RFC 7644 section 3.5.2 allows both).
	PatchUserBody bool
	// PatchGroupBody is the same for a Group, whose body may be large.
	PatchGroupBody bool
	// PatchAlwaysBody sends the body even when the client prefers a minimal
	// answer (RFC 7240); the older UnboundID SDKs fail on a 204.
	PatchAlwaysBody bool
	// FlattenSecondFactor sends the attributes of the second-factor extension
	// as core attributes of schema.PingUserURN instead of in the container.
	FlattenSecondFactor bool
	// ReplyJSONByAccept sends application/json to a client that accepts
	// nothing else; otherwise that client gets application/scim+json.
	ReplyJSONByAccept bool
	// Pagination publishes the "pagination" member of ServiceProviderConfig
	// (RFC 9865 section 4). The older UnboundID SDKs fail on unknown members.
	Pagination bool
	// InteropConformant publishes interopProfileConformant: true.
	InteropConformant bool
}

// PatchBody reports whether a PATCH of a resource of this type answers with
// the resource when the request does not say.
func (p Profile) PatchBody(resourceType string) bool {
	if strings.EqualFold(resourceType, "Group") {
		return p.PatchGroupBody
	}
	return p.PatchUserBody
}

// Profiles returns the built-in profiles by name; the map is the caller's own.
func Profiles() map[string]Profile {
	return map[string]Profile{
		ProfileRFC:    rfcProfile(),
		ProfileCompat: compatProfile(),
		ProfileStrict: strictProfile(),
		ProfilePing:   pingProfile(),
	}
}

// ProfileByName returns a built-in profile.
func ProfileByName(name string) (Profile, bool) {
	p, ok := Profiles()[name]
	return p, ok
}

func rfcProfile() Profile {
	return Profile{
		Name:              ProfileRFC,
		Policy:            schema.Policy{UnknownInPatch: schema.UnknownInvalidPath},
		PatchUserBody:     true,
		PatchGroupBody:    true,
		ReplyJSONByAccept: true,
		Pagination:        true,
	}
}

func compatProfile() Profile {
	return Profile{
		Name: ProfileCompat,
		Policy: schema.Policy{
			StringBooleans:       true,
			LooseShapes:          true,
			EmptyStringUnassigns: true,
			UnknownInBody:        schema.UnknownDrop,
			UnknownInPatch:       schema.UnknownDrop,
			SchemasOptional:      true,
			BareExtensionNames:   true,
			UnquotedFilterValues: true,
			DottedKeys:           true,
			CreateOnMiss:         true,
			RemoveMemberList:     true,
			IgnoreReadOnlyKeys:   true,
			EmptyOperations:      true,
		},
		PatchUserBody:     true,
		PatchGroupBody:    false,
		ReplyJSONByAccept: true,
		Pagination:        true,
	}
}

func strictProfile() Profile {
	return Profile{
		Name: ProfileStrict,
		Policy: schema.Policy{
			UnknownInBody:              schema.UnknownSyntax,
			UnknownInPatch:             schema.UnknownSyntax,
			RefuseUnquotedResourceType: true,
			RefusePathless:             true,
			RefuseValuePathWithoutSub:  true,
			RefuseAmbiguousValuePath:   true,
			ReplaceComplexWhole:        true,
			RefusePassword:             true,
			CheckStandards:             true,
		},
		PatchUserBody:     true,
		Pagination:        true,
		InteropConformant: true,
	}
}

func pingProfile() Profile {
	return Profile{
		Name: ProfilePing,
		Policy: schema.Policy{
			UnknownInBody:              schema.UnknownDrop,
			UnknownInPatch:             schema.UnknownInvalidPath,
			RefuseUnquotedResourceType: true,
			SchemasOptional:            true,
			IgnoreReadOnlyKeys:         true,
			KeepOmitted:                true,
		},
		PatchUserBody:       true,
		PatchGroupBody:      true,
		PatchAlwaysBody:     true,
		FlattenSecondFactor: true,
		ReplyJSONByAccept:   true,
	}
}

// profileFields returns a pointer to every switch of p by its documented name.
func profileFields(p *Profile) map[string]any {
	return map[string]any{
		"stringBooleans":             &p.StringBooleans,
		"looseShapes":                &p.LooseShapes,
		"emptyStringUnassigns":       &p.EmptyStringUnassigns,
		"unknownInBody":              &p.UnknownInBody,
		"unknownInPatch":             &p.UnknownInPatch,
		"schemasOptional":            &p.SchemasOptional,
		"bareExtensionNames":         &p.BareExtensionNames,
		"unquotedFilterValues":       &p.UnquotedFilterValues,
		"refuseUnquotedResourceType": &p.RefuseUnquotedResourceType,
		"dottedKeys":                 &p.DottedKeys,
		"refusePathless":             &p.RefusePathless,
		"createOnMiss":               &p.CreateOnMiss,
		"removeMemberList":           &p.RemoveMemberList,
		"refuseValuePathWithoutSub":  &p.RefuseValuePathWithoutSub,
		"refuseAmbiguousValuePath":   &p.RefuseAmbiguousValuePath,
		"replaceComplexWhole":        &p.ReplaceComplexWhole,
		"ignoreReadOnlyKeys":         &p.IgnoreReadOnlyKeys,
		"emptyOperations":            &p.EmptyOperations,
		"keepOmitted":                &p.KeepOmitted,
		"refusePassword":             &p.RefusePassword,
		"checkStandards":             &p.CheckStandards,
		"patchUserBody":              &p.PatchUserBody,
		"patchGroupBody":             &p.PatchGroupBody,
		"patchAlwaysBody":            &p.PatchAlwaysBody,
		"flattenSecondFactor":        &p.FlattenSecondFactor,
		"replyJSONByAccept":          &p.ReplyJSONByAccept,
		"pagination":                 &p.Pagination,
		"interopConformant":          &p.InteropConformant,
	}
}

// unknownPolicies names the values of unknownInBody and unknownInPatch.
func unknownPolicies() map[string]schema.UnknownPolicy {
	return map[string]schema.UnknownPolicy{
		"drop":          schema.UnknownDrop,
		"invalidPath":   schema.UnknownInvalidPath,
		"invalidSyntax": schema.UnknownSyntax,
	}
}

// Fields returns every switch by its documented name with its value as With
// takes it, for display.
func (p Profile) Fields() map[string]string {
	out := make(map[string]string)
	for name, ptr := range profileFields(&p) {
		switch v := ptr.(type) {
		case *bool:
			out[name] = strconv.FormatBool(*v)
		case *schema.UnknownPolicy:
			for word, policy := range unknownPolicies() {
				if policy == *v {
					out[name] = word
				}
			}
		}
	}
	return out
}

// With returns a copy with single switches set, by the names of Fields. A
// switch is "true" or "false"; unknownInBody and unknownInPatch are "drop",
// "invalidPath" or "invalidSyntax". The error names the field and what it takes.
func (p Profile) With(overrides map[string]string) (Profile, error) {
	fields := profileFields(&p)
	for _, name := range slices.Sorted(maps.Keys(overrides)) {
		field, ok := fields[name]
		if !ok {
			return Profile{}, fmt.Errorf("profile %s has no field %q; fields are %s",
				p.Name, name, strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
		}
		if err := setField(field, overrides[name]); err != nil {
			return Profile{}, fmt.Errorf("profile field %s: %w", name, err)
		}
	}
	return p, nil
}

func setField(field any, value string) error {
	switch f := field.(type) {
	case *bool:
		switch value {
		case "true", "false":
			*f = value == "true"
			return nil
		}
		return fmt.Errorf("%q is not true or false", value)
	case *schema.UnknownPolicy:
		policy, ok := unknownPolicies()[value]
		if !ok {
			return fmt.Errorf("%q is not drop, invalidPath or invalidSyntax", value)
		}
		*f = policy
		return nil
	}
	panic(fmt.Sprintf("profile field of type %T", field))
}

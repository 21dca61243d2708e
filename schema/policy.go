package schema

// UnknownPolicy says what happens to an attribute that no schema defines.
type UnknownPolicy int

// What to do with an unknown attribute.
const (
	UnknownDrop        UnknownPolicy = iota // dropped (and counted, see Report)
	UnknownInvalidPath                      // 400 invalidPath
	UnknownSyntax                           // 400 invalidSyntax
)

// Policy says how strictly input is read: the switches of a client profile
// that concern documents, paths and PATCH operations. One field per row of the
// profile table in docs/scim.md. The zero value is the letter of the RFCs.
type Policy struct {
	// StringBooleans coerces "True"/"false" to a boolean, for boolean
	// attributes only, in bodies, PATCH values and filters (Entra ID).
	StringBooleans bool
	// LooseShapes takes a bare string for a member or manager, one object for
	// an array or the reverse, and JSON text as a path-less PATCH value.
	LooseShapes bool
	// EmptyStringUnassigns treats "" like null (RFC 7643 section 2.5 names null only).
	EmptyStringUnassigns bool
	// UnknownInBody rules unknown attributes of POST and PUT.
	UnknownInBody UnknownPolicy
	// UnknownInPatch rules unknown attributes in a PATCH path or value key.
	UnknownInPatch UnknownPolicy
	// SchemasOptional infers a missing "schemas" and ignores unknown URNs in it.
	SchemasOptional bool
	// BareExtensionNames resolves an extension attribute without its URN if
	// exactly one extension has it. (The second-factor names are accepted so
	// under every policy.)
	BareExtensionNames bool
	// UnquotedFilterValues takes `externalId eq jyoung` as a string.
	UnquotedFilterValues bool
	// RefuseUnquotedResourceType also refuses `meta.resourceType eq User`, the
	// one unquoted value that RFC 7644 itself prints (section 3.4.2.1).
	RefuseUnquotedResourceType bool
	// DottedKeys expands {"name.givenName": …} in a path-less PATCH value.
	DottedKeys bool
	// RefusePathless answers a path-less PATCH add or replace, and a remove
	// without path, with 400 invalidSyntax (interop profile).
	RefusePathless bool
	// CreateOnMiss creates an element for add/replace on a value path that
	// matches nothing, from the path's eq terms; otherwise 400 noTarget.
	CreateOnMiss bool
	// RemoveMemberList lets `remove members` carry a value list and removes
	// only those; otherwise 400 invalidSyntax.
	RemoveMemberList bool
	// RefuseValuePathWithoutSub answers add/replace on `emails[…]` without a
	// sub-attribute with 400 invalidPath (interop profile).
	RefuseValuePathWithoutSub bool
	// RefuseAmbiguousValuePath answers a value path that matches several
	// elements with 400 invalidFilter (interop profile).
	RefuseAmbiguousValuePath bool
	// ReplaceComplexWhole makes replace of a singular complex attribute replace
	// the whole instead of merging (interop profile).
	ReplaceComplexWhole bool
	// IgnoreReadOnlyKeys ignores read-only keys (id, meta, groups) in a
	// path-less PATCH value (Okta); otherwise 400 mutability. An explicit path
	// to a read-only attribute is 400 mutability under every policy.
	IgnoreReadOnlyKeys bool
	// EmptyOperations accepts an empty Operations list as a no-op.
	EmptyOperations bool
	// KeepOmitted keeps readWrite attributes that a PUT leaves out (null clears).
	KeepOmitted bool
	// RefusePassword refuses "password" with 400 and hides it from /Schemas.
	RefusePassword bool
	// CheckStandards refuses country, locale and timezone values outside their
	// standards (RFC 7643 section 4.1).
	CheckStandards bool
}

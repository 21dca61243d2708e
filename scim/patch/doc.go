// Package patch reads SCIM PATCH requests (RFC 7644 section 3.5.2) and applies
// them to resources in memory.
//
// Parse normalises what clients really send into canonical operations, each of
// which names one attribute of the resource type and carries a value that the
// schema has accepted. Everything that clients disagree about (path-less
// values, dotted and flattened keys, string booleans, bare strings for complex
// values) is decided there, field by field of schema.Policy. Plan.Apply then
// edits a document; it knows the rules of the RFC and nothing about clients.
//
//	body ── Parse ──▶ Plan ┬─ Ops ───── Apply ──▶ document ──▶ schema.Validate
//	                       ├─ Members ─ rows of the membership store
//	                       └─ Password ─ the password store
//
// Attributes that live as rows (schema.Attribute.Relation, such as
// Group.members) are never loaded: their operations become MemberOps, whose
// cost depends on the change and not on the size of the group.
//
// Where RFC 7644 leaves a case open, this package decides as follows.
//
//   - Adding null or an empty list to a multi-valued attribute adds nothing;
//     replacing with them unassigns it.
//   - An added element with the type and value of an existing one is that
//     element (RFC 7643 section 2.4): its other sub-attributes are merged.
//   - A remove that lists values removes only those where the policy allows it
//     for members, and is refused elsewhere, whatever the multi-valued
//     attribute is. It never removes more than the client named.
//   - A path such as emails.type means that sub-attribute of every element.
//   - A new "value" of a complex attribute drops the "$ref" and the read-only
//     sub-attributes that belonged to the old one, unless they come with it.
//   - Removing "password" takes the credential away.
//   - The attribute "schemas" follows from the content and is read-only.
package patch

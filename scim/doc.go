// Package scim is the SCIM 2.0 protocol (RFC 7643, RFC 7644, RFC 9865): the
// operations on resources, the rules that decide what a client may do and see,
// and the HTTP front over them. It owns what a request means; it leaves
// documents and characteristics to package schema, filters to scim/filter,
// PATCH to scim/patch, and rows to whoever implements its Store interfaces.
//
// A request passes these steps, each in one place:
//
//	route (register.go) -> handle: media type, bearer token, rate, scope
//	  -> decode (handlers.go, params.go)
//	  -> one operation of Service (create.go, get.go, list.go, …)
//	  -> encode (reply.go), or WriteError (error.go)
//
// Every change runs in one transaction together with its audit events and the
// hook that ends the logins of a deactivated user. A resource outside the
// caller's provisioning domain does not exist for the caller: 404 everywhere.
//
// # Where this differs from the RFCs, or decides what they leave open
//
//   - The base of every location is chosen among the configured public bases
//     by the request's authority, never built from a header.
//   - A user's ETag does not cover "groups", which RFC 7643 section 4.1.2
//     derives from the groups; a change of membership changes the group's ETag.
//   - If-Match compares weakly (RFC 9110 section 13.1.1 asks for a strong
//     comparison, which the weak ETags of RFC 7644 section 3.14 never pass).
//   - "active" is true whenever it is unassigned: left out of a POST, or taken
//     away by a PATCH.
//   - A password that is set counts as a change of the user, although no
//     document shows it: the version and lastModified move.
//   - The audit record of a deleted group holds its document, not its members.
//   - PUT keeps password, active and the second-factor extension when they are
//     left out, so that a client that does not know them cannot undo them.
//   - Discovery (RFC 7644 section 4) answers a bad token as it answers none,
//     in the server's default profile: what is public stays readable.
//   - A body without Content-Type is taken as JSON; Content-Encoding is refused
//     with 415. A client that accepts neither JSON type gets 406, whose own body
//     is application/scim+json.
//   - Bulk (RFC 7644 section 3.7) makes a resource before the operations that
//     refer to it, wherever they stand, and answers in the order of the request.
//     Resources that refer to each other in a circle are made in one
//     transaction, all or none; every other operation has its own. A reference
//     to an operation that failed is 409. Successful operations carry no body.
//     A path names a resource type and an id, never /Me or a sub-resource.
//   - A token that removes too large a share of the users gets 429 until an
//     administrator confirms (Brake). No RFC knows this.
package scim

// Package filter reads SCIM filters (RFC 7644 section 3.4.2.2) and PATCH paths
// (section 3.5.2), binds them to a resource type and evaluates them. It knows
// nothing of HTTP or SQL: package storage compiles what is bound here.
//
//	text --Parse--> Expr --Bind--> Predicate --Match--> bool
//	     --ParsePath--> Path             |--Print--> the text that cursors hold
//	                                     '--storage--> SQL
//
// Parse knows the grammar and the limits; Bind knows the attributes, and what
// operators and operands suit each. A bound filter compares comparison keys
// (schema.Attribute.Key), so that memory and databases cannot disagree.
//
// Where RFC 7644 leaves a case open, this package decides as follows.
//
//   - Logic is two-valued: a comparison with an absent attribute is false, but
//     for ne and "eq null", which are true.
//   - A comparison with a multi-valued attribute holds if one of its values
//     satisfies it, with ne too.
//   - Only what brackets enclose speaks of one and the same element.
//   - Attributes that are never returned cannot be compared (section 7.5.2).
//   - Length, comparisons and nesting are limited; see Limits.
package filter

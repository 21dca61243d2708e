// Package schema holds resource types, attributes with their characteristics
// (RFC 7643) and the document model: reading, checking, encoding and
// projecting resources. It knows nothing of HTTP, filters or storage.
//
// # The way of a resource
//
//	body --Decode--> Object, as sent --Accept--> canonical Object --Validate-->
//	    --Encode--> stored document --Project--> response
//	    --Keys----> comparison keys, which SQL compares with
//	stored document --Parse--> canonical Object --(PATCH)--> Validate ...
//
// Load compiles the definitions once: those of RFC 7643 section 4 (from the
// elimity package), our second-factor extension, and an operator's JSON files.
// Everything else is a lookup in the tables of a ResourceType, ignoring case
// (RFC 7643 section 2.1). What a client profile may change is a field of
// Policy; nothing here asks for a profile's name.
//
// # Comparison keys
//
// A value is compared by its Key, a text that sorts bytewise as the values sort.
// Evaluator, SQL, sorting and cursors use the same key, so they cannot disagree.
// Values themselves are never reformatted: what was sent comes back.
//
// # Where this differs from the RFCs
//
//   - manager.$ref is readOnly and follows manager.value; so it cannot point
//     elsewhere than the value (RFC 7643 section 4.3 has it readWrite).
//   - members.value is required in a member, manager.value in a manager, and
//     groups.$ref names Groups only: that is how the server behaves.
//   - References may contain letters beyond ASCII, as addresses commonly do.
//   - A dateTime without a zone is taken as UTC; years run from 1 to 9999.
//   - A schema file must not define attributes that are never returned: nothing
//     could use them. The one secret that is kept is the password of a User.
//   - An extension's URN may be missing from the "schemas" of a body that has its
//     container, and the reverse; answers list exactly the extensions present.
//   - A JSON string with U+0000 or half a surrogate pair is refused, as is a key
//     that occurs twice in one object in any case.
package schema

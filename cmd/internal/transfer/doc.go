// Package transfer moves users, groups and other resources between a file and
// the directory: import of NDJSON and CSV, export as NDJSON.
//
//	lines ─> parse (parallel, in order) ─> upsert (parallel, rows that share a
//	key in order) ─> groups wait in a spool ─> groups without members ─> members
//
// Every row goes through scim.Service, so that the rules, the audit trail and
// the transactions are those of the protocol; on SQLite its writer gathers the
// rows that wait into shared commits, each in a savepoint of its own. A row
// that the service refuses is reported with its line and reason and takes
// nothing of the others with it. A row is matched with what is there by id,
// externalId, and userName (groups: displayName), in this order, so that a
// second run changes nothing and doubles nothing.
//
// An NDJSON row is the whole resource: what it leaves out is cleared, as by
// PUT (RFC 7644 section 3.5.1). A CSV row speaks of the attributes in its
// header only; an empty field clears. No more than a bounded number of rows is
// in memory at a time; a group's members are compared as a set of ids.
//
// The package knows neither files nor terminals: it reads, writes and counts.
package transfer

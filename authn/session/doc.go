// Package session holds what a login leaves behind: a session with a ledger of
// proofs. A session has no level of its own; how strong and how fresh a login
// is follows from its proofs whenever somebody asks. Showing and ending the
// sessions of a user through SCIM belongs to package validation; deciding what
// proofs are worth belongs to authn/acr.
package session

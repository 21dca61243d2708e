// Package remote plugs authenticators in that are services of others: each
// attempt is a signed request to a URL, whose reply must be signed too
// (docs/extending.md). Both are JWS in compact form (RFC 7515) under a secret
// that the two share.
package remote

// Package oidc is the OpenID Connect provider and OAuth 2.0 authorization
// server. It reads requests, decides with packages authn and acr what is still
// to be proved, and issues codes and tokens that say what was proved and when.
//
//	authorize: parse -> PAR, JAR -> client and redirect_uri (page on error)
//	           -> the rest (redirect on error) -> requirement -> authn
//	           -> consent -> code, in one transaction with the last decision
//	token:     client authentication -> grant type -> checks that burn nothing
//	           -> consume and write in one transaction -> sign
//
// A grant is what one authorization gave one client: its claims about the
// login are frozen in it and every token names it, so that a revocation counts
// at once although access tokens are JWTs. Keys are kept by oidc/keys, pages by
// oidc/web, answers for gateways by oidc/edge.
//
// Where it is stricter, or more silent, than the standards: the audience of a
// client assertion is the issuer as one string, never an endpoint (RFC 7523
// section 3 allows that); a token of another client is revoked by nobody and
// answered 200 like an unknown one (RFC 7009 section 2.1 has an error); revoking
// an access token ends its grant; a registration is shown without the client
// secret, of which only a hash is kept (RFC 7592 section 3).
package oidc

// Package federated logs people in at providers elsewhere: OpenID Connect
// providers, with Google and Microsoft as presets, and Facebook. SAML is in
// package saml below, behind the same interface, [Upstream].
//
//	Engine.Federate --Begin--> Redirect ....... provider ....... Answer
//	     |                                                          |
//	     +-- private data, sealed in the row of the state --Finish--+--> Identity
//
// An upstream says who somebody is there, and has checked all that can be
// checked without a database: that the answer is of this provider, for us, to
// this request, fresh and signed. Package authn owns what follows: whose account
// here that is, what it counts for, and that an answer is taken once. The private
// data of a request never leaves the server, so an answer fits only the request
// that it was made for.
//
// Upstream tokens are not kept: they are used to find out who somebody is, and
// forgotten.
package federated

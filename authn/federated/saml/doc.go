// Package saml is a SAML 2.0 service provider (Web Browser SSO, SAML 2.0
// Profiles section 4.1): [Provider] is an upstream of package federated. It
// knows XML, signatures and encryption, and nothing of users.
//
//	Begin:  AuthnRequest, always signed, by HTTP-Redirect or HTTP-POST
//	Finish: base64 -> strict document -> signature -> only what was signed is
//	        read -> issuer, times, audience, recipient, InResponseTo -> subject
//	        -> the assertion is remembered, so that it counts once
//
// A document is refused for anything that two readers could read in two ways:
// comments, processing instructions, document types, an ID twice, an assertion
// that is not a child of the response, more than one assertion, a signature in
// any other place than below what it signs, a signature with more than one
// reference. Every other way to wrap one document in another starts with one of
// these. What goes on is the element that the verifier returns, never the one
// that came.
//
// An assertion that came encrypted is held to the same rules as one in clear
// text: encrypting needs only our public key, so it proves nothing.
//
// Times: an assertion may have been issued at most [IssueDelay] ago and not
// after now; all other bounds are widened by the clock skew, 60 seconds unless
// set. The library's own check is not used: it takes clock and skew from
// variables of its package, accepts what lacks conditions or audience, and reads
// the document that came in.
//
// Not offered: the artifact binding and single logout. The metadata name
// neither, no endpoint answers to them, and a logout message is refused like any
// document that is no response.
package saml

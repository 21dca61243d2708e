// Package acr decides which proofs a login still needs. It is pure: values go
// in, a decision comes out; there is no clock, no database and no HTTP here, so
// that authorize, the edge endpoints, step-up through SCIM and the pages all
// get the same answer from the same facts.
//
//	Requirement  what is asked for: ordered candidates, floors, ages
//	Proof        what this session has shown, and when
//	Enrolment    what this user could show
//	Context      now, and from where
//	   |
//	Decide ----> Issue   acr, amr and auth_time of what was proved
//	             Prompt  what to ask next
//	             Fail    why it can never be met
//
// An authentication context class (ACR, OpenID Connect Core 1.0 section 2) is
// a list of needs in order; each need is met by one fresh proof of one of its
// factors. There are no levels. Freshness is counted in whole seconds on both
// sides, as a relying party computes it from auth_time.
package acr

// Package validation serves the sub-resources of a user under which factors are
// enrolled: validatedEmailAddresses, validatedPhoneNumbers and totp (alias
// totpSharedSecret), below /Users/{id}/ and /Me/. The wire form is that of the
// Data Governance Broker, so clients of that product work unchanged.
//
//	POST  admit -> body -> limits, challenge row (one transaction)
//	      -> deliver -> sealed state back to the caller
//	PUT   admit -> body -> open state, judge binding, time, epochs and row
//	      -> count the attempt (own commit) -> compare
//	      -> consume, write the user, record the validation (one transaction)
//
// The adapter (adapter.go) is the one place that finds the user of a request
// and checks token, visibility, scope, activity and step-up, in this order, for
// every sub-resource. What is wrong with a request is told by the errors of
// errors.go, whose sentences are part of the interface.
//
// Whether a value is validated is a function of the value: a Follower, called
// in the transaction of every change of a user, forgets a validation whose
// value is gone.
//
// Sealing, challenges, limits, time-based codes and delivery are the packages
// below this one; the user is read and written through package scim.
package validation

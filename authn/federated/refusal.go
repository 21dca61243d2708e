package federated

import "errors"

// Reason is why an answer of a provider does not count. The words stand in
// audit events.
type Reason string

// The reasons.
const (
	// Denied: the person or the provider said no (access_denied and the like).
	Denied Reason = "denied"
	// Unavailable: the provider cannot be reached, answers with an error of its
	// own, or not within the limit.
	Unavailable Reason = "unavailable"
	// Malformed: the answer is not one.
	Malformed Reason = "malformed"
	// WrongIssuer: it is of another provider (RFC 9207; Core section 3.1.3.7).
	WrongIssuer Reason = "wrong_issuer"
	// WrongAudience: it is for another relying party.
	WrongAudience Reason = "wrong_audience"
	// WrongDestination: it was sent to another address than it names.
	WrongDestination Reason = "wrong_destination"
	// WrongAlgorithm: it is signed in a way that does not count, none included.
	WrongAlgorithm Reason = "wrong_algorithm"
	// BadSignature: it is not signed by a key of the provider.
	BadSignature Reason = "bad_signature"
	// Expired: its time is over, or has not come.
	Expired Reason = "expired"
	// WrongNonce: it answers another request than this one (nonce, InResponseTo).
	WrongNonce Reason = "wrong_nonce"
	// NotAsked: it answers no request at all.
	NotAsked Reason = "not_asked"
	// Replayed: it was taken before.
	Replayed Reason = "replayed"
	// Stale: the login there is older than was asked for.
	Stale Reason = "stale"
	// NoSubject: it does not say who it is about in a way that lasts.
	NoSubject Reason = "no_subject"
	// Refused: the provider refused our request: a client id, secret or redirect
	// URI that it does not know. The operator must look.
	Refused Reason = "refused"
)

// Refusal is why somebody could not be logged in at a provider. Detail is for
// the operator and holds no secret and no token.
//
//nolint:errname // an answer, named for what it is
type Refusal struct {
	Reason Reason
	Detail string
	Cause  error
}

// Refuse returns a Refusal.
func Refuse(reason Reason, detail string, cause error) *Refusal {
	return &Refusal{Reason: reason, Detail: detail, Cause: cause}
}

// Error implements error.
func (r *Refusal) Error() string {
	text := "login elsewhere: " + string(r.Reason)
	if r.Detail != "" {
		text += ": " + r.Detail
	}
	if r.Cause != nil {
		text += ": " + r.Cause.Error()
	}
	return text
}

// Unwrap returns the cause.
func (r *Refusal) Unwrap() error { return r.Cause }

// ReasonOf returns the reason of an error, false if it is no Refusal.
func ReasonOf(err error) (Reason, bool) {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r.Reason, true
	}
	return "", false
}

package acr

import (
	"net/netip"
	"time"
)

// Need is one thing that must be shown: one of AnyOf, or what a chain of
// authenticators asks for.
type Need struct {
	AnyOf []Factor
	// Chain excludes AnyOf; its links are asked in their order. ChainName is its
	// name in the configuration.
	Chain     []Link
	ChainName string
	// MaxAge is how old the proof may be; nil: no limit; 0: only proofs of this
	// transaction.
	MaxAge *time.Duration
	// Unless lifts the need when all of them hold. A condition that cannot be
	// decided does not hold.
	Unless []Condition
}

// ACR is an authentication context class: all needs must be met.
type ACR struct {
	Name  string
	Needs []Need
	// Distinct asks for proofs of different categories.
	Distinct bool
	// When closes the ACR unless all of them hold.
	When []Condition
	// Since, if not zero, counts only proofs of the transaction that were made
	// then or later: a scope with fresh_at_consent sets it to when the consent
	// page was first shown. It is no part of the configuration.
	Since time.Time
}

// Proof is a factor that was shown: one row of the ledger of a session, only
// ever added to.
type Proof struct {
	ID      string
	Session string
	User    string
	// Credential is which one of the user's: the id of a secret, of a validated
	// address, of a passkey. One credential meets one need.
	Credential string
	// Txn is the login transaction in which it was shown.
	Txn    string
	Factor Factor
	// Category is what a plugged-in factor rests on; "" for the others.
	Category Category
	AMR      []string // RFC 8176
	At       time.Time
}

// Enrolment is a factor that the user could show.
type Enrolment struct {
	Factor     Factor
	Credential string
	// Category is what a plugged-in factor rests on; "" for the others.
	Category Category
	// LockedTill is when a factor that is closed after failures opens again; the
	// zero time: it is open. One that is closed for good is no enrolment.
	LockedTill time.Time
}

// Requirement is what a transaction asks for.
type Requirement struct {
	Txn string
	// Candidates are acceptable in this order, cut to what the client permits.
	Candidates []ACR
	// Floors must all be met beside the candidate: server, client, console.
	Floors []ACR
	// UserFloor is the server's default_acrs: the first that this user can reach
	// is a floor too. Empty: none.
	UserFloor []ACR
	// Scopes are asked for when the user consents, by scope.
	Scopes map[string]ACR
	// MaxAge is max_age of the request, else default_max_age of the client; nil:
	// none.
	MaxAge *time.Duration
	// Login is prompt=login, Silent is prompt=none.
	Login, Silent bool
	// Subject is the user that the answer must be about; "": anyone.
	Subject string
	// Fallback are the candidates to go on with when no candidate can be had
	// (acr_unmet: downgrade); empty: fail.
	Fallback []ACR
	// Asked tells that the request named ACRs itself, so that acr is the chosen
	// candidate and not a stronger floor.
	Asked bool
	// MayEnrol lets the user enrol a missing factor on the way.
	MayEnrol bool
	// Skipped are the links of chains that the user has given up in this
	// transaction; see Step.Skip.
	Skipped []string
}

// Context is where and when the question is asked.
type Context struct {
	Now  time.Time
	User string // "": not known yet
	// IP is the address of the client; the zero Addr: not known.
	IP netip.Addr
	// Header holds headers that a trusted proxy has set, by canonical name.
	Header map[string]string
	// Device is when this browser was remembered; nil: it is not.
	Device *time.Time
}

// Decision is Issue, Prompt or Fail.
type Decision interface{ decision() }

// Issue says what was proved. Of several proofs that would do for a need, those
// count with which the oldest proof is as new as it can be.
type Issue struct {
	ACR      string
	AMR      []string  // sorted union over the proofs that count
	AuthTime time.Time // of the oldest of them
	Proofs   []string  // their ids, oldest first; a remembered browser has none
	// Scopes are those of Requirement.Scopes whose ACR is met.
	Scopes []string
}

// Prompt says what is missing, the first to be asked first.
type Prompt struct{ Steps []Step }

// Step is one thing to ask for.
type Step struct {
	AnyOf []Factor
	// Usable are the enrolments of the user that would do; empty before a user is
	// known.
	Usable []Enrolment
	Enrol  bool // none is there, but one may be enrolled
	First  bool // the step logs the user in: a first factor
	// Skip is what to add to Requirement.Skipped if the user gives this step up;
	// empty: the step cannot be given up.
	Skip   []string
	Reason StepReason
}

// StepReason is why a step is asked for.
type StepReason string

// The reasons.
const (
	Missing StepReason = "missing" // never shown in this session
	Stale   StepReason = "stale"   // too old
	Fresh   StepReason = "fresh"   // the request asks for a new proof
)

// Fail says that nothing the user does would help.
type Fail struct{ Reason Reason }

func (Issue) decision()  {}
func (Prompt) decision() {}
func (Fail) decision()   {}

// Reason is why a requirement cannot be met. Package oidc gives each its error
// code and description.
type Reason string

// The reasons.
const (
	// LoginRequired: silent, and no session, another user's, or a stale first
	// factor (OpenID Connect Core 1.0 section 3.1.2.6).
	LoginRequired Reason = "login_required"
	// InteractionRequired: silent, and another need is missing or stale that the
	// user can meet.
	InteractionRequired Reason = "interaction_required"
	// Unreachable: the user has no usable factor for any candidate or a floor.
	Unreachable Reason = "unreachable"
	// ContextUnmet: the conditions of every candidate or of a floor do not hold.
	ContextUnmet Reason = "context_unmet"
	// NotPermitted: nothing that was asked for is known or permitted.
	NotPermitted Reason = "not_permitted"
	// ChainFailed: a required authenticator of a chain was given up.
	ChainFailed Reason = "chain_failed"
	// WrongUser: the answer must be about another user.
	WrongUser Reason = "wrong_user"
)

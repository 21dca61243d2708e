package authn

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"time"

	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/validation"
)

var (
	// ErrUnavailable says that an Authenticator cannot judge now: the service
	// behind it is down or slow. The person is told to try again or otherwise.
	ErrUnavailable = errors.New("the authenticator is not available")
	// ErrAnswerUsed says that an answer counted before, or has come too late to
	// count: the engine takes it for a wrong one.
	ErrAnswerUsed = errors.New("the answer was used before")
)

// Authenticator judges one factor whose answer is typed, or that only waits for
// something to happen elsewhere. It is safe for concurrent use. The engine
// counts attempts and keeps what it is told; it calls, in this order:
//
//	Credentials  at every step, to know what a user has
//	Start        if Kind.Starts, when the person picks the factor
//	Check        for every answer, outside a transaction
//	Consume      for a right one, in the transaction of the proof
type Authenticator interface {
	// Factor is the name that ACRs use. It never changes.
	Factor() acr.Factor
	// Kind says what the factor is. It never changes.
	Kind() Kind
	// Credentials returns what a user can show. It runs within transactions and
	// joins that of ctx: it may read the database and the user's document, but ask
	// nobody over the network. has is what the database holds of the user.
	Credentials(ctx context.Context, u User, has validation.Holdings) ([]Credential, error)
	// Start prepares one attempt, for instance a message to a telephone. Each start
	// of one that waits is counted like a try that failed until it succeeds, for it
	// bothers the user. ErrUnavailable when it cannot be done now.
	Start(ctx context.Context, a Attempt) (Started, error)
	// Check judges an answer, whose try is counted and committed already. It must
	// compare secrets in constant time and change nothing that must happen once.
	// ErrBusy and ErrUnavailable when it cannot judge now; the try stays counted.
	Check(ctx context.Context, a Attempt, answer string) (Verdict, error)
	// Consume makes a right answer count, once: it joins the transaction of ctx, in
	// which the user is locked, and judges again what may have changed since Check.
	// ErrAnswerUsed undoes the proof. It may run again.
	Consume(ctx context.Context, a Attempt, v Verdict) error
}

// Kind is what a factor rests on, and how it is asked for.
type Kind struct {
	// Category is what it rests on; "": what the factor of this name does.
	Category acr.Category
	// AMR is what a proof is called (RFC 8176 section 2); nil: as the factor of
	// this name is.
	AMR []string
	// First tells that it may begin a login, before anything is proved. Then Start
	// and Check also get the zero User, for names that are nobody's, and must take
	// as long and answer like for one with a wrong answer.
	First bool
	// Starts tells that Start must run before an answer is asked for.
	Starts bool
	// Waits tells that nothing is typed: Check is asked with "" again and again
	// until its verdict is no longer Pending. Such asking counts as no try.
	Waits bool
	// Digits is the length of an answer of digits only, else 0.
	Digits int
}

// Credential is one thing of a user that an Authenticator can judge.
type Credential struct {
	// Name is its name in the ledger of proofs. It is another one for every new
	// secret, begins with the factor and a colon, and has no secret in it.
	Name string
	// Label is what to call it unless its user has given it a name; Masked is what
	// may be shown of a destination. Both may be "".
	Label, Masked string
	// Spent tells that it can be shown no more; what was proved with it before
	// still counts.
	Spent bool
}

// Attempt is one attempt at a factor.
type Attempt struct {
	User       User   // the zero User is nobody
	Credential string // its name
	Txn        string // id of the login transaction, also of an idempotent request
	ClientID   string // the application that asks
	IP         netip.Addr
	UserAgent  string
	Languages  string // as in Accept-Language, best first
	First      bool   // nothing is proved yet
	// Data is what Start returned.
	Data json.RawMessage
}

// Started is what Start did.
type Started struct {
	// Data is kept with the transaction and given to Check. It lies in the database
	// in the clear and must fit into 2 KiB.
	Data json.RawMessage
	// Prompt is what to tell the person, plain text; "": what the pages say of the
	// factor.
	Prompt string
	// Expires is when the attempt is over; zero: with the transaction.
	Expires time.Time
}

// Verdict is what an answer is worth.
type Verdict struct {
	Right bool
	// Pending tells that one that waits has no answer yet.
	Pending bool
	// AMR replaces that of the Kind when not nil.
	AMR []string
	// Use is for Consume.
	Use any
}

// mostData bounds what an Authenticator keeps in a transaction, in bytes.
const mostData = 2 << 10

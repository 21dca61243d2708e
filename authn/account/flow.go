package account

import (
	"errors"
	"net/netip"
	"time"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/validation"
	"github.com/sallyport-id/sallyport/validation/delivery"
)

// Kind is what a flow is for.
type Kind string

// The kinds.
const (
	Password Kind = "password"  // a forgotten password
	UserName Kind = "user_name" // a forgotten user name
	Verify   Kind = "verify"    // the address of an account
	SignUp   Kind = "sign_up"   // a new account
	Invite   Kind = "invite"    // the first password, or another one, by an administrator's wish
)

// Visitor is who makes a request.
type Visitor struct {
	// Browser is the secret that binds flows: that of the browser cookie, or the
	// key that a native app keeps.
	Browser   string
	IP        netip.Addr
	UserAgent string
	RequestID string
	Languages string // Accept-Language
}

// Begin is what a person asks for.
type Begin struct {
	Kind Kind
	// Login is the user name or e-mail address as typed; for SignUp the address
	// of the new account, for UserName the address to look for.
	Login string
	// Channel is how the message goes: Email, or SMS for Password; "": Email.
	Channel delivery.Channel
	// Values are the attributes of a new account, by name; see Offers.Attributes.
	Values map[string]string
	// Languages are those asked for, as in Accept-Language; "": the visitor's.
	Languages string
	// Return is the id of a stored login to offer when all is done; "": none. It
	// is never a URL.
	Return string
}

// Offers is what the server lets people do.
type Offers struct {
	Password, UserName, Verify, SignUp bool
	// SMS tells that a forgotten password can be replaced by a code by SMS.
	SMS bool
	// Attributes of a new account that SignUp asks for, in order.
	Attributes []string
}

// Stage is how far a flow has come.
type Stage string

// The stages, in order.
const (
	Sent   Stage = "sent"   // a message is on its way, or so it looks
	Proved Stage = "proved" // its code or link has come back
	Ended  Stage = "ended"
)

// Flow is one row. Times are UTC with microseconds.
type Flow struct {
	ID   string // UUIDv7; stands in URLs
	Kind Kind
	// UserID is whom it is about; "" for nobody, or nobody yet.
	UserID string
	// BrowserHash is the SHA-256 of the visitor's secret, nil before an
	// invitation is opened; LinkHash that of the link, nil without one.
	BrowserHash, LinkHash []byte
	Stage                 Stage
	Doc                   Doc
	CreatedAt, ExpiresAt  time.Time
	UsedAt                time.Time // zero: not ended
}

// Doc is what a flow remembers. It is stored sealed.
type Doc struct {
	Login     string            `json:"login,omitempty"` // as typed
	Channel   delivery.Channel  `json:"channel,omitempty"`
	Values    map[string]string `json:"values,omitempty"`
	Languages string            `json:"languages,omitempty"`
	Return    string            `json:"return,omitempty"`
	ResendAt  time.Time         `json:"resend_at,omitzero"`
	// CodeKey and CodeMAC are of the newest code, nil before one is made.
	CodeKey     []byte    `json:"code_key,omitempty"`
	CodeMAC     []byte    `json:"code_mac,omitempty"`
	CodeExpires time.Time `json:"code_expires,omitzero"`
	// To is where the message went, normalised, and Epoch the credential epoch of
	// the user then: with another one the flow is over.
	To    string `json:"to,omitempty"`
	Epoch int64  `json:"epoch,omitempty"`
	// UserName is that of UserID when the message was made.
	UserName string `json:"user_name,omitempty"`
	// SendID names the newest message, for the counts of SMS that were answered.
	SendID string `json:"send_id,omitempty"`
	// Mailed tells that the link of an invitation went to To and nowhere else.
	Mailed bool `json:"mailed,omitempty"`
}

// Step is what to ask for next: one of the types below.
type Step interface{ step() }

// AskCode asks for the code that was sent, if one was.
type AskCode struct {
	Kind     Kind
	Channel  delivery.Channel
	Digits   int
	ResendAt time.Time // when another may be asked for
}

// Told says that a message tells all there is to tell: the user name, if there
// is one. Nothing more is asked for.
type Told struct{ Kind Kind }

// AskConfirm asks to go on with a link that was opened; nothing has changed yet.
type AskConfirm struct{ Kind Kind }

// AskPassword asks for a new password.
type AskPassword struct {
	Kind     Kind
	UserName string // for password managers
	Rules    validation.PasswordRules
	// Earlier is how many earlier passwords are refused as well.
	Earlier int
}

// Done says that it is done. Nobody is logged in.
type Done struct {
	Kind   Kind
	Return string // see Begin
}

func (AskCode) step()     {}
func (Told) step()        {}
func (AskConfirm) step()  {}
func (AskPassword) step() {}
func (Done) step()        {}

// Reason is why an answer was not accepted.
type Reason string

// The reasons. None depends on whether an account exists, but for Exists, which
// only the holder of a proved address learns.
const (
	Missing       Reason = "missing"
	BadAddress    Reason = "bad_address" // not an e-mail address, or of a domain that is not taken
	BadValue      Reason = "bad_value"   // of an attribute of a new account
	WrongCode     Reason = "wrong_code"
	CodeExpired   Reason = "code_expired" // or used up: begin again
	SendLimited   Reason = "send_limited"
	PasswordRules Reason = "password_rules"
	Reused        Reason = "password_reused"
	Exists        Reason = "exists"
	Busy          Reason = "busy"
	OutOfStep     Reason = "out_of_step" // not what is asked for now
)

// Refusal is an answer that was not accepted. The flow goes on.
//
//nolint:errname // an answer to a person, named for what it is
type Refusal struct {
	Reason     Reason
	RetryAfter time.Duration
	Faults     validation.PasswordFaults // with PasswordRules
	Field      string                    // with BadValue
}

// Error implements error.
func (r *Refusal) Error() string { return "account: " + string(r.Reason) }

// Why a flow cannot go on.
var (
	// ErrOff: the server does not offer this.
	ErrOff = errors.New("this is not offered")
	// ErrUnknown: there is no such flow or link, or it is not of this browser.
	ErrUnknown = errors.New("account flow is not known")
	// ErrOver: its time is over, or it was used.
	ErrOver = errors.New("account flow is over")
)

// ErrBusy is what a Hasher returns when too many computations run at once.
var ErrBusy = errors.New("too many passwords are being computed")

// ErrNoUser says that no user, or more than one, goes by that name.
var ErrNoUser = errors.New("there is no such user")

// ErrExists is what a Directory returns for a user name that is taken.
var ErrExists = errors.New("the user name is taken")

// User is a user as these flows see it.
type User struct {
	ID, UserName string
	Active       bool
	Object       schema.Object
	Epoch        int64 // see [validation.Records]
}

// Languages are those of the user, as in Accept-Language.
func (u User) Languages() string {
	for _, name := range []string{"preferredLanguage", "locale"} {
		if text, ok := u.Object[name].(string); ok && text != "" {
			return text
		}
	}
	return ""
}

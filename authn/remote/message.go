package remote

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Types of the two messages, in the header typ: neither passes for the other, nor
// for a token (RFC 8725 section 3.11).
const (
	TypeRequest = "authenticator-request+jwt"
	TypeReply   = "authenticator-reply+jwt"
)

// Operation is what a request asks for.
type Operation string

// The operations.
const (
	// Start prepares an attempt: it sends a message, or shows a challenge.
	Start Operation = "start"
	// Check judges an answer, or, for an authenticator that waits, asks whether
	// there is one.
	Check Operation = "check"
)

// Status is what a reply says.
type Status string

// The statuses.
const (
	Started     Status = "started"     // to start: it can be answered now
	Success     Status = "success"     // to check: the answer is right
	Failure     Status = "failure"     // to check: it is wrong, or was used before
	Pending     Status = "pending"     // to check, of one that waits: none yet
	Unavailable Status = "unavailable" // not now
)

// Request is the payload of a request.
type Request struct {
	Issuer   string `json:"iss"` // of this server
	Audience string `json:"aud"` // URL of the authenticator
	ID       string `json:"jti"` // another one for every request
	IssuedAt int64  `json:"iat"` // seconds
	Expires  int64  `json:"exp"`

	Operation Operation `json:"operation"`
	// Authenticator is its name in the configuration.
	Authenticator string `json:"authenticator"`
	// Transaction is the login: every request of one login has the same.
	Transaction string `json:"transaction"`
	// User is absent for a name that is nobody's: the answer is then a failure,
	// after the same work.
	User *Subject `json:"user,omitempty"`
	// Credential is the name of the credential in the ledger of proofs.
	Credential string `json:"credential,omitempty"`
	// First tells that nothing of the user is proved yet.
	First     bool   `json:"first,omitempty"`
	ClientID  string `json:"client_id,omitempty"` // the application
	IP        string `json:"ip,omitempty"`
	UserAgent string `json:"user_agent,omitempty"`
	Languages string `json:"languages,omitempty"` // as in Accept-Language
	// Data is what the reply to start held.
	Data json.RawMessage `json:"data,omitempty"`
	// Answer is what was typed.
	Answer string `json:"answer,omitempty"`
}

// Subject is the user of a request.
type Subject struct {
	ID       string `json:"id"`
	UserName string `json:"user_name"`
	// Value is that of the attribute that the configuration names, "" without one.
	Value string `json:"value,omitempty"`
}

// Reply is the payload of a reply.
type Reply struct {
	Audience  string `json:"aud"`         // iss of the request
	InReplyTo string `json:"in_reply_to"` // jti of the request
	IssuedAt  int64  `json:"iat"`
	Expires   int64  `json:"exp,omitempty"`

	Status Status `json:"status"`
	// Data is kept for the requests to check, in the clear: 2 KiB at most.
	Data json.RawMessage `json:"data,omitempty"`
	// Prompt is what to tell the person, plain text, to start only.
	Prompt string `json:"prompt,omitempty"`
	// ExpiresIn is how many seconds the attempt lives; 0: as long as the login.
	ExpiresIn int64 `json:"expires_in,omitempty"`
	// AMR are those of the configured methods that were used; absent: all.
	AMR []string `json:"amr,omitempty"`
}

// Bounds of replies.
const (
	maxReply  = 16 << 10 // bytes of the JWS
	maxPrompt = 500      // bytes
	maxData   = 2 << 10  // bytes
	maxAMR    = 8
	// skew is how far the clocks may be apart.
	skew = 60 * time.Second
)

var errReply = errors.New("the reply is not acceptable")

// sign makes the JWS of a payload.
func sign(secret []byte, typ string, payload any) (string, error) {
	text, err := json.Marshal(payload)
	if err != nil {
		return "", fmt.Errorf("encode %s: %w", typ, err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: secret},
		(&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
	if err != nil {
		return "", fmt.Errorf("sign %s: %w", typ, err)
	}
	jws, err := signer.Sign(text)
	if err != nil {
		return "", fmt.Errorf("sign %s: %w", typ, err)
	}
	return jws.CompactSerialize()
}

// open verifies a JWS of one type and decodes its payload strictly.
func open(secret []byte, typ, text string, into any) error {
	jws, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.HS256})
	if err != nil {
		return fmt.Errorf("%w: it is no JWS with HS256", errReply)
	}
	header := jws.Signatures[0].Protected
	if got, _ := header.ExtraHeaders[jose.HeaderType].(string); got != typ {
		return fmt.Errorf("%w: its typ is not %s", errReply, typ)
	}
	payload, err := jws.Verify(secret)
	if err != nil {
		return fmt.Errorf("%w: the signature does not fit", errReply)
	}
	dec := json.NewDecoder(bytes.NewReader(payload))
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("%w: its payload is not the JSON object expected", errReply)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: there is more behind its payload", errReply)
	}
	return nil
}

// openReply verifies the reply to a request.
func openReply(secret []byte, text string, to Request, now time.Time) (Reply, error) {
	var r Reply
	if len(text) > maxReply {
		return r, fmt.Errorf("%w: it is longer than %d bytes", errReply, maxReply)
	}
	if err := open(secret, TypeReply, text, &r); err != nil {
		return r, err
	}
	if err := r.fits(to, now); err != nil {
		return Reply{}, err
	}
	return r, nil
}

// fits checks that the reply is one to this request, of now, and within bounds.
func (r Reply) fits(to Request, now time.Time) error {
	statuses := []Status{Started, Unavailable}
	if to.Operation == Check {
		statuses = []Status{Success, Failure, Pending, Unavailable}
	}
	issued := time.Unix(r.IssuedAt, 0)
	for _, rule := range []struct {
		ok   bool
		text string
	}{
		{r.InReplyTo == to.ID, "in_reply_to is not the jti of the request"},
		{r.Audience == to.Issuer, "aud is not the issuer"},
		{!issued.Before(now.Add(-skew)) && !issued.After(now.Add(skew)), "iat is not now"},
		{r.Expires == 0 || now.Before(time.Unix(r.Expires, 0).Add(skew)), "it has expired"},
		{slices.Contains(statuses, r.Status), fmt.Sprintf("status is none of %v", statuses)},
		{len(r.Prompt) <= maxPrompt, fmt.Sprintf("prompt is longer than %d bytes", maxPrompt)},
		{len(r.Data) <= maxData, fmt.Sprintf("data is longer than %d bytes", maxData)},
		{len(r.AMR) <= maxAMR, "amr has too many entries"},
		{r.ExpiresIn >= 0, "expires_in is less than 0"},
	} {
		if !rule.ok {
			return fmt.Errorf("%w: %s", errReply, rule.text)
		}
	}
	return nil
}

package authn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/authn/recovery"
	"github.com/sallyport-id/sallyport/validation"
)

// RecoveryCodes is the Authenticator of recovery codes. A code stands for the
// second factor in the one login in which it is shown; see package acr for what
// it never counts for.
type RecoveryCodes struct {
	Codes *recovery.Codes
	Audit audit.Log
	// Used follows a code that was used, in its transaction: the user is told. nil
	// tells nobody.
	Used func(ctx context.Context, u User, ip string, left int) error
}

var _ Authenticator = RecoveryCodes{}

// Factor implements Authenticator.
func (RecoveryCodes) Factor() acr.Factor { return acr.RecoveryCode }

// Kind implements Authenticator.
func (RecoveryCodes) Kind() Kind { return Kind{} }

// Credentials implements Authenticator: a set is one credential, however many
// codes are left.
func (RecoveryCodes) Credentials(_ context.Context, _ User, has validation.Holdings) ([]Credential, error) {
	if has.RecoverySet == "" {
		return nil, nil
	}
	return []Credential{{Name: validation.RecoveryCredential(has.RecoverySet), Spent: has.RecoveryLeft == 0}}, nil
}

// Start implements Authenticator; there is nothing to prepare.
func (RecoveryCodes) Start(context.Context, Attempt) (Started, error) { return Started{}, nil }

// Check implements Authenticator.
func (r RecoveryCodes) Check(ctx context.Context, a Attempt, answer string) (Verdict, error) {
	setID, err := r.setOf(a)
	if err != nil {
		return Verdict{}, err
	}
	match, right, err := r.Codes.Check(ctx, a.User.ID, setID, answer)
	return Verdict{Right: right, Use: match}, err
}

func (RecoveryCodes) setOf(a Attempt) (string, error) {
	prefix := validation.RecoveryCredential("")
	if len(a.Credential) <= len(prefix) || a.Credential[:len(prefix)] != prefix {
		return "", fmt.Errorf("%q is no set of recovery codes", a.Credential)
	}
	return a.Credential[len(prefix):], nil
}

// Consume implements Authenticator: the code is used up, the record says so, and
// the user is told.
func (r RecoveryCodes) Consume(ctx context.Context, a Attempt, v Verdict) error {
	match, ok := v.Use.(recovery.Match)
	if !ok {
		return errors.New("recovery codes: the verdict is another one's")
	}
	left, err := r.Codes.Use(ctx, a.User.ID, match)
	if errors.Is(err, recovery.ErrUsed) {
		return ErrAnswerUsed
	}
	if err != nil {
		return fmt.Errorf("use recovery code: %w", err)
	}
	used := event(Visitor{IP: a.IP, UserAgent: a.UserAgent}, audit.RecoveryCodeUsed, a.ClientID, a.User.ID, loginDetail{})
	used.Actor.Type, used.Actor.ID = "user", a.User.ID
	if used.Detail, err = json.Marshal(recoveryDetail{Txn: a.Txn, Left: left}); err != nil {
		return fmt.Errorf("record recovery code: %w", err)
	}
	if err := r.Audit.Append(ctx, used); err != nil {
		return fmt.Errorf("record recovery code: %w", err)
	}
	if r.Used == nil {
		return nil
	}
	return r.Used(ctx, a.User, used.IP, left)
}

type recoveryDetail struct {
	Txn  string `json:"txn"`
	Left int    `json:"left"`
}

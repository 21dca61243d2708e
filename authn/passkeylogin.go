package authn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/authn/passkey"
)

// Why a passkey was not accepted. People are told no more: which passkeys and
// users there are is nobody's business.
const (
	WrongPasskey RefusalReason = "wrong_passkey"
	// PasskeyExpired: the challenge was answered too late, before, or in another
	// tab.
	PasskeyExpired RefusalReason = "passkey_expired"
)

// PasskeyOptions returns the options for navigator.credentials.get, with a new
// challenge that can be answered once, for five minutes, in this transaction. As
// a first factor any passkey would do that the browser finds, so that the
// options tell nobody who has one; asking for it does not keep the transaction
// alive.
func (e *Engine) PasskeyOptions(ctx context.Context, v Visitor, t Txn) (json.RawMessage, error) {
	p, err := e.position(ctx, v, t)
	if err != nil {
		return nil, err
	}
	asks, err := e.passkeyAsks(ctx, p)
	if err != nil {
		return nil, err
	}
	options, ceremony, err := e.cfg.Passkeys.BeginLogin(asks)
	if err != nil {
		return nil, err
	}
	_, err = e.challenge(ctx, t, &ceremony)
	return options, err
}

// passkeyAsks says which passkeys would do now; a refusal if none is asked for.
func (e *Engine) passkeyAsks(ctx context.Context, p *position) (passkey.Asks, error) {
	if e.cfg.Passkeys == nil {
		return passkey.Asks{}, outOfStep()
	}
	asks := passkey.Asks{UserID: p.req.Subject}
	switch ask := e.step(p).(type) {
	case AskLogin:
		if !slices.Contains(ask.Factors, acr.Passkey) {
			return passkey.Asks{}, outOfStep()
		}
		if ask.User == nil {
			return asks, nil
		}
	case AskPasskey:
		asks.Second = true
	default:
		return passkey.Asks{}, outOfStep()
	}
	asks.UserID = p.held.UserID
	all, err := e.cfg.PasskeyStore.Passkeys(ctx, asks.UserID)
	if err != nil {
		return passkey.Asks{}, fmt.Errorf("read passkeys: %w", err)
	}
	step, _ := p.prompt()
	asks.Of = slices.DeleteFunc(all, func(k passkey.Passkey) bool {
		return !slices.ContainsFunc(step.Usable, func(u acr.Enrolment) bool {
			return u.Factor == acr.Passkey && u.Credential == k.Credential()
		})
	})
	if len(asks.Of) == 0 {
		return passkey.Asks{}, outOfStep()
	}
	return asks, nil
}

// challenge keeps another ceremony in the transaction, or takes the one that is
// there away, and returns it: of several takers one gets it. It is committed at
// once.
func (e *Engine) challenge(ctx context.Context, t Txn, next *passkey.Ceremony) (*passkey.Ceremony, error) {
	var was *passkey.Ceremony
	_, err := e.cfg.Txns.UpdateTxn(ctx, t.ID, e.now(), func(row *Txn) error {
		was, row.Progress.Passkey = row.Progress.Passkey, next
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("keep challenge: %w", err)
	}
	return was, nil
}

// Passkey takes the answer of the browser to PasskeyOptions: a
// PublicKeyCredential in JSON. The challenge is used up whatever the answer is.
// Unknown passkeys, those of inactive or other users and those that are switched
// off are refused like any that does not verify.
func (e *Engine) Passkey(ctx context.Context, v Visitor, t Txn, answer json.RawMessage) (Grants, error) {
	p, err := e.position(ctx, v, t)
	if err != nil {
		return Grants{}, err
	}
	asks, err := e.passkeyAsks(ctx, p)
	if err != nil {
		return Grants{}, err
	}
	if len(answer) == 0 {
		return Grants{}, &Refusal{Reason: Missing}
	}
	ceremony, err := e.challenge(ctx, t, nil)
	if err != nil {
		return Grants{}, err
	}
	if ceremony == nil {
		return Grants{}, &Refusal{Reason: PasskeyExpired}
	}
	proof, user, err := e.judgePasskey(ctx, asks, *ceremony, answer)
	if refusal, ok := errors.AsType[*passkey.Refusal](err); ok {
		return Grants{}, e.refusePasskey(ctx, p, asks, refusal)
	}
	if err != nil {
		return Grants{}, err
	}
	k := proof.Passkey
	return e.prove(ctx, p, shown{
		user: user, factor: acr.Passkey, credential: k.Credential(), first: !asks.Second, amr: proof.AMR,
		use: func(ctx context.Context, u User) error { return e.usePasskey(ctx, u, proof) },
	})
}

// judgePasskey verifies an answer and finds who it is about.
func (e *Engine) judgePasskey(ctx context.Context, asks passkey.Asks, c passkey.Ceremony, answer json.RawMessage) (passkey.Proof, User, error) {
	given, err := passkey.ParseAssertion(answer)
	if err != nil {
		return passkey.Proof{}, User{}, err
	}
	k, err := e.cfg.PasskeyStore.PasskeyByCredential(ctx, given.CredentialID)
	if err != nil && !errors.Is(err, passkey.ErrNotFound) {
		return passkey.Proof{}, User{}, fmt.Errorf("find passkey: %w", err)
	}
	proof, err := e.cfg.Passkeys.Login(c, given, k)
	if err != nil {
		return passkey.Proof{}, User{}, err
	}
	refused := func(why passkey.Reason) (passkey.Proof, User, error) {
		return passkey.Proof{}, User{}, &passkey.Refusal{Reason: why, Passkey: &k}
	}
	if asks.UserID != "" && asks.UserID != k.UserID {
		return refused(passkey.Unknown) // the policy has changed since the options
	}
	if asks.Second && !proof.Verified {
		return refused(passkey.Unverified) // as above
	}
	user, err := e.cfg.Users.UserByID(ctx, k.UserID)
	switch {
	case errors.Is(err, ErrNoUser):
		return refused("no_user")
	case err != nil:
		return passkey.Proof{}, User{}, fmt.Errorf("read user of passkey: %w", err)
	case !user.Active:
		return refused("inactive")
	}
	off, err := e.passkeyOff(ctx, k)
	if err != nil {
		return passkey.Proof{}, User{}, err
	}
	if off {
		return refused("switched_off")
	}
	return proof, user, nil
}

// passkeyOff reports whether its user has switched a passkey off for logins.
func (e *Engine) passkeyOff(ctx context.Context, k passkey.Passkey) (bool, error) {
	has, err := e.cfg.Held.Holdings(ctx, k.UserID)
	if err != nil {
		return false, fmt.Errorf("read settings of passkey: %w", err)
	}
	return has.Setting(k.Credential()).Off, nil
}

// usePasskey writes the use down, in the transaction of the proof.
func (e *Engine) usePasskey(ctx context.Context, u User, proof passkey.Proof) error {
	k := proof.Passkey
	off, err := e.passkeyOff(ctx, k)
	if err != nil {
		return err
	}
	if off || u.ID != k.UserID {
		return &Refusal{Reason: WrongPasskey}
	}
	err = e.cfg.PasskeyStore.UsePasskey(ctx, k.ID, k.Record, proof.Record, e.now())
	if errors.Is(err, passkey.ErrNotFound) || errors.Is(err, passkey.ErrChanged) {
		return &Refusal{Reason: WrongPasskey} // removed, or used, meanwhile
	}
	return err
}

// refusePasskey records why an answer was refused and says little of it.
func (e *Engine) refusePasskey(ctx context.Context, p *position, asks passkey.Asks, why *passkey.Refusal) error {
	name, userID := audit.LoginRefused, ""
	detail := loginDetail{Factor: acr.Passkey, Txn: p.txn.ID, Purpose: p.txn.Purpose}
	if asks.Second {
		name, userID = audit.ChallengeFailed, asks.UserID
	}
	if k := why.Passkey; k != nil {
		userID, detail.Credential = k.UserID, k.Credential()
	}
	answer := &Refusal{Reason: WrongPasskey}
	if why.Reason == passkey.Expired {
		answer.Reason = PasskeyExpired
	}
	return e.refuse(ctx, event(p.visitor, name, p.txn.ClientID, userID, detail), string(why.Reason), answer)
}

package account

import (
	"context"
	"errors"
	"fmt"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/validation"
	"github.com/sallyport-id/sallyport/validation/throttle"
)

// SetPassword takes the new password and ends the flow. With it end the user's
// sessions and what hangs on them, remembered browsers, pending codes and
// flows; factors that wrong tries have closed open again. It logs nobody in, and
// the next login asks for a second factor as before.
func (s *Service) SetPassword(ctx context.Context, v Visitor, f Flow, text string) (Flow, error) {
	if f.Stage != Proved {
		return f, &Refusal{Reason: OutOfStep}
	}
	if text == "" {
		return f, &Refusal{Reason: Missing}
	}
	u, err := s.subject(ctx, f)
	if errors.Is(err, ErrNoUser) || errors.Is(err, ErrOver) {
		return f, s.refuse(ctx, v, f, &Refusal{Reason: CodeExpired})
	}
	if err != nil {
		return f, err
	}
	hash, err := s.hash(ctx, u, text)
	if err != nil {
		return f, err
	}
	var out Flow
	err = s.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		out, err = s.finish(ctx, v, f, hash)
		return err
	})
	switch {
	case errors.Is(err, ErrExists):
		return f, &Refusal{Reason: Exists}
	case errors.Is(err, ErrNoUser), errors.Is(err, ErrOver):
		return f, s.refuse(ctx, v, f, &Refusal{Reason: CodeExpired})
	case err != nil:
		return f, fmt.Errorf("set password: %w", err)
	}
	return out, nil
}

// subject is the user whose password is set; for a new account the one who will
// be made.
func (s *Service) subject(ctx context.Context, f Flow) (User, error) {
	if f.Kind == SignUp {
		return User{UserName: f.Doc.Login, Active: true, Object: newUser(f)}, nil
	}
	u, err := s.cfg.Users.UserByID(ctx, f.UserID)
	if err != nil {
		return User{}, fmt.Errorf("read user: %w", err)
	}
	if !u.Active || u.Epoch != f.Doc.Epoch {
		return User{}, ErrOver
	}
	return u, nil
}

// hash judges a password and hashes it, outside any transaction.
func (s *Service) hash(ctx context.Context, u User, text string) (string, error) {
	faults, err := s.cfg.Hasher.Judge(text, u.Object)
	if err != nil {
		return "", fmt.Errorf("judge password: %w", err)
	}
	if faults != (validation.PasswordFaults{}) {
		return "", &Refusal{Reason: PasswordRules, Faults: faults}
	}
	if u.ID != "" {
		reused, err := s.reused(ctx, u, text)
		if errors.Is(err, ErrBusy) {
			return "", &Refusal{Reason: Busy, RetryAfter: busyWait}
		}
		if err != nil {
			return "", err
		}
		if reused {
			return "", &Refusal{Reason: Reused}
		}
	}
	hash, err := s.cfg.Hasher.Hash(ctx, text, u.Object)
	if errors.Is(err, ErrBusy) {
		return "", &Refusal{Reason: Busy, RetryAfter: busyWait}
	}
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return hash, nil
}

// reused reports whether the text is an earlier password, or the present one
// where that must go.
func (s *Service) reused(ctx context.Context, u User, text string) (bool, error) {
	if s.cfg.History > 0 {
		return s.cfg.Reused(ctx, u.ID, text)
	}
	present, err := s.cfg.Passwords.Password(ctx, u.ID)
	if err != nil {
		return false, fmt.Errorf("read password: %w", err)
	}
	if !present.MustChange || present.Hash == "" {
		return false, nil
	}
	same, err := s.cfg.Hasher.Verify(ctx, present.Hash, text)
	if err != nil {
		return false, fmt.Errorf("compare password: %w", err)
	}
	return same, nil
}

// finish writes the password with all that follows from it.
func (s *Service) finish(ctx context.Context, v Visitor, f Flow, hash string) (Flow, error) {
	now := s.now()
	out, err := s.cfg.Store.UpdateFlow(ctx, f.ID, Proved, now, func(row *Flow) error {
		if !row.of(v) {
			return ErrOver
		}
		row.Stage, row.UsedAt, row.ExpiresAt = Ended, now, now.Add(endedLife)
		return nil
	})
	if err != nil {
		return f, err
	}
	if out.Kind == SignUp {
		return s.register(ctx, v, out, hash)
	}
	if err := s.unchanged(ctx, out); err != nil {
		return f, err
	}
	if _, err := s.cfg.Passwords.Password(ctx, out.UserID); err != nil { // for its lock
		return f, fmt.Errorf("read password: %w", err)
	}
	if err := s.store(ctx, out, hash); err != nil {
		return f, err
	}
	d := detail{}
	if d.Ended, err = s.cfg.Ender.EndAll(ctx, out.UserID, now); err != nil {
		return f, fmt.Errorf("end sessions: %w", err)
	}
	if _, err := s.cfg.Challenges.VoidAll(ctx, out.UserID); err != nil {
		return f, fmt.Errorf("end pending codes: %w", err)
	}
	if _, err := s.cfg.Store.EndFlows(ctx, out.UserID, out.ID, now); err != nil {
		return f, fmt.Errorf("end other flows: %w", err)
	}
	if d.Reopened, err = s.cfg.Factors.Reopen(ctx, out.UserID); err != nil {
		return f, err
	}
	if err := s.cfg.PasswordTries.Succeeded(ctx, throttle.Try{Account: out.UserID, IP: v.IP}); err != nil {
		return f, err
	}
	if err := s.record(ctx, event(v, out, audit.PasswordResetCompleted, d)); err != nil {
		return f, err
	}
	return out, s.tell(ctx, v, out)
}

// store writes the hash, which raises the credential epoch.
func (s *Service) store(ctx context.Context, f Flow, hash string) error {
	if err := s.cfg.Passwords.SetPassword(ctx, f.UserID, hash, s.now()); err != nil {
		return fmt.Errorf("store password: %w", err)
	}
	if err := s.cfg.Passwords.SetMustChange(ctx, f.UserID, false); err != nil {
		return fmt.Errorf("store password: %w", err)
	}
	return nil
}

func (s *Service) tell(ctx context.Context, v Visitor, f Flow) error {
	if s.cfg.Recovered == nil {
		return nil
	}
	u, err := s.cfg.Users.UserByID(ctx, f.UserID)
	if err != nil {
		return fmt.Errorf("read user: %w", err)
	}
	ip := ""
	if v.IP.IsValid() {
		ip = v.IP.String()
	}
	return s.cfg.Recovered(ctx, u, f.Kind, ip)
}

// register makes the account of a person whose address is proved.
func (s *Service) register(ctx context.Context, v Visitor, f Flow, hash string) (Flow, error) {
	id, err := s.cfg.Directory.CreateUser(ctx, v, newUser(f))
	if err != nil {
		return f, err
	}
	f, err = s.cfg.Store.UpdateFlow(ctx, f.ID, Ended, s.now(), func(row *Flow) error {
		row.UserID = id
		return nil
	})
	if err != nil {
		return f, err
	}
	if err := s.store(ctx, f, hash); err != nil {
		return f, err
	}
	if err := s.cfg.Directory.AddressProved(ctx, v, id, f.Doc.Login, AccountOnly); err != nil {
		return f, err
	}
	return f, s.record(ctx, event(v, f, audit.AccountRegistered, detail{}))
}

// newUser is the document of a new account. Its user name is the address: so
// nobody learns, by trying, which other names are taken.
func newUser(f Flow) schema.Object {
	o := schema.Object{
		"schemas": []any{schema.UserURN}, "userName": f.Doc.Login, "active": true,
		"emails": []any{schema.Object{"value": f.Doc.Login, "primary": true}},
	}
	name := schema.Object{}
	for attribute, text := range f.Doc.Values {
		if attribute == "givenName" || attribute == "familyName" {
			name[attribute] = text
			continue
		}
		o[attribute] = text
	}
	if len(name) > 0 {
		o["name"] = name
	}
	return o
}

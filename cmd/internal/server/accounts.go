package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/account"
	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/authn/password"
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/storage"
	"github.com/sallyport-id/sallyport/validation"
)

// newAccounts makes the service of recovery, registration and invitations.
func (d *Directory) newAccounts(l *limits) error {
	r, signUp := d.cfg.Recovery, d.cfg.SignUp
	cfg := account.Config{
		Issuer: d.issuer, Store: d.db, Messages: d.db, Users: accountUsers{d.db}, Directory: accountDirectory{d}, Tx: d.db,
		Passwords: d.db, Hasher: accountHasher{d.hasher},
		Enrolled:   validation.EnrolledReader{Paths: d.follower.Paths, Records: d.db, Secrets: d.db},
		Challenges: d.db, Sends: l.sends, Outcomes: l.outcomes, Factors: l.factors, PasswordTries: l.password, Hash: l.hash,
		Delivery: d.Delivery, Ender: accountEnder{d}, Audit: d.db, Tries: l.tries,
		Rules: account.Rules{
			Password: r.Password, UserName: r.UserName, Verify: r.Verify, SMS: r.SMS, Unvalidated: r.UnvalidatedAddresses,
			LinkLife: r.LinkLifetime, InviteLife: r.InviteLifetime,
			SignUp: account.SignUpRules{Enabled: signUp.Enabled, Domains: signUp.Domains, Attributes: signUp.Attributes},
		},
		History: d.cfg.Password.History, Recovered: d.passwordRecovered, Logger: d.logger, Now: d.now,
	}
	if cfg.History > 0 {
		cfg.Reused = func(ctx context.Context, userID, text string) (bool, error) {
			again, err := d.passwordReused(ctx, userID, text)
			return again, busyAccount(err)
		}
	}
	var err error
	d.accounts, err = account.New(cfg)
	return err
}

// passwordRecovered announces that a password was set by recovery or invitation.
func (d *Directory) passwordRecovered(ctx context.Context, u account.User, _ account.Kind, ip string) error {
	return d.follower.PasswordRecovered(ctx, scim.Caller{ActorType: "user", UserID: u.ID, IP: ip}, u.ID, u.Object)
}

// SendAccountMessages sends the messages of recovery and registration that wait,
// as every node does again and again, and returns how many went out.
func (d *Directory) SendAccountMessages(ctx context.Context) (int, error) {
	return d.accounts.SendMessages(ctx)
}

// Invite makes a link by which a user sets a password.
func (d *Directory) Invite(ctx context.Context, in account.Invitation) (account.Invited, error) {
	return d.accounts.Invite(ctx, in)
}

// accountUsers are the users as recovery sees them.
type accountUsers struct{ db *storage.DB }

func accountUser(u authn.User, err error) (account.User, error) {
	if errors.Is(err, authn.ErrNoUser) {
		return account.User{}, account.ErrNoUser
	}
	return account.User{ID: u.ID, UserName: u.UserName, Active: u.Active, Object: u.Object, Epoch: u.Epoch}, err
}

// UserByLogin implements account.Users.
func (a accountUsers) UserByLogin(ctx context.Context, login string) (account.User, error) {
	return accountUser(a.db.UserByLogin(ctx, login))
}

// UserByID implements account.Users.
func (a accountUsers) UserByID(ctx context.Context, id string) (account.User, error) {
	return accountUser(a.db.UserByID(ctx, id))
}

// UsersByAddress implements account.Users.
func (a accountUsers) UsersByAddress(ctx context.Context, address string, limit int) ([]account.User, error) {
	found, err := a.db.UsersByAddress(ctx, address, limit)
	if err != nil {
		return nil, err
	}
	out := make([]account.User, len(found))
	for i, u := range found {
		if out[i], err = accountUser(u, nil); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// accountHasher gives recovery the hashing of package password.
type accountHasher struct{ hasher }

func busyAccount(err error) error {
	if _, busy := errors.AsType[*password.BusyError](err); busy {
		return fmt.Errorf("%w: %w", account.ErrBusy, err)
	}
	return err
}

// Hash implements account.Hasher.
func (h accountHasher) Hash(ctx context.Context, text string, user schema.Object) (string, error) {
	hash, err := h.Hasher.Hash(ctx, password.Of(text), wordsOf(user))
	return hash, busyAccount(err)
}

// Verify implements account.Hasher.
func (h accountHasher) Verify(ctx context.Context, hash, text string) (bool, error) {
	ok, err := h.Hasher.Verify(ctx, hash, password.Of(text))
	return ok, busyAccount(err)
}

// accountEnder ends what a user is logged in to; the password that is set in the
// same transaction ends the remembered browsers.
type accountEnder struct{ d *Directory }

// EndAll implements account.Ender.
func (e accountEnder) EndAll(ctx context.Context, userID string, now time.Time) (int64, error) {
	return e.d.db.EndSessions(ctx, userID, "", now)
}

// accountDirectory changes users for recovery and registration.
type accountDirectory struct{ d *Directory }

// callerOf is a visitor as an author of changes.
func callerOf(v account.Visitor, userID string) scim.Caller {
	c := scim.Caller{
		Name: "account pages", ActorType: "browser", UserID: userID, UserAgent: v.UserAgent, RequestID: v.RequestID,
		Scopes: []string{scim.ScopeAdmin},
	}
	if v.IP.IsValid() {
		c.IP = v.IP.String()
	}
	return c
}

// CreateUser implements account.Directory.
func (a accountDirectory) CreateUser(ctx context.Context, v account.Visitor, o schema.Object) (string, error) {
	rt := a.d.Registry.ByName("User")
	res, err := a.d.Service.Create(ctx, callerOf(v, ""), rt, o, scim.Request{})
	if err == nil {
		return res.ID, nil
	}
	if _, ok := errors.AsType[*scim.ConflictError](err); ok {
		return "", account.ErrExists
	}
	switch e := scim.AsError(err); e.Status {
	case http.StatusConflict:
		return "", account.ErrExists
	case http.StatusBadRequest:
		return "", &account.Refusal{Reason: account.BadValue}
	}
	return "", err
}

// AddressProved implements account.Directory.
func (a accountDirectory) AddressProved(ctx context.Context, v account.Visitor, userID, address string, factors account.Factors) error {
	caller, now := callerOf(v, ""), a.d.now().UTC().Truncate(time.Microsecond)
	u, err := accountUsers{a.d.db}.UserByID(ctx, userID)
	if err != nil {
		return fmt.Errorf("read user: %w", err)
	}
	if slices.Contains(account.Addresses(u), address) {
		if err := a.verified(ctx, caller, u, address, now); err != nil {
			return err
		}
	}
	if factors != account.WithFactors {
		return nil
	}
	if err := a.d.follower.AddressProved(ctx, caller, userID, u.Object, address, now); err != nil {
		return fmt.Errorf("record address: %w", err)
	}
	return nil
}

// verified records that the user is reached at an address of the record.
func (a accountDirectory) verified(ctx context.Context, caller scim.Caller, u account.User, address string, now time.Time) error {
	if err := a.d.db.SetValidated(ctx, u.ID, account.AddressPath, address, now); err != nil {
		return fmt.Errorf("record address: %w", err)
	}
	known, _ := u.Object[schema.SecondFactorURN].(schema.Object)
	if known["accountVerified"] == true {
		return nil
	}
	_, err := a.d.Service.EditUser(ctx, caller, u.ID, func(o schema.Object) error {
		ext, ok := o[schema.SecondFactorURN].(schema.Object)
		if !ok {
			ext = schema.Object{}
			o[schema.SecondFactorURN] = ext
		}
		ext["accountVerified"] = true
		return nil
	})
	if err != nil {
		return fmt.Errorf("mark account as verified: %w", err)
	}
	event, err := scim.UserEvent(caller, audit.AccountVerified, u.ID, nil)
	if err != nil {
		return err
	}
	return a.d.db.Append(ctx, event)
}

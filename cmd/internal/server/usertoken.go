package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/authn/session"
	"github.com/sallyport-id/sallyport/scim"
)

// ErrInactive says that the user is not active, so no token is made.
var ErrInactive = errors.New("the user is not active")

// UserToken says what a user's own token is to be.
type UserToken struct {
	UserID       string
	Name         string   // "": made of user name and client
	Client       string   // name of the application that will hold it; required
	Public       bool     // the application cannot keep a secret
	SecondFactor bool     // counts as a second factor now, besides a login
	Scopes       []string // nil: every self-service scope
	Profile      string
	ExpiresAt    time.Time // required
	By           audit.Party
}

// IssueUserToken makes a token of a user with the session behind it, in one
// transaction. It counts as a login now; the user must be active.
// scim.ErrNotFound when there is no such user.
func (d *Directory) IssueUserToken(ctx context.Context, u UserToken) (scim.TokenSecret, *scim.Token, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return scim.TokenSecret{}, nil, fmt.Errorf("make session id: %w", err)
	}
	now := d.now().UTC().Truncate(time.Microsecond)
	if u.Scopes == nil {
		u.Scopes = scim.OwnScopes()
	}
	var secret scim.TokenSecret
	var token *scim.Token
	err = d.db.InTx(ctx, func(ctx context.Context) error {
		rec, err := d.db.Get(ctx, d.Registry.ByName("User"), u.UserID, "")
		if err != nil {
			return err
		}
		user, err := d.Service.User(ctx, scim.Caller{Domain: rec.Domain}, u.UserID)
		if err != nil {
			return err
		}
		if !user.Active() {
			return ErrInactive
		}
		if err := d.startSession(ctx, u, id.String(), now); err != nil {
			return err
		}
		name := u.Name
		if name == "" {
			name = tokenName(user.Name(), u.Client, id.String())
		}
		secret, token, err = d.Tokens.Issue(ctx, scim.NewToken{
			Name: name, Profile: u.Profile, Scopes: u.Scopes, Domain: rec.Domain, ExpiresAt: u.ExpiresAt,
			UserID: u.UserID, SessionID: id.String(), ClientID: u.Client, PublicClient: u.Public, By: u.By,
		})
		return err
	})
	if err != nil {
		return scim.TokenSecret{}, nil, err
	}
	return secret, token, nil
}

// startSession stores the session whose proofs the administrator vouches for.
func (d *Directory) startSession(ctx context.Context, u UserToken, id string, now time.Time) error {
	vouched := acr.Proof{ID: id + ".0", Session: id, User: u.UserID, Factor: acr.Command, At: now}
	proofs := []session.Proof{{Proof: vouched}}
	if u.SecondFactor {
		vouched.ID = id + ".1"
		proofs = append(proofs, session.Proof{Proof: vouched, Second: true})
	}
	err := d.db.StartSession(ctx, session.Session{
		ID: id, UserID: u.UserID, CreatedAt: now, ExpiresAt: u.ExpiresAt, Proofs: proofs,
	})
	if err != nil {
		return err
	}
	return d.Audit.Append(ctx, audit.Event{
		Name: audit.SessionStarted, Outcome: audit.OK, Actor: u.By, Session: id,
		Target: audit.Party{Type: "User", ID: u.UserID, Client: u.Client},
	})
}

// tokenName names a token after its user and application, with enough of the
// session to tell several apart.
func tokenName(user, client, session string) string {
	name := []rune(user + "/" + client)
	const most = 110
	if len(name) > most {
		name = name[:most]
	}
	return string(name) + "-" + session[len(session)-12:]
}

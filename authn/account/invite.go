package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/validation/delivery"
)

// LinkPath begins the path of links, under the issuer; the token is its last
// segment.
const LinkPath = "/continue/link/"

// AddressPath is the name under which it is recorded that an address of a user's
// record was proved. It is no attribute path.
const AddressPath = "account"

// Addresses are the e-mail addresses of a user's record, normalised, the primary
// one first.
func Addresses(u User) []string {
	var out []string
	emails, _ := u.Object["emails"].([]any)
	for _, primary := range []bool{true, false} {
		for _, e := range emails {
			o, _ := e.(schema.Object)
			text, _ := o["value"].(string)
			is, _ := o["primary"].(bool)
			to, err := delivery.ParseEmail(text)
			if err == nil && is == primary && !slices.Contains(out, to) {
				out = append(out, to)
			}
		}
	}
	return out
}

// Invitation is what an administrator wants a user to get.
type Invitation struct {
	UserID string
	// To is the address that the link is mailed to, one of the user's; "" with
	// Print: to nobody; "" else: the first.
	To string
	// Print returns the link instead of mailing it. A printed link proves no
	// address.
	Print bool
	// Life is how long the link is good; 0: as configured.
	Life time.Duration
	// By is who invites.
	By audit.Party
}

// Invited is an invitation that was made.
type Invited struct {
	Link    string // only of one to print
	To      string // where it is mailed to
	Expires time.Time
}

// ErrNoAddress says that the user has no such address.
var ErrNoAddress = errors.New("the user has no such e-mail address")

// Invite makes a link by which a user sets a password, and queues its message.
// It works once and for a short time; the password of now stays good until then.
// Earlier links of the user are good no more: the administrator's newest one is.
func (s *Service) Invite(ctx context.Context, in Invitation) (Invited, error) {
	u, err := s.cfg.Users.UserByID(ctx, in.UserID)
	if err != nil {
		return Invited{}, fmt.Errorf("invite: %w", err)
	}
	if !u.Active {
		return Invited{}, errors.New("invite: the user is not active")
	}
	life := s.cfg.Rules.InviteLife
	if in.Life != 0 {
		life = in.Life
	}
	if life < leastLinkLife || life > MostLinkLife {
		return Invited{}, fmt.Errorf("invite: the link must be good for %v to %v, not %v", leastLinkLife, MostLinkLife, life)
	}
	if !in.Print {
		if _, err := s.cfg.Delivery.Default(delivery.Email); err != nil {
			return Invited{}, fmt.Errorf("invite: %w", err)
		}
		if in.To, err = s.invitedAt(u, in.To); err != nil {
			return Invited{}, err
		}
	} else {
		in.To = ""
	}
	token := newSecret()
	id, err := newID()
	if err != nil {
		return Invited{}, err
	}
	now := s.now()
	f := Flow{
		ID: id, Kind: Invite, UserID: u.ID, LinkHash: hashOf(token), Stage: Sent, CreatedAt: now, ExpiresAt: now.Add(life),
		Doc: Doc{Channel: delivery.Email, To: in.To, Epoch: u.Epoch, UserName: u.UserName, Mailed: !in.Print},
	}
	err = s.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		if err := s.cfg.Store.InsertFlow(ctx, f); err != nil {
			return fmt.Errorf("store invitation: %w", err)
		}
		if _, err := s.cfg.Store.EndFlows(ctx, u.ID, f.ID, now); err != nil {
			return fmt.Errorf("end earlier links: %w", err)
		}
		if in.Print {
			e := event(Visitor{}, f, audit.PasswordResetRequested, detail{})
			e.Actor = in.By
			return s.record(ctx, e)
		}
		return s.queue(ctx, Visitor{}, f, token)
	})
	if err != nil {
		return Invited{}, err
	}
	out := Invited{To: in.To, Expires: f.ExpiresAt}
	if in.Print {
		out.Link = s.linkOf(token)
	}
	return out, nil
}

// invitedAt finds the address of an invitation: any of the record, the values
// of second factors included, since the link shows who reads it.
func (s *Service) invitedAt(u User, to string) (string, error) {
	known := Addresses(u)
	for _, p := range s.cfg.Enrolled.Paths.All() {
		if at, err := delivery.ParseEmail(p.Get(u.Object)); err == nil && !slices.Contains(known, at) {
			known = append(known, at)
		}
	}
	if to == "" && len(known) > 0 {
		return known[0], nil
	}
	at, err := delivery.ParseEmail(to)
	i := slices.IndexFunc(known, func(k string) bool { return strings.EqualFold(k, at) })
	if err != nil || i < 0 {
		return "", ErrNoAddress
	}
	return known[i], nil
}

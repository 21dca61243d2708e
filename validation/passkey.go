package validation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/validation/delivery"
)

// factorPasskey is the name of the factor in epochs and events.
const factorPasskey = "passkey"

const (
	passkeyURN          = "urn:sallyport:params:scim:api:messages:2.0:Passkey" //nolint:gosec // the name of a schema
	passkeyResourceType = "Passkey"
)

// ErrPasskeyRefused says that the answer of a browser makes no passkey: it is
// none, too late, verified nobody, or is not of an authenticator that is
// admitted.
var ErrPasskeyRefused = errors.New("the passkey is not accepted")

// ErrPasskeyExists says that the authenticator's key is registered already.
var ErrPasskeyExists = errors.New("the passkey is registered already")

// PasskeyOwner is who registers a passkey, in which session. Name and Display
// are what the authenticator lists it under.
type PasskeyOwner struct{ UserID, SessionID, Name, Display string }

// PasskeyKeeper registers and keeps passkeys. Its methods join the transaction
// of ctx, but for JudgePasskey, which must run outside.
type PasskeyKeeper interface {
	// UserPasskeys returns those of a user, oldest first, by the names that the user
	// has given them.
	UserPasskeys(ctx context.Context, userID string) ([]HeldPasskey, error)
	// BeginPasskey returns the options for the browser, whose challenge holds for
	// this session; ErrTooMany when the user has as many as can be.
	BeginPasskey(ctx context.Context, o PasskeyOwner) (json.RawMessage, error)
	// JudgePasskey uses the challenge of the session up and returns how to store
	// what was made, under a name; add returns ErrPasskeyExists or ErrTooMany. It
	// returns a *PasskeyFault when nothing is to be stored.
	JudgePasskey(ctx context.Context, userID, sessionID string, answer json.RawMessage) (
		add func(ctx context.Context, name string) (HeldPasskey, error), err error)
	// RemovePasskey removes one with how it was set; scim.ErrNotFound when the user
	// has no such passkey.
	RemovePasskey(ctx context.Context, userID, id string) error
}

// PasskeyCredential names a passkey in the ledger of proofs.
func PasskeyCredential(id string) string { return factorPasskey + ":" + id }

// passkeyRecord is one passkey. Every member is read-only.
type passkeyRecord struct {
	Schemas  []string `json:"schemas"`
	ID       string   `json:"id"`
	Meta     meta     `json:"meta"`
	Name     string   `json:"name"`
	Created  string   `json:"created"`
	LastUsed string   `json:"lastUsed,omitempty"`
}

// passkeys adds the sub-resource of that name. Passkeys are made by browsers
// only, so that none can be added here.
func (r routes) passkeys() {
	s := r.s
	if s.cfg.Passkeys == nil {
		return
	}
	e := endpoint{name: "passkeys", status: http.StatusOK, own: "manage_passkeys", admin: "passkeys"}
	r.add(http.MethodGet, e.name, call(s, e, noBody, s.listPasskeys))
	r.add(http.MethodGet, e.name+"/:key", call(s, e, noBody, s.showPasskey))
	e.status, e.fresh = http.StatusNoContent, true
	r.add(http.MethodDelete, e.name+"/:key", call(s, e, noBody, s.deletePasskey))
}

func (s *Service) listPasskeys(ctx context.Context, t Target, _ none) (listReply[passkeyRecord], error) {
	reply := listReply[passkeyRecord]{Schemas: []string{listURN}}
	if t.parameter("filter") != "" {
		return reply, scim.NewError(http.StatusBadRequest, scim.TypeInvalidFilter, "This list takes no filter.")
	}
	all, err := s.cfg.Passkeys.UserPasskeys(ctx, t.User.ID)
	if err != nil {
		return reply, fmt.Errorf("list passkeys: %w", err)
	}
	start, page, err := paged(t, all)
	if err != nil {
		return reply, err
	}
	reply.TotalResults, reply.StartIndex, reply.ItemsPerPage = len(all), start, len(page)
	reply.Resources = make([]passkeyRecord, 0, len(page))
	for _, one := range page {
		reply.Resources = append(reply.Resources, passkeyItem(t, one))
	}
	return reply, nil
}

func (s *Service) showPasskey(ctx context.Context, t Target, _ none) (passkeyRecord, error) {
	all, err := s.cfg.Passkeys.UserPasskeys(ctx, t.User.ID)
	if err != nil {
		return passkeyRecord{}, fmt.Errorf("read passkey: %w", err)
	}
	for _, one := range all {
		if one.ID == t.Key {
			return passkeyItem(t, one), nil
		}
	}
	return passkeyRecord{}, notFound()
}

func passkeyItem(t Target, p HeldPasskey) passkeyRecord {
	return passkeyRecord{
		Schemas: []string{passkeyURN}, ID: p.ID,
		Meta: meta{ResourceType: passkeyResourceType, Created: dateTime(p.CreatedAt), Location: t.Location(p.ID)},
		Name: p.Name, Created: dateTime(p.CreatedAt), LastUsed: dateTimeOrNone(p.LastUsedAt),
	}
}

func (s *Service) deletePasskey(ctx context.Context, t Target, _ none) (none, error) {
	return none{}, s.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		user, err := s.cfg.Directory.User(ctx, t.Caller, t.User.ID)
		if errors.Is(err, scim.ErrNotFound) {
			return notFound()
		}
		if err != nil {
			return err
		}
		err = s.dropPasskey(ctx, t, user, t.Key)
		if errors.Is(err, scim.ErrNotFound) {
			return notFound()
		}
		return err
	})
}

// dropPasskey removes a passkey of a locked user with all that hangs on it: what
// was proved by it, other sessions, remembered browsers and what is pending.
// scim.ErrNotFound: the user has no such passkey.
func (s *Service) dropPasskey(ctx context.Context, t Target, user *scim.User, id string) error {
	if err := s.cfg.Passkeys.RemovePasskey(ctx, user.ID, id); err != nil {
		return err
	}
	if err := s.cfg.Records.BumpFactorEpoch(ctx, user.ID, factorPasskey); err != nil {
		return err
	}
	detail := factorDetail{Kind: factorPasskey, Credential: PasskeyCredential(id)}
	err := s.cfg.Follower.lost(ctx, t.Caller, user.ID, PasskeyCredential(id), audit.FactorRemoved, detail)
	if err != nil {
		return err
	}
	return s.cfg.Follower.announce(ctx, t.Caller, user.ID, user.Object, delivery.NoticePasskeyRemoved)
}

// PasskeyOptions begins the registration of a passkey: it returns the options
// for navigator.credentials.create. Only its session can go on with AddPasskey,
// once and within five minutes.
func (c *Credentials) PasskeyOptions(ctx context.Context, o Owner) (json.RawMessage, error) {
	if c.s.cfg.Passkeys == nil {
		return nil, notFound()
	}
	t, err := c.fresh(ctx, o)
	if err != nil {
		return nil, err
	}
	display, _ := t.User.Object["displayName"].(string)
	if display == "" {
		display = t.User.Name()
	}
	options, err := c.s.cfg.Passkeys.BeginPasskey(ctx, PasskeyOwner{
		UserID: o.UserID, SessionID: o.SessionID, Name: t.User.Name(), Display: display,
	})
	if err != nil {
		return nil, err
	}
	return options, c.s.audit(ctx, t, audit.FactorEnrolmentStarted, factorDetail{Kind: factorPasskey})
}

// AddPasskey takes the answer of the browser to PasskeyOptions and keeps the
// passkey under a name. The first second factor of a user switches second
// factors on. ErrPasskeyRefused, ErrPasskeyExists and ErrTooMany are
// for the page to tell.
func (c *Credentials) AddPasskey(ctx context.Context, o Owner, name string, answer json.RawMessage) (HeldPasskey, error) {
	if c.s.cfg.Passkeys == nil {
		return HeldPasskey{}, notFound()
	}
	t, err := c.fresh(ctx, o)
	if err != nil {
		return HeldPasskey{}, err
	}
	detail := factorDetail{Kind: factorPasskey}
	add, err := c.s.cfg.Passkeys.JudgePasskey(ctx, o.UserID, o.SessionID, answer)
	if errors.Is(err, ErrPasskeyRefused) {
		return HeldPasskey{}, c.s.refuse(ctx, t, audit.ChallengeFailed, detail.limit(passkeyReason(err)), err)
	}
	if err != nil {
		return HeldPasskey{}, err
	}
	if name = credentialName(name); name == "" {
		name = "Passkey"
	}
	var added HeldPasskey
	err = c.s.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		user, err := c.locked(ctx, t)
		if err != nil {
			return err
		}
		had, _, err := c.list(ctx, t)
		if err != nil {
			return err
		}
		if added, err = add(ctx, name); err != nil {
			return err
		}
		if !slices.ContainsFunc(had, secondFactor) {
			if err := c.enable(ctx, t, "on"); err != nil {
				return err
			}
		}
		detail.Credential = PasskeyCredential(added.ID)
		if err := c.s.audit(ctx, t, audit.FactorEnrolled, detail); err != nil {
			return err
		}
		return c.s.cfg.Follower.announce(ctx, t.Caller, user.ID, user.Object, delivery.NoticePasskeyAdded)
	})
	return added, err
}

// secondFactor reports whether a credential counts as a second factor by itself.
func secondFactor(c Credential) bool {
	return slices.Contains([]CredentialKind{CredentialTOTP, CredentialEmail, CredentialPhone, CredentialPasskey}, c.Kind)
}

// PasskeyFault is an ErrPasskeyRefused with the word for the audit log.
//
//nolint:errname // an answer to a person, named for what it is
type PasskeyFault struct{ Reason string }

// Error implements error.
func (f *PasskeyFault) Error() string { return ErrPasskeyRefused.Error() + ": " + f.Reason }

// Is makes errors.Is find ErrPasskeyRefused.
func (f *PasskeyFault) Is(target error) bool { return target == ErrPasskeyRefused }

func passkeyReason(err error) string {
	if f, ok := errors.AsType[*PasskeyFault](err); ok {
		return f.Reason
	}
	return "refused"
}

// RemovePasskey removes a passkey of the owner, by its name in the ledger of
// proofs, as the sub-resource does.
func (c *Credentials) RemovePasskey(ctx context.Context, o Owner, credential string) error {
	id, ok := strings.CutPrefix(credential, PasskeyCredential(""))
	if !ok || c.s.cfg.Passkeys == nil {
		return ErrNoCredential
	}
	t, err := c.fresh(ctx, o)
	if err != nil {
		return err
	}
	return c.s.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		user, err := c.locked(ctx, t)
		if err != nil {
			return err
		}
		err = c.s.dropPasskey(ctx, t, user, id)
		if errors.Is(err, scim.ErrNotFound) {
			return ErrNoCredential
		}
		return err
	})
}

// TakesPasskeys reports whether passkeys can be registered here.
func (c *Credentials) TakesPasskeys() bool { return c.s.cfg.Passkeys != nil }

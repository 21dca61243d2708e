package validation

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/validation/delivery"
	"github.com/sallyport-id/sallyport/validation/throttle"
)

const (
	passwordURN          = messagePrefix + "PasswordUpdateRequest"
	passwordErrorURN     = messagePrefix + "PasswordUpdateError"
	passwordResourceType = "Password"
	memberCurrent        = "currentPassword"
	memberNew            = "newPassword"
)

// PasswordHasher makes and compares hashes of passwords. Hash and Verify are
// slow on purpose and must not run in a transaction; a *scim.Error with status 503
// asks to try again.
type PasswordHasher interface {
	// Hash returns the encoded hash of a password that the rules accept. user is
	// the user's document, for the names that are no passwords.
	Hash(ctx context.Context, text string, user schema.Object) (string, error)
	// Verify reports whether text is the password of the encoded hash; "" does
	// the same work and is never right.
	Verify(ctx context.Context, hash, text string) (bool, error)
	// Rules are those that Hash enforces.
	Rules() PasswordRules
	// Judge tells which rules Hash would refuse the text by, without the work. An
	// error means that this could not be found out.
	Judge(text string, user schema.Object) (PasswordFaults, error)
}

// PasswordRules are what a password must be like: its length in characters.
type PasswordRules struct{ MinLength, MaxLength int }

// PasswordFaults are the rules that a password breaks.
type PasswordFaults struct {
	Length bool // too short, too long, or no text
	Listed bool // one of those that others try first
}

// PasswordState is what is kept about the password of a user.
type PasswordState struct {
	Hash       string    // encoded; "" for a user without a password
	ChangedAt  time.Time // zero: never, or cleared
	MustChange bool      // at the next login
	// Reason is why it must be changed: MustCompromised, or "".
	Reason string
}

// MustCompromised is the reason of a password that is found in a list of
// breached ones: the one ground on which passwords expire (NIST SP 800-63B-4
// section 3.1.1.2).
const MustCompromised = "compromised"

// PasswordStore keeps passwords. Every method joins the transaction of ctx.
type PasswordStore interface {
	// Password returns the state of a user's password; no error without one. In
	// a transaction it does not change until the transaction ends.
	Password(ctx context.Context, userID string) (PasswordState, error)
	// SetPassword stores an encoded hash and raises the credential epoch, so
	// that no state sealed before counts.
	SetPassword(ctx context.Context, userID, hash string, at time.Time) error
	// SetMustChange says whether the password must be changed at the next login,
	// for no reason that is kept.
	SetMustChange(ctx context.Context, userID string, must bool) error
	// SetPasswordTime sets the time of the last change, zero for none, and
	// reports whether there is a password.
	SetPasswordTime(ctx context.Context, userID string, at time.Time) (bool, error)
}

// passwordRequest is the body of PUT on password. An absent newPassword asks
// for a generated one.
type passwordRequest struct{ current, next string }

func decodePassword(m *members) (passwordRequest, error) {
	if m == nil {
		m = newMembers(nil)
	}
	m.message(passwordURN)
	req := passwordRequest{current: m.text(memberCurrent), next: m.text(memberNew)}
	return req, m.done()
}

// passwordRecord is the reply. It holds a password only if one was generated.
type passwordRecord struct {
	Schemas   []string `json:"schemas"`
	Meta      meta     `json:"meta"`
	Generated string   `json:"generatedPassword,omitempty"`
}

// password adds the sub-resource of that name and the one about its rules.
func (r routes) password() {
	s := r.s
	e := endpoint{name: "password", status: http.StatusOK, own: "change_password", admin: "change_password", fresh: true}
	r.add(http.MethodPut, e.name, call(s, e, decodePassword, s.putPassword))
	e = endpoint{
		name: "passwordQualityRequirements", status: http.StatusOK,
		own: "password_quality_requirements", admin: "password_quality_requirements",
	}
	r.add(http.MethodGet, e.name, call(s, e, noBody, s.showQuality))
}

// putPassword changes the own password, or resets that of another user. What a
// user knows of the present password is asked before anything is said about
// the new one.
func (s *Service) putPassword(ctx context.Context, t Target, req passwordRequest) (passwordRecord, error) {
	reply := passwordRecord{
		Schemas: []string{passwordURN},
		Meta:    meta{ResourceType: passwordResourceType, Location: t.Location("")},
	}
	if !t.Own && req.next != "" && !s.cfg.AdminSetsPasswords {
		return reply, scim.NewError(http.StatusForbidden, "",
			"newPassword cannot be chosen for another user; leave it out to have a password generated.")
	}
	present, err := s.cfg.Passwords.Password(ctx, t.User.ID)
	if err != nil {
		return reply, fmt.Errorf("read password: %w", err)
	}
	if t.Own {
		if err := s.prove(ctx, t, present, req.current); err != nil {
			return reply, err
		}
	}
	if req.next == "" {
		req.next = rand.Text() // 130 random bits
		reply.Generated = req.next
	} else if err := s.checkQuality(ctx, t, req); err != nil {
		return reply, err
	}
	hash, err := s.cfg.Hasher.Hash(ctx, req.next, t.User.Object)
	if err != nil {
		return reply, err
	}
	if err := s.storePassword(ctx, t, present.Hash, hash, reply.Generated != ""); err != nil {
		return reply, err
	}
	return reply, nil
}

// prove compares the present password. The try is counted and committed before,
// slower and slower from one address; a right one clears the count when the
// change is stored.
func (s *Service) prove(ctx context.Context, t Target, present PasswordState, current string) error {
	if current == "" {
		return required(memberCurrent)
	}
	d, err := s.cfg.PasswordTries.Attempt(ctx, passwordTry(t))
	if err != nil {
		return err
	}
	if !d.Allowed {
		// Too early looks like wrong (security.md 2.2), with the time to wait.
		return s.failed(ctx, t, d.Limit, wrongPassword().WithRetryAfter(max(d.RetryAfter, time.Second)))
	}
	ok, err := s.cfg.Hasher.Verify(ctx, present.Hash, current)
	if err != nil {
		return fmt.Errorf("compare password: %w", err)
	}
	if ok {
		return nil
	}
	if d.Last { // told once, when the ceiling is reached
		err := s.cfg.Follower.announce(context.WithoutCancel(ctx), t.Caller, t.User.ID, t.User.Object, delivery.NoticePasswordPaused)
		if err != nil {
			return err
		}
	}
	return s.failed(ctx, t, "", wrongPassword())
}

// failed records a wrong password. If it cannot be recorded the request fails.
func (s *Service) failed(ctx context.Context, t Target, limit string, answer error) error {
	event, err := scim.UserEvent(t.Caller, audit.PasswordFailed, t.User.ID, nil)
	if err != nil {
		return err
	}
	event.Outcome, event.Reason = audit.Refused, limit
	if err := s.cfg.Audit.Append(context.WithoutCancel(ctx), event); err != nil {
		return fmt.Errorf("record wrong password: %w", err)
	}
	return answer
}

// wrongPassword is no fault of the token, so its challenge has no error code.
func wrongPassword() *scim.Error {
	return scim.NewError(http.StatusUnauthorized, "", "The current password is not right: invalid credentials.").
		WithHeader("WWW-Authenticate", `Bearer realm="sallyport"`)
}

// passwordTry is the bucket of a try: the user, and where the caller is.
func passwordTry(t Target) throttle.Try {
	ip, err := netip.ParseAddr(t.Caller.IP)
	if err != nil {
		ip = netip.Addr{}
	}
	return throttle.Try{Account: t.User.ID, IP: ip}
}

// storePassword writes the hash with all that follows from it in one
// transaction. was is the hash that the request was judged by: if another
// request changed it meanwhile, this one starts again.
func (s *Service) storePassword(ctx context.Context, t Target, was, hash string, generated bool) error {
	return s.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		user, err := s.cfg.Directory.User(ctx, t.Caller, t.User.ID)
		if err != nil {
			return err
		}
		if !user.Active() {
			return inactive()
		}
		present, err := s.cfg.Passwords.Password(ctx, t.User.ID)
		if err != nil {
			return fmt.Errorf("read password: %w", err)
		}
		if present.Hash != was {
			return accountChanged()
		}
		if err := s.cfg.Passwords.SetPassword(ctx, t.User.ID, hash, s.now()); err != nil {
			return fmt.Errorf("store password: %w", err)
		}
		if err := s.cfg.Passwords.SetMustChange(ctx, t.User.ID, !t.Own); err != nil {
			return fmt.Errorf("store password: %w", err)
		}
		if err := s.settle(ctx, t, generated); err != nil {
			return err
		}
		return s.cfg.Follower.PasswordSet(ctx, t.Caller, user.ID, user.Object)
	})
}

// settle ends what was begun under the former password: states, the other
// sessions with their tokens, and the count of wrong tries.
func (s *Service) settle(ctx context.Context, t Target, generated bool) error {
	keep := ""
	if t.Own {
		keep = t.Caller.SessionID
	}
	ended, err := s.cfg.Sessions.EndSessions(ctx, t.User.ID, keep, s.now())
	if err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	if _, err := s.cfg.Challenges.VoidAll(ctx, t.User.ID); err != nil {
		return fmt.Errorf("end pending codes: %w", err)
	}
	if err := s.cfg.PasswordTries.Succeeded(ctx, passwordTry(t)); err != nil {
		return err
	}
	event, err := scim.UserEvent(t.Caller, audit.PasswordChanged, t.User.ID, passwordDetail{
		Reset: !t.Own, Generated: generated, SessionsEnded: ended,
	})
	if err != nil {
		return err
	}
	return s.cfg.Audit.Append(ctx, event)
}

type passwordDetail struct {
	Reset         bool  `json:"reset,omitempty"`
	Generated     bool  `json:"generated,omitempty"`
	SessionsEnded int64 `json:"sessions_ended,omitempty"`
}

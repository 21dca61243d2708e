package validation

import (
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/validation/delivery"
	"github.com/sallyport-id/sallyport/validation/totp"
)

// Moved is what a user logs in with in another system, as that system has stored
// it. Zero members bring nothing along.
type Moved struct {
	// PasswordHash is one that the hasher verifies.
	PasswordHash string
	// App is an authenticator app; nil: none.
	App *MovedApp
	// Validated are the attribute paths whose present value the other system had
	// validated, as they are configured.
	Validated []string
	// ConfirmedBy is who answers for it that all this is true.
	ConfirmedBy string
}

// MovedApp is an authenticator app. Zero members are SHA1, 6 digits and 30 s.
type MovedApp struct {
	Secret    string // base32
	Algorithm string
	Digits    int
	Period    time.Duration
}

// movedDetail is the detail of audit.CredentialsImported.
type movedDetail struct {
	Kinds       []string `json:"kinds"`
	ConfirmedBy string   `json:"confirmed_by"`
}

// enrolment reads the app of a user; the errors are fit to be shown and have no
// secret in them.
func (m MovedApp) enrolment(userID string, now time.Time) (totp.Enrolment, error) {
	secret, err := decodeBase32(m.Secret)
	if err != nil {
		return totp.Enrolment{}, err
	}
	if least, most := totp.SecretBounds(); len(secret) < least || len(secret) > most {
		return totp.Enrolment{}, invalidValue(fmt.Sprintf("The TOTP secret must be of %d to %d bytes, not %d.", least, most, len(secret)))
	}
	cfg := totp.Config{Algorithm: totp.Algorithm(strings.ToUpper(m.Algorithm)), Digits: m.Digits, Period: m.Period, SecretBytes: len(secret)}
	standard := totp.Default()
	if cfg.Algorithm == "" {
		cfg.Algorithm = standard.Algorithm
	}
	if cfg.Digits == 0 {
		cfg.Digits = standard.Digits
	}
	if cfg.Period == 0 {
		cfg.Period = standard.Period
	}
	if err := cfg.Validate("TOTP "); err != nil {
		return totp.Enrolment{}, invalidValue(err.Error() + ".")
	}
	return totp.Enrolment{
		UserID: userID, Secret: secret, Algorithm: cfg.Algorithm, Digits: cfg.Digits, Period: cfg.Period, CreatedAt: now,
	}, nil
}

// decodeBase32 reads a secret as systems print it: in either case, in groups,
// with padding or without.
func decodeBase32(text string) (totp.Secret, error) {
	text = strings.ToUpper(strings.NewReplacer(" ", "", "-", "", "=", "").Replace(text))
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") {
		return nil, invalidValue("The TOTP secret is not base32.")
	}
	return raw, nil
}

// MoveIn takes over what a user logs in with in another system, so that nobody
// has to enrol again. It joins the transaction of ctx. What the user has here
// already stays: a password, an app, and what is validated are never replaced,
// nor does an app come back that was removed here, so that it may run again at
// any time. The errors are fit to be shown.
func (c *Credentials) MoveIn(ctx context.Context, caller scim.Caller, userID string, m Moved) error {
	if m.ConfirmedBy == "" {
		return errors.New("nobody has confirmed the credentials")
	}
	return c.s.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		t, err := c.targetOf(ctx, caller, userID)
		if err != nil {
			return err
		}
		detail := movedDetail{ConfirmedBy: m.ConfirmedBy, Kinds: []string{}}
		for _, part := range []struct {
			kind string
			take func(ctx context.Context, t Target, m Moved) (bool, error)
		}{{"password", c.movePassword}, {factorTOTP, c.moveApp}, {"validated", c.moveValidated}} {
			took, err := part.take(ctx, t, m)
			if err != nil {
				return err
			}
			if took {
				detail.Kinds = append(detail.Kinds, part.kind)
			}
		}
		if len(detail.Kinds) == 0 {
			return nil
		}
		event, err := scim.UserEvent(caller, audit.CredentialsImported, userID, detail)
		if err != nil {
			return err
		}
		if err := c.s.cfg.Audit.Append(ctx, event); err != nil {
			return err
		}
		return c.s.cfg.Follower.announce(ctx, caller, userID, t.User.Object, delivery.NoticeMovedIn)
	})
}

func (c *Credentials) movePassword(ctx context.Context, t Target, m Moved) (bool, error) {
	if m.PasswordHash == "" {
		return false, nil
	}
	present, err := c.s.cfg.Passwords.Password(ctx, t.User.ID)
	if err != nil || present.Hash != "" {
		return false, err
	}
	return true, c.s.cfg.Passwords.SetPassword(ctx, t.User.ID, m.PasswordHash, c.s.now())
}

func (c *Credentials) moveApp(ctx context.Context, t Target, m Moved) (bool, error) {
	if m.App == nil {
		return false, nil
	}
	enrolment, err := m.App.enrolment(t.User.ID, c.s.now())
	if err != nil {
		return false, err
	}
	has, err := c.s.cfg.Secrets.HasTOTP(ctx, t.User.ID)
	if err != nil || has {
		return false, err
	}
	// The epoch is raised by whatever enrols or removes an app.
	if _, epoch, err := c.s.cfg.Records.Epochs(ctx, t.User.ID, factorTOTP); err != nil || epoch != 0 {
		return false, err
	}
	if err := c.s.cfg.Secrets.PutTOTP(ctx, enrolment); err != nil {
		return false, err
	}
	return true, c.s.cfg.Records.BumpFactorEpoch(ctx, t.User.ID, factorTOTP)
}

func (c *Credentials) moveValidated(ctx context.Context, t Target, m Moved) (bool, error) {
	took := false
	for _, text := range m.Validated {
		all := c.s.cfg.Paths.All()
		i := slices.IndexFunc(all, func(p *Path) bool { return strings.EqualFold(p.Text, text) || strings.EqualFold(p.canonical, text) })
		if i < 0 {
			return false, invalidValue(text + " is not configured for validation.")
		}
		path := all[i]
		value, err := path.normal(path.Get(t.User.Object))
		if err != nil {
			return false, invalidValue(text + " has no value that could be validated.")
		}
		_, done, err := c.s.cfg.Records.Validated(ctx, t.User.ID, path.canonical, value)
		if err != nil {
			return false, err
		}
		if done {
			continue
		}
		if err := c.s.cfg.Records.SetValidated(ctx, t.User.ID, path.canonical, value, c.s.now()); err != nil {
			return false, err
		}
		took = true
	}
	return took, nil
}

package validation

import (
	"context"
	"errors"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/validation/delivery"
	"github.com/sallyport-id/sallyport/validation/state"
	"github.com/sallyport-id/sallyport/validation/totp"
)

// factorTOTP is the name of the factor in states, epochs and counters.
const factorTOTP = "totp"

const (
	totpURN          = messagePrefix + "TOTPSecretRegistrationRequest"
	totpResourceType = "TOTP Shared Secret"
	memberTOTP       = "verifyTotp"
	memberState      = "verifyState"
)

// totpRequest is the body of PUT; that of POST says nothing. The secret comes
// from the state: what the body says about it is ignored.
type totpRequest struct{ code, state string }

func decodeTOTP(m *members) (totpRequest, error) {
	m.message(totpURN)
	req := totpRequest{code: m.text(memberTOTP), state: m.text(memberState)}
	return req, m.done()
}

// totpRecord is the reply. Secret, URI and state are in that to POST only.
type totpRecord struct {
	Schemas      []string `json:"schemas"`
	Meta         meta     `json:"meta"`
	SharedSecret string   `json:"sharedSecret,omitempty"`
	OTPAuthURI   string   `json:"otpAuthUri,omitempty"`
	Registered   bool     `json:"registered"`
	VerifyState  string   `json:"verifyState,omitempty"`
}

func (r totpRecord) location() string { return r.Meta.Location }

func totpReply(t Target, registered bool) totpRecord {
	return totpRecord{
		Schemas: []string{totpURN}, Registered: registered,
		Meta: meta{ResourceType: totpResourceType, Location: t.Location("")},
	}
}

func (s *Service) showTOTP(ctx context.Context, t Target, _ none) (totpRecord, error) {
	has, err := s.cfg.Secrets.HasTOTP(ctx, t.User.ID)
	return totpReply(t, has), err
}

// startTOTP is POST: it makes a secret, which the state carries until the PUT.
// A secret that is stored stays in force until then.
func (s *Service) startTOTP(ctx context.Context, t Target, _ totpRequest) (totpRecord, error) {
	detail := factorDetail{Kind: factorTOTP}
	wait, closed, err := s.closed(ctx, t.User.ID, factorTOTP)
	if err != nil {
		return totpRecord{}, err
	}
	if closed {
		return totpRecord{}, s.refuse(ctx, t, audit.ChallengeExhausted, detail, tooManyAttempts(wait))
	}
	has, err := s.cfg.Secrets.HasTOTP(ctx, t.User.ID)
	if err != nil {
		return totpRecord{}, err
	}
	secret := totp.NewSecret(s.cfg.TOTP)
	now := s.now().Truncate(time.Second)
	claims := state.Claims{
		JTI: state.NewJTI(), Kind: state.KindTOTP, Subject: t.User.ID, IssuedAt: now, ExpiresAt: now.Add(s.cfg.Lifetime),
		Actor: actor(t.Caller), Path: factorTOTP, Secret: secret,
	}
	if claims.CredentialEpoch, claims.FactorEpoch, err = s.cfg.Records.Epochs(ctx, t.User.ID, factorTOTP); err != nil {
		return totpRecord{}, err
	}
	token, err := s.cfg.States.Mint(ctx, claims)
	if err != nil {
		return totpRecord{}, err
	}
	detail.JTI = claims.JTI
	err = s.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		if err := s.cfg.Challenges.Start(ctx, s.row(claims, nil)); err != nil {
			return err
		}
		return s.audit(ctx, t, audit.FactorEnrolmentStarted, detail)
	})
	if err != nil {
		return totpRecord{}, err
	}
	r := totpReply(t, has)
	r.SharedSecret, r.OTPAuthURI = secret.Base32(), totp.URI(s.cfg.Issuer, t.User.Name(), secret, s.cfg.TOTP)
	r.VerifyState = token.Reveal()
	return r, nil
}

// finishTOTP is PUT with the state and a code of the app.
func (s *Service) finishTOTP(ctx context.Context, t Target, req totpRequest) (totpRecord, error) {
	if req.state == "" {
		return totpRecord{}, required(memberState)
	}
	claims, err := s.open(ctx, t, state.KindTOTP, req.state)
	if err != nil {
		return totpRecord{}, err
	}
	if claims.Path != factorTOTP || len(claims.Secret) == 0 {
		return totpRecord{}, stateInvalid()
	}
	var step int64
	p := proof{
		claims: claims, member: memberTOTP, code: req.code,
		detail: factorDetail{Kind: factorTOTP, JTI: claims.JTI},
		matches: func() bool {
			var ok bool
			step, ok = totp.Match(claims.Secret, req.code, s.now(), s.cfg.TOTP)
			return ok
		},
	}
	if err := s.attempt(ctx, t, p); err != nil {
		return totpRecord{}, err
	}
	err = s.redeem(ctx, t, p, func(ctx context.Context, user *scim.User) error {
		return s.writeTOTP(ctx, t, p, user, step)
	})
	if err != nil {
		return totpRecord{}, err
	}
	return totpReply(t, true), nil
}

// writeTOTP stores the secret. The step of the enrolling code counts, so that
// code does not work again.
func (s *Service) writeTOTP(ctx context.Context, t Target, p proof, user *scim.User, step int64) error {
	had, err := s.cfg.Secrets.HasTOTP(ctx, user.ID)
	if err != nil {
		return err
	}
	err = s.cfg.Secrets.PutTOTP(ctx, totp.Enrolment{
		UserID: user.ID, Secret: p.claims.Secret, Algorithm: s.cfg.TOTP.Algorithm, Digits: s.cfg.TOTP.Digits,
		Period: s.cfg.TOTP.Period, LastStep: step, CreatedAt: s.now(),
	})
	if err != nil {
		return err
	}
	if err := s.cfg.Records.BumpFactorEpoch(ctx, user.ID, factorTOTP); err != nil {
		return err
	}
	kind := delivery.NoticeTOTPAdded
	if had {
		kind = delivery.NoticeTOTPReplaced
		err = s.cfg.Follower.lost(ctx, t.Caller, user.ID, factorTOTP, audit.FactorReplaced, p.detail)
	} else {
		err = s.audit(ctx, t, audit.FactorEnrolled, p.detail)
	}
	if err != nil {
		return err
	}
	return s.cfg.Follower.announce(ctx, t.Caller, user.ID, user.Object, kind)
}

// removeTOTP is DELETE. Without a secret it changes nothing.
func (s *Service) removeTOTP(ctx context.Context, t Target, _ none) (none, error) {
	return none{}, s.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		user, err := s.cfg.Directory.User(ctx, t.Caller, t.User.ID)
		if err != nil {
			if errors.Is(err, scim.ErrNotFound) {
				return notFound()
			}
			return err
		}
		had, err := s.cfg.Secrets.DeleteTOTP(ctx, t.User.ID)
		if err != nil || !had {
			return err
		}
		if err := s.cfg.Follower.end(ctx, t.User.ID, state.KindTOTP, factorTOTP); err != nil {
			return err
		}
		err = s.cfg.Follower.lost(ctx, t.Caller, t.User.ID, factorTOTP, audit.FactorRemoved, factorDetail{Kind: factorTOTP})
		if err != nil {
			return err
		}
		return s.cfg.Follower.announce(ctx, t.Caller, user.ID, user.Object, delivery.NoticeTOTPRemoved)
	})
}

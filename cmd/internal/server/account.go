package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/oidc"
	"github.com/sallyport-id/sallyport/oidc/web"
	"github.com/sallyport-id/sallyport/validation"
)

// newAccount makes what the pages of the own account stand on.
func (d *Directory) newAccount() (*web.Account, error) {
	policy, err := loginPolicy(d.cfg)
	if err != nil {
		return nil, err
	}
	credentials, err := validation.NewCredentials(validation.CredentialsConfig{
		Service: d.Validation, Holdings: d.db, Settings: d.db, Extras: d.db, Forget: d.forgetCredential,
	})
	if err != nil {
		return nil, err
	}
	d.engine.Handle(web.PurposeAccount, accountPurpose{policy: policy, users: d.db, stepUp: d.stepUp, others: plugged(d.cfg)})
	return &web.Account{Logins: d.engine, Links: d.engine, Devices: d.engine, Credentials: credentials}, nil
}

// forgetCredential removes the proofs of one credential from every session of
// its user.
func (d *Directory) forgetCredential(ctx context.Context, userID, credential string) error {
	kind, _, _ := strings.Cut(credential, ":")
	factors := map[string][]acr.Factor{
		string(validation.CredentialTOTP):    {acr.TOTP},
		string(validation.CredentialEmail):   {acr.EmailOTP},
		string(validation.CredentialPhone):   {acr.SMSOTP, acr.VoiceOTP},
		string(validation.CredentialPasskey): {acr.Passkey},
	}[kind]
	for _, f := range factors {
		if _, err := d.db.ForgetProofs(ctx, userID, f, credential); err != nil {
			return fmt.Errorf("forget proofs: %w", err)
		}
	}
	return nil
}

// accountPurpose says what the pages of the own account ask for: to see them,
// what any login asks for when nobody names anything; to change something there,
// the recent proof that the step-up rule wants.
type accountPurpose struct {
	policy oidc.Policy
	users  authn.UserStore
	stepUp *validation.StepUp
	others []acr.Plugged // judged by services of others
}

var _ authn.Purpose = accountPurpose{}

// stepUpMargin is how much younger than the rule asks a proof must be that a
// login does not ask for anew: what is recent on its way through the pages is
// still recent when the change is made.
const stepUpMargin = 10 * time.Second

// Requirement implements [authn.Purpose].
func (a accountPurpose) Requirement(ctx context.Context, t authn.Txn) (acr.Requirement, error) {
	q, err := web.AccountRequestOf(t)
	if err != nil {
		return acr.Requirement{}, err
	}
	r := acr.Requirement{Txn: t.ID, Subject: q.UserID, Candidates: a.named(a.policy.DefaultACRs...)}
	switch {
	case a.policy.RequiredACR == "":
	case a.policy.InlineEnrolment: // whoever lacks a factor sets it up here
		r.UserFloor = a.named(a.policy.RequiredACR)
	default:
		r.Floors = a.named(a.policy.RequiredACR)
	}
	if !q.Fresh {
		return r, nil
	}
	user, err := a.users.UserByID(ctx, q.UserID)
	if errors.Is(err, authn.ErrNoUser) {
		return acr.Requirement{}, authn.ErrTxnUnknown
	}
	if err != nil {
		return acr.Requirement{}, fmt.Errorf("read user: %w", err)
	}
	need, err := a.stepUp.Asks(ctx, user.ID, user.Object)
	if err != nil {
		return acr.Requirement{}, err
	}
	r.Candidates = recentACRs(need, a.others)
	return r, nil
}

// named returns the ACRs of these names. The settings name none that is not
// there.
func (a accountPurpose) named(names ...string) []acr.ACR {
	var out []acr.ACR
	for _, name := range names {
		if i := slices.IndexFunc(a.policy.ACRs, func(one acr.ACR) bool { return one.Name == name }); i >= 0 {
			out = append(out, a.policy.ACRs[i])
		}
	}
	return out
}

// recentACRs ask for what the step-up rule takes: a second factor on top of
// whatever began the session, or a passkey that verifies its user by itself; of
// a user who has neither, a login.
func recentACRs(need validation.Need, others []acr.Plugged) []acr.ACR {
	age := need.Age - stepUpMargin
	var first, second []acr.Factor
	for _, f := range acr.Factors() {
		if f.First() {
			first = append(first, f)
		}
		// A recovery code stands in for a factor that is lost, so that another one
		// can be set up.
		if f.Enrolable() || f == acr.RecoveryCode || f == acr.SecondPassword && need.Any {
			second = append(second, f)
		}
	}
	for _, p := range others {
		if p.Category != acr.Knowledge || need.Any {
			second = append(second, p.Factor)
		}
	}
	if !need.Factor {
		return []acr.ACR{{Name: web.PurposeAccount, Needs: []acr.Need{{AnyOf: first, MaxAge: &age}}}}
	}
	return []acr.ACR{
		{Name: web.PurposeAccount, Needs: []acr.Need{{AnyOf: first}, {AnyOf: second, MaxAge: &age}}},
		{Name: web.PurposeAccount, Needs: []acr.Need{{AnyOf: []acr.Factor{acr.Passkey}, MaxAge: &age}}},
	}
}

package validation

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// CredentialKind is what a credential is on the pages of its owner. It is what
// stands before the colon of its name in the ledger of proofs.
type CredentialKind string

// The kinds.
const (
	CredentialTOTP           CredentialKind = "totp"
	CredentialEmail          CredentialKind = "email"
	CredentialPhone          CredentialKind = "phone"
	CredentialPasskey        CredentialKind = "passkey"
	CredentialSecondPassword CredentialKind = "second_password"
	CredentialRecovery       CredentialKind = "recovery"
	CredentialFederated      CredentialKind = "federated"
)

// Credential is one that the user has, as its owner sees it. Times are UTC; a
// zero time is not known.
type Credential struct {
	// ID is its name in the ledger of proofs, which forms send back.
	ID   string
	Kind CredentialKind
	// Name is what its owner calls it, Masked what may be shown of a destination.
	Name, Masked string
	// First tells that it is the one that SCIM sees.
	First      bool
	Off        bool   // not used to log in
	Preferred  string // the factor as which it is asked for first; "": it is not
	CreatedAt  time.Time
	LastUsedAt time.Time
	Left       int // recovery codes that are not used
}

// Overview is all that an owner has to log in with.
type Overview struct {
	Credentials []Credential
	External    []HeldIdentity
	// Enabled tells that second factors are switched on, Password that there is
	// one, Second that any second factor is there.
	Enabled, Password, Second bool
	PasswordAt                time.Time
	Rules                     PasswordRules
}

// Has reports whether there is a credential of a kind.
func (v Overview) Has(kind CredentialKind) bool {
	for _, c := range v.Credentials {
		if c.Kind == kind {
			return true
		}
	}
	return false
}

// List returns what the owner has.
func (c *Credentials) List(ctx context.Context, o Owner) (Overview, error) {
	t, err := c.target(ctx, o)
	if err != nil {
		return Overview{}, err
	}
	return c.overview(ctx, t)
}

func (c *Credentials) overview(ctx context.Context, t Target) (Overview, error) {
	password, err := c.s.cfg.Passwords.Password(ctx, t.User.ID)
	if err != nil {
		return Overview{}, fmt.Errorf("read password: %w", err)
	}
	v := Overview{
		Enabled: SecondFactorEnabled(t.User.Object), Password: password.Hash != "", PasswordAt: password.ChangedAt,
		Rules: c.s.cfg.Hasher.Rules(),
	}
	var has Holdings
	if v.Credentials, has, err = c.list(ctx, t); err != nil {
		return Overview{}, err
	}
	v.External = has.External
	v.Second = v.Has(CredentialTOTP) || v.Has(CredentialEmail) || v.Has(CredentialPhone) || v.Has(CredentialPasskey)
	return v, nil
}

func (c *Credentials) list(ctx context.Context, t Target) ([]Credential, Holdings, error) {
	has, err := c.cfg.Holdings.Holdings(ctx, t.User.ID)
	if err != nil {
		return nil, has, fmt.Errorf("read credentials: %w", err)
	}
	reader := EnrolledReader{Paths: c.s.cfg.Paths, Records: c.s.cfg.Records, Secrets: c.s.cfg.Secrets}
	held, err := reader.Held(ctx, t.User.ID, t.User.Object, has)
	if err != nil {
		return nil, has, fmt.Errorf("read credentials: %w", err)
	}
	born := has.born()
	var out []Credential
	for _, e := range held {
		out = append(out, Credential{
			ID: e.Credential, Kind: CredentialKind(e.Kind), Masked: e.Masked, First: !e.Extra, CreatedAt: born[e.Credential],
		})
	}
	for _, p := range has.Passkeys {
		out = append(out, Credential{
			ID: string(CredentialPasskey) + ":" + p.ID, Kind: CredentialPasskey, Name: p.Name,
			CreatedAt: p.CreatedAt, LastUsedAt: p.LastUsedAt,
		})
	}
	if has.SecondPassword != "" {
		out = append(out, Credential{ID: string(CredentialSecondPassword) + ":" + has.SecondPassword, Kind: CredentialSecondPassword})
	}
	if has.RecoverySet != "" {
		out = append(out, Credential{
			ID: string(CredentialRecovery) + ":" + has.RecoverySet, Kind: CredentialRecovery, Left: has.RecoveryLeft,
		})
	}
	for i := range out {
		out[i] = out[i].with(has.Setting(out[i].ID))
	}
	return out, has, nil
}

// with takes over what the user has set.
func (c Credential) with(s CredentialSetting) Credential {
	if s.Name != "" {
		c.Name = s.Name
	}
	c.Off, c.Preferred = s.Off, s.Preferred
	if s.LastUsedAt.After(c.LastUsedAt) {
		c.LastUsedAt = s.LastUsedAt
	}
	return c
}

// born says when credentials were enrolled, by their names.
func (h Holdings) born() map[string]time.Time {
	out := map[string]time.Time{}
	if h.App != nil {
		out[ExtraCredential(EnrolledTOTP, h.App.ID)] = h.App.CreatedAt
	}
	for _, app := range h.Apps {
		out[ExtraCredential(EnrolledTOTP, app.ID)] = app.CreatedAt
	}
	for _, a := range h.Addresses {
		out[ExtraCredential(a.Kind, a.ID)] = a.CreatedAt
	}
	return out
}

// find returns a credential that the user has now, or ErrNoCredential.
func (c *Credentials) find(ctx context.Context, t Target, id string) (Credential, error) {
	all, _, err := c.list(ctx, t)
	if err != nil {
		return Credential{}, err
	}
	for _, one := range all {
		if one.ID == id {
			return one, nil
		}
	}
	return Credential{}, ErrNoCredential
}

// Find returns one credential of the owner, or ErrNoCredential.
func (c *Credentials) Find(ctx context.Context, o Owner, id string) (Credential, error) {
	t, err := c.target(ctx, o)
	if err != nil {
		return Credential{}, err
	}
	return c.find(ctx, t, id)
}

// key is what stands behind the kind in the name of a credential.
func (c Credential) key() string {
	_, key, _ := strings.Cut(c.ID, ":")
	return key
}

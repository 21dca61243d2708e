package server

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/google/uuid"

	"github.com/sallyport-id/sallyport/authn/passkey"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/storage"
	"github.com/sallyport-id/sallyport/validation"
)

// newPasskeys makes the relying party of passkeys: none where they are switched
// off, or where the issuer is an IP address, for which browsers make none.
func (d *Directory) newPasskeys() error {
	c := d.cfg.Passkeys
	issuer, err := url.Parse(d.issuer)
	if err != nil {
		return fmt.Errorf("issuer: %w", err)
	}
	id := issuer.Hostname()
	if !c.Enabled || !passkey.Usable(id) {
		return nil
	}
	cfg := passkey.Config{
		ID: id, Name: d.cfg.ServiceName(), Origins: []string{originOf(issuer)},
		UnverifiedFirst: c.UserVerification == "preferred",
		Attestation:     passkey.Attestation(c.Attestation), AAGUIDs: c.AAGUIDs, Now: d.now,
	}
	for _, raw := range d.cfg.PublicURLs {
		if u, err := url.Parse(raw); err == nil && passkey.Covers(id, raw) {
			cfg.Origins = append(cfg.Origins, originOf(u))
		}
	}
	if c.AttestationRoots != "" {
		if cfg.Roots, err = readRoots(c.AttestationRoots); err != nil {
			return fmt.Errorf("passkeys.attestation_roots: %w", err)
		}
	}
	d.passkeys, err = passkey.New(cfg)
	return err
}

// originOf is the origin of a URL, as browsers write it.
func originOf(u *url.URL) string { return u.Scheme + "://" + u.Host }

func readRoots(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", path, cause(err))
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s has no certificate in PEM form", path)
	}
	return pool, nil
}

// passkeyKeeper gives the services of users their passkeys; nil where there are
// none.
func (d *Directory) passkeyKeeper() validation.PasskeyKeeper {
	if d.passkeys == nil {
		return nil
	}
	newID := func() (string, error) {
		id, err := uuid.NewV7()
		return id.String(), err
	}
	return passkeyKeeper{
		db: d.db, now: d.now, registrar: passkey.Registrar{Party: d.passkeys, Store: d.db, NewID: newID},
	}
}

type passkeyKeeper struct {
	db        *storage.DB
	now       func() time.Time
	registrar passkey.Registrar
}

// UserPasskeys implements [validation.PasskeyKeeper].
func (k passkeyKeeper) UserPasskeys(ctx context.Context, userID string) ([]validation.HeldPasskey, error) {
	has, err := k.db.Holdings(ctx, userID)
	if err != nil {
		return nil, err
	}
	for i := range has.Passkeys {
		if name := has.Setting(validation.PasskeyCredential(has.Passkeys[i].ID)).Name; name != "" {
			has.Passkeys[i].Name = name
		}
	}
	return has.Passkeys, nil
}

// BeginPasskey implements [validation.PasskeyKeeper].
func (k passkeyKeeper) BeginPasskey(ctx context.Context, o validation.PasskeyOwner) (json.RawMessage, error) {
	options, err := k.registrar.Begin(ctx, passkey.Owner{ID: o.UserID, Name: o.Name, Display: o.Display}, o.SessionID)
	return options, passkeyError(err)
}

// JudgePasskey implements [validation.PasskeyKeeper].
func (k passkeyKeeper) JudgePasskey(ctx context.Context, userID, sessionID string, answer json.RawMessage) (
	func(ctx context.Context, name string) (validation.HeldPasskey, error), error,
) {
	made, err := k.registrar.Judge(ctx, userID, sessionID, answer)
	if errors.Is(err, passkey.ErrNotFound) {
		return nil, &validation.PasskeyFault{Reason: string(passkey.Expired)}
	}
	if err != nil {
		return nil, passkeyError(err)
	}
	return func(ctx context.Context, name string) (validation.HeldPasskey, error) {
		p, err := k.registrar.Add(ctx, made, name, k.now().UTC().Truncate(time.Microsecond))
		return validation.HeldPasskey{ID: p.ID, Name: p.Name, CreatedAt: p.CreatedAt}, passkeyError(err)
	}, nil
}

// RemovePasskey implements [validation.PasskeyKeeper].
func (k passkeyKeeper) RemovePasskey(ctx context.Context, userID, id string) error {
	if err := k.db.RemovePasskey(ctx, userID, id); err != nil {
		return passkeyError(err)
	}
	return k.db.ForgetCredential(ctx, userID, validation.PasskeyCredential(id))
}

// passkeyError says in terms of package validation what package passkey says.
func passkeyError(err error) error {
	if refusal, ok := errors.AsType[*passkey.Refusal](err); ok {
		return &validation.PasskeyFault{Reason: string(refusal.Reason)}
	}
	switch {
	case errors.Is(err, passkey.ErrNotFound):
		return scim.ErrNotFound
	case errors.Is(err, passkey.ErrTaken):
		return validation.ErrPasskeyExists
	case errors.Is(err, passkey.ErrTooMany):
		return validation.ErrTooMany
	}
	return err
}

package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sallyport-id/sallyport/authn/federated"
	"github.com/sallyport-id/sallyport/authn/password"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
)

// Check reports every setting that cannot work: what Validate finds and, unless
// acrs are wrong already, what package acr finds in them.
func Check(cfg config.Config) error {
	err := cfg.Validate()
	if err != nil && strings.Contains("\n"+err.Error(), "\nacrs: ") {
		return err
	}
	_, acrs := ACRs(cfg)
	return errors.Join(err, acrs)
}

// checkNamed reports what is wrong with files that settings name, and with
// attributes, providers and authenticators: what else only a start would find. It
// asks nobody over the network and needs no database.
func checkNamed(ctx context.Context, cfg config.Config, opts Options) error {
	registry, err := loadSchemas(cfg.SCIM)
	if err != nil {
		return err
	}
	d := &Directory{cfg: cfg, issuer: commandIssuer(cfg), Registry: registry, logger: opts.Logger, now: opts.Now}
	faults := []error{d.newPasskeys(), checkBlocklist(cfg.Password.BlocklistFile)}
	for _, p := range cfg.IdentityProviders {
		if err := d.checkProvider(ctx, p); err != nil {
			faults = append(faults, fmt.Errorf("identity_providers: %s: %w", p.ID, err))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Authenticators)) {
		if _, err := d.remoteAuthenticator(name, cfg.Authenticators[name]); err != nil {
			faults = append(faults, fmt.Errorf("authenticators.%s: %w", name, err))
		}
	}
	return errors.Join(faults...)
}

func checkBlocklist(path string) error {
	if path == "" {
		return nil
	}
	list, err := password.OpenHashFile(path)
	if err != nil {
		return fmt.Errorf("password.blocklist_file: %w", err)
	}
	return list.Close()
}

func (d *Directory) checkProvider(ctx context.Context, p config.IdentityProvider) error {
	var faults []error
	if p.Create.Enabled {
		faults = append(faults, d.checkCreation(federated.Creation{Attributes: p.Create.Attributes}))
	}
	if p.Type != config.ProviderSAML {
		_, err := d.newUpstream(ctx, p)
		return errors.Join(append(faults, err)...)
	}
	if file := p.SAML.KeyFile; file != "" {
		_, err := readSAMLKey(file)
		faults = append(faults, err)
	}
	_, err := samlIDP(p.SAML)
	return errors.Join(append(faults, err)...)
}

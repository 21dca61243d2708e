package server

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/authn/outgoing"
	"github.com/sallyport-id/sallyport/authn/remote"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/validation"
)

// plugged are the factors of the settings that package acr does not know.
func plugged(cfg config.Config) []acr.Plugged {
	var out []acr.Plugged
	for _, name := range slices.Sorted(maps.Keys(cfg.Authenticators)) {
		a := cfg.Authenticators[name]
		out = append(out, acr.Plugged{Factor: acr.Factor(name), Category: acr.Category(a.Category), First: a.First})
	}
	return out
}

// remoteAuthenticators makes the authenticators that services of others are.
func (d *Directory) remoteAuthenticators() ([]authn.Authenticator, error) {
	var out []authn.Authenticator
	for _, name := range slices.Sorted(maps.Keys(d.cfg.Authenticators)) {
		made, err := d.remoteAuthenticator(name, d.cfg.Authenticators[name])
		if err != nil {
			return nil, fmt.Errorf("authenticators.%s: %w", name, err)
		}
		out = append(out, made)
	}
	return out, nil
}

func (d *Directory) remoteAuthenticator(name string, c config.Authenticator) (authn.Authenticator, error) {
	if slices.Contains(append(acr.Factors(), acr.Command), acr.Factor(name)) {
		return nil, fmt.Errorf("%s is a factor of the server itself: take another name", name)
	}
	secret := []byte(c.Secret.Reveal())
	if c.SecretFile != "" {
		text, err := os.ReadFile(c.SecretFile)
		if err != nil {
			return nil, fmt.Errorf("secret_file %s: %w", c.SecretFile, cause(err))
		}
		secret = bytes.TrimRight(text, "\r\n")
	}
	value, err := d.valueOf(c.Attribute)
	if err != nil {
		return nil, err
	}
	label := c.Label
	if label == "" {
		label = name
	}
	return remote.New(remote.Config{
		Factor: acr.Factor(name), Label: label, URL: c.URL, Secret: secret, Issuer: d.issuer, Value: value,
		Kind: authn.Kind{
			Category: acr.Category(c.Category), AMR: c.AMR, First: c.First, Starts: c.Starts, Waits: c.Waits, Digits: c.Digits,
		},
		Client: outgoing.Rules{AllowPrivate: c.AllowPrivate}.Client(), Logger: d.logger, Now: d.now,
	})
}

// valueOf reads an attribute of users by its path; nil for "". An attribute of an
// extension may be named without its URN if only one has it.
func (d *Directory) valueOf(path string) (func(schema.Object) string, error) {
	if path == "" {
		return nil, nil
	}
	full := path
	ref, err := d.Registry.ByName("User").LookupPath(path, schema.Policy{BareExtensionNames: true})
	if err == nil && ref.URN != "" {
		full = ref.String()
	}
	// Paths have keys, which count only where they stand in URLs.
	paths, err := validation.NewPaths(d.Registry, []string{"attribute=" + full}, nil)
	if err != nil {
		return nil, fmt.Errorf("attribute: %q must name a text of users that clients may write, "+
			"such as employeeNumber or emails[type eq \"work\"].value", path)
	}
	return paths.All()[0].Get, nil
}

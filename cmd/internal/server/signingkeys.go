package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/sallyport-id/sallyport/oidc/keys"
)

// SigningKeys returns the keys that sign tokens, oldest first.
func (d *Directory) SigningKeys(ctx context.Context) ([]keys.Info, error) {
	return d.signing.List(ctx)
}

// RotateSigningKeys has the next key of each algorithm in use sign from now on,
// or of one algorithm. early does so although clients may not have seen the key
// yet; without it an algorithm whose next key is younger than a day stops the
// command with keys.ErrTooEarly, and nothing is changed of it.
func (d *Directory) RotateSigningKeys(ctx context.Context, alg string, early bool) error {
	algs := []string{alg}
	if alg == "" {
		list, err := d.signing.List(ctx)
		if err != nil {
			return err
		}
		algs = nil
		for _, k := range list {
			if k.State == keys.Active {
				algs = append(algs, k.Alg)
			}
		}
	}
	if len(algs) == 0 {
		return errors.New("there are no signing keys yet: the first start of the server makes them")
	}
	rotate := d.signing.RotateNow
	if early {
		rotate = d.signing.RotateEarly
	}
	for _, name := range algs {
		if err := rotate(ctx, name); err != nil {
			return fmt.Errorf("rotate the %s key: %w", name, err)
		}
	}
	return nil
}

package oidc

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sallyport-id/sallyport/authn/audit"
)

// deviceGrant is the grant type of devices (RFC 8628 section 3.4).
type deviceGrant struct{ *Provider }

func (p deviceGrant) redeem(ctx context.Context, r tokenRequest) (tokenAnswer, error) {
	if r.form["device_code"] == "" {
		return tokenAnswer{}, &Error{Code: InvalidRequest, Description: "device_code is missing."}
	}
	d, err := p.poll(ctx, r)
	if err != nil {
		return tokenAnswer{}, err
	}
	g, err := p.liveGrant(ctx, d.GrantID)
	if err != nil {
		return tokenAnswer{}, err
	}
	if err := checkKey(g, r); err != nil {
		return tokenAnswer{}, err
	}
	bare := g
	g.KeyThumbprint = r.key
	answer, err := p.issueTokens(ctx, r, issuing{
		grant: g, scopes: g.Scopes, kept: g.Scopes, event: audit.TokenIssued,
		refresh: slices.Contains(r.client.GrantTypes, GrantRefresh),
		consume: func(ctx context.Context, _ []byte) error {
			if err := p.cfg.Devices.SettleDevice(ctx, d.CodeHash, DeviceApproved, DeviceUsed, g.ID); err != nil {
				return err
			}
			return p.bindKey(ctx, bare, r.key)
		},
	})
	if errors.Is(err, ErrUsed) {
		return tokenAnswer{}, errGrant()
	}
	return answer, err
}

// poll returns a device that was approved, or why there is no token yet (RFC
// 8628 section 3.5). A poll of another client leaves no trace.
func (p deviceGrant) poll(ctx context.Context, r tokenRequest) (DeviceAuthorization, error) {
	hash := hashOf(r.form["device_code"])
	d, err := p.cfg.Devices.DeviceByCode(ctx, hash)
	if errors.Is(err, ErrNotFound) || (err == nil && d.ClientID != r.client.ID) {
		return DeviceAuthorization{}, errGrant()
	}
	if err != nil {
		return DeviceAuthorization{}, fmt.Errorf("look up device: %w", err)
	}
	if d.State == DevicePending && !p.now().Before(d.ExpiresAt) {
		return DeviceAuthorization{}, &Error{Code: ExpiredToken, Description: "The device code has expired."}
	}
	d, soon, err := p.cfg.Devices.PollDevice(ctx, hash, p.now())
	if err != nil {
		return DeviceAuthorization{}, fmt.Errorf("poll device: %w", err)
	}
	switch {
	case d.State == DeviceUsed:
		return DeviceAuthorization{}, errGrant()
	case soon:
		return DeviceAuthorization{}, &Error{Code: SlowDown, Description: "Poll less often: wait 5 seconds more."}
	case d.State == DeviceDenied:
		return DeviceAuthorization{}, &Error{Code: AccessDenied, Description: "The user has denied the request."}
	case !p.now().Before(d.ExpiresAt):
		return DeviceAuthorization{}, &Error{Code: ExpiredToken, Description: "The device code has expired."}
	case d.State == DevicePending:
		return DeviceAuthorization{}, &Error{Code: AuthorizationPending, Description: "The user has not answered yet."}
	}
	return d, nil
}

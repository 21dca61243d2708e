package oidc

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/authn"
)

// PathDeviceAuthorization is where devices begin, relative to the issuer (RFC
// 8628 section 3.1).
const PathDeviceAuthorization = "/oauth/device_authorization"

// userCodeAlphabet has no vowels, so that no word arises, and no digits that
// look like letters (RFC 8628 section 6.1): 20^8 codes.
const (
	userCodeAlphabet = "BCDFGHJKLMNPQRSTVWXZ"
	userCodeLength   = 8
)

// userCodeTries bounds how often a code that is taken is drawn again.
const userCodeTries = 5

// deviceAnswer is that of RFC 8628 section 3.2.
type deviceAnswer struct {
	DeviceCode      string `json:"device_code"`
	UserCode        string `json:"user_code"`
	VerificationURI string `json:"verification_uri"`
	Complete        string `json:"verification_uri_complete"`
	ExpiresIn       int64  `json:"expires_in"`
	Interval        int64  `json:"interval"`
}

// serveDeviceAuthorization gives a device its two codes (RFC 8628 section 3).
func (p *Provider) serveDeviceAuthorization(c echo.Context) error {
	noStore(c)
	form, err := readForm(c)
	if err != nil {
		return err
	}
	client, err := p.authenticateClient(c, form)
	if err != nil {
		return err
	}
	if !slices.Contains(client.GrantTypes, GrantDevice) {
		return &Error{Code: UnauthorizedClient, Description: "The client is not registered for the device flow."}
	}
	ctx := c.Request().Context()
	d, err := p.deviceRequest(ctx, client, form)
	if err != nil {
		return err
	}
	d.KeyThumbprint, err = p.verifyDPoP(ctx, dpopCheck{
		Proofs: c.Request().Header.Values("DPoP"), Method: http.MethodPost, URL: p.cfg.Issuer + PathDeviceAuthorization,
	})
	if err != nil {
		return err
	}
	answer, err := p.beginDevice(ctx, d)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, answer)
}

// deviceRequest reads what a device asks for.
func (p *Provider) deviceRequest(ctx context.Context, client Client, form params) (DeviceAuthorization, error) {
	known, err := p.catalogue(ctx, form.list("scope"))
	if err != nil {
		return DeviceAuthorization{}, err
	}
	scopes := userScopes(client, form.list("scope"), known)
	if len(scopes) == 0 && len(form.list("scope")) > 0 {
		return DeviceAuthorization{}, &Error{Code: InvalidScope, Description: "None of the scopes may be asked for by this client."}
	}
	resources := form.resources()
	if err := checkResources(resources, scopes, known); err != nil {
		return DeviceAuthorization{}, err
	}
	return DeviceAuthorization{
		ClientID: client.ID, Scopes: withinAudience(scopes, known, resources), Audience: resources,
		ACRValues: form.list("acr_values"), State: DevicePending, Interval: p.cfg.Lifetimes.DeviceInterval,
		ExpiresAt: p.now().Add(p.cfg.Lifetimes.Device),
	}, nil
}

// beginDevice draws the codes and stores their hashes.
func (p *Provider) beginDevice(ctx context.Context, d DeviceAuthorization) (deviceAnswer, error) {
	code, hash := newSecret()
	d.CodeHash = hash
	for range userCodeTries {
		userCode, err := newUserCode()
		if err != nil {
			return deviceAnswer{}, err
		}
		d.UserCodeHash = hashOf(userCode)
		err = p.cfg.Devices.InsertDevice(ctx, d)
		if errors.Is(err, ErrTaken) {
			continue
		}
		if err != nil {
			return deviceAnswer{}, fmt.Errorf("store device authorization: %w", err)
		}
		shown := userCode[:userCodeLength/2] + "-" + userCode[userCodeLength/2:]
		return deviceAnswer{
			DeviceCode: code, UserCode: shown, VerificationURI: p.cfg.Issuer + PathDevice,
			Complete:  p.cfg.Issuer + PathDevice + "?user_code=" + shown,
			ExpiresIn: int64(p.cfg.Lifetimes.Device / time.Second), Interval: int64(d.Interval / time.Second),
		}, nil
	}
	return deviceAnswer{}, &Error{
		Code: TemporarilyUnavailable, Status: http.StatusServiceUnavailable,
		Description: "Too many devices wait for their users; try again.", RetryAfter: d.Interval,
	}
}

// newUserCode draws a user code in normal form.
func newUserCode() (string, error) {
	out := make([]byte, userCodeLength)
	for i := range out {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(userCodeAlphabet))))
		if err != nil {
			return "", fmt.Errorf("draw user code: %w", err)
		}
		out[i] = userCodeAlphabet[n.Int64()]
	}
	return string(out), nil
}

// normalUserCode is a user code as it is stored: people type lower case,
// dashes and blanks (RFC 8628 section 6.1). It is false for what cannot be one.
func normalUserCode(typed string) (string, bool) {
	if len(typed) > 64 {
		return "", false
	}
	out := strings.Map(func(r rune) rune {
		switch {
		case r == '-' || r == ' ' || r == '\t' || r == '_' || r == '.':
			return -1
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		}
		return r
	}, typed)
	if len(out) != userCodeLength || strings.Trim(out, userCodeAlphabet) != "" {
		return "", false
	}
	return out, true
}

// deviceTries names the counter of user codes among those of clients.
const deviceTries = "user code"

// DeviceBegin takes the user code that somebody has typed, counted and slowed
// down by address (RFC 8628 section 5.1), and begins the transaction in which
// its device is approved. A code that is unknown, expired or settled is refused
// alike.
func (p *Provider) DeviceBegin(ctx context.Context, v authn.Visitor, userCode string) (authn.Txn, error) {
	if strings.TrimSpace(userCode) == "" {
		return authn.Txn{}, &authn.Refusal{Reason: authn.Missing}
	}
	// Every try counts, before anything is compared.
	if p.cfg.Tries != nil {
		wait, err := p.cfg.Tries.ClientFailed(ctx, deviceTries, v.IP)
		if err != nil {
			return authn.Txn{}, fmt.Errorf("count user code: %w", err)
		}
		if wait > 0 {
			return authn.Txn{}, &authn.Refusal{Reason: authn.FactorLocked, RetryAfter: wait}
		}
	}
	code, ok := normalUserCode(userCode)
	if !ok {
		return authn.Txn{}, &authn.Refusal{Reason: authn.WrongCode}
	}
	d, err := p.cfg.Devices.DeviceByUserCode(ctx, hashOf(code))
	if errors.Is(err, ErrNotFound) {
		return authn.Txn{}, &authn.Refusal{Reason: authn.WrongCode}
	}
	if err != nil {
		return authn.Txn{}, fmt.Errorf("read device authorization: %w", err)
	}
	if d.State != DevicePending || !p.now().Before(d.ExpiresAt) {
		return authn.Txn{}, &authn.Refusal{Reason: authn.WrongCode}
	}
	return p.beginTxn(ctx, v, PurposeDevice, request{
		ClientID: d.ClientID, Scopes: d.Scopes, Resources: d.Audience, ACRValues: d.ACRValues,
		KeyThumbprint: d.KeyThumbprint, DeviceHash: d.CodeHash,
	})
}

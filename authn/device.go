package authn

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
)

// ErrNoDevice says that there is no such remembered browser, or no longer.
var ErrNoDevice = errors.New("there is no such remembered browser")

// MostDevices is how many accounts one browser is remembered for.
const MostDevices = 5

// Device is a browser that was remembered for a user, on a page that had just
// taken a second factor. Times are UTC with microseconds.
type Device struct {
	ID, UserID string
	SecretHash []byte // SHA-256 of the secret in the cookie
	UserAgent  string
	IP         string
	CreatedAt  time.Time // its age counts from here
	LastUsedAt time.Time // zero: never
	ExpiresAt  time.Time
}

// DeviceStore keeps remembered browsers. Every method joins the transaction of
// ctx. All those of a user end with whatever raises an epoch of the user: a
// change of the password or of a factor, a deactivation.
type DeviceStore interface {
	// AddDevice stores one.
	AddDevice(ctx context.Context, d Device) error
	// Device returns one that has not expired, or ErrNoDevice. In a transaction it
	// stays while the user is locked.
	Device(ctx context.Context, id string, now time.Time) (Device, error)
	// Devices returns those of a user that have not expired, newest first.
	Devices(ctx context.Context, userID string, now time.Time) ([]Device, error)
	// UseDevice records a use.
	UseDevice(ctx context.Context, id string, at time.Time) error
	// DeleteDevice reports whether there was one; DeleteDevices how many.
	DeleteDevice(ctx context.Context, userID, id string) (bool, error)
	DeleteDevices(ctx context.Context, userID string) (int64, error)
}

// DeviceCredential is the name of a remembered browser in events.
func DeviceCredential(id string) string { return "device:" + id }

// Devices returns the browsers that are remembered for a user, newest first.
func (e *Engine) Devices(ctx context.Context, userID string) ([]Device, error) {
	all, err := e.cfg.Devices.Devices(ctx, userID, e.now())
	if err != nil {
		return nil, fmt.Errorf("list remembered browsers: %w", err)
	}
	return all, nil
}

// ForgetDevice ends a remembered browser of the user who is logged in with a
// session, and reports whether there was one. Logins there ask for everything
// again.
func (e *Engine) ForgetDevice(ctx context.Context, v Visitor, userID, sessionID, id string) (had bool, err error) {
	err = e.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		// The user is locked first, so that no answer counts a browser that is gone.
		if _, err := e.cfg.Users.UserByID(ctx, userID); err != nil {
			return fmt.Errorf("read user: %w", err)
		}
		if had, err = e.cfg.Devices.DeleteDevice(ctx, userID, id); err != nil || !had {
			return err
		}
		return e.record(ctx, proved(v, audit.DeviceForgotten, "", userID, sessionID, loginDetail{Credential: DeviceCredential(id)}))
	})
	if err != nil {
		return false, fmt.Errorf("forget browser: %w", err)
	}
	return had, nil
}

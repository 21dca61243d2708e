package authn

import (
	"context"
	"errors"
	"time"
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

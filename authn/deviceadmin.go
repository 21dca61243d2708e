package authn

import (
	"context"
	"fmt"
	"slices"

	"github.com/sallyport-id/sallyport/authn/audit"
)

// ForgetDevicesOf ends remembered browsers of a user for an administrator, whose
// right is up to the caller: the one with this id, which is ErrNoDevice if the
// user has none, or with "" all of them. It returns those that are gone.
func (e *Engine) ForgetDevicesOf(ctx context.Context, by audit.Party, userID, id string) ([]Device, error) {
	var gone []Device
	err := e.cfg.Tx.InTx(ctx, func(ctx context.Context) error {
		gone = nil // it may run again
		// The user is locked first, so that no answer counts a browser that is gone.
		if _, err := e.cfg.Users.UserByID(ctx, userID); err != nil {
			return fmt.Errorf("read user: %w", err)
		}
		all, err := e.Devices(ctx, userID)
		if err != nil {
			return err
		}
		gone = slices.DeleteFunc(all, func(d Device) bool { return id != "" && d.ID != id })
		if id != "" && len(gone) == 0 {
			return ErrNoDevice
		}
		for _, d := range gone {
			if err := e.forgetFor(ctx, by, d); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("forget browsers: %w", err)
	}
	return gone, nil
}

func (e *Engine) forgetFor(ctx context.Context, by audit.Party, d Device) error {
	if _, err := e.cfg.Devices.DeleteDevice(ctx, d.UserID, d.ID); err != nil {
		return err
	}
	ev := event(Visitor{}, audit.DeviceForgotten, "", d.UserID, loginDetail{Credential: DeviceCredential(d.ID)})
	ev.Actor = by
	return e.record(ctx, ev)
}

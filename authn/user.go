package authn

import (
	"context"
	"errors"
	"time"

	"github.com/sallyport-id/sallyport/schema"
)

// ErrNoUser says that no user, or more than one, goes by that name.
var ErrNoUser = errors.New("there is no such user")

// User is a user of the directory as a login sees it.
type User struct {
	ID       string
	UserName string
	Active   bool
	Modified time.Time
	// Object is the whole document (RFC 7643 section 4.1), without secrets.
	Object schema.Object
	// Epoch is the credential epoch: it moves with every change that ends what
	// went before.
	Epoch int64
}

// DisplayName is what to call the user on a page: displayName, else the
// formatted name, else the user name.
func (u User) DisplayName() string {
	if name, ok := u.Object["displayName"].(string); ok && name != "" {
		return name
	}
	if name, ok := u.Object["name"].(schema.Object); ok {
		if text, ok := name["formatted"].(string); ok && text != "" {
			return text
		}
	}
	return u.UserName
}

// Languages are those of the user, as in Accept-Language.
func (u User) Languages() string {
	for _, name := range []string{"preferredLanguage", "locale"} {
		if text, ok := u.Object[name].(string); ok && text != "" {
			return text
		}
	}
	return ""
}

// UserStore finds users. Every method joins the transaction of ctx.
type UserStore interface {
	// UserByLogin returns the user with this user name, else the one user who has
	// this e-mail address, whatever the case; ErrNoUser when there is none or
	// more than one has the address. Inactive users are returned too.
	UserByLogin(ctx context.Context, login string) (User, error)
	// UserByID returns a user or ErrNoUser. In a transaction the user stays as
	// it is until the transaction ends.
	UserByID(ctx context.Context, id string) (User, error)
}

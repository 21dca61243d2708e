package storage

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/scim/filter"
)

var _ authn.UserStore = (*DB)(nil)

// loginEmail is the attribute whose values are logins beside the user name.
const loginEmail = "emails.value"

// UserByLogin implements [authn.UserStore].
func (db *DB) UserByLogin(ctx context.Context, login string) (authn.User, error) {
	if login == "" || len(login) > keyLimit {
		return authn.User{}, authn.ErrNoUser
	}
	rt := db.registry.ByName(userType)
	id, err := db.userByName(ctx, rt, login)
	if errors.Is(err, authn.ErrNoUser) && strings.Contains(login, "@") {
		id, err = db.userByEmail(ctx, rt, login)
	}
	if err != nil {
		return authn.User{}, err
	}
	return db.UserByID(ctx, id)
}

// userByName returns the id of the user whose userName has the same key; a text
// that can be no userName names nobody.
func (db *DB) userByName(ctx context.Context, rt *schema.ResourceType, login string) (string, error) {
	key, err := schema.PrecisFold(login)
	if err != nil {
		return "", authn.ErrNoUser
	}
	return db.onlyUser(ctx, rt, "userName", key)
}

// UserByEmail returns the one user who has the address, whatever the case, or
// authn.ErrNoUser when there is none or more than one. The user name does not
// count.
func (db *DB) UserByEmail(ctx context.Context, address string) (authn.User, error) {
	if address == "" || len(address) > keyLimit {
		return authn.User{}, authn.ErrNoUser
	}
	id, err := db.userByEmail(ctx, db.registry.ByName(userType), address)
	if err != nil {
		return authn.User{}, err
	}
	return db.UserByID(ctx, id)
}

func (db *DB) userByEmail(ctx context.Context, rt *schema.ResourceType, login string) (string, error) {
	return db.onlyUser(ctx, rt, loginEmail, schema.Fold(login))
}

// onlyUser returns the id of the one user who has that key at a path.
func (db *DB) onlyUser(ctx context.Context, rt *schema.ResourceType, path, key string) (string, error) {
	ref, err := resolvePath(rt, path)
	if err != nil {
		return "", authn.ErrNoUser // this directory has no such attribute
	}
	page, err := db.Query(ctx, scim.Query{
		Sources: []scim.Source{{Type: rt, Where: &filter.Test{Ref: ref, Op: filter.Eq, Key: key}}}, Limit: 2,
	})
	if err != nil {
		return "", fmt.Errorf("find user by %s: %w", path, err)
	}
	if len(page.Records) != 1 || page.More {
		return "", authn.ErrNoUser
	}
	return page.Records[0].ID, nil
}

// UserByID implements [authn.UserStore].
func (db *DB) UserByID(ctx context.Context, id string) (authn.User, error) {
	rt := db.registry.ByName(userType)
	rec, err := db.Get(ctx, rt, id, "")
	if errors.Is(err, scim.ErrNotFound) {
		return authn.User{}, authn.ErrNoUser
	}
	if err != nil {
		return authn.User{}, err
	}
	object, err := rt.Parse(rec.Doc)
	if err != nil {
		return authn.User{}, fmt.Errorf("parse stored user: %w", err)
	}
	u := authn.User{ID: id, Modified: rec.LastModified, Object: object, Active: true}
	u.UserName, _ = object["userName"].(string)
	if active, ok := object["active"].(bool); ok {
		u.Active = active
	}
	u.Epoch, _, err = db.Epochs(ctx, id, "")
	return u, err
}

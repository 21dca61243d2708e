package scim

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/schema"
)

// This file is what packages on the floors above use to answer below
// /Users/{id}/ and /Me/ by the rules of this one.

// Authenticate returns the caller of a request, held to the rate of its token
// and known to be able to read the answer: *Error with 401, 429 or 406.
func (s *Service) Authenticate(c echo.Context) (Caller, error) {
	caller, err := s.authenticate(c)
	if err != nil {
		return Caller{}, err
	}
	_, err = replyType(c, s.profileOf(caller))
	return caller, err
}

// Base returns the public base URL that the request was sent to, one of the
// configured ones.
func (s *Service) Base(c echo.Context) string { return s.base(c) }

// ReadBody decodes the JSON body of a request of at most limit bytes, with keys
// as sent; nil for an empty body. Faults are *Error or *schema.Error.
func (s *Service) ReadBody(c echo.Context, limit int64) (schema.Object, error) {
	data, err := readBody(c, limit)
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, nil
	}
	return schema.Decode(data, schema.Limits{Depth: s.limits.Depth})
}

// Reply sends v as JSON in the media type that the caller accepts. No cache may
// store it. A nil v sends no body.
func (s *Service) Reply(c echo.Context, caller Caller, status int, v any) error {
	h := c.Response().Header()
	h.Set(echo.HeaderCacheControl, "no-store")
	if v == nil {
		c.Response().WriteHeader(status)
		return nil
	}
	typ, err := replyType(c, s.profileOf(caller))
	if err != nil {
		return err
	}
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	body.Truncate(body.Len() - 1) // the newline of Encode
	h.Set(echo.HeaderContentType, typ)
	h.Set(echo.HeaderContentLength, strconv.Itoa(body.Len()))
	c.Response().WriteHeader(status)
	if c.Request().Method == http.MethodHead {
		return nil
	}
	_, err = c.Response().Write(body.Bytes())
	return err
}

// User is a user as the floors above see it.
type User struct {
	ID      string
	Version int64
	// Object is the canonical document, without groups and meta. Read only.
	Object schema.Object
}

// Active reports whether the user may log in.
func (u *User) Active() bool { return isActive(u.Object) }

// Name is the userName.
func (u *User) Name() string {
	name, _ := u.Object["userName"].(string)
	return name
}

// User returns a user that the caller's domain shows, or ErrNotFound. In a
// transaction the user is locked until it ends.
func (s *Service) User(ctx context.Context, caller Caller, id string) (*User, error) {
	if !plausibleID(id) {
		return nil, ErrNotFound
	}
	rt := s.cfg.Registry.ByName(userType)
	rec, err := s.cfg.Resources.Get(ctx, rt, id, caller.Domain)
	if err != nil {
		return nil, err
	}
	object, err := rt.Parse(rec.Doc)
	if err != nil {
		return nil, fmt.Errorf("read user: %w", err)
	}
	return &User{ID: id, Version: rec.Version, Object: object}, nil
}

// EditUser changes a user by edit, which gets the canonical document, with all
// that belongs to a change: checks, version, audit events and hooks. It joins
// the transaction of ctx. When edit changes nothing, nothing is written. It asks
// neither for scopes nor the Guard: the caller of this method has.
func (s *Service) EditUser(ctx context.Context, caller Caller, id string, edit func(o schema.Object) error) (*User, error) {
	if !plausibleID(id) {
		return nil, ErrNotFound
	}
	rt := s.cfg.Registry.ByName(userType)
	var user *User
	err := s.transact(ctx, func(ctx context.Context) error {
		c, err := s.begin(ctx, caller, rt, id, Request{Proved: true})
		if err != nil {
			return err
		}
		c.after = c.before.Clone()
		if err := edit(c.after); err != nil {
			return err
		}
		rt.SetSchemas(c.after)
		if c.doc, err = s.finish(rt, c.after, id, s.profileOf(caller)); err != nil {
			return err
		}
		rec, err := s.save(ctx, c)
		if err != nil {
			return err
		}
		user = &User{ID: id, Version: rec.Version, Object: c.after}
		return nil
	})
	return user, err
}

// UserEvent is an audit event by the caller on a user. detail becomes its JSON
// detail; nil leaves it out. It must not hold a secret.
func UserEvent(caller Caller, name audit.Name, userID string, detail any) (audit.Event, error) {
	e := eventOn(caller, name, audit.Party{Type: userType, ID: userID})
	if detail == nil {
		return e, nil
	}
	return detailed(e, detail)
}

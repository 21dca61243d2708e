package scim

import (
	"fmt"
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/schema"
)

// selfWritable are the attributes that users may write in their own record
// when nothing else is configured, beside the paths of second factors.
var selfWritable = [...]string{"name", "displayName", "nickName", "preferredLanguage", "locale", "timezone"}

// factorAttributes are the paths of second factors when nothing else is
// configured, in the order of the documentation.
var factorAttributes = [...]string{"secondFactorEmail", "secondFactorPhoneNumber"}

// secondFactorFlag is the attribute that says that the user may be asked for a
// second factor.
const secondFactorFlag = "secondFactorEnabled"

// restricted reports whether the caller is a user whose token is good for the
// own record only.
func (c Caller) restricted() bool { return c.UserID != "" && !c.Has(ScopeWrite) }

// selfPaths resolves what users may write in their own record.
func selfPaths(cfg Config) ([]attributePath, error) {
	rt := cfg.Registry.ByName(userType)
	if rt == nil {
		return nil, nil
	}
	writable, factors := cfg.SelfWritable, cfg.FactorPaths
	if writable == nil {
		writable = selfWritable[:]
	}
	if factors == nil {
		factors = factorAttributes[:]
	}
	all := append([]string{secondFactorFlag}, factors...)
	paths, err := parsePaths(rt, append(all, writable...))
	if err != nil {
		return nil, fmt.Errorf("self-service: %w", err)
	}
	return paths, nil
}

// checkRecord decides whether the caller may use a method on the user with
// this id: by the scope of the method, or for the own record by
// ScopeManageProfile. To a restricted caller every other user looks absent,
// without asking the database, so that the answer costs the same for those who
// exist and those who do not.
func checkRecord(c echo.Context, caller Caller, scope string) error {
	method := c.Request().Method
	if caller.UserID == "" || caller.Has(scope) || method == http.MethodDelete {
		return checkScope(caller, scope)
	}
	if raw := c.Param("id"); raw != "" {
		id, err := url.PathUnescape(raw)
		if err != nil || id != caller.UserID {
			// Whoever may read others may know that they exist.
			if caller.Has(ScopeRead) {
				return insufficientScope(scope)
			}
			return ErrNotFound
		}
	}
	if caller.Has(ScopeManageProfile) {
		return nil
	}
	return insufficientScope(ScopeManageProfile)
}

// insufficientScope is the 403 of RFC 6750 section 3.1.
func insufficientScope(scope string) *Error {
	return NewError(http.StatusForbidden, "", "The token does not permit this.").
		WithHeader(echo.HeaderWWWAuthenticate,
			fmt.Sprintf(`%s, error="insufficient_scope", scope="%s"`, challenge, scope))
}

// checkSelf holds a change of a restricted caller to the own record and to the
// attributes that are theirs. What matters is what changed, however it was
// spelled in the request.
func (s *Service) checkSelf(c *change) error {
	switch {
	case c.old.ID != c.caller.UserID:
		return ErrNotFound
	case !c.caller.Has(ScopeManageProfile):
		return insufficientScope(ScopeManageProfile)
	case !isActive(c.before):
		return invalidToken()
	case c.hash != nil:
		return refuseSelf("password")
	case c.rows > 0:
		return insufficientScope(ScopeWrite)
	}
	before, after := c.before.Clone(), c.after.Clone()
	for _, p := range s.self {
		p.strip(before)
		p.strip(after)
	}
	for _, ref := range c.rt.Attributes() {
		if ref.Attr == nil || ref.URN == "" && ref.Attr.Name == "schemas" {
			continue
		}
		if !schema.Equal(attributeOf(before, ref), attributeOf(after, ref)) {
			return refuseSelf(ref.String())
		}
	}
	return nil
}

// refuseSelf names the attribute that users may not change themselves.
func refuseSelf(attribute string) *Error {
	return Errorf(http.StatusForbidden, "", "%s cannot be changed with this token.", attribute)
}

// attributeOf returns the value of a top-level attribute, nil without one.
func attributeOf(o schema.Object, ref schema.Ref) any {
	if ref.URN != "" {
		o = asObject(o[ref.URN])
	}
	return o[ref.Attr.Name]
}

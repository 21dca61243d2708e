package scim

import (
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/labstack/echo/v4"
)

// challenge is the WWW-Authenticate of a request without a usable token (RFC
// 6750 section 3): no error code when no token was sent.
const challenge = `Bearer realm="sallyport"`

// maxBearer bounds a token as text, in bytes; longer ones are none of ours.
const maxBearer = 4096

// maxUserAgent is where a User-Agent is cut for audit, in bytes.
const maxUserAgent = 256

// authenticate finds out who makes the request and holds the caller to the
// rate of its token: 401 for a missing or refused token, 429 above the rate.
// The caller is recorded in c, so that the errors that follow are written in
// the caller's profile.
func (s *Service) authenticate(c echo.Context) (Caller, error) {
	r := c.Request()
	bearer, err := bearerToken(r.Header)
	if err != nil {
		return Caller{}, err
	}
	caller, err := s.cfg.Auth.Authenticate(r.Context(), bearer)
	if err != nil {
		return Caller{}, err
	}
	caller.IP = c.RealIP()
	caller.UserAgent = cut(r.UserAgent(), maxUserAgent)
	caller.RequestID = requestID(c)
	setCaller(c, caller)
	if err := s.rates.allow(caller.TokenID, s.cfg.Now()); err != nil {
		return Caller{}, err
	}
	return caller, nil
}

// checkScope refuses a caller without the scope with 403 (RFC 6750 section
// 3.1). Scopes are no secret: the answer names the one that is missing.
func checkScope(caller Caller, scope string) error {
	if caller.Has(scope) {
		return nil
	}
	return Errorf(http.StatusForbidden, "", "The token does not permit this; it needs the scope %s.", scope).
		WithHeader(echo.HeaderWWWAuthenticate,
			fmt.Sprintf(`%s, error="insufficient_scope", scope="%s"`, challenge, scope))
}

// bearerToken takes the token from the Authorization header (RFC 6750 section
// 2.1). The form and query methods of that RFC are not offered: they put
// tokens into bodies and logs.
func bearerToken(h http.Header) (string, error) {
	values := h.Values(echo.HeaderAuthorization)
	if len(values) > 1 {
		return "", NewError(http.StatusBadRequest, "", "Send one Authorization header.").
			WithHeader(echo.HeaderWWWAuthenticate, challenge+`, error="invalid_request"`)
	}
	if len(values) == 0 {
		return "", missingToken()
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", missingToken()
	}
	token = strings.Trim(token, " ")
	if !isBearer(token) {
		return "", invalidToken()
	}
	return token, nil
}

// missingToken refuses a request that carries no bearer token.
func missingToken() *Error {
	return NewError(http.StatusUnauthorized, "",
		"This endpoint needs a bearer token in the Authorization header.").
		WithHeader(echo.HeaderWWWAuthenticate, challenge)
}

// invalidToken refuses a token; unknown, expired and revoked look alike.
func invalidToken() *Error {
	return NewError(http.StatusUnauthorized, "", "Access token is expired or otherwise invalid.").
		WithHeader(echo.HeaderWWWAuthenticate,
			challenge+`, error="invalid_token", error_description="Access token is expired or otherwise invalid."`)
}

// InvalidToken is the 401 for a token that is unknown, expired or revoked, or
// whose session has ended.
func InvalidToken() *Error { return invalidToken() }

// isBearer reports whether s has the form of b64token (RFC 6750 section 2.1).
func isBearer(s string) bool {
	body := strings.TrimRight(s, "=")
	if body == "" || len(s) > maxBearer {
		return false
	}
	for i := range len(body) {
		if !isBearerByte(body[i]) {
			return false
		}
	}
	return true
}

func isBearerByte(b byte) bool {
	switch {
	case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b >= '0' && b <= '9':
		return true
	}
	return strings.IndexByte("-._~+/", b) >= 0
}

// requestID is the id that the server gave the request, for audit and logs.
func requestID(c echo.Context) string {
	return c.Response().Header().Get(echo.HeaderXRequestID)
}

// cut shortens s to at most n bytes without splitting a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

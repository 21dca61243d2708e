package oidc

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// maxAssertionLife bounds exp, and with it how long a jti must be remembered.
const maxAssertionLife = time.Hour

// assertionError refuses a client. What was wrong with the assertion is told:
// it helps the developer, and an attacker knows what he has sent.
func assertionError(detail string) *Error {
	return &Error{
		Code: InvalidClient, Status: http.StatusUnauthorized,
		Description: "The client assertion is not acceptable: " + detail,
	}
}

// assertionClient returns the client that an assertion says it is of. Nothing
// is verified: it only serves to find the keys for [Provider.verifyClientAssertion].
func (p *Provider) assertionClient(assertion string) (string, error) {
	jws, _, err := parseForeign(assertion)
	if err != nil {
		return "", assertionError("it is not a JWT that is signed with RS256, PS256, ES256 or EdDSA").Because(err)
	}
	var claims registeredClaims
	if err := json.Unmarshal(jws.UnsafePayloadWithoutVerification(), &claims); err != nil || claims.Subject == "" {
		return "", assertionError("sub is missing or a claim has the wrong type").Because(err)
	}
	return claims.Subject, nil
}

// verifyClientAssertion judges the assertion of a client (RFC 7523 section 3,
// OpenID Connect Core 1.0 section 9). The audience must be the issuer and
// nothing else, as one string: an array, or the URL of an endpoint, would let
// an assertion that was made for another server pass here. An assertion is
// good once, on all nodes; one that is refused is not used up.
func (p *Provider) verifyClientAssertion(ctx context.Context, c Client, assertion string) error {
	jws, header, err := parseForeign(assertion)
	if err != nil {
		return assertionError("it is not a JWT that is signed with RS256, PS256, ES256 or EdDSA").Because(err)
	}
	if !typeOrNone(header, "client-authentication+jwt") {
		return assertionError("its typ is neither JWT nor client-authentication+jwt")
	}
	payload, err := verifyByClient(c, jws, header)
	if err != nil {
		return assertionError("no key of the client fits its signature").Because(err)
	}
	var claims registeredClaims
	if err := json.Unmarshal(payload, &claims); err != nil {
		return assertionError("a claim has the wrong type").Because(err)
	}
	switch {
	case claims.Issuer != c.ID || claims.Subject != c.ID:
		return assertionError("iss and sub must be the client id")
	case !claims.Audience.single || !claims.Audience.has(p.cfg.Issuer):
		return assertionError("aud must be the issuer of this server, as one string")
	case !claims.timely(p.now(), maxAssertionLife):
		return assertionError("it has expired, is not valid yet, or is valid for more than an hour")
	case claims.ID == "" || len(claims.ID) > maxJTI:
		return assertionError("jti is missing or too long")
	}
	expires := claims.Expires.time().Add(2 * clockSkew)
	first, err := p.cfg.Replays.UseOnce(ctx, replayAssertion, c.ID+"\x00"+claims.ID, expires)
	if err != nil {
		return fmt.Errorf("remember client assertion: %w", err)
	}
	if !first {
		return assertionError("it was used before")
	}
	return nil
}

package oidc

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/sallyport-id/sallyport/oidc/keys"
)

// clockSkew is how far the clock of a client may be off, both ways (FAPI 2.0
// Security Profile section 5.3.2.1).
const clockSkew = 10 * time.Second

// maxForeignJWT bounds what is parsed of a JWT that others have made, in bytes.
const maxForeignJWT = 32 << 10

// errForeignJWT says that a JWT of somebody else cannot be accepted.
var errForeignJWT = errors.New("the JWT is not acceptable")

// foreignAlgs are the algorithms that clients may sign with: asymmetric ones,
// so that no public key ever serves as a secret, and never none.
func foreignAlgs() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA}
}

// signingAlgNames are these as discovery lists them.
func signingAlgNames() []string { return keys.Algorithms() }

// parseForeign reads a JWS in compact form (RFC 7515 section 7.1), without any
// trust. Other spellings of the same token are refused, so that what is used
// once cannot come back in disguise.
func parseForeign(raw string) (*jose.JSONWebSignature, jose.Header, error) {
	parts := strings.Split(raw, ".")
	if len(raw) > maxForeignJWT || len(parts) != 3 {
		return nil, jose.Header{}, errForeignJWT
	}
	for _, part := range parts {
		if _, err := base64.RawURLEncoding.Strict().DecodeString(part); err != nil || strings.ContainsAny(part, "\r\n") {
			return nil, jose.Header{}, errForeignJWT
		}
	}
	jws, err := jose.ParseSignedCompact(raw, foreignAlgs())
	if err != nil || len(jws.Signatures) != 1 {
		return nil, jose.Header{}, errForeignJWT
	}
	return jws, jws.Signatures[0].Protected, nil
}

// typeOrNone reports whether typ is absent, "JWT", or the given one.
func typeOrNone(h jose.Header, typ string) bool {
	if _, has := h.ExtraHeaders[jose.HeaderType]; !has {
		return true
	}
	return keys.TypeIs(h, "JWT", typ)
}

// verifyByClient checks the signature of a JWT with the registered keys of a
// client and returns its payload.
func verifyByClient(c Client, jws *jose.JSONWebSignature, h jose.Header) ([]byte, error) {
	set, err := parseJWKS(c.JWKS)
	if err != nil {
		return nil, err
	}
	for _, k := range set {
		if !fitsHeader(k, h) {
			continue
		}
		if payload, err := jws.Verify(k.Key); err == nil {
			return payload, nil
		}
	}
	return nil, errForeignJWT
}

// fitsHeader reports whether a key may have signed under a header.
func fitsHeader(k jose.JSONWebKey, h jose.Header) bool {
	return (h.KeyID == "" || k.KeyID == "" || h.KeyID == k.KeyID) &&
		(k.Use == "" || k.Use == "sig") &&
		(k.Algorithm == "" || k.Algorithm == h.Algorithm)
}

// audience is an aud claim: a string or an array of strings (RFC 7519 section
// 4.1.3).
type audience struct {
	values []string
	single bool // it was a string
}

// UnmarshalJSON implements json.Unmarshaler.
func (a *audience) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		a.values, a.single = []string{one}, true
		return nil
	}
	a.single = false
	return json.Unmarshal(b, &a.values)
}

func (a audience) has(value string) bool { return slices.Contains(a.values, value) }

// audienceClaim writes one audience as a string and several as an array.
func audienceClaim(values []string) any {
	if len(values) == 1 {
		return values[0]
	}
	return values
}

// numericDate is a NumericDate (RFC 7519 section 2). Fractions are allowed.
type numericDate float64

// farAway bounds dates, in seconds before and after 1970, so that they can be
// counted in microseconds.
const farAway = 1 << 40

func (d numericDate) time() time.Time {
	return time.UnixMicro(int64(min(max(float64(d), -farAway), farAway) * 1e6)).UTC()
}

// registeredClaims are those that every foreign JWT is judged by.
type registeredClaims struct {
	Issuer    string       `json:"iss"`
	Subject   string       `json:"sub"`
	Audience  audience     `json:"aud"`
	Expires   *numericDate `json:"exp"`
	NotBefore *numericDate `json:"nbf"`
	IssuedAt  *numericDate `json:"iat"`
	ID        string       `json:"jti"`
}

// timely reports whether now lies within the times of the claims: exp is
// required and at most longest away.
func (r registeredClaims) timely(now time.Time, longest time.Duration) bool {
	if r.Expires == nil {
		return false
	}
	exp := r.Expires.time()
	if !now.Add(-clockSkew).Before(exp) || exp.After(now.Add(longest+clockSkew)) {
		return false
	}
	for _, d := range []*numericDate{r.NotBefore, r.IssuedAt} {
		if d != nil && d.time().After(now.Add(clockSkew)) {
			return false
		}
	}
	return true
}

package oidc

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/sallyport-id/sallyport/oidc/keys"
)

// dpopWindow is how far the time of a proof may lie from ours, both ways.
const dpopWindow = 60 * time.Second

// maxJTI bounds the identifier of a JWT, in bytes.
const maxJTI = 256

// Kinds of what may be used once.
const (
	replayDPoP      = "dpop"
	replayAssertion = "assertion"
	replayLogout    = "logout"
)

// dpopCheck is a request that may carry a DPoP proof.
type dpopCheck struct {
	Proofs []string // every value of the DPoP header
	Method string
	URL    string // of the endpoint, as published
	// AccessToken is what the proof must name by ath; "" at the endpoints that
	// issue tokens.
	AccessToken string
	// Thumbprint is of the key that the proof must be of; "": of any.
	Thumbprint string
}

// errOtherKey says that a proof is of another key than the one it must be of.
var errOtherKey = errors.New("the DPoP proof is of another key")

// dpopClaims are those of RFC 9449 section 4.2.
type dpopClaims struct {
	ID       string       `json:"jti"`
	Method   string       `json:"htm"`
	URL      string       `json:"htu"`
	IssuedAt *numericDate `json:"iat"`
	Hash     string       `json:"ath"`
}

// dpopError is an error of a proof; detail is for the developer.
func dpopError(detail string) *Error {
	return &Error{Code: InvalidDPoPProof, Description: "The DPoP proof is not acceptable: " + detail}
}

// verifyDPoP judges the proof of a request (RFC 9449 section 4.3) and returns
// the thumbprint of its key, "" when there is no proof. A proof is good once,
// on all nodes; one that is refused is not used up. A proof of another key than
// the check wants is errOtherKey.
func (p *Provider) verifyDPoP(ctx context.Context, r dpopCheck) (string, error) {
	switch len(r.Proofs) {
	case 0:
		return "", nil
	case 1:
	default:
		return "", dpopError("there is more than one DPoP header")
	}
	thumbprint, claims, err := parseProof(r.Proofs[0])
	if err != nil {
		return "", err
	}
	if r.Thumbprint != "" && thumbprint != r.Thumbprint {
		return "", errOtherKey
	}
	if err := p.judgeProof(claims, r); err != nil {
		return "", err
	}
	first, err := p.cfg.Replays.UseOnce(ctx, replayDPoP, thumbprint+"."+claims.ID, p.now().Add(2*dpopWindow))
	if err != nil {
		return "", fmt.Errorf("remember DPoP proof: %w", err)
	}
	if !first {
		return "", dpopError("it was used before")
	}
	return thumbprint, nil
}

// parseProof reads a proof and checks its signature with the key in it.
func parseProof(raw string) (thumbprint string, c dpopClaims, err error) {
	jws, header, err := parseForeign(raw)
	if err != nil {
		return "", c, dpopError("it is not a JWT that is signed with RS256, PS256, ES256 or EdDSA").Because(err)
	}
	if !keys.TypeIs(header, "dpop+jwt") {
		return "", c, dpopError("its typ is not dpop+jwt")
	}
	jwk := header.JSONWebKey
	if jwk == nil || !jwk.Valid() || !jwk.IsPublic() {
		return "", c, dpopError("its header must have the public key as jwk")
	}
	if err := checkPublicKey(*jwk); err != nil {
		return "", c, dpopError(err.Error())
	}
	payload, err := jws.Verify(jwk.Key)
	if err != nil {
		return "", c, dpopError("its signature does not fit its key").Because(err)
	}
	if err := json.Unmarshal(payload, &c); err != nil {
		return "", c, dpopError("its claims are not of the right types").Because(err)
	}
	thumbprint, err = keys.Thumbprint(*jwk)
	return thumbprint, c, err
}

// judgeProof compares the claims of a proof with the request.
func (p *Provider) judgeProof(c dpopClaims, r dpopCheck) error {
	switch {
	case c.ID == "" || len(c.ID) > maxJTI:
		return dpopError("jti is missing or too long")
	case c.Method != r.Method:
		return dpopError("htm is not the method of the request")
	case !sameURL(c.URL, r.URL):
		return dpopError("htu is not the URL of the request")
	case c.IssuedAt == nil:
		return dpopError("iat is missing")
	case c.IssuedAt.time().Sub(p.now()).Abs() > dpopWindow:
		return dpopError("iat is not within 60 seconds of the time of the server")
	}
	if r.AccessToken == "" {
		return nil
	}
	sum := sha256.Sum256([]byte(r.AccessToken))
	want := base64.RawURLEncoding.EncodeToString(sum[:])
	if subtle.ConstantTimeCompare([]byte(c.Hash), []byte(want)) != 1 {
		return dpopError("ath is not the hash of the access token")
	}
	return nil
}

// sameURL compares URLs without query and fragment, in normal form (RFC 3986
// sections 6.2.2 and 6.2.3), as RFC 9449 section 4.3 asks.
func sameURL(a, b string) bool {
	x, okA := normalURL(a)
	y, okB := normalURL(b)
	return okA && okB && x == y
}

func normalURL(text string) (string, bool) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Opaque != "" {
		return "", false
	}
	scheme, host, port := strings.ToLower(u.Scheme), strings.ToLower(u.Hostname()), u.Port()
	if (scheme == "https" && port == "443") || (scheme == "http" && port == "80") {
		port = ""
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port != "" {
		port = ":" + port
	}
	path := normalEscapes(u.EscapedPath())
	if path == "" {
		path = "/"
	}
	return scheme + "://" + host + port + path, true
}

// normalEscapes decodes escapes of unreserved characters and writes the others
// in upper case.
func normalEscapes(path string) string {
	var b strings.Builder
	for i := 0; i < len(path); i++ {
		if path[i] != '%' || i+2 >= len(path) {
			b.WriteByte(path[i])
			continue
		}
		raw, err := url.PathUnescape(path[i : i+3])
		if err == nil && len(raw) == 1 && unreserved(raw[0]) {
			b.WriteString(raw)
		} else {
			b.WriteString(strings.ToUpper(path[i : i+3]))
		}
		i += 2
	}
	return b.String()
}

// unreserved characters of RFC 3986 section 2.3.
func unreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

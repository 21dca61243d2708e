package keys

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// ErrInvalid says that a token is not one that this ring has signed, or not of
// the type that was asked for. Why is not told apart.
var ErrInvalid = errors.New("the token is not valid")

// maxToken bounds what is parsed, in bytes.
const maxToken = 16 << 10

// Sign makes a JWS in compact form (RFC 7515 section 7.1) of the claims, under
// the active key of the algorithm; typ becomes the header of that name, which
// is what keeps one kind of token from passing as another (RFC 8725 section
// 3.11). The first use of PS256 or EdDSA makes a key and must not happen in a
// transaction.
func (r *Ring) Sign(ctx context.Context, alg, typ string, claims any) (string, error) {
	key, err := r.activeKey(ctx, alg)
	if err != nil {
		return "", fmt.Errorf("sign %s: %w", typ, err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode claims of %s: %w", typ, err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{
		Algorithm: jose.SignatureAlgorithm(key.Alg),
		Key:       jose.JSONWebKey{Key: key.private, KeyID: key.ID},
	}, (&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
	if err != nil {
		return "", fmt.Errorf("sign %s: %w", typ, err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", fmt.Errorf("sign %s: %w", typ, err)
	}
	return jws.CompactSerialize()
}

// Verify returns the payload of a token that this ring has signed with one of
// the types, whatever the state of its key. Everything wrong with the token is
// ErrInvalid; any other error means that the keys could not be read. What the
// claims say, expiry included, is the caller's to judge.
func (r *Ring) Verify(ctx context.Context, token string, typ ...string) (payload []byte, kid string, err error) {
	if len(token) > maxToken || !canonical(token) {
		return nil, "", ErrInvalid
	}
	jws, err := jose.ParseSignedCompact(token, allowed())
	if err != nil || len(jws.Signatures) != 1 {
		return nil, "", ErrInvalid
	}
	header := jws.Signatures[0].Protected
	if !TypeIs(header, typ...) {
		return nil, "", ErrInvalid
	}
	key, err := r.byID(ctx, header.KeyID)
	if err != nil {
		return nil, "", err
	}
	// The algorithm belongs to the key, not to the token.
	if key == nil || key.Alg != header.Algorithm {
		return nil, "", ErrInvalid
	}
	payload, err = jws.Verify(key.public.Key)
	if err != nil {
		return nil, "", ErrInvalid
	}
	return payload, key.ID, nil
}

// canonical reports whether a token is the one spelling of its parts: bits
// beyond the last byte and blanks between would make another text of the same
// token.
func canonical(token string) bool {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return false
	}
	strict := base64.RawURLEncoding.Strict()
	for _, part := range parts {
		if strings.ContainsAny(part, "\r\n") {
			return false
		}
		if _, err := strict.DecodeString(part); err != nil {
			return false
		}
	}
	return true
}

// TypeIs reports whether the typ header of a JWS is one of these: case does not
// count, and "application/" may stand in front (RFC 7515 section 4.1.9).
func TypeIs(header jose.Header, typ ...string) bool {
	got, _ := header.ExtraHeaders[jose.HeaderType].(string)
	got = strings.ToLower(got)
	if rest, found := strings.CutPrefix(got, "application/"); found && !strings.Contains(rest, "/") {
		got = rest
	}
	for _, t := range typ {
		if got == strings.ToLower(t) {
			return true
		}
	}
	return false
}

package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// Algorithms that sign tokens (RFC 7518 section 3.1, RFC 8037 section 3.1).
const (
	RS256 = "RS256"
	PS256 = "PS256"
	ES256 = "ES256"
	EdDSA = "EdDSA"
)

// rsaBits is the size of new RSA keys. OpenID Connect Core 1.0 section 10.1
// and RFC 7518 section 3.3 ask for 2048 or more.
const rsaBits = 2048

// Algorithms returns every algorithm that a ring can sign with.
func Algorithms() []string { return []string{RS256, ES256, PS256, EdDSA} }

// allowed are the algorithms that a token may name: exact lists are what keeps
// none and HS256 out.
func allowed() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.PS256, jose.EdDSA}
}

// ErrAlgorithm says that there is no such algorithm here.
var ErrAlgorithm = errors.New("the signing algorithm is not supported")

// generate makes a key for an algorithm, as PKCS #8.
func generate(alg string) ([]byte, error) {
	var key crypto.PrivateKey
	var err error
	switch alg {
	case RS256, PS256:
		key, err = rsa.GenerateKey(rand.Reader, rsaBits)
	case ES256:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case EdDSA:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		return nil, fmt.Errorf("%w: %q", ErrAlgorithm, alg)
	}
	if err != nil {
		return nil, fmt.Errorf("generate %s key: %w", alg, err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode %s key: %w", alg, err)
	}
	return der, nil
}

// signingKey is a stored key, ready for use.
type signingKey struct {
	Stored
	private crypto.Signer
	public  jose.JSONWebKey
}

// open reads a stored key. The kind of the key must fit its algorithm, and its
// id must be its thumbprint: a row that somebody has edited does not sign.
func open(s Stored) (*signingKey, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(s.Private)
	if err != nil {
		return nil, fmt.Errorf("decode signing key %s: %w", s.ID, err)
	}
	private, fits := parsed.(crypto.Signer)
	switch k := parsed.(type) {
	case *rsa.PrivateKey:
		fits = fits && (s.Alg == RS256 || s.Alg == PS256) && k.N.BitLen() >= rsaBits
	case *ecdsa.PrivateKey:
		fits = fits && s.Alg == ES256 && k.Curve == elliptic.P256()
	case ed25519.PrivateKey:
		fits = fits && s.Alg == EdDSA
	default:
		fits = false
	}
	if !fits {
		return nil, fmt.Errorf("signing key %s does not fit its algorithm %q", s.ID, s.Alg)
	}
	k := &signingKey{Stored: s, private: private, public: jose.JSONWebKey{
		Key: private.Public(), KeyID: s.ID, Algorithm: s.Alg, Use: "sig",
	}}
	kid, err := Thumbprint(k.public)
	if err != nil {
		return nil, err
	}
	if kid != s.ID {
		return nil, fmt.Errorf("signing key %s is another key than its id says", s.ID)
	}
	return k, nil
}

// Thumbprint is the thumbprint of a public key: SHA-256, base64url (RFC 7638
// section 3).
func Thumbprint(key jose.JSONWebKey) (string, error) {
	sum, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("thumbprint of a key: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}

// kidOf is the id of a private key in PKCS #8.
func kidOf(der []byte) (string, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return "", fmt.Errorf("decode signing key: %w", err)
	}
	signer, ok := parsed.(crypto.Signer)
	if !ok {
		return "", errors.New("the key does not sign")
	}
	return Thumbprint(jose.JSONWebKey{Key: signer.Public()})
}

// supported reports whether a ring can sign with the algorithm.
func supported(alg string) bool { return slices.Contains(Algorithms(), alg) }

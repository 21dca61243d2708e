package saml

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// keyBits is the size of our RSA keys. SAML encrypts to RSA only.
const keyBits = 3072

// keyYears is how long the certificate of a key says to be valid. Metadata, not
// certificates, say which keys count, and most identity providers copy it once.
const keyYears = 20

// Key is a key of ours with the self-signed certificate that stands for it in
// our metadata.
type Key struct {
	private     *rsa.PrivateKey
	certificate *x509.Certificate
}

// NewKey makes a key for the entity id.
func NewKey(entityID string, now time.Time) (Key, error) {
	private, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return Key{}, fmt.Errorf("make SAML key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return Key{}, fmt.Errorf("make SAML key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: commonName(entityID)},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.AddDate(keyYears, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return Key{}, fmt.Errorf("make SAML certificate: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return Key{}, fmt.Errorf("make SAML certificate: %w", err)
	}
	return Key{private: private, certificate: certificate}, nil
}

// commonName cuts text to what a common name holds (X.520: 64 characters).
func commonName(text string) string {
	const longest = 64
	runes := []rune(text)
	return string(runes[:min(len(runes), longest)])
}

// Types of the PEM blocks of a key.
const (
	pemPrivate     = "PRIVATE KEY"
	pemCertificate = "CERTIFICATE"
)

// Marshal returns private key and certificate as PEM. It is a secret.
func (k Key) Marshal() ([]byte, error) {
	if k.private == nil {
		return nil, errors.New("marshal SAML key: no key")
	}
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return nil, fmt.Errorf("marshal SAML key: %w", err)
	}
	out := pem.EncodeToMemory(&pem.Block{Type: pemPrivate, Bytes: der})
	return append(out, pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: k.certificate.Raw})...), nil
}

// ParseKey reads what Marshal wrote, or an RSA key and its certificate of
// another origin in the same form.
func ParseKey(text []byte) (Key, error) {
	var k Key
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case pemPrivate:
			parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			if err != nil {
				return Key{}, errors.New("read SAML key: not a PKCS #8 key")
			}
			private, ok := parsed.(*rsa.PrivateKey)
			if !ok {
				return Key{}, errors.New("read SAML key: not an RSA key")
			}
			k.private = private
		case pemCertificate:
			certificate, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return Key{}, fmt.Errorf("read SAML certificate: %w", err)
			}
			k.certificate = certificate
		}
	}
	if k.private == nil || k.certificate == nil {
		return Key{}, errors.New("read SAML key: wants a private key and a certificate in PEM")
	}
	if !k.private.PublicKey.Equal(k.certificate.PublicKey) {
		return Key{}, errors.New("read SAML key: the certificate is of another key")
	}
	return k, nil
}

// Certificate returns the certificate, which is public.
func (k Key) Certificate() *x509.Certificate { return k.certificate }

// String hides the key from logs.
func (k Key) String() string { return "SAML key (hidden)" }

// GoString hides the key from logs.
func (k Key) GoString() string { return k.String() }

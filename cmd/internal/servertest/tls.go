package servertest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
)

// certificateLife is longer than any test moves its clock.
const certificateLife = 10 * 365 * 24 * time.Hour

// WithIssuer gives a server this https issuer and a certificate of its name. The
// clients that the server hands out (HTTP, Browser, Application) find and trust
// it.
func WithIssuer(tb testing.TB, issuer string) func(*config.Config) {
	tb.Helper()
	u, err := url.Parse(issuer)
	if err != nil {
		tb.Fatalf("issuer: %v", err)
	}
	dir := tb.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writeCertificate(tb, u.Hostname(), cert, key)
	return func(c *config.Config) {
		c.Issuer, c.TLS = issuer, config.TLS{Cert: cert, Key: key}
	}
}

func writeCertificate(tb testing.TB, name, certFile, keyFile string) {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatalf("make key: %v", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certificateLife), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		tb.Fatalf("make certificate: %v", err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		tb.Fatalf("write key: %v", err)
	}
	for file, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: secret},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			tb.Fatalf("write certificate: %v", err)
		}
	}
}

package servertest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"os"
	"testing"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/oidc"
)

// HTTP is a client for which the name of the issuer leads to this node, so that
// several nodes can have one issuer, and which trusts the server's certificate.
// It does not follow redirects.
func (s *Server) HTTP() *http.Client {
	s.dialing.Do(func() {
		transport := &http.Transport{ForceAttemptHTTP2: true, DialContext: s.dial}
		if s.Config.TLS.Cert != "" {
			pool := x509.NewCertPool()
			if pem, err := os.ReadFile(s.Config.TLS.Cert); err == nil {
				pool.AppendCertsFromPEM(pem)
			}
			transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
		}
		s.client = &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	})
	return s.client
}

func (s *Server) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if u, err := url.Parse(s.Issuer()); err == nil {
		host, _, _ := net.SplitHostPort(address)
		if host == u.Hostname() && (u.Port() == "" || u.Host == address) {
			address = s.Addr().String()
		}
	}
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

// NewClient registers an application and returns its id and secret. Without
// redirect URI it gets https://app.example.com/cb.
func (s *Server) NewClient(tb testing.TB, c oidc.Client) (oidc.Client, string) {
	tb.Helper()
	if c.RedirectURIs == nil && c.Type != oidc.Machine {
		c.RedirectURIs = []string{"https://app.example.com/cb"}
	}
	c, secret, err := s.Directory().Provider.CreateClient(context.Background(), audit.Party{Type: "command", Name: "test"}, c)
	if err != nil {
		tb.Fatalf("create client: %v", err)
	}
	return c, secret
}

package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/demo"
	"github.com/sallyport-id/sallyport/oidc"
	"github.com/sallyport-id/sallyport/validation/delivery"
)

// demoServer is the demo application beside the server.
type demoServer struct {
	base     string
	listener net.Listener
	http     *http.Server
}

// newDemo opens the port of the demo application and registers its client. It
// is for who sits at the machine: both addresses must be loopback ones, since
// its client redirects without TLS and belongs to nobody.
func (s *Server) newDemo(ctx context.Context, address string) (*demoServer, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("demo: %q is no address such as 127.0.0.1:8081", address)
	}
	issuer, err := url.Parse(s.issuer)
	if err != nil || !delivery.Loopback(issuer.Hostname()) || !delivery.Loopback(host) {
		return nil, errors.New("demo: the demo application runs only beside a server with a loopback issuer, " +
			"and on a loopback address itself")
	}
	d := &demoServer{}
	if d.listener, err = listen(ctx, address, "--demo-listen"); err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	_, port, err := net.SplitHostPort(d.listener.Addr().String())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("demo: %w", err), d.listener.Close())
	}
	d.base = "http://" + net.JoinHostPort(host, port)
	app, err := demo.New(demo.Config{Issuer: s.issuer, Base: d.base, Logger: s.logger, Now: s.now})
	if err == nil {
		err = s.keepDemoClient(ctx, d.base)
	}
	if err != nil {
		return nil, errors.Join(err, d.listener.Close())
	}
	d.http = &http.Server{
		Handler: app, ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: readTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
	}
	return d, nil
}

// keepDemoClient registers the client of the demo application, or brings it in
// step with where the application stands now.
func (s *Server) keepDemoClient(ctx context.Context, base string) error {
	by := audit.Party{Type: "command", Name: "serve"}
	fill := func(c *oidc.Client) error {
		c.Name, c.Type, c.AuthMethod = "Corner Bank (demo)", oidc.SPA, oidc.NoAuth
		c.RedirectURIs = []string{base + demo.CallbackPath}
		c.PostLogoutRedirectURIs = []string{base + demo.HomePath}
		c.GrantTypes, c.Scopes = []string{oidc.GrantCode}, demo.Scopes()
		c.URI = base + demo.HomePath
		return nil
	}
	_, err := s.dir.Provider.UpdateClient(ctx, by, demo.ClientID, fill)
	if errors.Is(err, oidc.ErrNotFound) {
		c := oidc.Client{ID: demo.ClientID}
		_ = fill(&c)
		_, _, err = s.dir.Provider.CreateClient(ctx, by, c)
	}
	if err != nil {
		return fmt.Errorf("demo: register client: %w", err)
	}
	return nil
}

// serve answers until the server is closed.
func (d *demoServer) serve() error {
	if err := d.http.Serve(d.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("demo: %w", err)
	}
	return nil
}

// close closes the port too when nothing was served yet.
func (d *demoServer) close() error {
	err := d.http.Close()
	if e := d.listener.Close(); !errors.Is(e, net.ErrClosed) {
		err = errors.Join(err, e)
	}
	return err
}

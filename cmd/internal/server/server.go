package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/oidc/flow"
	"github.com/sallyport-id/sallyport/oidc/web"
)

// Time limits of connections. A request body has no limit of its own: the
// limit of its size and the idle time of the connection bound it.
const (
	readHeaderTimeout = 10 * time.Second
	readTimeout       = 2 * time.Minute
	writeTimeout      = 5 * time.Minute
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 64 << 10
)

// scimPath is where the SCIM service stands under each public base URL.
const scimPath = "/scim/v2"

// errStopping is why a server that shuts down is not ready.
var errStopping = errors.New("the server is stopping")

// Options is what a Server needs beside its settings. The zero value works.
type Options struct {
	// Logger takes one line per request and what background work has to say;
	// nil discards.
	Logger *slog.Logger
	// Notice takes what is said once to the person who starts the server: the
	// first token and what to do next. nil discards.
	Notice io.Writer
	// Getenv reads the OTEL_… variables; nil: none, so no traces.
	Getenv func(string) string
	// Now is the clock; nil is the system's.
	Now func() time.Time
	// Bulk prepares for many changes at once: more memory for the writer.
	Bulk bool
	// Demo is the address of the demo application, which runs beside the server;
	// "": it does not.
	Demo string
	// Existing refuses a data folder without a database: a misspelt folder
	// would otherwise become an empty directory, and a backup of it would too.
	Existing bool
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Notice == nil {
		o.Notice = io.Discard
	}
	if o.Getenv == nil {
		o.Getenv = func(string) string { return "" }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Server is a Directory with an HTTP front.
type Server struct {
	cfg      config.Config
	logger   *slog.Logger
	now      func() time.Time
	dir      *Directory
	listener net.Listener
	issuer   string
	http     *http.Server
	pages    *web.Web
	flows    *flow.Flows
	demo     *demoServer // nil: none
	tracing  *tracing
	metrics  *metrics
	stopping atomic.Bool
	closing  sync.Once
	closed   error
}

// New opens the data and the port and assembles the server; nothing is served
// before Run. The settings must have passed Validate. Close it in any case.
func New(ctx context.Context, cfg config.Config, opts Options) (*Server, error) {
	opts = opts.withDefaults()
	s := &Server{cfg: cfg, logger: opts.Logger, now: opts.Now}
	if err := s.assemble(ctx, opts); err != nil {
		return nil, errors.Join(err, s.Close()) //nolint:contextcheck // undoes what was made, also when ctx has ended
	}
	return s, nil
}

func (s *Server) assemble(ctx context.Context, opts Options) error {
	var err error
	if s.listener, err = listen(ctx, s.cfg.Listen, "--listen"); err != nil {
		return err
	}
	s.issuer = issuerOf(s.cfg, s.listener.Addr())
	version := BuildVersion()
	if s.tracing, err = newTracing(ctx, opts.Getenv, version); err != nil {
		return err
	}
	s.metrics = newMetrics(version)
	if s.dir, err = open(ctx, s.cfg, s.issuer, opts); err != nil {
		return err
	}
	if err := s.dir.startProvider(ctx); err != nil {
		return err
	}
	if s.flows, err = s.newFlows(ctx); err != nil {
		return err
	}
	if s.pages, err = s.newWeb(ctx); err != nil {
		return err
	}
	handler, err := s.routes() //nolint:contextcheck // handlers take the context of their request
	if err != nil {
		return err
	}
	if err := s.front(handler); err != nil {
		return err
	}
	if opts.Demo != "" {
		if s.demo, err = s.newDemo(ctx, opts.Demo); err != nil {
			return err
		}
	}
	if err := s.firstStart(ctx, opts.Notice); err != nil || s.demo == nil {
		return err
	}
	_, err = fmt.Fprintf(opts.Notice, "The demo application is at %s\n", s.demo.base)
	return err
}

// front makes the HTTP server: HTTP/1.1 and HTTP/2, over TLS when there is a
// certificate, else in the clear for loopback and for a proxy in front.
func (s *Server) front(handler http.Handler) error {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	s.http = &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		Protocols:         protocols,
		ErrorLog:          slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug),
	}
	if s.cfg.TLS.Cert == "" {
		return nil
	}
	cert, err := newCertificate(s.cfg.TLS.Cert, s.cfg.TLS.Key, s.logger, s.now)
	if err != nil {
		return err
	}
	s.http.TLSConfig = cert.config()
	return nil
}

// Issuer is the public base URL, without a trailing slash.
func (s *Server) Issuer() string { return s.issuer }

// DemoURL is where the demo application stands; "": it does not run.
func (s *Server) DemoURL() string {
	if s.demo == nil {
		return ""
	}
	return s.demo.base
}

// Addr is the address listened on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Handler answers requests, for tests through the router.
func (s *Server) Handler() http.Handler { return s.http.Handler }

// Directory is the data that is served.
func (s *Server) Directory() *Directory { return s.dir }

// Run serves until ctx ends, then refuses readiness, finishes the requests
// under way within the configured time, and returns. It returns nil after an
// orderly stop.
func (s *Server) Run(ctx context.Context) error {
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	var background sync.WaitGroup
	background.Go(func() { s.dir.db.RunJanitor(work, janitorEvery) })
	if s.dir.announces() {
		background.Go(func() { s.dir.noticeSender().Run(work, noticesEvery) })
	}
	background.Go(func() { s.dir.engine.RunOutbox(work, outboxEvery) })
	background.Go(func() { s.dir.accounts.RunMessages(work, outboxEvery) })
	background.Go(func() { s.dir.Provider.RunLogouts(work) })
	background.Go(func() { s.dir.rotateSigningKeys(work) })
	defer background.Wait()
	defer stopWork()

	served := make(chan error, 1)
	go func() { served <- s.serve() }()
	if s.demo != nil {
		background.Go(func() {
			if err := s.demo.serve(); err != nil {
				s.logger.ErrorContext(work, "demo application stopped", "error", err)
			}
		})
	}
	s.logger.InfoContext(ctx, "listening", "address", s.Addr().String(), "issuer", s.issuer,
		"database", s.dir.Database(), "version", BuildVersion().Version)
	for _, text := range s.cfg.Warnings() {
		s.logger.WarnContext(ctx, "a setting may not do what is meant", "setting", text)
	}
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	return s.stop(context.WithoutCancel(ctx), served)
}

func (s *Server) serve() error {
	if s.http.TLSConfig != nil {
		return s.http.ServeTLS(s.listener, "", "")
	}
	return s.http.Serve(s.listener)
}

func (s *Server) stop(ctx context.Context, served <-chan error) error {
	s.stopping.Store(true)
	s.logger.InfoContext(ctx, "stopping: finishing requests under way")
	limit, cancel := context.WithTimeout(ctx, s.cfg.ShutdownTimeout)
	defer cancel()
	err := s.http.Shutdown(limit)
	if s.demo != nil {
		err = errors.Join(err, s.demo.http.Close())
	}
	if err != nil {
		err = errors.Join(fmt.Errorf("requests still running after %s were cut off: %w", s.cfg.ShutdownTimeout, err), s.http.Close())
	}
	if e := <-served; !errors.Is(e, http.ErrServerClosed) {
		err = errors.Join(err, e)
	}
	s.logger.InfoContext(ctx, "stopped")
	return err
}

// Close undoes New in reverse. It may be called again.
func (s *Server) Close() error {
	s.closing.Do(func() {
		var errs []error
		if s.http != nil {
			errs = append(errs, s.http.Close())
		}
		if s.demo != nil {
			errs = append(errs, s.demo.close())
		}
		if s.dir != nil {
			errs = append(errs, s.dir.Close())
		}
		if s.tracing != nil {
			// What could not be sent by now is lost: spans are a convenience.
			ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
			defer cancel()
			if err := s.tracing.shutdown(ctx); err != nil {
				s.logger.Warn("last traces not sent", "error", err)
			}
		}
		if s.listener != nil {
			if err := s.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
		s.closed = errors.Join(errs...)
	})
	return s.closed
}

// listen opens the port of address; flag is the one that chooses another.
func listen(ctx context.Context, address, flag string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w (choose another address with %s)", address, reason(err), flag)
	}
	return l, nil
}

// issuerOf returns the configured issuer, or the address listened on.
func issuerOf(cfg config.Config, addr net.Addr) string {
	if cfg.Issuer != "" {
		return trimSlash(cfg.Issuer)
	}
	scheme := "http"
	if cfg.TLS.Cert != "" {
		scheme = "https"
	}
	host, _, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		host = "127.0.0.1"
	}
	_, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		port = "8080"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

// routes makes the router: every route of the program is registered here or by
// a Register called from here.
func (s *Server) routes() (http.Handler, error) {
	ranges, err := s.cfg.TrustedRanges()
	if err != nil {
		return nil, fmt.Errorf("trusted_proxies: %w", err)
	}
	proxies := trust(ranges)
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.IPExtractor = proxies.ipExtractor()
	e.SchemeExtractor = proxies.schemeExtractor()
	e.HTTPErrorHandler = s.dir.Provider.ErrorHandler(s.errorHandler())
	o := &observer{
		logger: s.logger, now: s.now, trust: proxies, metrics: s.metrics, tracing: s.tracing,
		headers: newSecurityHeaders(isHTTPS(s.issuer)),
	}
	e.Use(o.middleware, s.dir.Provider.CORS)
	s.publicRoutes(e)
	if err := s.deliveryRoutes(e); err != nil {
		return nil, err
	}
	s.dir.Service.Register(e)
	s.dir.Validation.Register(e)
	s.dir.Provider.Register(e)
	s.pages.Register(e)
	s.flows.Register(e, s.pages)
	return e, nil
}

// publicRoutes are the routes that need no credential; none shows data.
func (s *Server) publicRoutes(e *echo.Echo) {
	start := newStartPage(s.issuer)
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		e.Add(method, "/", start.show)
		e.Add(method, "/healthz", healthz)
		e.Add(method, "/readyz", s.readyz)
		e.Add(method, "/metrics", echo.WrapHandler(s.metrics.handler()))
	}
}

// checks are the conditions of readiness.
func (s *Server) checks() []check {
	stopping := check{"running", func(context.Context) error {
		if s.stopping.Load() {
			return errStopping
		}
		return nil
	}}
	return append([]check{stopping}, s.dir.checks()...)
}

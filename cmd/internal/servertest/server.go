package servertest

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/server"
	"github.com/sallyport-id/sallyport/scim"
	"github.com/sallyport-id/sallyport/storage/storagetest"
)

// Server is a running server. It stops when the test ends.
type Server struct {
	*server.Server
	// Config is what it runs with; start another on the same data with it.
	Config config.Config
	// Log holds the log lines, Notice what was said to the person who started.
	Log, Notice *Buffer

	cancel context.CancelFunc
	done   chan error
	once   sync.Once
	err    error

	dialing    sync.Once
	client     *http.Client
	admin      sync.Once
	adminToken string
}

// EachDatabase runs a test on a fresh server of every kind of database.
// PostgreSQL is left out where no URL is set, except on CI, where that fails.
func EachDatabase(t *testing.T, run func(t *testing.T, s *Server)) {
	t.Helper()
	for _, kind := range []struct {
		name  string
		start func(testing.TB, ...func(*config.Config)) *Server
	}{{"sqlite", SQLite}, {"postgres", Postgres}} {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			run(t, kind.start(t))
		})
	}
}

// SQLite starts a server on a new data folder.
func SQLite(tb testing.TB, edits ...func(*config.Config)) *Server {
	tb.Helper()
	return Start(tb, Settings(tb), edits...)
}

// Postgres starts a server on a new schema.
func Postgres(tb testing.TB, edits ...func(*config.Config)) *Server {
	tb.Helper()
	cfg := Settings(tb)
	cfg.DatabaseURL = config.Secret(storagetest.Postgres(tb).Config.URL)
	cfg.MasterKey = config.Secret(server.NewMasterKey())
	return Start(tb, cfg, edits...)
}

// Settings are those of a server on SQLite in a new folder and a free port.
func Settings(tb testing.TB) config.Config {
	tb.Helper()
	cfg := config.Default()
	cfg.Data = tb.TempDir()
	cfg.Listen = "127.0.0.1:0"
	cfg.Log.Level = "debug"
	return cfg
}

// Start starts a server with these settings.
func Start(tb testing.TB, cfg config.Config, edits ...func(*config.Config)) *Server {
	tb.Helper()
	return StartAt(tb, time.Now, cfg, edits...)
}

// StartAt is Start with a clock.
func StartAt(tb testing.TB, now func() time.Time, cfg config.Config, edits ...func(*config.Config)) *Server {
	tb.Helper()
	return StartWith(tb, server.Options{Now: now}, cfg, edits...)
}

// StartWith is Start with options; log and notice are those of the Server.
func StartWith(tb testing.TB, opts server.Options, cfg config.Config, edits ...func(*config.Config)) *Server {
	tb.Helper()
	for _, edit := range edits {
		edit(&cfg)
	}
	if err := cfg.Validate(); err != nil {
		tb.Fatalf("settings: %v", err)
	}
	s := &Server{Config: cfg, Log: &Buffer{}, Notice: &Buffer{}, done: make(chan error, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	var err error
	opts.Logger, opts.Notice = server.NewLogger(cfg.Log, s.Log), s.Notice
	s.Server, err = server.New(ctx, cfg, opts)
	if err != nil {
		cancel()
		tb.Fatalf("start server: %v", err)
	}
	go func() { s.done <- s.Run(ctx) }()
	tb.Cleanup(func() {
		if err := s.Stop(); err != nil {
			tb.Errorf("stop server: %v", err)
		}
	})
	return s
}

// Interrupt asks the server to stop and returns at once.
func (s *Server) Interrupt() { s.cancel() }

// Stop stops the server in order and returns what Run and Close returned. It
// may be called again.
func (s *Server) Stop() error {
	s.once.Do(func() {
		s.cancel()
		s.err = <-s.done
		if err := s.Close(); s.err == nil {
			s.err = err
		}
	})
	return s.err
}

// URL is the base URL.
func (s *Server) URL() string { return s.Issuer() }

// SCIM is the base URL of the SCIM service.
func (s *Server) SCIM() string { return s.Issuer() + scim.Root }

// Token makes a token with the profile and the scopes (default: admin).
func (s *Server) Token(tb testing.TB, profile string, scopes ...string) string {
	tb.Helper()
	if len(scopes) == 0 {
		scopes = []string{scim.ScopeAdmin}
	}
	return s.Issue(tb, scim.NewToken{Name: "test " + profile + " " + rand.Text(), Profile: profile, Scopes: scopes})
}

// Issue makes a token as described.
func (s *Server) Issue(tb testing.TB, n scim.NewToken) string {
	tb.Helper()
	n.By = audit.Party{Type: "command", Name: "test"}
	secret, _, err := s.Directory().Tokens.Issue(context.Background(), n)
	if err != nil {
		tb.Fatalf("make token: %v", err)
	}
	return secret.Reveal()
}

// Reply is an answer, read to its end.
type Reply struct {
	Status int
	Header http.Header
	Body   string
}

// Do sends a request with a bearer token ("" for none) and a SCIM body ("" for
// none). The path is below the base URL.
func (s *Server) Do(tb testing.TB, method, path, token, body string) Reply {
	tb.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(tb.Context(), method, s.URL()+path, r)
	if err != nil {
		tb.Fatalf("%s %s: %v", method, path, err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/scim+json")
	}
	return Send(tb, &http.Client{Transport: s.HTTP().Transport}, req)
}

// Send sends a request and reads the answer.
func Send(tb testing.TB, client *http.Client, req *http.Request) Reply {
	tb.Helper()
	res, err := client.Do(req) //nolint:gosec // the test names the address
	if err != nil {
		tb.Fatalf("%s: %v", req.Method, err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		tb.Fatalf("read answer: %v", err)
	}
	return Reply{Status: res.StatusCode, Header: res.Header, Body: string(text)}
}

// Buffer is a bytes.Buffer that goroutines may share.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// String returns what was written.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

package server_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sallyport-id/sallyport/authn/audit"
	"github.com/sallyport-id/sallyport/cmd/internal/config"
	"github.com/sallyport-id/sallyport/cmd/internal/server"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/scim"
)

const userBody = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":%q}`

// until waits for a condition that another goroutine brings about.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited too long for: %s", what)
		}
	}
}

func idOf(t *testing.T, body string) string {
	t.Helper()
	var r struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal([]byte(body), &r); err != nil || r.ID == "" {
		t.Fatalf("no id in %s (%v)", body, err)
	}
	return r.ID
}

func TestHealthAndReadiness(t *testing.T) {
	t.Parallel()
	servertest.EachDatabase(t, func(t *testing.T, s *servertest.Server) {
		if got := s.Do(t, "GET", "/healthz", "", ""); got.Status != 200 || got.Body != "ok\n" {
			t.Errorf("/healthz = %d %q", got.Status, got.Body)
		}
		got := s.Do(t, "GET", "/readyz", "", "")
		want := `{"status":"ok","checks":{"database":"ok","keys":"ok","migrations":"ok","running":"ok"}}`
		if got.Status != 200 || strings.TrimSpace(got.Body) != want {
			t.Errorf("/readyz = %d %s, want 200 %s", got.Status, got.Body, want)
		}
	})
}

func TestNotReadyWhenTheDatabaseIsAway(t *testing.T) {
	t.Parallel()
	servertest.EachDatabase(t, func(t *testing.T, s *servertest.Server) {
		if err := s.Directory().Close(); err != nil {
			t.Fatal(err)
		}
		got := s.Do(t, "GET", "/readyz", "", "")
		if got.Status != http.StatusServiceUnavailable || !strings.Contains(got.Body, `"database":"failing"`) {
			t.Errorf("/readyz = %d %s, want 503 with the database failing", got.Status, got.Body)
		}
		if strings.Contains(got.Body, "closed") {
			t.Errorf("/readyz shows an internal text: %s", got.Body)
		}
		if got := s.Do(t, "GET", "/healthz", "", ""); got.Status != 200 {
			t.Errorf("/healthz = %d, want 200: the process is alive", got.Status)
		}
	})
}

// A request that is under way when the stop is asked for gets its answer, and
// meanwhile the server is not ready.
func TestShutdownFinishesRequests(t *testing.T) {
	t.Parallel()
	s := servertest.SQLite(t)
	token := s.Token(t, "compat")
	body := fmt.Sprintf(userBody, "late")
	conn, r := beginPost(t, s.Server, token, len(body))
	s.Interrupt()
	until(t, "the stop to begin", func() bool { return strings.Contains(s.Log.String(), "stopping") })
	rec := httptest.NewRecorder()
	s.Handler().ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), "GET", "/readyz", nil))
	if rec.Code != http.StatusServiceUnavailable || !strings.Contains(rec.Body.String(), `"running":"failing"`) {
		t.Errorf("/readyz while stopping = %d %s, want 503", rec.Code, rec.Body)
	}
	if _, err := io.WriteString(conn, body); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatalf("the request was cut off: %v", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusCreated {
		t.Errorf("status = %d, want 201", res.StatusCode)
	}
	if err := s.Stop(); err != nil {
		t.Errorf("Stop = %v, want nil", err)
	}
}

// beginPost sends the head of a request and waits until a handler reads the
// body: from then on the request is under way.
func beginPost(t *testing.T, s *server.Server, token string, size int) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_, err = fmt.Fprintf(conn, "POST /scim/v2/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/scim+json\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", token, size)
	if err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	if line, err := r.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("want 100 Continue, got %q, %v", line, err)
	}
	if _, err := r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return conn, r
}

// A request that does not end is cut off after the configured time, and Run
// says so.
func TestShutdownTimeLimit(t *testing.T) {
	t.Parallel()
	cfg := servertest.Settings(t)
	cfg.ShutdownTimeout = 20 * time.Millisecond
	var notice servertest.Buffer
	s, err := server.New(t.Context(), cfg, server.Options{Notice: &notice})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	beginPost(t, s, regexp.MustCompile(`spt_[A-Za-z0-9_-]+`).FindString(notice.String()), 100)
	cancel()
	if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Run = %v, want a deadline", err)
	}
}

func TestFirstStartShowsATokenOnce(t *testing.T) {
	t.Parallel()
	servertest.EachDatabase(t, func(t *testing.T, s *servertest.Server) {
		notice := s.Notice.String()
		token := regexp.MustCompile(`spt_[A-Za-z0-9_-]+`).FindString(notice)
		if got := s.Do(t, "GET", "/scim/v2/Users", token, ""); got.Status != 200 {
			t.Errorf("the token of the notice gives %d", got.Status)
		}
		if !strings.Contains(notice, "curl -H \"Authorization: Bearer "+token+"\" "+s.SCIM()+"/Users") {
			t.Errorf("no curl line in the notice:\n%s", notice)
		}
		if strings.Contains(s.Log.String(), token) {
			t.Error("the token is in the log")
		}
		if err := s.Stop(); err != nil {
			t.Fatal(err)
		}
		again := servertest.Start(t, s.Config)
		text := again.Notice.String()
		if strings.Contains(text, "spt_") || !strings.Contains(text, again.SCIM()) || !strings.Contains(text, "OpenID Connect is at "+again.URL()) {
			t.Errorf("second start says:\n%s", text)
		}
	})
}

// Whatever stops the start says one clear sentence.
func TestStartFaults(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		edit func(t *testing.T, c *config.Config)
		want string
	}{
		{"port in use", func(_ *testing.T, c *config.Config) { c.Listen = taken.Addr().String() }, "the port is in use by another process"},
		{"data folder is a file", func(_ *testing.T, c *config.Config) { c.Data = file }, "data folder " + file},
		{"PostgreSQL without key", func(_ *testing.T, c *config.Config) { c.DatabaseURL = "postgres://u@127.0.0.1:1/x" }, "SALLYPORT_MASTER_KEY"},
		{"key that is none", func(_ *testing.T, c *config.Config) { c.MasterKey = "hush" }, "SALLYPORT_MASTER_KEY: master key 1: not 32 bytes"},
		{"key command that fails", func(_ *testing.T, c *config.Config) { c.MasterKeyCommand = []string{"/does/not/exist"} }, "master_key_command"},
		{"unknown profile", func(_ *testing.T, c *config.Config) { c.SCIM.DefaultProfile = "lax" }, "scim.default_profile"},
		{"schema folder is absent", func(_ *testing.T, c *config.Config) { c.SCIM.Schemas = "/does/not/exist" }, "scim.schemas"},
		{"certificate is absent", func(_ *testing.T, c *config.Config) { c.TLS = config.TLS{Cert: "/no/c.pem", Key: "/no/k.pem"} }, "/no/c.pem"},
		{"wrong key", func(t *testing.T, c *config.Config) {
			used(t, c.Data, "")
			c.MasterKey = config.Secret(server.NewMasterKey())
		}, "master key"},
		{"key file gone", func(t *testing.T, c *config.Config) { used(t, c.Data, "master.key") }, "put the key file back"},
		{"key file for everybody", func(t *testing.T, c *config.Config) {
			used(t, c.Data, "")
			if err := os.Chmod(filepath.Join(c.Data, "master.key"), 0o644); err != nil {
				t.Fatal(err)
			}
		}, "chmod 600"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := servertest.Settings(t)
			tt.edit(t, &cfg)
			s, err := server.New(t.Context(), cfg, server.Options{})
			if err == nil {
				_ = s.Close()
				t.Fatal("the server starts")
			}
			if !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "hush") {
				t.Errorf("New = %v, want one sentence with %q", err, tt.want)
			}
		})
	}
}

// The demo application's port has a flag of its own, which the message names.
func TestDemoPortInUse(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	s, err := server.New(t.Context(), servertest.Settings(t), server.Options{Demo: taken.Addr().String()})
	if err == nil {
		_ = s.Close()
		t.Fatal("the server starts")
	}
	if !strings.Contains(err.Error(), "another address with --demo-listen") {
		t.Errorf("New = %v, want the flag --demo-listen", err)
	}
}

// used makes a data folder that has been in use, and removes one file of it.
func used(t *testing.T, data, remove string) {
	t.Helper()
	cfg := config.Default()
	cfg.Data = data
	d, err := server.Open(t.Context(), cfg, server.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if remove != "" {
		if err := os.Remove(filepath.Join(data, remove)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDataFolderIsPrivate(t *testing.T) {
	t.Parallel()
	cfg := servertest.Settings(t)
	cfg.Data = filepath.Join(cfg.Data, "new")
	used(t, cfg.Data, "")
	for name, want := range map[string]os.FileMode{"": 0o700, "master.key": 0o600, "sallyport.db": 0o600} {
		info, err := os.Stat(filepath.Join(cfg.Data, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%q has mode %o, want %o", name, info.Mode().Perm(), want)
		}
	}
}

// Several nodes may start together on an empty database.
func TestOpenTogether(t *testing.T) {
	t.Parallel()
	servertest.EachDatabase(t, func(t *testing.T, s *servertest.Server) {
		cfg := s.Config
		if cfg.SQLite() {
			cfg.Data = t.TempDir()
		}
		const nodes = 4
		errs := make([]error, nodes)
		var wg sync.WaitGroup
		for i := range nodes {
			wg.Go(func() {
				d, err := server.Open(t.Context(), cfg, server.Options{})
				if err == nil {
					err = d.Close()
				}
				errs[i] = err
			})
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Errorf("Open = %v", err)
		}
	})
}

func TestStartPage(t *testing.T) {
	t.Parallel()
	s := servertest.SQLite(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL()+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/html,*/*")
	page := servertest.Send(t, http.DefaultClient, req)
	if page.Status != 200 || !strings.HasPrefix(page.Header.Get("Content-Type"), "text/html") || !strings.Contains(page.Body, s.SCIM()) {
		t.Errorf("/ = %d %s", page.Status, page.Body)
	}
	for _, want := range []string{s.URL() + "/.well-known/openid-configuration", "sallyport client create"} {
		if !strings.Contains(page.Body, want) {
			t.Errorf("the page does not name %s", want)
		}
	}
	for _, inline := range []string{"<script", "<style", "style=", " onclick"} {
		if strings.Contains(page.Body, inline) {
			t.Errorf("the page has %q, which its policy forbids", inline)
		}
	}
	if plain := s.Do(t, "GET", "/", "", ""); !strings.Contains(plain.Body, "sallyport token create") {
		t.Errorf("/ for programs = %q", plain.Body)
	}
}

func TestSecurityHeaders(t *testing.T) {
	t.Parallel()
	s := servertest.SQLite(t)
	token := s.Token(t, "compat")
	for _, path := range []string{"/", "/healthz", "/nothing", "/scim/v2/Users", "/scim/v2/Users/x", "/scim/v2/Nothing"} {
		got := s.Do(t, "GET", path, token, "").Header
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "Strict-Transport-Security": "",
		} {
			if got.Get(name) != want {
				t.Errorf("%s: %s = %q, want %q", path, name, got.Get(name), want)
			}
		}
		if !strings.Contains(got.Get("Content-Security-Policy"), "default-src 'none'") || got.Get("Cache-Control") == "" || got.Get("X-Request-Id") == "" {
			t.Errorf("%s: headers %v", path, got)
		}
	}
	https := servertest.SQLite(t, func(c *config.Config) { c.Issuer = "https://id.example.org" })
	rec := httptest.NewRecorder()
	https.Handler().ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), "GET", "/", nil))
	if rec.Header().Get("Strict-Transport-Security") == "" {
		t.Error("no Strict-Transport-Security with an https issuer")
	}
}

func TestErrorsOutsideSCIMArePlain(t *testing.T) {
	t.Parallel()
	s := servertest.SQLite(t)
	if got := s.Do(t, "GET", "/nothing", "", ""); got.Status != 404 || !strings.HasPrefix(got.Body, "Not Found\nrequest ") {
		t.Errorf("/nothing = %d %q", got.Status, got.Body)
	}
	got := s.Do(t, "DELETE", "/healthz", "", "")
	if got.Status != 405 || !strings.Contains(got.Header.Get("Allow"), "GET") {
		t.Errorf("DELETE /healthz = %d, Allow %q", got.Status, got.Header.Get("Allow"))
	}
	// Row 36: below /scim it is a SCIM error.
	if got := s.Do(t, "GET", "/scim/v2/Nothing", "", ""); got.Status != 404 || !strings.Contains(got.Body, "urn:ietf:params:scim:api:messages:2.0:Error") {
		t.Errorf("/scim/v2/Nothing = %d %s", got.Status, got.Body)
	}
}

// The request log names route, resource and token, and nothing that a URL, a
// header or a body may hold (checklist row 47).
func TestRequestLogHoldsNoPersonalData(t *testing.T) {
	t.Parallel()
	s := servertest.SQLite(t, func(c *config.Config) { c.Log.Format = "json" })
	token := s.Token(t, "compat")
	created := s.Do(t, "POST", "/scim/v2/Users", token,
		`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"marker-name","password":"marker-password-1"}`)
	id := idOf(t, created.Body)
	s.Do(t, "GET", "/scim/v2/Users/"+id+"?attributes=marker-query", token, "")
	s.Do(t, "GET", "/scim/v2/Users?filter="+url.QueryEscape(`userName eq "marker-filter"`), token, "")
	s.Do(t, "GET", "/marker-path", "marker-bearer", "")
	s.Do(t, "GET", "/scim/v2/Users/marker%2Fid", token, "")
	log := s.Log.String()
	if strings.Contains(log, "marker") || strings.Contains(log, token) {
		t.Errorf("the log has a marker or the token:\n%s", log)
	}
	line := lastLine(t, log, `"resource_id":"`+id+`"`)
	for _, want := range []string{`"method":"GET"`, `"route":"/scim/v2/Users/:id"`, `"status":200`, `"duration_us":`, `"request_id":"`, `"token_id":"`} {
		if !strings.Contains(line, want) {
			t.Errorf("%s is missing in %s", want, line)
		}
	}
}

func lastLine(t *testing.T, log, part string) string {
	t.Helper()
	found := ""
	for line := range strings.SplitSeq(log, "\n") {
		if strings.Contains(line, part) {
			found = line
		}
	}
	if found == "" {
		t.Fatalf("no line with %s in:\n%s", part, log)
	}
	return found
}

func TestMetricsHaveRouteLabelsOnly(t *testing.T) {
	t.Parallel()
	s := servertest.SQLite(t)
	token := s.Token(t, "compat")
	id := idOf(t, s.Do(t, "POST", "/scim/v2/Users", token, fmt.Sprintf(userBody, "ann")).Body)
	s.Do(t, "GET", "/scim/v2/Users/"+id, token, "")
	s.Do(t, "BREW", "/scim/v2/Users/"+id, token, "")
	s.Do(t, "GET", "/made-up", "", "")
	text := s.Do(t, "GET", "/metrics", "", "").Body
	for _, want := range []string{
		`sallyport_http_requests_total{method="GET",route="/scim/v2/Users/:id",status="200"} 1`,
		`sallyport_http_requests_total{method="GET",route="unmatched",status="404"} 1`,
		`sallyport_http_request_duration_seconds_count{method="POST",route="/scim/v2/Users"} 1`,
		`sallyport_build_info{`, `go_goroutines `, `process_open_fds `,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is missing in the metrics", want)
		}
	}
	for _, never := range []string{id, "made-up", "BREW", token} {
		if strings.Contains(text, never) {
			t.Errorf("the metrics show %q", never)
		}
	}
}

// X-Forwarded-* counts from a named proxy only, and only chooses among
// configured bases (checklist row 11).
func TestForwardingHeaders(t *testing.T) {
	t.Parallel()
	configure := func(proxies ...string) func(*config.Config) {
		return func(c *config.Config) {
			c.Issuer, c.PublicURLs = "https://id.example.org", []string{"https://other.example.org"}
			c.TrustedProxies = proxies
		}
	}
	type answer struct{ Location, IP string }
	tests := []struct {
		name    string
		proxies []string
		headers map[string]string
		want    answer
	}{
		{"no proxy is trusted", nil, map[string]string{"X-Forwarded-Host": "other.example.org", "X-Forwarded-For": "203.0.113.7"}, answer{"https://id.example.org", "127.0.0.1"}},
		{"another proxy is trusted", []string{"10.0.0.0/8"}, map[string]string{"X-Forwarded-Host": "other.example.org", "X-Forwarded-For": "203.0.113.7"}, answer{"https://id.example.org", "127.0.0.1"}},
		{"this proxy is trusted", []string{"127.0.0.1"}, map[string]string{"X-Forwarded-Host": "other.example.org", "X-Forwarded-For": "203.0.113.7"}, answer{"https://other.example.org", "203.0.113.7"}},
		{"unknown host", []string{"127.0.0.1"}, map[string]string{"X-Forwarded-Host": "evil.example"}, answer{"https://id.example.org", "127.0.0.1"}},
		{"address that is none", []string{"127.0.0.1"}, map[string]string{"X-Forwarded-For": "x,,y"}, answer{"https://id.example.org", "127.0.0.1"}},
		{"first of a chain is not believed", []string{"127.0.0.1"}, map[string]string{"X-Forwarded-For": "198.51.100.1, 203.0.113.7"}, answer{"https://id.example.org", "203.0.113.7"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := servertest.SQLite(t, configure(tt.proxies...))
			token := s.Token(t, "compat")
			address := "http://" + s.Addr().String()
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address+"/scim/v2/Users", strings.NewReader(fmt.Sprintf(userBody, "ann")))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+token)
			req.Header.Set("Content-Type", "application/scim+json")
			for name, value := range tt.headers {
				req.Header.Set(name, value)
			}
			res := servertest.Send(t, http.DefaultClient, req)
			location, _, _ := strings.Cut(res.Header.Get("Location"), "/scim/v2")
			ip := regexp.MustCompile(` ip=(\S+)`).FindStringSubmatch(lastLine(t, s.Log.String(), "method=POST"))
			if diff := cmp.Diff(tt.want, answer{location, ip[1]}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRevokedTokenIsRefusedByOtherNodes(t *testing.T) {
	t.Parallel()
	servertest.EachDatabase(t, func(t *testing.T, s *servertest.Server) {
		other := servertest.Start(t, s.Config, func(c *config.Config) { c.Listen = "127.0.0.1:0" })
		token := s.Issue(t, scim.NewToken{Name: "shared"})
		if got := other.Do(t, "GET", "/scim/v2/Users", token, ""); got.Status != 200 {
			t.Fatalf("the other node answers %d", got.Status)
		}
		if _, err := s.Directory().Tokens.Revoke(t.Context(), "shared", audit.Party{Type: "command", Name: "test"}); err != nil {
			t.Fatal(err)
		}
		until(t, "the other node to refuse the token", func() bool {
			return other.Do(t, "GET", "/scim/v2/Users", token, "").Status == 401
		})
	})
}

func TestHTTP2InTheClear(t *testing.T) {
	t.Parallel()
	s := servertest.SQLite(t)
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Get(s.URL() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.ProtoMajor != 2 {
		t.Errorf("protocol %s, want HTTP/2", res.Proto)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	files := server.NewPair(t, "first")
	s := servertest.SQLite(t, func(c *config.Config) { c.TLS = config.TLS{Cert: files.Cert, Key: files.Key} })
	if !strings.HasPrefix(s.URL(), "https://127.0.0.1:") {
		t.Errorf("issuer %s, want https", s.URL())
	}
	client := func(most uint16) (*http.Client, *http.Transport) {
		transport := &http.Transport{
			TLSClientConfig:   &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: most},
			ForceAttemptHTTP2: true, DisableKeepAlives: true,
		}
		return &http.Client{Transport: transport}, transport
	}
	newest, transport := client(0)
	defer transport.CloseIdleConnections()
	res, err := newest.Get(s.URL() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.ProtoMajor != 2 || res.TLS.PeerCertificates[0].Subject.CommonName != "first" {
		t.Errorf("%s with certificate %s, want HTTP/2 and first", res.Proto, res.TLS.PeerCertificates[0].Subject.CommonName)
	}
	// Row 46: nothing older than TLS 1.2.
	old, oldTransport := client(tls.VersionTLS11)
	defer oldTransport.CloseIdleConnections()
	if res, err := old.Get(s.URL() + "/healthz"); err == nil {
		_ = res.Body.Close()
		t.Error("TLS 1.1 is accepted")
	}
	files.Write(t, "second")
	until(t, "the new certificate", func() bool {
		res, err := newest.Get(s.URL() + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.TLS.PeerCertificates[0].Subject.CommonName == "second"
	})
}

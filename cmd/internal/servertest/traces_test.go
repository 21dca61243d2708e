package servertest_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/cmd/internal/server"
	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
)

// collector keeps what an OpenTelemetry exporter sends.
type collector struct {
	mu   sync.Mutex
	sent bytes.Buffer
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sent.Write(body)
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func (c *collector) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent.String()
}

// TestCodeNowhereInTraces: no trace holds what a login shows, nor a state or a
// secret of an enrolment. Not parallel: the exporter reads the environment
// itself.
func TestCodeNowhereInTraces(t *testing.T) {
	var spans collector
	endpoint := httptest.NewServer(&spans)
	defer endpoint.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.URL)
	t.Setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
	c := newClock()
	s := servertest.StartWith(t, server.Options{Now: c.Now, Getenv: os.Getenv}, servertest.Settings(t))

	who := s.WithTOTP(t, s.NewPerson(t, "ann.traced"), c.Now)
	c.advance(time.Minute)
	who.Factor = "totp"
	hidden := map[string]string{"password": who.Password, "code of the app": who.Code(t)}
	app := s.Application(t, oidc.Client{Name: "App", Trusted: true})
	b := s.Browser(t)
	page := b.LogIn(b.Open(app.AuthURL("acr_values", "MFA")), who)
	if page.Away == nil {
		t.Fatalf("login ended at %s", page.URL)
	}
	hidden["authorization code"] = page.Away.Query().Get("code")
	for _, cookie := range b.Cookies() {
		hidden["cookie "+cookie.Name] = cookie.Value
	}
	admin := s.Token(t, "compat")
	begun := s.Do(t, http.MethodPost, "/scim/v2/Users/"+who.ID+"/totp", admin, "")
	hidden["secret"], hidden["state"] = str(t, begun.Body, "sharedSecret"), str(t, begun.Body, "verifyState")
	s.Do(t, http.MethodGet, "/scim/v2/Users/"+who.ID+"/validatedEmailAddresses/"+hidden["state"], admin, "")
	hidden["token"] = admin
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	got := spans.String()
	if !strings.Contains(got, "/oauth/authorize") || !strings.Contains(got, "/scim/v2/Users") {
		t.Fatalf("%d bytes of traces do not show the requests", len(got))
	}
	for name, text := range hidden {
		if text == "" || strings.Contains(got, text) {
			t.Errorf("the %s is in a trace, or empty", name)
		}
	}
}

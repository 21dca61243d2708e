package delivery_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/validation/delivery"
)

const twilioFolder = "../../testdata/twilio"

// prism serves one of Twilio's published interface descriptions and refuses
// what does not fit it with 422.
func prism(t *testing.T, description string) *url.URL {
	t.Helper()
	program := filepath.Join(twilioFolder, "node_modules", "@stoplight", "prism-cli", "dist", "index.js")
	if _, err := os.Stat(program); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("prism is missing; run npm ci in testdata/twilio: %v", err)
		}
		t.Skip("prism is missing; run npm ci in testdata/twilio")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "node", program, "mock", "-h", "127.0.0.1", "-p", strconv.Itoa(port), filepath.Join(twilioFolder, description))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start prism: %v", err)
	}
	listening, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		var once sync.Once
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if strings.Contains(lines.Text(), "is listening") {
				once.Do(func() { close(listening) })
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		_ = cmd.Wait()
	})
	select {
	case <-listening:
	case <-done:
		t.Fatal("prism ended before it listened")
	case <-time.After(time.Minute):
		t.Fatal("prism does not listen after a minute")
	}
	return &url.URL{Scheme: "http", Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
}

// exchange is a request and what prism said to it.
type exchange struct {
	path   string
	form   url.Values
	query  url.Values
	status int
	body   string
}

// recorder stands before prism and keeps what passes.
type recorder struct {
	*httptest.Server

	mu   sync.Mutex
	seen []exchange
}

func record(t *testing.T, target *url.URL) *recorder {
	t.Helper()
	r := &recorder{}
	proxy := httputil.NewSingleHostReverseProxy(target)
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		raw, err := io.ReadAll(req.Body)
		if err != nil {
			t.Errorf("read request: %v", err)
		}
		req.Body = io.NopCloser(strings.NewReader(string(raw)))
		req.ContentLength = int64(len(raw))
		answer := httptest.NewRecorder()
		proxy.ServeHTTP(answer, req)
		form, err := url.ParseQuery(string(raw))
		if err != nil {
			t.Errorf("the body is no form: %v", err)
		}
		r.mu.Lock()
		r.seen = append(r.seen, exchange{req.URL.Path, form, req.URL.Query(), answer.Code, answer.Body.String()})
		r.mu.Unlock()
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	}))
	t.Cleanup(r.Close)
	return r
}

// known reads the parameters of an operation from a description.
func known(t *testing.T, description, path, method string) []string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(twilioFolder, description))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]json.RawMessage `json:"paths"`
	}
	var operation struct {
		Parameters []struct {
			Name string `json:"name"`
		} `json:"parameters"`
		RequestBody struct {
			Content map[string]struct {
				Schema struct {
					Properties map[string]json.RawMessage `json:"properties"`
				} `json:"schema"`
			} `json:"content"`
		} `json:"requestBody"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(doc.Paths[path][method], &operation); err != nil {
		t.Fatalf("%s %s of %s: %v", method, path, description, err)
	}
	var names []string
	for _, p := range operation.Parameters {
		names = append(names, p.Name)
	}
	for name := range operation.RequestBody.Content["application/x-www-form-urlencoded"].Schema.Properties {
		names = append(names, name)
	}
	return names
}

// What is sent fits the interface that Twilio publishes: every parameter is
// known there, and a server made of the description accepts the request.
func TestPublishedInterface(t *testing.T) {
	t.Parallel()
	api, lookups := record(t, prism(t, "api.json")), record(t, prism(t, "lookups_v2.json"))
	account := &delivery.TwilioConfig{
		AccountSID: accountSID, AuthToken: authToken, From: sender, BaseURL: api.URL, LookupURL: lookups.URL, Lookup: true,
		CallbackURL: "https://id.example.com" + delivery.CallbackPath,
	}
	service := *account
	service.From = "MG" + strings.Repeat("0", 32)
	p, err := delivery.New(delivery.Config{
		Service: "Sainte Anne", Countries: []string{"US"},
		Providers: []delivery.ProviderConfig{
			{Name: delivery.TwilioSMS, Channel: delivery.SMS, Twilio: account},
			{Name: delivery.TwilioVoice, Channel: delivery.Voice, Twilio: account},
			{Name: "Service", Channel: delivery.SMS, Twilio: &service},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, provider := range p.List() {
		if _, err := provider.Send(t.Context(), phoneMessage()); err != nil {
			t.Errorf("%s: %v", provider.Name, err)
		}
	}
	if len(api.seen) != 3 || len(lookups.seen) != 3 {
		t.Fatalf("%d requests and %d look-ups, want 3 each", len(api.seen), len(lookups.seen))
	}
	for _, e := range api.seen {
		kind := e.path[strings.LastIndex(e.path, "/")+1:]
		names := known(t, "api.json", "/2010-04-01/Accounts/{AccountSid}/"+kind, "post")
		for name := range e.form {
			if !slices.Contains(names, name) {
				t.Errorf("%s has no parameter %s", kind, name)
			}
		}
		if e.status != http.StatusCreated {
			t.Errorf("%s = %d %s", kind, e.status, e.body)
		}
	}
	names := known(t, "lookups_v2.json", "/v2/PhoneNumbers/{PhoneNumber}", "get")
	for _, e := range lookups.seen {
		if e.status != http.StatusOK || !slices.Contains(names, "Fields") || e.query.Get("Fields") != "line_type_intelligence,sms_pumping_risk" {
			t.Errorf("look-up %s?%v = %d %s", e.path, e.query, e.status, e.body)
		}
	}
	// And it does refuse what does not fit.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, fmt.Sprintf("%s/2010-04-01/Accounts/%s/Messages.json", api.URL, accountSID), strings.NewReader("ValidityPeriod=soon"))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(accountSID, authToken)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a request without To = %d, want 422", resp.StatusCode)
	}
}

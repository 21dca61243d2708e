package outgoing_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/sallyport-id/sallyport/authn/outgoing"
)

func get(t *testing.T, client *http.Client, url string) ([]byte, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	return io.ReadAll(res.Body)
}

// TestClientRefuses holds the rules against servers that break them.
func TestClientRefuses(t *testing.T) {
	t.Parallel()
	var elsewhere *httptest.Server
	held := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/large":
			_, _ = w.Write(bytes.Repeat([]byte("x"), 101)) // with its length
		case "/endless":
			w.(http.Flusher).Flush()
			for range 300 {
				_, _ = w.Write([]byte("x"))
			}
		case "/away":
			http.Redirect(w, r, elsewhere.URL, http.StatusFound)
		case "/here":
			http.Redirect(w, r, "/fits", http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/slow":
			select {
			case <-held:
			case <-r.Context().Done():
			}
		default:
			_, _ = w.Write(bytes.Repeat([]byte("x"), 100))
		}
	}))
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(held) })
	elsewhere = httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(elsewhere.Close)
	local := outgoing.Rules{AllowPrivate: true, Body: 100, SameHost: true}
	for _, c := range []struct {
		name  string
		rules outgoing.Rules
		url   string
		want  error
		bytes int
	}{
		{"fits", local, s.URL + "/fits", nil, 100},
		{"redirect on the host", local, s.URL + "/here", nil, 100},
		{"length beyond the limit", local, s.URL + "/large", outgoing.ErrTooLarge, 0},
		{"no length, beyond the limit", local, s.URL + "/endless", outgoing.ErrTooLarge, 0},
		{"redirect to another host", local, s.URL + "/away", outgoing.ErrRedirect, 0},
		{"endless redirects", local, s.URL + "/loop", outgoing.ErrRedirect, 0},
		{"http", outgoing.Rules{}, s.URL + "/fits", outgoing.ErrInsecure, 0},
		{"loopback", outgoing.Rules{}, "https" + s.URL[len("http"):] + "/fits", outgoing.ErrPrivate, 0},
		{"loopback by name", outgoing.Rules{}, "https://localhost:1/", outgoing.ErrPrivate, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := get(t, c.rules.Client(), c.url)
			if !errors.Is(err, c.want) || (c.want == nil && len(got) != c.bytes) {
				t.Errorf("get = %d bytes, %v, want %d bytes, %v", len(got), err, c.bytes, c.want)
			}
		})
	}
	t.Run("slow", func(t *testing.T) {
		t.Parallel()
		rules := local
		rules.Timeout = 50 * time.Millisecond
		if _, err := get(t, rules.Client(), s.URL+"/slow"); err == nil {
			t.Error("a server that does not answer was waited for")
		}
	})
	t.Run("no redirect followed", func(t *testing.T) {
		t.Parallel()
		rules := local
		rules.SameHost = false
		if _, err := get(t, rules.Client(), s.URL+"/away"); err != nil {
			t.Errorf("the redirect was not the answer: %v", err)
		}
	})
}

// TestCheckURL holds addresses of settings against the rules.
func TestCheckURL(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		url           string
		strict, local bool
	}{
		{"https://id.example.com/x", true, true},
		{"http://127.0.0.1:8080", false, true},
		{"ftp://id.example.com", false, false},
		{"https://user@id.example.com", false, false},
		{"id.example.com", false, false},
		{"", false, false},
	} {
		if ok := (outgoing.Rules{}).CheckURL(c.url) == nil; ok != c.strict {
			t.Errorf("CheckURL(%q) = %v, want %v", c.url, ok, c.strict)
		}
		if ok := (outgoing.Rules{AllowPrivate: true}).CheckURL(c.url) == nil; ok != c.local {
			t.Errorf("CheckURL(%q) with private addresses = %v, want %v", c.url, ok, c.local)
		}
	}
}

// TestPublicAddr holds addresses against the registries.
func TestPublicAddr(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"93.184.216.34": true, "2606:2800:220:1::1": true, "172.32.0.1": true,
		"127.0.0.1": false, "10.0.0.1": false, "172.16.0.1": false, "192.168.1.1": false, "169.254.169.254": false,
		"100.64.0.1": false, "0.0.0.0": false, "0.1.2.3": false, "255.255.255.255": false, "224.0.0.1": false,
		"240.0.0.1": false, "192.0.2.1": false, "198.18.0.1": false, "::": false, "::1": false, "fe80::1": false,
		"fc00::1": false, "ff02::1": false, "::ffff:10.0.0.1": false, "::ffff:93.184.216.34": true,
		"64:ff9b::7f00:1": false, "2002:7f00:1::": false, "2001:db8::1": false, "fec0::1": false, "fe80::1%eth0": false,
	} {
		if got := outgoing.Public(netip.MustParseAddr(text)); got != want {
			t.Errorf("Public(%s) = %v, want %v", text, got, want)
		}
	}
}

package scim_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/sallyport-id/sallyport/scim"
)

// discard is a ResponseWriter that keeps nothing but the status.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }

// benchmarkRequest measures one request through the router, database included.
func benchmarkRequest(b *testing.B, s *server, path string, want int, headers ...string) {
	b.Helper()
	r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, scim.Root+path, nil)
	r.Host = "id.example.com"
	r.Header.Set("Authorization", "Bearer "+s.bearer)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	b.ReportAllocs()
	for b.Loop() {
		w := &discard{header: http.Header{}}
		s.echo.ServeHTTP(w, r)
		if w.status != want {
			b.Fatalf("GET %s = %d, want %d", path, w.status, want)
		}
	}
}

func benchmarkUser(b *testing.B) (*server, *response) {
	b.Helper()
	s := newServer(b, options{})
	return s, s.user("bench.user@example.com", "displayName", "Bench User", "title", "Engineer", "externalId", "b-1",
		"name", map[string]any{"givenName": "Bench", "familyName": "User", "formatted": "Bench User"},
		"emails", []any{map[string]any{"value": "bench.user@example.com", "type": "work", "primary": true}, map[string]any{"value": "b@home.example", "type": "home"}},
		"phoneNumbers", []any{map[string]any{"value": "+1 555 0100", "type": "work"}},
		"addresses", []any{map[string]any{"streetAddress": "1 Main Street", "locality": "Springfield", "postalCode": "12345", "country": "US", "type": "work"}},
		enterpriseURN, map[string]any{"employeeNumber": "12345", "department": "Engineering", "organization": "Example"})
}

func BenchmarkGet(b *testing.B) {
	s, u := benchmarkUser(b)
	b.Run("whole", func(b *testing.B) { benchmarkRequest(b, s, "/Users/"+u.id(), http.StatusOK) })
	b.Run("attributes", func(b *testing.B) {
		benchmarkRequest(b, s, "/Users/"+u.id()+"?attributes=userName,emails.value", http.StatusOK)
	})
	b.Run("not modified", func(b *testing.B) {
		benchmarkRequest(b, s, "/Users/"+u.id(), http.StatusNotModified, "If-None-Match", u.etag())
	})
}

func BenchmarkList(b *testing.B) {
	s, _ := benchmarkUser(b)
	b.Run("userName eq", func(b *testing.B) {
		benchmarkRequest(b, s, query("/Users", "filter", `userName eq "bench.user@example.com"`), http.StatusOK)
	})
	for i := range 100 {
		s.user(string(rune('a'+i%26))+"-"+unused[:8]+string(rune('a'+i/26)), "title", "Engineer", "displayName", "Somebody Else")
	}
	b.Run("page of 100", func(b *testing.B) { benchmarkRequest(b, s, "/Users?count=100", http.StatusOK) })
}

package scim_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"

	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/scim"
)

// internal is text that no client may ever see.
const internal = "pq: password authentication failed at 10.0.0.7"

func TestAsError(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		err    error
		status int
		typ    scim.ErrorType
		detail string // part of the detail; "" for none at all
	}{
		"our own":             {scim.NewError(418, scim.TypeNoTarget, "Short."), 418, "noTarget", "Short."},
		"our own, wrapped":    {fmt.Errorf("patch: %w", scim.NewError(400, scim.TypeNoTarget, "Short.")), 400, "noTarget", "Short."},
		"a document fault":    {&schema.Error{Code: schema.InvalidValue, Path: "active", Detail: "active must be a boolean."}, 400, "invalidValue", "active"},
		"two document faults": {schema.Errors{{Code: schema.InvalidValue, Detail: "a is bad."}, {Code: schema.InvalidSyntax, Detail: "b is bad."}}, 400, "invalidValue", "a is bad. b is bad."},
		"a secret attribute":  {&schema.Error{Code: schema.Sensitive, Detail: "password cannot be filtered."}, 403, "sensitive", "password"},
		"too large a request": {&schema.Error{Code: schema.TooLarge, Detail: "1001 operations."}, 413, "", "1001"},
		"mutability":          {&schema.Error{Code: schema.MutabilityErr, Detail: "id is readOnly."}, 400, "mutability", "id"},
		"conflict":            {fmt.Errorf("insert: %w", &scim.ConflictError{Attribute: "userName"}), 409, "uniqueness", "userName"},
		"unknown members":     {&scim.UnknownMemberError{IDs: []string{"a", "b", "c", "d", "e", "f", "g"}}, 400, "invalidValue", `"e" and 2 more`},
		"not found":           {fmt.Errorf("get: %w", scim.ErrNotFound), 404, "", "No resource"},
		"version":             {scim.ErrVersion, 412, "", "changed"},
		"too many":            {scim.ErrTooMany, 400, "tooMany", "filter"},
		"busy":                {scim.ErrBusy, 503, "", "busy"},
		"deadline":            {fmt.Errorf("query: %w", context.DeadlineExceeded), 503, "", "too long"},
		"body above limit":    {&http.MaxBytesError{Limit: 99}, 413, "", "99 bytes"},
		"router 404":          {echo.ErrNotFound, 404, "", "ResourceTypes"},
		"router 405":          {echo.ErrMethodNotAllowed, 405, "", "Allow"},
		"middleware 429":      {echo.ErrTooManyRequests, 429, "", "later"},
		"middleware 500":      {echo.NewHTTPError(500, internal), 500, "", ""},
		"middleware 400":      {echo.NewHTTPError(400, internal), 400, "", "Bad Request"},
		"odd status":          {echo.NewHTTPError(200, internal), 500, "", ""},
		"anything else":       {errors.New(internal), 500, "", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := scim.AsError(tt.err)
			if got.Status != tt.status || got.Type != tt.typ || !strings.Contains(got.Detail, tt.detail) || tt.detail == "" && got.Detail != "" {
				t.Errorf("AsError(%v) = %d %q %q, want %d %q with %q", tt.err, got.Status, got.Type, got.Detail, tt.status, tt.typ, tt.detail)
			}
			if strings.Contains(got.Detail, "10.0.0.7") {
				t.Errorf("detail %q shows internal text", got.Detail)
			}
			if (got.Status == 503 || got.Status == 429) && got.RetryAfter < time.Second {
				t.Errorf("RetryAfter = %v, want at least a second", got.RetryAfter)
			}
		})
	}
	if scim.AsError(nil) != nil {
		t.Error("AsError(nil) is not nil")
	}
	cause := errors.New(internal)
	if e := scim.AsError(cause); !errors.Is(e, cause) || !strings.Contains(e.Error(), internal) {
		t.Errorf("AsError keeps no cause for the log: %v", e)
	}
}

// Copies must not share what they change.
func TestErrorIsImmutable(t *testing.T) {
	t.Parallel()
	base := scim.NewError(401, "", "No.").WithHeader("WWW-Authenticate", "Bearer")
	other := base.WithHeader("WWW-Authenticate", "Other").WithRetryAfter(time.Second).Because(errors.New("x"))
	if got := base.Header.Get("WWW-Authenticate"); got != "Bearer" || base.RetryAfter != 0 || base.Unwrap() != nil {
		t.Errorf("the original changed: %+v", base)
	}
	if got := other.Header.Get("WWW-Authenticate"); got != "Other" {
		t.Errorf("the copy has %q", got)
	}
}

// write sends err through the error handler of the server.
func write(t *testing.T, err error, method string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	logs := &lockedBuffer{}
	e := echo.New()
	e.HTTPErrorHandler = scim.ErrorHandler(slog.New(slog.NewJSONHandler(logs, nil)), func(error, echo.Context) { t.Error("the error went to another writer") })
	e.Any("/scim/v2/Broken", func(echo.Context) error { return err })
	r := httptest.NewRequestWithContext(t.Context(), method, "/scim/v2/Broken", nil)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	if strings.Contains(w.Body.String(), "10.0.0.7") {
		t.Errorf("body shows internal text: %s", w.Body)
	}
	if w.Code == http.StatusInternalServerError && !strings.Contains(logs.String(), "10.0.0.7") {
		t.Errorf("the cause of a 500 is not in the log: %s", logs.String())
	}
	return w
}

func TestErrorBody(t *testing.T) {
	t.Parallel()
	const member = "urn:example:params:Extra"
	tests := map[string]struct {
		err  error
		want string
	}{
		"all members": {
			&scim.Error{Status: 400, Type: scim.TypeInvalidValue, Detail: `a < "b"`, Members: map[string]any{member: map[string]any{"n": 1}}},
			`{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error","urn:example:params:Extra"],"status":"400","scimType":"invalidValue","detail":"a < \"b\"","urn:example:params:Extra":{"n":1}}`,
		},
		"internal": {
			errors.New(internal),
			`{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"500"}`,
		},
		"a member that JSON cannot hold": {
			&scim.Error{Status: 400, Members: map[string]any{member: func() {}}},
			`{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error","urn:example:params:Extra"],"status":"400","urn:example:params:Extra":null}`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, write(t, tt.err, http.MethodGet).Body.String()); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
		})
	}
}

func TestErrorMediaType(t *testing.T) {
	t.Parallel()
	for accept, want := range map[string]string{
		"":                      "application/scim+json",
		"application/json":      "application/json",
		"application/xml":       "application/scim+json", // the error must arrive somehow
		"*/*":                   "application/scim+json",
		"application/scim+json": "application/scim+json",
	} {
		var headers []string
		if accept != "" {
			headers = []string{"Accept", accept}
		}
		w := write(t, scim.NewError(404, "", "No."), http.MethodGet, headers...)
		if got := w.Header().Get("Content-Type"); got != want {
			t.Errorf("Accept %q: Content-Type = %q, want %q", accept, got, want)
		}
	}
}

func TestErrorHeaders(t *testing.T) {
	t.Parallel()
	for wait, want := range map[time.Duration]string{
		time.Millisecond:        "1",
		time.Second:             "1",
		1001 * time.Millisecond: "2",
		time.Hour:               "3600",
	} {
		w := write(t, scim.NewError(429, "", "Wait.").WithRetryAfter(wait), http.MethodGet)
		if got := w.Header().Get("Retry-After"); got != want {
			t.Errorf("Retry-After of %v = %q, want %q whole seconds", wait, got, want)
		}
	}
	w := write(t, scim.NewError(401, "", "Who?"), http.MethodGet)
	if got := w.Header().Get("WWW-Authenticate"); got != `Bearer realm="sallyport"` {
		t.Errorf("WWW-Authenticate = %q", got)
	}
	if got := w.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control = %q, want no-store", got)
	}
	w = write(t, scim.NewError(404, "", "No."), http.MethodHead)
	if w.Code != 404 || w.Body.Len() != 0 || w.Header().Get("Content-Type") != scim.MediaType {
		t.Errorf("HEAD = %d %q with %d bytes, want 404 without body", w.Code, w.Header().Get("Content-Type"), w.Body.Len())
	}
}

// An answer that has begun cannot be changed any more.
func TestErrorAfterAnswer(t *testing.T) {
	t.Parallel()
	e := echo.New()
	e.HTTPErrorHandler = scim.ErrorHandler(slog.New(slog.DiscardHandler), e.DefaultHTTPErrorHandler)
	e.GET("/scim/v2/Half", func(c echo.Context) error {
		if err := c.String(http.StatusOK, "half"); err != nil {
			return err
		}
		return scim.ErrBusy
	})
	w := httptest.NewRecorder()
	e.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/scim/v2/Half", nil))
	if w.Code != http.StatusOK || w.Body.String() != "half" {
		t.Errorf("answer = %d %q, want it left alone", w.Code, w.Body)
	}
}

// Errors outside /scim are not ours.
func TestErrorHandlerLeavesOtherPaths(t *testing.T) {
	t.Parallel()
	for path, ours := range map[string]bool{"/scim": true, "/scim/v2/x": true, "/scimitar": false, "/": false} {
		e := echo.New()
		other := false
		e.HTTPErrorHandler = scim.ErrorHandler(slog.New(slog.DiscardHandler), func(_ error, c echo.Context) {
			other = true
			c.Response().WriteHeader(http.StatusTeapot)
		})
		w := httptest.NewRecorder()
		e.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		if other == ours {
			t.Errorf("%s: written by the other handler = %v, want %v", path, other, !ours)
		}
		if ours && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s: body %q is no JSON", path, w.Body)
		}
	}
}

// TestErrorsAreSCIM: rows 36, 37, 38, 48 and 113. Every refusal that a client
// can meet has the form of RFC 7644 section 3.12.
func TestErrorsAreSCIM(t *testing.T) {
	t.Parallel()
	s := newServer(t, options{limits: scim.Limits{Body: 2000, GroupBody: 4000, BulkBody: 3000, BulkOperations: 2}})
	ann := s.user("ann")
	reader := s.as(scim.NewToken{Name: "reader", Scopes: []string{scim.ScopeRead}})
	writer := s.as(scim.NewToken{Name: "writer", Scopes: []string{scim.ScopeWrite}})
	nobody := &client{s: s}
	user := map[string]any{"schemas": []string{userURN}, "userName": "other"}
	big := `{"schemas":["` + userURN + `"],"userName":"` + strings.Repeat("x", 2000) + `"}`

	tests := map[string]struct {
		client       *client
		method, path string
		body         any
		headers      []string
		status       int
		scimType     string
		header, want string // a header of the answer
	}{
		"400 syntax":          {s.client, "POST", "/Users", `{"schemas":`, nil, 400, "invalidSyntax", "", ""},
		"400 filter":          {s.client, "GET", "/Users?filter=userName+xx+%22a%22", nil, nil, 400, "invalidFilter", "", ""},
		"401 no token":        {nobody, "GET", "/Users", nil, nil, 401, "", "WWW-Authenticate", `Bearer realm="sallyport"`},
		"401 other scheme":    {nobody, "GET", "/Users", nil, []string{"Authorization", "Basic YTpi"}, 401, "", "WWW-Authenticate", `Bearer realm="sallyport"`},
		"401 bad token":       {nobody, "GET", "/Users", nil, []string{"Authorization", "Bearer spt_x"}, 401, "", "WWW-Authenticate", `Bearer realm="sallyport", error="invalid_token", error_description="Access token is expired or otherwise invalid."`},
		"403 read only":       {reader, "POST", "/Users", user, nil, 403, "", "WWW-Authenticate", `Bearer realm="sallyport", error="insufficient_scope", scope="scim:write"`},
		"403 write only":      {writer, "GET", "/Users", nil, nil, 403, "", "WWW-Authenticate", `Bearer realm="sallyport", error="insufficient_scope", scope="scim:read"`},
		"403 secret filter":   {s.client, "GET", "/Users?filter=password+sw+%22a%22", nil, nil, 403, "sensitive", "", ""},
		"404 resource":        {s.client, "GET", "/Users/0190c5ae-0000-7000-8000-000000000000", nil, nil, 404, "", "", ""},
		"404 endpoint":        {s.client, "GET", "/Nothing", nil, nil, 404, "", "", ""},
		"404 outside v2":      {s.client, "GET", "/scim/v3/Users", nil, nil, 404, "", "", ""},
		"405 collection":      {s.client, "DELETE", "/Users", nil, nil, 405, "", "Allow", "OPTIONS, GET, HEAD, POST"},
		"405 resource":        {s.client, "POST", "/Users/" + ann.id(), user, nil, 405, "", "Allow", "OPTIONS, DELETE, GET, HEAD, PATCH, PUT"},
		"405 bulk":            {s.client, "GET", "/Bulk", nil, nil, 405, "", "Allow", "OPTIONS, POST"},
		"406":                 {s.client, "GET", "/Users", nil, []string{"Accept", "application/xml"}, 406, "", "", ""},
		"409":                 {s.client, "POST", "/Users", map[string]any{"schemas": []string{userURN}, "userName": "ANN"}, nil, 409, "uniqueness", "", ""},
		"412":                 {s.client, "PUT", "/Users/" + ann.id(), user, []string{"If-Match", `W/"77"`}, 412, "", "", ""},
		"413":                 {s.client, "POST", "/Users", big, nil, 413, "", "", ""},
		"413 group":           {s.client, "POST", "/Groups", big + strings.Repeat(" ", 2000), nil, 413, "", "", ""},
		"413 bulk bytes":      {s.client, "POST", "/Bulk", big + strings.Repeat(" ", 1000), nil, 413, "", "", ""},
		"415":                 {s.client, "POST", "/Users", user, []string{"Content-Type", "text/plain"}, 415, "", "", ""},
		"415 encoded":         {s.client, "POST", "/Users", user, []string{"Content-Encoding", "gzip"}, 415, "", "", ""},
		"501 me":              {s.client, "GET", "/Me", nil, nil, 501, "", "", ""},
		"400 two credentials": {nobody, "GET", "/Users", nil, []string{"Authorization", "Bearer a", "Authorization", "Bearer b"}, 400, "", "WWW-Authenticate", `Bearer realm="sallyport", error="invalid_request"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := tt.client.want(tt.status, tt.method, tt.path, tt.body, tt.headers...)
			checkError(t, res, tt.status, tt.scimType)
			if res.str("detail") == "" {
				t.Errorf("no detail in %s", res.Body)
			}
			if got := res.Header.Get("Content-Type"); got != scim.MediaType {
				t.Errorf("Content-Type = %q", got)
			}
			if got := res.Header.Get(tt.header); tt.header != "" && got != tt.want {
				t.Errorf("%s = %q, want %q", tt.header, got, tt.want)
			}
		})
	}
}

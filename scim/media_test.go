package scim

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"
)

// request returns an echo context for headers given as name and value.
func request(t *testing.T, body io.Reader, headers ...string) echo.Context {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/scim/v2/Users", body)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return echo.New().NewContext(r, httptest.NewRecorder())
}

func statusOf(err error) int {
	if err == nil {
		return 0
	}
	return AsError(err).Status
}

// Row 34: the media type of the answer (RFC 7644 section 3.8, RFC 9110 section
// 12.5.1). byAccept is the profile switch ReplyJSONByAccept.
func TestRow34_ReplyType(t *testing.T) {
	t.Parallel()
	const scim, plain, refused = "application/scim+json", "application/json", ""
	tests := []struct {
		accept           []string
		byAccept, always string
	}{
		{nil, scim, scim},
		{[]string{""}, scim, scim},
		{[]string{"*/*"}, scim, scim},
		{[]string{"application/scim+json"}, scim, scim},
		{[]string{"APPLICATION/SCIM+JSON"}, scim, scim},
		{[]string{"application/scim+json;charset=utf-8"}, scim, scim},
		{[]string{"application/json"}, plain, scim},
		{[]string{"application/json; charset=utf-8"}, plain, scim},
		{[]string{"application/json, */*"}, scim, scim},
		{[]string{"application/json, */*;q=0.8"}, plain, scim},
		{[]string{"application/json, application/scim+json"}, scim, scim},
		{[]string{"application/json;q=0.9, application/scim+json;q=0.8"}, plain, scim},
		{[]string{"application/json;q=0.1, application/scim+json;q=0.8"}, scim, scim},
		{[]string{"application/scim+json;q=0, application/json"}, plain, scim},
		{[]string{"application/*;q=0.5, application/json;q=0.9"}, plain, scim},
		{[]string{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}, scim, scim},
		{[]string{"text/html", "application/json"}, plain, scim},
		{[]string{"*/*;q=0.1, application/scim+json;q=0"}, plain, scim},
		{[]string{"application/xml"}, refused, refused},
		{[]string{"text/*"}, refused, refused},
		{[]string{"application/json;q=0"}, refused, refused},
		{[]string{"*/*;q=0"}, refused, refused},
		{[]string{"application/json;q=2"}, scim, scim},  // no media range that can be read
		{[]string{"application/json;q=no"}, scim, scim}, // the same
		{[]string{",;,"}, scim, scim},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.accept, "+"), func(t *testing.T) {
			t.Parallel()
			var headers []string
			for _, line := range tt.accept {
				headers = append(headers, "Accept", line)
			}
			c := request(t, nil, headers...)
			for want, p := range map[*Profile]string{{ReplyJSONByAccept: true}: tt.byAccept, {}: tt.always} {
				got, err := replyType(c, want)
				if got != p || (err == nil) != (p != refused) {
					t.Errorf("byAccept=%v: %q, %v; want %q", want.ReplyJSONByAccept, got, err, p)
				}
				if err != nil && statusOf(err) != http.StatusNotAcceptable {
					t.Errorf("refused with %d, want 406", statusOf(err))
				}
			}
		})
	}
}

// Row 34: the media type of a body.
func TestRow34_ContentType(t *testing.T) {
	t.Parallel()
	for value, ok := range map[string]bool{
		"":                                       true,
		"application/scim+json":                  true,
		"application/json":                       true,
		"Application/JSON":                       true,
		"application/scim+json; charset=utf-8":   true,
		"application/json;charset=ISO-8859-1":    true,
		`application/json; charset="utf-8"; v=1`: true,
		"application/json; charset":              true, // the parameter says nothing
		"text/plain":                             false,
		"text/json":                              false,
		"application/xml":                        false,
		"application/x-www-form-urlencoded":      false,
		"multipart/form-data; boundary=x":        false,
		"application/json-patch+json":            false,
		"application":                            false,
		"/":                                      false,
	} {
		_, err := readBody(request(t, strings.NewReader("{}"), "Content-Type", value), 100)
		if got := statusOf(err); ok && got != 0 || !ok && got != http.StatusUnsupportedMediaType {
			t.Errorf("Content-Type %q: %v, want accepted %v", value, err, ok)
		}
	}
	for value, ok := range map[string]bool{"": true, "identity": true, "gzip": false, "identity, br": false} {
		_, err := readBody(request(t, strings.NewReader("{}"), "Content-Encoding", value), 100)
		if got := statusOf(err); ok && got != 0 || !ok && got != http.StatusUnsupportedMediaType {
			t.Errorf("Content-Encoding %q: %v, want accepted %v", value, err, ok)
		}
	}
}

// brokenBody fails after its first bytes, as a connection that is cut.
type brokenBody struct{ text *strings.Reader }

func (b brokenBody) Read(p []byte) (int, error) {
	if b.text.Len() == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	return b.text.Read(p)
}

// Row 48: bodies are bounded, whether or not they tell their length.
func TestRow48_BodyLimit(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		size  int
		known bool
		want  int
	}{
		"at the limit":                   {100, true, 0},
		"above":                          {101, true, http.StatusRequestEntityTooLarge},
		"at the limit, length unknown":   {100, false, 0},
		"above, length unknown":          {101, false, http.StatusRequestEntityTooLarge},
		"far above, length unknown":      {1 << 20, false, http.StatusRequestEntityTooLarge},
		"nothing at all":                 {0, true, 0},
		"nothing at all, length unknown": {0, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := request(t, strings.NewReader(strings.Repeat("x", tt.size)))
			if !tt.known {
				c.Request().ContentLength = -1
			}
			data, err := readBody(c, 100)
			if statusOf(err) != tt.want || tt.want == 0 && len(data) != tt.size {
				t.Errorf("read %d bytes, %v; want status %d", len(data), err, tt.want)
			}
			if err != nil && !strings.Contains(AsError(err).Detail, "100") {
				t.Errorf("detail %q does not name the limit", AsError(err).Detail)
			}
		})
	}
	for _, length := range []int64{-1, 50} {
		c := request(t, brokenBody{strings.NewReader("{")})
		c.Request().ContentLength = length
		_, err := readBody(c, 100)
		if e := AsError(err); e == nil || e.Status != 400 || e.Type != TypeInvalidSyntax {
			t.Errorf("a body that breaks off, length %d: %v, want 400 invalidSyntax", length, err)
		} else if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("the cause is lost: %v", err)
		}
	}
}

// counted counts what is read of a body.
type counted struct {
	io.Reader

	n int
}

func (r *counted) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.n += n
	return n, err
}

// Row 48: a client that is still sending sees a closed connection in place of
// the 413, so what is little above the limit is read to its end before the
// refusal; more than that is not worth the traffic, and a client that asked
// before sending has sent nothing.
func TestRow48_RefusalReachesTheClient(t *testing.T) {
	t.Parallel()
	const limit = 100
	for name, tt := range map[string]struct {
		size   int
		known  bool
		expect string
		most   int
		all    bool
	}{
		"little above":                 {size: 150, known: true, most: 150, all: true},
		"little above, length unknown": {size: 150, most: 150, all: true},
		"far above":                    {size: 1 << 20, known: true, most: 3*limit + 1},
		"far above, length unknown":    {size: 1 << 20, most: 3*limit + 1},
		"asked before sending":         {size: 150, known: true, expect: "100-continue"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := &counted{Reader: strings.NewReader(strings.Repeat("x", tt.size))}
			c := request(t, body)
			c.Request().ContentLength = -1
			if tt.known {
				c.Request().ContentLength = int64(tt.size)
			}
			if tt.expect != "" {
				c.Request().Header.Set("Expect", tt.expect)
			}
			if _, err := readBody(c, limit); statusOf(err) != http.StatusRequestEntityTooLarge {
				t.Fatalf("readBody: %v, want 413", err)
			}
			if body.n > tt.most || tt.all && body.n != tt.size {
				t.Errorf("read %d of %d bytes, want at most %d, all: %v", body.n, tt.size, tt.most, tt.all)
			}
		})
	}
}

// Row 48: a Content-Length is a promise. Memory is taken for what has arrived,
// or a few hundred connections that send nothing more would exhaust it. Not
// parallel: it measures what is allocated.
func TestRow48_LengthAloneTakesNoMemory(t *testing.T) {
	const promised, most = 16 << 20, 1 << 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := readAll(brokenBody{strings.NewReader("{")}, promised)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("readAll: %v, want %v", err, io.ErrUnexpectedEOF)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > most {
		t.Errorf("one byte of %d promised took %d bytes of memory, want at most %d", promised, n, most)
	}
}

// A body longer than the first allocation arrives whole.
func TestReadAll(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, firstRead - 1, firstRead, firstRead + 1, 5*firstRead + 7} {
		text := strings.Repeat("0123456789", size/10+1)[:size]
		for _, length := range []int64{int64(size), -1} {
			data, err := readAll(strings.NewReader(text), length)
			if err != nil || string(data) != text {
				t.Errorf("readAll of %d bytes, length %d: %d bytes, %v", size, length, len(data), err)
			}
		}
		if _, err := readAll(strings.NewReader(text), int64(size)+1); !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
			t.Errorf("readAll of %d bytes, one missing: %v, want an error", size, err)
		}
	}
}

func TestRow34_TrimSuffix(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/scim/v2/Users.scim":         "/scim/v2/Users",
		"/scim/v2/Users/1.scim":       "/scim/v2/Users/1",
		"/scim/v2/.search.scim":       "/scim/v2/.search",
		"/scim/v2/Users":              "/scim/v2/Users",
		"/scim/v2/.scim":              "/scim/v2/.scim",
		".scim":                       ".scim",
		"/scim/v2/Users/1.scim.scim":  "/scim/v2/Users/1.scim",
		"/scim/v2/Users/1.SCIM":       "/scim/v2/Users/1.SCIM",
		"/scim/v2/Users/scim":         "/scim/v2/Users/scim",
		"/scim/v2/Users/1.scim/extra": "/scim/v2/Users/1.scim/extra",
	} {
		if got := trimSuffix(path); got != want {
			t.Errorf("trimSuffix(%q) = %q, want %q", path, got, want)
		}
	}
}

// FuzzAccept: no panic, and the answer is a type that the profile may send.
func FuzzAccept(f *testing.F) {
	f.Add("application/json;q=0.5, */*")
	f.Add(",;q=,;;=")
	f.Fuzz(func(t *testing.T, accept string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Header["Accept"] = []string{accept}
		got, err := replyType(echo.New().NewContext(r, httptest.NewRecorder()), nil)
		if (err == nil) != (got == MediaType || got == jsonType) {
			t.Errorf("replyType(%q) = %q, %v", accept, got, err)
		}
	})
}

func BenchmarkReplyType(b *testing.B) {
	r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/", nil)
	r.Header.Set("Accept", "application/scim+json, application/json;q=0.9")
	c := echo.New().NewContext(r, httptest.NewRecorder())
	p := compatProfile()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := replyType(c, &p); err != nil {
			b.Fatal(err)
		}
	}
}

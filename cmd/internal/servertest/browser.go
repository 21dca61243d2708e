package servertest

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// maxRedirects is how many answers in a row may lead on before it is a loop.
const maxRedirects = 20

// Browser does what a person does at the pages of a server, with cookies and
// without scripts: it opens addresses, reads forms and submits them. Redirects,
// also those of a meta element, are followed while they stay on the server (and
// on the origins of Visits); one that leads to an application ends the walk, and
// Page.Away tells where to.
//
//	b := s.Browser(t)
//	p := b.LogIn(b.Open(app.AuthURL("acr_values", "MFA")), person)
//	tokens := app.Redeem(t, p.Code(t))
//
// It is not safe for concurrent use; take one for each person.
type Browser struct {
	// Asked are the kinds of the questions that LogIn has answered, in order, as
	// Page.Kind names them. Set it to nil between logins.
	Asked []string
	// Language is sent as Accept-Language.
	Language string

	tb     testing.TB
	server *Server
	client *http.Client
	jar    http.CookieJar
	visits map[string]bool
}

// Browser returns a browser without cookies.
func (s *Server) Browser(tb testing.TB) *Browser {
	tb.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		tb.Fatalf("make cookie jar: %v", err)
	}
	b := &Browser{tb: tb, jar: jar, visits: map[string]bool{}}
	b.Through(s)
	b.Visits(s.Issuer())
	return b
}

// Through sends further requests to this node. All nodes must have one issuer.
func (b *Browser) Through(node *Server) {
	b.server = node
	b.client = &http.Client{
		Transport: node.HTTP().Transport, Jar: b.jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Visits makes further sites part of the walk, so that redirects to them are
// followed and forms submitted to them.
func (b *Browser) Visits(urls ...string) {
	b.tb.Helper()
	for _, raw := range urls {
		u, err := url.Parse(raw)
		if err != nil {
			b.tb.Fatalf("parse %s: %v", raw, err)
		}
		b.visits[originOf(u)] = true
	}
}

// Cookies are those that the server set.
func (b *Browser) Cookies() []*http.Cookie {
	u, err := url.Parse(b.server.Issuer())
	if err != nil {
		b.tb.Fatalf("parse issuer: %v", err)
	}
	return b.jar.Cookies(u)
}

// Open gets an address, relative to the server's or absolute, and where that
// leads.
func (b *Browser) Open(address string) Page {
	b.tb.Helper()
	if strings.HasPrefix(address, "/") {
		address = b.server.Issuer() + address
	}
	return b.walk(http.MethodGet, b.parse(address), nil)
}

// Post submits a form that another site made: without the page of ours that it
// should stand on.
func (b *Browser) Post(address string, form url.Values) Page {
	b.tb.Helper()
	if strings.HasPrefix(address, "/") {
		address = b.server.Issuer() + address
	}
	return b.walk(http.MethodPost, b.parse(address), form)
}

// Submit fills the form of a page whose action ends with this segment, or whose
// button leads there, and submits it. Fields are names and values in turn; one
// that is named replaces what the page has put there, one named twice has two
// values. A field or button that the form lacks fails the test.
func (b *Browser) Submit(p Page, action string, fields ...string) Page {
	b.tb.Helper()
	form, target, ok := p.form(action)
	if !ok {
		b.tb.Fatalf("no form %q on the page %s:\n%s", action, p.URL, p.Text())
	}
	values := form.Values()
	for i := 0; i+1 < len(fields); i += 2 {
		name := fields[i]
		if !form.has(name) {
			b.tb.Fatalf("no field or button %q in the form %q on the page %s:\n%s", name, action, p.URL, p.Text())
		}
		if !slices.Contains(fields[:i], name) {
			values.Del(name)
		}
		values.Add(name, fields[i+1])
	}
	if !b.visits[originOf(target)] {
		return Page{Status: p.Status, URL: p.URL, Away: target, Posted: values}
	}
	if form.Method == http.MethodGet {
		target.RawQuery = values.Encode()
		return b.walk(http.MethodGet, target, nil)
	}
	return b.walk(http.MethodPost, target, values)
}

// walk sends a request and follows where its answer leads.
func (b *Browser) walk(method string, u *url.URL, form url.Values) Page {
	b.tb.Helper()
	for range maxRedirects {
		p := b.send(method, u, form)
		location := p.Header.Get("Location")
		if p.Status < 300 || p.Status > 399 {
			location = p.refresh
		}
		if location == "" {
			return p
		}
		next, err := u.Parse(location)
		if err != nil {
			b.tb.Fatalf("%s %s: redirect to %q: %v", method, u, location, err)
		}
		if p.Status == http.StatusTemporaryRedirect || p.Status == http.StatusPermanentRedirect {
			b.tb.Fatalf("%s %s: status %d sends what was posted along (RFC 9700 section 4.12)", method, u, p.Status)
		}
		if !b.visits[originOf(next)] {
			p.Away = next
			return p
		}
		method, u, form = http.MethodGet, next, nil
	}
	b.tb.Fatalf("%d redirects in a row, the last to %s", maxRedirects, u)
	return Page{}
}

func (b *Browser) send(method string, u *url.URL, form url.Values) Page {
	b.tb.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(b.tb.Context(), method, u.String(), body)
	if err != nil {
		b.tb.Fatalf("%s %s: %v", method, u, err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	req.Header.Set("Accept", "text/html")
	req.Close = !strings.HasPrefix(u.String(), b.server.Issuer()) // other sites keep no connection open
	if b.Language != "" {
		req.Header.Set("Accept-Language", b.Language)
	}
	r := Send(b.tb, b.client, req)
	if r.Status >= http.StatusInternalServerError {
		b.tb.Errorf("%s %s: %d\n%s", method, u, r.Status, r.Body)
	}
	return newPage(b.tb, u, r)
}

func (b *Browser) parse(address string) *url.URL {
	b.tb.Helper()
	u, err := url.Parse(address)
	if err != nil {
		b.tb.Fatalf("parse %s: %v", address, err)
	}
	return u
}

// originOf is what a browser calls the origin of an address.
func originOf(u *url.URL) string { return strings.ToLower(u.Scheme + "://" + u.Host) }

package outgoing

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

// What a client refuses.
var (
	// ErrPrivate: the address is not out in the Internet.
	ErrPrivate = errors.New("the address is not a public one")
	// ErrInsecure: the URL is not https.
	ErrInsecure = errors.New("the URL is not an https URL")
	// ErrRedirect: a redirect leads elsewhere, or there are too many.
	ErrRedirect = errors.New("redirected to another host")
	// ErrTooLarge: the answer is larger than the limit.
	ErrTooLarge = errors.New("the answer is too large")
)

// Defaults of Rules.
const (
	DefaultTimeout = 10 * time.Second
	DefaultBody    = 1 << 20 // bytes
)

// mostHeaders bounds the headers of an answer, in bytes.
const mostHeaders = 32 << 10

// mostRedirects is how many redirects on one host are followed.
const mostRedirects = 3

// Rules are those of a client. The zero value is the strictest.
type Rules struct {
	// AllowPrivate lets it reach addresses inside the network, and http there.
	AllowPrivate bool
	// Timeout bounds a whole exchange; 0: DefaultTimeout.
	Timeout time.Duration
	// Body bounds the body of an answer in bytes: reading beyond it is
	// ErrTooLarge. 0: DefaultBody.
	Body int64
	// SameHost follows redirects that stay on the host and scheme; otherwise none
	// is followed, and the redirect is the answer.
	SameHost bool
	// Headers bounds those of an answer, in bytes; 0: 32 KiB.
	Headers int64
}

// Client returns a client that uses no proxy and obeys the rules. It is meant to
// be kept.
func (r Rules) Client() *http.Client {
	if r.Timeout == 0 {
		r.Timeout = DefaultTimeout
	}
	if r.Body == 0 {
		r.Body = DefaultBody
	}
	if r.Headers == 0 {
		r.Headers = mostHeaders
	}
	dialer := &net.Dialer{Timeout: r.Timeout}
	if !r.AllowPrivate {
		dialer.Control = refusePrivate
	}
	return &http.Client{
		Timeout: r.Timeout,
		Transport: &bounded{rules: r, next: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: r.Timeout,
			ResponseHeaderTimeout: r.Timeout, MaxResponseHeaderBytes: r.Headers, ForceAttemptHTTP2: true,
			IdleConnTimeout: time.Minute,
		}},
		CheckRedirect: r.redirect,
	}
}

// CheckURL reports why a URL may not be fetched: it is no absolute https URL, or
// an http one where private addresses are not allowed. It does not resolve names.
func (r Rules) CheckURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil {
		return fmt.Errorf("%q is not an absolute URL", raw)
	}
	return r.check(u)
}

func (r Rules) check(u *url.URL) error {
	if u.Scheme == "https" || u.Scheme == "http" && r.AllowPrivate {
		return nil
	}
	return ErrInsecure
}

func (r Rules) redirect(to *http.Request, via []*http.Request) error {
	if !r.SameHost {
		return http.ErrUseLastResponse
	}
	if from := via[0].URL; to.URL.Scheme != from.Scheme || to.URL.Host != from.Host || len(via) > mostRedirects {
		return ErrRedirect
	}
	return nil
}

// bounded checks every request, those of redirects too, and bounds the answers.
type bounded struct {
	rules Rules
	next  *http.Transport
}

// RoundTrip implements http.RoundTripper.
func (b *bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := b.rules.check(req.URL); err != nil {
		return nil, err
	}
	res, err := b.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if res.ContentLength > b.rules.Body {
		_ = res.Body.Close()
		return nil, ErrTooLarge
	}
	res.Body = &limited{ReadCloser: res.Body, left: b.rules.Body}
	return res, nil
}

// CloseIdleConnections lets http.Client.CloseIdleConnections through.
func (b *bounded) CloseIdleConnections() { b.next.CloseIdleConnections() }

// limited is a body that fails beyond a limit instead of ending there, so that
// nothing half is taken for whole.
type limited struct {
	io.ReadCloser
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left < 0 {
		return 0, ErrTooLarge
	}
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.ReadCloser.Read(p)
	l.left -= int64(n)
	if l.left < 0 {
		return n - 1, ErrTooLarge
	}
	return n, err
}

// refusePrivate looks at the address that is dialled, after names were
// resolved, so that no name and no second answer of a resolver gets around it.
func refusePrivate(_, address string, _ syscall.RawConn) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil || !Public(a.Addr()) {
		return ErrPrivate
	}
	return nil
}

// Public reports whether an address is globally reachable (IANA special purpose
// registries, RFC 6890).
func Public(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.Zone() != "" {
		return false
	}
	for _, text := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15",
		"198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "fec0::/10",
	} {
		if netip.MustParsePrefix(text).Contains(a) {
			return false
		}
	}
	return true
}

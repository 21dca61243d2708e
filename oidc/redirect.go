package oidc

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// maxURI bounds a registered URI, in bytes.
const maxURI = 2048

// redirectRegistered reports whether an answer may go to that URI: it is one of
// the registered ones byte for byte, before anything is parsed (RFC 9700
// section 2.1). Only the port of a loopback address of a native application
// may differ (RFC 8252 section 7.3).
func redirectRegistered(c Client, uri string) bool {
	if uri == "" {
		return false
	}
	if slices.Contains(c.RedirectURIs, uri) {
		return true
	}
	if c.Type != Native || checkURIText(uri) != nil {
		return false
	}
	asked, ok := withoutPort(uri)
	return ok && slices.ContainsFunc(c.RedirectURIs, func(registered string) bool {
		r, ok := withoutPort(registered)
		return ok && r == asked
	})
}

// withoutPort cuts the port out of an http URI of 127.0.0.1 or [::1]; ok is
// false for every other URI. Nothing is normalised: the rest stays as sent.
func withoutPort(uri string) (rest string, ok bool) {
	for _, host := range []string{"http://127.0.0.1", "http://[::1]"} {
		after, found := strings.CutPrefix(uri, host)
		if !found {
			continue
		}
		if port, found := strings.CutPrefix(after, ":"); found {
			digits := strings.TrimLeft(port, "0123456789")
			if n := len(port) - len(digits); n == 0 || n > 5 {
				return "", false
			}
			after = digits
		}
		if after != "" && after[0] != '/' && after[0] != '?' {
			return "", false
		}
		return host + after, true
	}
	return "", false
}

// checkURIText refuses what no registered URI may have: characters that
// programs read differently, and wildcards.
func checkURIText(uri string) error {
	switch {
	case uri == "":
		return errors.New("it is empty")
	case len(uri) > maxURI:
		return fmt.Errorf("it is longer than %d bytes", maxURI)
	case strings.ContainsFunc(uri, func(r rune) bool { return r <= 0x20 || r >= 0x7f }):
		return errors.New("it has a blank, a control character or one outside ASCII; percent-encode it")
	case strings.ContainsAny(uri, `\<>"^`+"`{|}"):
		return errors.New(`it has a character that no URI has, such as a backslash; percent-encode it`)
	case strings.Contains(uri, "*"):
		return errors.New("it has a wildcard; register every URI")
	case strings.Contains(uri, "#"):
		// RFC 6749 section 3.1.2.
		return errors.New("it has a fragment")
	}
	return nil
}

// parseRegistered reads a URI for registration.
func parseRegistered(uri string) (*url.URL, error) {
	if err := checkURIText(uri); err != nil {
		return nil, err
	}
	u, err := url.Parse(uri)
	switch {
	case err != nil:
		return nil, errors.New("it is not a URI")
	case u.Scheme == "":
		return nil, errors.New("it is not absolute")
	case u.User != nil:
		return nil, errors.New("it has a user name")
	case !strings.HasPrefix(uri, u.Scheme+":"): // parsing lowers it
		return nil, errors.New("its scheme has capitals")
	case hasDotSegment(u.EscapedPath()):
		return nil, errors.New("its path has a segment of dots")
	}
	return u, nil
}

// hasDotSegment reports "." and ".." as path segments, however encoded.
func hasDotSegment(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		segment, _, _ = strings.Cut(segment, ";")
		plain := strings.ReplaceAll(strings.ToLower(segment), "%2e", ".")
		if plain == "." || plain == ".." {
			return true
		}
	}
	return false
}

// checkRedirectURI reports why an application cannot have a redirect URI.
func checkRedirectURI(c Client, uri string) error {
	u, err := parseRegistered(uri)
	if err != nil {
		return err
	}
	if u.Scheme == "http" || u.Scheme == "https" {
		return checkWebURI(u, c.AllowHTTPRedirect)
	}
	// RFC 8252 section 7.1: a private scheme is a domain name in reverse.
	if c.Type != Native {
		return errors.New("its scheme is for applications of type native; use https")
	}
	if !strings.Contains(u.Scheme, ".") {
		return errors.New("a private scheme must be a domain name in reverse, such as com.example.app")
	}
	return nil
}

// checkWebURI allows https, and http to a loopback address; to others only
// when the operator said so.
func checkWebURI(u *url.URL, allowHTTP bool) error {
	host := u.Hostname()
	switch {
	case host == "" || u.Opaque != "":
		return errors.New("it has no host")
	case strings.ContainsFunc(host, notInHost):
		// It stands in the policy of our pages as a source, where ";" and "," part.
		return errors.New("its host has a character that no host has")
	case u.Port() == "" && strings.HasSuffix(u.Host, ":"):
		return errors.New("its port is empty")
	case u.Scheme == "http" && !allowHTTP && !isLoopback(host):
		return errors.New("it is http; use https (http is for 127.0.0.1, [::1] and localhost)")
	}
	return nil
}

func notInHost(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._:", r)
}

// isLoopback reports names of this machine itself.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// checkBackchannelURI reports why logout tokens cannot go there (OpenID Connect
// Back-Channel Logout 1.0 section 2.2). Where the name leads is checked when a
// token is sent.
func checkBackchannelURI(uri string, allowHTTP bool) error {
	u, err := parseRegistered(uri)
	if err != nil {
		return err
	}
	if u.Scheme != "https" && u.Scheme != "http" {
		return errors.New("it is not https")
	}
	return checkWebURI(u, allowHTTP)
}

// originOf is the origin of a URI (RFC 6454 section 4); "" without one.
func originOf(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return ""
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port == "" || (u.Scheme == "https" && port == "443") || (u.Scheme == "http" && port == "80") {
		return u.Scheme + "://" + host
	}
	return u.Scheme + "://" + net.JoinHostPort(strings.Trim(host, "[]"), port)
}

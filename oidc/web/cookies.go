package web

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-id/sallyport/authn"
)

// Names of the cookies. With an https issuer each has the prefix __Host-, which
// browsers take only for Secure cookies of exactly this host with Path=/
// (security.md section 4).
const (
	hostPrefix    = "__Host-"
	sessionCookie = "sp_session"
	browserCookie = "sp_browser"
	knownCookie   = "sp_known"
	deviceCookie  = "sp_device"
)

// Bounds of what is read from a cookie; what is beyond them is not there.
const (
	maxSessions     = 5
	maxKnown        = 20
	maxSecretLength = 256
)

// deviceSeparator stands between the parts of the cookie of remembered browsers,
// in which a dot has another meaning.
const deviceSeparator = "~"

// knownLife is how long a browser stays known to accounts that logged in there.
// Browsers keep no cookie longer than 400 days.
const knownLife = 365 * 24 * time.Hour

// browserSecretBytes is the entropy of the secret that binds transactions.
const browserSecretBytes = 32

// jar reads and writes cookies.
type jar struct {
	// secure is false only for an http issuer on a loopback address.
	secure bool
}

func (j jar) name(bare string) string {
	if j.secure {
		return hostPrefix + bare
	}
	return bare
}

// values returns the secrets in a cookie: distinct, in order, at most limit.
func (j jar) values(r *http.Request, bare string, limit int) []string {
	c, err := r.Cookie(j.name(bare))
	if err != nil {
		return nil
	}
	var out []string
	for part := range strings.SplitSeq(c.Value, ".") {
		if len(out) == limit {
			break
		}
		if plainSecret(part) && !slices.Contains(out, part) {
			out = append(out, part)
		}
	}
	return out
}

// plainSecret reports whether text could be one of our secrets.
func plainSecret(text string) bool {
	if text == "" || len(text) > maxSecretLength {
		return false
	}
	for _, c := range []byte(text) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '=':
		default:
			return false
		}
	}
	return true
}

// read puts what the cookies hold into v.
func (j jar) read(r *http.Request, v *authn.Visitor) {
	v.Sessions = j.values(r, sessionCookie, maxSessions)
	v.Known = j.values(r, knownCookie, maxKnown)
	v.Devices = j.devices(r)
	if browser := j.values(r, browserCookie, 1); len(browser) == 1 {
		v.Browser = browser[0]
	}
}

// grant writes what a step hands to the browser.
func (j jar) grant(w http.ResponseWriter, g authn.Grants) {
	if g.Sessions != nil {
		j.set(w, sessionCookie, strings.Join(g.Sessions[:min(len(g.Sessions), maxSessions)], "."), 0)
	}
	if g.Known != nil {
		j.set(w, knownCookie, strings.Join(g.Known[:min(len(g.Known), maxKnown)], "."), knownLife)
	}
	if g.Devices != nil {
		// The server knows when each ends; the cookie may outlive them.
		j.set(w, deviceCookie, strings.Join(g.Devices[:min(len(g.Devices), authn.MostDevices)], deviceSeparator), knownLife)
	}
}

// set writes a cookie that ends with the browser, or after life when that is
// not zero. An empty value removes it.
func (j jar) set(w http.ResponseWriter, bare, value string, life time.Duration) {
	c := &http.Cookie{ //nolint:gosec // not Secure only on a loopback address in the clear
		Name: j.name(bare), Value: value, Path: "/", HttpOnly: true, Secure: j.secure,
		SameSite: http.SameSiteLaxMode, MaxAge: int(life / time.Second),
	}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// devices returns what a browser is remembered by: "id.secret", one per user.
func (j jar) devices(r *http.Request) []string {
	c, err := r.Cookie(j.name(deviceCookie))
	if err != nil {
		return nil
	}
	var out []string
	for part := range strings.SplitSeq(c.Value, deviceSeparator) {
		id, secret, ok := strings.Cut(part, ".")
		if ok && plainSecret(id) && plainSecret(secret) && !slices.Contains(out, part) && len(out) < authn.MostDevices {
			out = append(out, part)
		}
	}
	return out
}

// newBrowser makes the secret of a browser.
func newBrowser() string {
	b := make([]byte, browserSecretBytes)
	_, _ = rand.Read(b) // never fails, says crypto/rand
	return base64.RawURLEncoding.EncodeToString(b)
}

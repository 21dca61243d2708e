package delivery

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Credential is a password or token of a provider. It prints, logs and
// marshals as "[redacted]"; Reveal returns the text.
type Credential string

// Reveal returns the credential itself.
func (c Credential) Reveal() string { return string(c) }

// Format implements fmt.Formatter, for every verb.
func (c Credential) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue implements slog.LogValuer.
func (c Credential) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler, which JSON uses too.
func (c Credential) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// TLSMode is how a connection to a mail gateway is protected.
type TLSMode string

// The modes. There is none that tries TLS and goes on without it: whoever
// stands between could strip it (RFC 3207 section 6).
const (
	StartTLS    TLSMode = "starttls" // demanded (RFC 3207)
	ImplicitTLS TLSMode = "implicit" // from the first byte (RFC 8314 section 3.3)
	NoTLS       TLSMode = "off"
)

// Ports where the URL names none.
const (
	portSubmission  = 587
	portSubmissions = 465
	portSMTP        = 25
)

// SMTPConfig is a mail gateway.
type SMTPConfig struct {
	Host     string
	Port     int
	TLS      TLSMode
	User     string
	Password Credential
	// From is the sender's mailbox, FromName the name shown beside it.
	From, FromName string
	// Helo is the name given in EHLO; empty: this machine's.
	Helo string
	// Roots verifies the gateway's certificate; nil: the system's.
	Roots *x509.CertPool
	DKIM  *DKIMConfig // nil: mail is not signed here
	// MaxIdle bounds the connections kept open for the next mail, IdleTimeout
	// how long; 0 means 32 and 30 seconds.
	MaxIdle     int
	IdleTimeout time.Duration
}

// ParseSMTPURL reads smtp://user:password@host:587?tls=starttls|implicit|off.
// smtps:// is implicit TLS. Left out: starttls, and port 587 (465 implicit, 25
// off). Its errors never show the URL, which holds a password.
func ParseSMTPURL(text string) (SMTPConfig, error) {
	u, err := url.Parse(text)
	if err != nil {
		return SMTPConfig{}, errors.New("not a URL such as smtp://user:password@host:587?tls=starttls (is a character of the password not percent-encoded?)")
	}
	c := SMTPConfig{Host: u.Hostname(), TLS: StartTLS}
	switch u.Scheme {
	case "smtp":
	case "smtps":
		c.TLS = ImplicitTLS
	default:
		return SMTPConfig{}, errors.New("the URL must begin with smtp:// or smtps://")
	}
	if u.User != nil {
		password, _ := u.User.Password()
		c.User, c.Password = u.User.Username(), Credential(password)
	}
	if c.Port, err = portOf(u.Port()); err != nil {
		return SMTPConfig{}, err
	}
	if err := c.options(u); err != nil {
		return SMTPConfig{}, err
	}
	if c.Port == 0 {
		c.Port = map[TLSMode]int{StartTLS: portSubmission, ImplicitTLS: portSubmissions, NoTLS: portSMTP}[c.TLS]
	}
	return c, c.checkServer()
}

func portOf(text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 65535 {
		return 0, errors.New("the port must be a number from 1 to 65535")
	}
	return n, nil
}

// options reads the query: tls and nothing else.
func (c *SMTPConfig) options(u *url.URL) error {
	if u.Path != "" && u.Path != "/" || u.Fragment != "" || u.Opaque != "" {
		return errors.New("the URL must have neither path nor fragment (percent-encode / and # in the password)")
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return errors.New("the query must be tls=starttls, tls=implicit or tls=off")
	}
	for name, values := range query {
		mode := TLSMode(values[0])
		if name != "tls" || len(values) != 1 || !slices.Contains([]TLSMode{StartTLS, ImplicitTLS, NoTLS}, mode) {
			return errors.New("the query must be tls=starttls, tls=implicit or tls=off")
		}
		if u.Scheme == "smtps" && mode != ImplicitTLS {
			return errors.New("smtps:// is implicit TLS: leave tls out or use smtp://")
		}
		c.TLS = mode
	}
	return nil
}

// checkServer checks what a URL says.
func (c *SMTPConfig) checkServer() error {
	switch {
	case c.Host == "" || strings.ContainsAny(c.Host, "\r\n\x00 "):
		return errors.New("the URL names no host")
	case (c.User == "") != (c.Password == ""):
		return errors.New("user and password must be given together")
	case strings.ContainsAny(c.User+c.Password.Reveal(), "\r\n\x00"):
		return errors.New("user and password must not contain line breaks")
	case c.TLS == NoTLS && c.User != "" && !slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, c.Host):
		return errors.New("tls=off would send the password in clear: use starttls or implicit")
	}
	return nil
}

func (c *SMTPConfig) validate() error {
	if c.MaxIdle <= 0 {
		c.MaxIdle = 32
	}
	if c.IdleTimeout <= 0 {
		c.IdleTimeout = 30 * time.Second
	}
	if c.Port == 0 {
		return errors.New("the gateway has no port")
	}
	from, err := ParseEmail(c.From)
	if err != nil {
		return errors.New("the sender's address is not a valid e-mail address")
	}
	c.From = from
	if strings.ContainsFunc(c.FromName, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return errors.New("the sender's name must be one line of text")
	}
	return c.checkServer()
}

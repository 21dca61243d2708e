package delivery_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"
	"github.com/emersion/go-smtp"

	"github.com/sallyport-id/sallyport/validation/delivery"
)

const code = delivery.Code("90817263")

func noon() time.Time { return time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC) }

// smtpTo is the configuration for a gateway of this process.
func smtpTo(s *mailServer, mode delivery.TLSMode) *delivery.SMTPConfig {
	return &delivery.SMTPConfig{
		Host: "127.0.0.1", Port: s.port, TLS: mode, From: "codes@sallyport.example", FromName: "Sallyport, the gate", Roots: s.roots,
	}
}

// mailer makes providers with one mail gateway.
func mailer(t *testing.T, c *delivery.SMTPConfig) *delivery.Provider {
	t.Helper()
	p, err := delivery.New(delivery.Config{
		Service: "Sainte Anne", Now: noon,
		Providers: []delivery.ProviderConfig{{Name: delivery.SMTPGateway, Channel: delivery.Email, SMTP: c}},
	})
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	provider, err := p.Default(delivery.Email)
	if err != nil {
		t.Fatal(err)
	}
	return provider
}

func mailMessage() delivery.Message {
	return delivery.Message{
		To: "dr.veil@sainteanne.com", Code: code, Language: "de-AT", Purpose: delivery.Enrolment, Validity: 10 * time.Minute,
	}
}

func mustSend(t *testing.T, p *delivery.Provider, m delivery.Message) delivery.Receipt {
	t.Helper()
	r, err := p.Send(t.Context(), m)
	if err != nil {
		t.Fatalf("Send: %v", err)
	}
	return r
}

func TestMailOverEachProtection(t *testing.T) {
	t.Parallel()
	for _, mode := range []delivery.TLSMode{delivery.StartTLS, delivery.ImplicitTLS, delivery.NoTLS} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			s := gateway(t, mode, nil)
			r := mustSend(t, mailer(t, smtpTo(s, mode)), mailMessage())
			mails := s.all()
			if len(mails) != 1 || mails[0].from != "codes@sallyport.example" || mails[0].to != "dr.veil@sainteanne.com" {
				t.Fatalf("the gateway took %d mails: %+v", len(mails), mails)
			}
			if want := mode == delivery.StartTLS; mode != delivery.ImplicitTLS && mails[0].secure != want {
				t.Errorf("over TLS: %v, want %v", mails[0].secure, want)
			}
			if r.Provider != delivery.SMTPGateway || r.Channel != delivery.Email || !r.At.Equal(noon()) || r.ID == "" || !strings.Contains(r.Reply, "OK") {
				t.Errorf("receipt = %+v", r)
			}
		})
	}
}

// TLS is demanded: a gateway that does not offer it gets nothing, nor does one
// whose certificate is not trusted.
func TestMailWithoutTrustedTLSIsNotSent(t *testing.T) {
	t.Parallel()
	plain := gateway(t, delivery.NoTLS, nil)
	strange := gateway(t, delivery.StartTLS, nil)
	untrusted := smtpTo(strange, delivery.StartTLS)
	untrusted.Roots = x509.NewCertPool()
	strangeImplicit := gateway(t, delivery.ImplicitTLS, nil)
	untrustedImplicit := smtpTo(strangeImplicit, delivery.ImplicitTLS)
	untrustedImplicit.Roots = x509.NewCertPool()
	otherName := smtpTo(strange, delivery.StartTLS)
	otherName.Host = "127.0.0.2"
	for name, c := range map[string]*delivery.SMTPConfig{
		"no STARTTLS offered": smtpTo(plain, delivery.StartTLS), "implicit TLS to a plain gateway": smtpTo(plain, delivery.ImplicitTLS),
		"untrusted certificate": untrusted, "untrusted certificate, implicit": untrustedImplicit, "certificate of another host": otherName,
	} {
		m := mailMessage()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		_, err := mailer(t, c).Send(ctx, m)
		cancel()
		if !errors.Is(err, delivery.ErrUnavailable) {
			t.Errorf("%s: Send = %v, want ErrUnavailable", name, err)
		}
	}
	for _, s := range []*mailServer{plain, strange, strangeImplicit} {
		if n := len(s.all()); n != 0 {
			t.Errorf("a gateway took %d mails", n)
		}
	}
}

func TestMailAuthentication(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		mode       delivery.TLSMode
		mechanisms []string
		password   delivery.Credential
		want       string // user as the gateway knows it; "" is refused
	}{
		{"PLAIN over STARTTLS", delivery.StartTLS, []string{"PLAIN", "LOGIN"}, "p@ss:word", "PLAIN sally"},
		{"LOGIN alone", delivery.StartTLS, []string{"LOGIN"}, "p@ss:word", "LOGIN sally"},
		{"PLAIN over implicit TLS", delivery.ImplicitTLS, []string{"PLAIN"}, "p@ss:word", "PLAIN sally"},
		{"wrong password", delivery.StartTLS, []string{"PLAIN"}, "secret-wrong", ""},
		{"no mechanism of ours", delivery.StartTLS, []string{"GSSAPI"}, "p@ss:word", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := gateway(t, c.mode, func(s *mailServer) { s.mechanisms = c.mechanisms })
			if c.mode == delivery.ImplicitTLS {
				s.smtp.AllowInsecureAuth = true
			}
			cfg := smtpTo(s, c.mode)
			cfg.User, cfg.Password = "sally", c.password
			_, err := mailer(t, cfg).Send(t.Context(), mailMessage())
			if c.want == "" {
				if !errors.Is(err, delivery.ErrUnavailable) || strings.Contains(err.Error(), c.password.Reveal()) {
					t.Errorf("Send = %v, want ErrUnavailable without the password", err)
				}
				return
			}
			if err != nil || len(s.all()) != 1 || s.all()[0].user != c.want {
				t.Errorf("Send = %v, mails %+v, want user %q", err, s.all(), c.want)
			}
		})
	}
}

// What the gateway says decides what the person is told.
func TestMailReplies(t *testing.T) {
	t.Parallel()
	reply := func(code, a, b, c int, text string) error {
		return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{a, b, c}, Message: text}
	}
	for _, c := range []struct {
		name string
		edit func(*mailServer)
		want error
	}{
		{"no such mailbox", func(s *mailServer) { s.rcptErr = reply(550, 5, 1, 1, "<dr.veil@sainteanne.com> unknown") }, delivery.ErrRefused},
		{"mailbox moved", func(s *mailServer) { s.rcptErr = reply(551, 5, 1, 6, "moved") }, delivery.ErrRefused},
		{"mailbox disabled", func(s *mailServer) { s.rcptErr = reply(550, 5, 2, 1, "disabled") }, delivery.ErrRefused},
		{"no enhanced code", func(s *mailServer) {
			s.rcptErr = &smtp.SMTPError{Code: 550, EnhancedCode: smtp.NoEnhancedCode, Message: "no"}
		}, delivery.ErrRefused},
		{"relay denied is about us", func(s *mailServer) { s.rcptErr = reply(550, 5, 7, 1, "relaying denied") }, delivery.ErrUnavailable},
		{"greylisted", func(s *mailServer) { s.rcptErr = reply(450, 4, 7, 1, "try later") }, delivery.ErrUnavailable},
		{"mailbox full for now", func(s *mailServer) { s.rcptErr = reply(452, 4, 2, 2, "full") }, delivery.ErrUnavailable},
		{"sender refused", func(s *mailServer) { s.mailErr = reply(553, 5, 1, 8, "sender") }, delivery.ErrUnavailable},
		{"shutting down", func(s *mailServer) { s.mailErr = reply(421, 4, 3, 2, "bye") }, delivery.ErrUnavailable},
		{"content refused", func(s *mailServer) { s.dataErr = reply(554, 5, 7, 1, "spam, code 90817263 to dr.veil@sainteanne.com") }, delivery.ErrUnavailable},
		{"mailbox refused at the end", func(s *mailServer) { s.dataErr = reply(550, 5, 1, 1, "unknown") }, delivery.ErrRefused},
		{"no room", func(s *mailServer) { s.dataErr = reply(452, 4, 3, 1, "disk full") }, delivery.ErrUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := gateway(t, delivery.StartTLS, c.edit)
			_, err := mailer(t, smtpTo(s, delivery.StartTLS)).Send(t.Context(), mailMessage())
			if !errors.Is(err, c.want) {
				t.Fatalf("Send = %v, want %v", err, c.want)
			}
			for _, other := range []error{delivery.ErrRefused, delivery.ErrUnavailable, delivery.ErrUnknown} {
				if !errors.Is(c.want, other) && errors.Is(err, other) {
					t.Errorf("the error is %v too", other)
				}
			}
			if strings.Contains(err.Error(), "dr.veil@") || strings.Contains(err.Error(), code.Reveal()) {
				t.Errorf("the error shows the destination or the code: %v", err)
			}
		})
	}
}

// A gateway that takes the mail and says nothing may have it.
func TestSlowGateway(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := gateway(t, delivery.StartTLS, func(s *mailServer) { s.hang, s.arrived = hang, cancel })
	p := mailer(t, smtpTo(s, delivery.StartTLS))
	_, err := p.Send(ctx, mailMessage())
	if !errors.Is(err, delivery.ErrUnknown) {
		t.Errorf("silence after the mail: %v, want ErrUnknown", err)
	}
	close(hang)

	// One that does not even greet has nothing.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	silent := smtpTo(s, delivery.StartTLS)
	silent.Port = l.Addr().(*net.TCPAddr).Port
	ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := mailer(t, silent).Send(ctx, mailMessage()); !errors.Is(err, delivery.ErrUnavailable) {
		t.Errorf("silence before the mail: %v, want ErrUnavailable", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the send took %s beyond its context", took)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := mailer(t, silent).Send(t.Context(), mailMessage()); !errors.Is(err, delivery.ErrUnavailable) {
		t.Errorf("nobody listens: %v, want ErrUnavailable", err)
	}
}

func TestConnectionsAreReused(t *testing.T) {
	t.Parallel()
	s := gateway(t, delivery.StartTLS, nil)
	p := mailer(t, smtpTo(s, delivery.StartTLS))
	for range 5 {
		mustSend(t, p, mailMessage())
	}
	if n := s.connections(); n != 1 {
		t.Errorf("5 mails took %d connections, want 1", n)
	}
	var work sync.WaitGroup
	for range 12 {
		work.Go(func() {
			if _, err := p.Send(t.Context(), mailMessage()); err != nil {
				t.Errorf("Send: %v", err)
			}
		})
	}
	work.Wait()
	if n := len(s.all()); n != 17 {
		t.Errorf("%d mails arrived, want 17", n)
	}
}

// A connection that the gateway ended meanwhile costs no mail.
func TestEndedConnectionIsReplaced(t *testing.T) {
	t.Parallel()
	s := gateway(t, delivery.NoTLS, func(s *mailServer) { s.endAfter = true })
	p := mailer(t, smtpTo(s, delivery.NoTLS))
	for range 3 {
		mustSend(t, p, mailMessage())
	}
	if mails, conns := len(s.all()), s.connections(); mails != 3 || conns != 3 {
		t.Errorf("%d mails over %d connections, want 3 over 3", mails, conns)
	}
}

func TestRefusalKeepsTheConnection(t *testing.T) {
	t.Parallel()
	s := gateway(t, delivery.StartTLS, func(s *mailServer) {
		s.rcptErr = &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no"}
	})
	p := mailer(t, smtpTo(s, delivery.StartTLS))
	for range 3 {
		if _, err := p.Send(t.Context(), mailMessage()); !errors.Is(err, delivery.ErrRefused) {
			t.Fatalf("Send = %v, want ErrRefused", err)
		}
	}
	if n := s.connections(); n != 1 {
		t.Errorf("3 refused mails took %d connections, want 1", n)
	}
}

// A connection that was idle too long is ended politely by its owner.
func TestIdleConnectionsAreEnded(t *testing.T) {
	t.Parallel()
	s := gateway(t, delivery.NoTLS, nil)
	cfg := smtpTo(s, delivery.NoTLS)
	cfg.IdleTimeout = 20 * time.Millisecond
	p := mailer(t, cfg)
	mustSend(t, p, mailMessage())
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for s.ended() == 0 {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("the idle connection is still open")
		}
	}
	mustSend(t, p, mailMessage())
	if n := s.connections(); n != 2 {
		t.Errorf("%d connections, want a second one", n)
	}
}

func TestSendAfterClose(t *testing.T) {
	t.Parallel()
	s := gateway(t, delivery.NoTLS, nil)
	p, err := delivery.New(delivery.Config{
		Service:   "x",
		Providers: []delivery.ProviderConfig{{Name: "m", Channel: delivery.Email, SMTP: smtpTo(s, delivery.NoTLS)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	provider, err := p.Provider("m")
	if err != nil {
		t.Fatal(err)
	}
	mustSend(t, provider, mailMessage())
	for range 2 {
		if err := p.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if _, err := provider.Send(t.Context(), mailMessage()); !errors.Is(err, delivery.ErrUnavailable) {
		t.Errorf("Send after Close = %v, want ErrUnavailable", err)
	}
}

// The mail as a program reads it: headers, both forms, the code in both.
func TestMailContent(t *testing.T) {
	t.Parallel()
	s := gateway(t, delivery.NoTLS, nil)
	r := mustSend(t, mailer(t, smtpTo(s, delivery.NoTLS)), mailMessage())
	raw := s.all()[0].raw
	m := parsed(t, raw)
	from, err := m.Header.AddressList("From")
	if err != nil || from[0].Address != "codes@sallyport.example" || from[0].Name != "Sallyport, the gate" {
		t.Errorf("From = %v, %v", from, err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil || subject != "Bestätigen Sie Ihre E-Mail-Adresse für Sainte Anne" {
		t.Errorf("Subject = %q, %v", subject, err)
	}
	if date, err := m.Header.Date(); err != nil || !date.Equal(noon()) {
		t.Errorf("Date = %v, %v", date, err)
	}
	id := m.Header.Get("Message-Id")
	if !regexp.MustCompile(`^<[a-z0-9]{20,}@sallyport\.example>$`).MatchString(id) || r.ProviderID != id {
		t.Errorf("Message-ID = %q, receipt %q", id, r.ProviderID)
	}
	for name, want := range map[string]string{
		"Auto-Submitted": "auto-generated", "Content-Language": "de", "Mime-Version": "1.0", "To": "<dr.veil@sainteanne.com>", "User-Agent": "", "X-Mailer": "",
	} {
		if got := m.Header.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	media, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || media != "multipart/alternative" {
		t.Fatalf("Content-Type = %q, %v", media, err)
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	for _, want := range []string{"text/plain", "text/html"} {
		part, err := parts.NextRawPart()
		if err != nil {
			t.Fatal(err)
		}
		if got, _, _ := mime.ParseMediaType(part.Header.Get("Content-Type")); got != want {
			t.Errorf("part %q, want %q", got, want)
		}
		body, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil || !strings.Contains(string(body), code.Reveal()) || !strings.Contains(string(body), "10 Minuten") {
			t.Errorf("%s = %s, %v", want, body, err)
		}
		if strings.Contains(string(body), "http") || strings.Contains(string(body), "<script") {
			t.Errorf("%s has a link or a script", want)
		}
	}
}

// Texts of the caller: text/plain, the service's own line, the code in one pass.
func TestMailWithCallerTexts(t *testing.T) {
	t.Parallel()
	s := gateway(t, delivery.NoTLS, nil)
	m := mailMessage()
	m.Subject, m.Text, m.Code = "Bitte bestätigen: %code%", "Ihr Code: %code%\nNoch einmal: %code%", "%code%12"
	mustSend(t, mailer(t, smtpTo(s, delivery.NoTLS)), m)
	got := parsed(t, s.all()[0].raw)
	subject, err := new(mime.WordDecoder).DecodeHeader(got.Header.Get("Subject"))
	if err != nil || subject != "Bitte bestätigen: %code%12" || !strings.HasPrefix(got.Header.Get("Subject"), "=?UTF-8?q?") {
		t.Errorf("Subject = %q (%q), %v", subject, got.Header.Get("Subject"), err)
	}
	if media, _, _ := mime.ParseMediaType(got.Header.Get("Content-Type")); media != "text/plain" {
		t.Errorf("Content-Type = %q, want text/plain", media)
	}
	body, err := io.ReadAll(quotedprintable.NewReader(got.Body))
	text := strings.ReplaceAll(string(body), "\r\n", "\n")
	if want := "Ihr Code: %code%12\nNoch einmal: %code%12\n\nGesendet von Sainte Anne."; err != nil || strings.TrimSpace(text) != want {
		t.Errorf("body = %q, %v, want %q", text, err, want)
	}
}

// No header can be injected, by no part of a message.
func TestHeaderInjectionIsImpossible(t *testing.T) {
	t.Parallel()
	s := gateway(t, delivery.NoTLS, nil)
	p := mailer(t, smtpTo(s, delivery.NoTLS))
	for name, edit := range map[string]func(*delivery.Message){
		"recipient":           func(m *delivery.Message) { m.To = "a@example.com\r\nBcc: evil@example.com" },
		"quoted recipient":    func(m *delivery.Message) { m.To = "\"a\r\nBcc: evil@example.com\r\n\"@example.com" },
		"recipient, command":  func(m *delivery.Message) { m.To = "a@example.com>\r\nRCPT TO:<evil@example.com" },
		"subject":             func(m *delivery.Message) { m.Subject = "x %code%\r\nBcc: evil@example.com" },
		"subject, line feed":  func(m *delivery.Message) { m.Subject = "x %code%\nBcc: evil@example.com" },
		"subject, new body":   func(m *delivery.Message) { m.Subject = "x %code%\r\n\r\nnew body" },
		"code in the subject": func(m *delivery.Message) { m.Subject, m.Code = "%code%", "1\r\nBcc: evil@example.com" },
	} {
		m := mailMessage()
		edit(&m)
		if _, err := p.Send(t.Context(), m); err == nil {
			t.Errorf("%s: the mail was sent", name)
		}
	}
	m := mailMessage()
	m.Text = "%code%\r\n.\r\nMAIL FROM:<evil@example.com>\r\nBcc: evil@example.com"
	m.Language = "en\r\nBcc: evil@example.com"
	mustSend(t, p, m)
	mails := s.all()
	if len(mails) != 1 {
		t.Fatalf("%d mails arrived, want 1", len(mails))
	}
	if h := headers(t, mails[0].raw); h.Get("Bcc") != "" || strings.Contains(headerBlock(mails[0].raw), "evil") {
		t.Errorf("a header was injected:\n%s", mails[0].raw)
	}
}

func TestDKIM(t *testing.T) {
	t.Parallel()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "dkim.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	s := gateway(t, delivery.NoTLS, nil)
	cfg := smtpTo(s, delivery.NoTLS)
	cfg.DKIM = &delivery.DKIMConfig{Domain: "sallyport.example", Selector: "s1", KeyFile: path}
	mustSend(t, mailer(t, cfg), mailMessage())
	verify := func(raw string) error {
		found, err := dkim.VerifyWithOptions(strings.NewReader(raw), &dkim.VerifyOptions{LookupTXT: func(name string) ([]string, error) {
			if name != "s1._domainkey.sallyport.example" {
				return nil, fmt.Errorf("asked for %s", name)
			}
			return []string{"v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)}, nil
		}})
		if err != nil || len(found) != 1 {
			return fmt.Errorf("%d signatures, %w", len(found), err)
		}
		return found[0].Err
	}
	raw := s.all()[0].raw
	if err := verify(raw); err != nil {
		t.Errorf("the signature does not verify: %v\n%s", err, raw)
	}
	if err := verify(strings.Replace(raw, "Content-Language", "From: evil@example.com\r\nContent-Language", 1)); err == nil {
		t.Error("a second From passes")
	}
	for name, c := range map[string]*delivery.DKIMConfig{
		"no file": {Domain: "d", Selector: "s", KeyFile: "/nowhere"}, "no selector": {Domain: "d", KeyFile: path}, "no domain": {Selector: "s", KeyFile: path},
	} {
		bad := smtpTo(s, delivery.NoTLS)
		bad.DKIM = c
		_, err := delivery.New(delivery.Config{Service: "x", Providers: []delivery.ProviderConfig{{Name: "m", Channel: delivery.Email, SMTP: bad}}})
		if err == nil || !strings.Contains(err.Error(), "DKIM") {
			t.Errorf("%s: New = %v, want a fault of DKIM", name, err)
		}
	}
}

func TestParseSMTPURL(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]delivery.SMTPConfig{
		"smtp://user:p%40ss@mail.example.com:2525?tls=starttls": {Host: "mail.example.com", Port: 2525, TLS: delivery.StartTLS, User: "user", Password: "p@ss"},
		"smtp://mail.example.com":                               {Host: "mail.example.com", Port: 587, TLS: delivery.StartTLS},
		"smtp://mail.example.com/?tls=implicit":                 {Host: "mail.example.com", Port: 465, TLS: delivery.ImplicitTLS},
		"smtps://mail.example.com":                              {Host: "mail.example.com", Port: 465, TLS: delivery.ImplicitTLS},
		"smtp://relay?tls=off":                                  {Host: "relay", Port: 25, TLS: delivery.NoTLS},
		"smtp://u:p@[::1]:25?tls=off":                           {Host: "::1", Port: 25, TLS: delivery.NoTLS, User: "u", Password: "p"},
	} {
		if got, err := delivery.ParseSMTPURL(text); err != nil || got != want {
			t.Errorf("ParseSMTPURL(%q) = %+v, %v, want %+v", text, got, err, want)
		}
	}
	for rule, text := range map[string]string{
		"no scheme": "mail.example.com:587", "other scheme": "https://secret-pw@mail.example.com", "no host": "smtp://", "port 0": "smtp://h:0",
		"port too high": "smtp://h:65536", "port a word": "smtp://u:secret-pw@h:smtp", "unknown mode": "smtp://h?tls=maybe", "no opportunistic mode": "smtp://h?tls=",
		"mode twice": "smtp://h?tls=off&tls=starttls", "other option": "smtp://h?timeout=3", "path": "smtp://h/x", "fragment": "smtp://h#x",
		"user alone": "smtp://user@h", "password in clear": "smtp://u:secret-pw@mail.example.com?tls=off", "smtps in clear": "smtps://h?tls=off",
		"unescaped password": "smtp://u:secret-pw/#?@h", "percent": "smtp://u:secret-pw%zz@h", "line break": "smtp://u:secret-pw%0d%0a@h", "control": "smtp://h\n",
	} {
		_, err := delivery.ParseSMTPURL(text)
		if err == nil || strings.Contains(err.Error(), "secret-pw") {
			t.Errorf("%s: ParseSMTPURL(%q) = %v, want a fault without the password", rule, text, err)
		}
	}
}

func FuzzSMTPURL(f *testing.F) {
	for _, seed := range []string{"smtp://u:p@h:25?tls=off", "smtps://h", "smtp://[::1]", "smtp://h?tls=implicit&x", ":", "smtp://u:p%zz@h"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := delivery.ParseSMTPURL(text)
		if err != nil {
			return
		}
		if c.Host == "" || c.Port < 1 || c.Port > 65535 || (c.User == "") != (c.Password == "") {
			t.Errorf("ParseSMTPURL(%q) = %+v", text, c)
		}
		if c.TLS == delivery.NoTLS && c.User != "" && c.Host != "localhost" && c.Host != "127.0.0.1" && c.Host != "::1" {
			t.Errorf("ParseSMTPURL(%q) sends a password in clear", text)
		}
	})
}

package delivery_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/mail"
	"net/textproto"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/sallyport-id/sallyport/validation/delivery"
)

// received is one mail that the server took.
type received struct {
	from, to string
	raw      string
	conn     int  // number of the connection
	secure   bool // over TLS
	user     string
}

// mailServer is a mail gateway in this process.
type mailServer struct {
	port  int
	roots *x509.CertPool
	smtp  *smtp.Server

	// Behaviour, set before the first mail.
	mechanisms []string
	mailErr    error
	rcptErr    error
	dataErr    error
	hang       chan struct{} // DATA waits for it, if set
	arrived    func()        // called when a mail has come in whole
	endAfter   bool          // ends the connection after each mail

	mu      sync.Mutex
	conns   int
	logouts int
	mails   []received
}

// gateway makes a server and starts it. tlsMode "" offers no TLS at all.
func gateway(t *testing.T, tlsMode delivery.TLSMode, edit func(*mailServer)) *mailServer {
	t.Helper()
	cert, roots := certificate(t)
	s := &mailServer{roots: roots}
	if edit != nil {
		edit(s)
	}
	s.smtp = smtp.NewServer(smtp.BackendFunc(s.session))
	s.smtp.Domain, s.smtp.ErrorLog = "gateway.test", log.New(io.Discard, "", 0)
	s.smtp.AllowInsecureAuth = tlsMode == delivery.NoTLS
	var l net.Listener
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.port = l.Addr().(*net.TCPAddr).Port
	l = &countingListener{Listener: l, server: s}
	cfg := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	switch tlsMode {
	case delivery.StartTLS:
		s.smtp.TLSConfig = cfg
	case delivery.ImplicitTLS:
		l = tls.NewListener(l, cfg)
	case delivery.NoTLS:
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.smtp.Serve(l)
	}()
	t.Cleanup(func() {
		_ = s.smtp.Close()
		<-done
	})
	return s
}

// countingListener counts connections.
type countingListener struct {
	net.Listener

	server *mailServer
}

func (l *countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.server.mu.Lock()
		l.server.conns++
		l.server.mu.Unlock()
	}
	return c, err
}

// certificate makes a certificate for 127.0.0.1.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "gateway.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func (s *mailServer) all() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]received(nil), s.mails...)
}

// ended is how many sessions are over.
func (s *mailServer) ended() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logouts
}

func (s *mailServer) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns
}

func (s *mailServer) session(c *smtp.Conn) (smtp.Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &mailSession{server: s, conn: c, number: s.conns}, nil
}

type mailSession struct {
	server *mailServer
	conn   *smtp.Conn
	number int
	mail   received
	user   string
}

func (m *mailSession) Reset() { m.mail = received{} }

func (m *mailSession) Logout() error {
	m.server.mu.Lock()
	defer m.server.mu.Unlock()
	m.server.logouts++
	return nil
}

func (m *mailSession) Mail(from string, _ *smtp.MailOptions) error {
	if len(m.server.mechanisms) > 0 && m.user == "" {
		return smtp.ErrAuthRequired
	}
	m.mail.from = from
	return m.server.mailErr
}

func (m *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	m.mail.to = to
	return m.server.rcptErr
}

func (m *mailSession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if m.server.arrived != nil {
		m.server.arrived()
	}
	if m.server.hang != nil {
		<-m.server.hang
	}
	if m.server.dataErr != nil {
		return m.server.dataErr
	}
	_, m.mail.secure = m.conn.TLSConnectionState()
	m.mail.raw, m.mail.conn, m.mail.user = string(raw), m.number, m.user
	m.server.mu.Lock()
	m.server.mails = append(m.server.mails, m.mail)
	m.server.mu.Unlock()
	if m.server.endAfter {
		defer func() {
			_ = m.conn.Conn().(interface{ SetReadDeadline(time.Time) error }).SetReadDeadline(time.Unix(1, 0))
		}()
	}
	return nil
}

func (m *mailSession) AuthMechanisms() []string { return m.server.mechanisms }

func (m *mailSession) Auth(mech string) (sasl.Server, error) {
	check := func(user, password string) error {
		if user != "sally" || password != "p@ss:word" {
			return smtp.ErrAuthFailed
		}
		m.user = mech + " " + user
		return nil
	}
	if mech == "LOGIN" {
		return &loginServer{check: check}, nil
	}
	return sasl.NewPlainServer(func(_, user, password string) error { return check(user, password) }), nil
}

// loginServer is the old LOGIN mechanism.
type loginServer struct {
	check func(user, password string) error
	step  int
	user  string
}

func (l *loginServer) Next(response []byte) ([]byte, bool, error) {
	l.step++
	switch l.step {
	case 1:
		return []byte("Username:"), false, nil
	case 2:
		l.user = string(response)
		return []byte("Password:"), false, nil
	case 3:
		return nil, true, l.check(l.user, string(response))
	}
	return nil, true, errors.New("too many steps")
}

// parsed reads a mail as its recipient's program does.
func parsed(t *testing.T, raw string) *mail.Message {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(raw))
	if err != nil {
		t.Fatalf("the mail cannot be read: %v\n%s", err, raw)
	}
	return m
}

// headers returns the header block of a mail.
func headers(t *testing.T, raw string) textproto.MIMEHeader {
	t.Helper()
	return textproto.MIMEHeader(parsed(t, raw).Header)
}

// header returns the raw block before the empty line.
func headerBlock(raw string) string {
	head, _, _ := bytes.Cut([]byte(raw), []byte("\r\n\r\n"))
	return string(head)
}

package delivery

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/wneessen/go-mail"
)

// sendsPerConnection is how many mails one connection carries: gateways
// commonly end it after a hundred.
const sendsPerConnection = 50

// errClosed is returned for a send after the end.
var errClosed = errors.New("the mail gateway was closed")

// smtpPool keeps connections open for the next mail. One goroutine, which
// close waits for, ends those that were idle too long.
type smtpPool struct {
	cfg  SMTPConfig
	now  func() time.Time
	done chan struct{}
	work sync.WaitGroup

	mu     sync.Mutex
	idle   []*smtpConn // the one used last at the end
	closed bool
}

func newSMTPPool(cfg SMTPConfig) *smtpPool {
	p := &smtpPool{cfg: cfg, now: time.Now, done: make(chan struct{})} //nolint:forbidigo // the age of sockets is real time
	p.work.Go(p.reap)
	return p
}

// reap ends idle connections politely.
func (p *smtpPool) reap() {
	tick := time.NewTicker(p.cfg.IdleTimeout / 2)
	defer tick.Stop()
	for {
		select {
		case <-p.done:
			return
		case <-tick.C:
		}
		for _, c := range p.expired(p.now().Add(-p.cfg.IdleTimeout)) {
			c.quit()
		}
	}
}

func (p *smtpPool) expired(before time.Time) []*smtpConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for n < len(p.idle) && !p.idle[n].idleAt.After(before) {
		n++
	}
	out := p.idle[:n:n]
	p.idle = append([]*smtpConn(nil), p.idle[n:]...)
	return out
}

// get takes an idle connection or makes one; reused says which.
func (p *smtpPool) get(ctx context.Context) (conn *smtpConn, reused bool, err error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, false, errClosed
	}
	if n := len(p.idle); n > 0 {
		conn = p.idle[n-1]
		p.idle = p.idle[:n-1]
	}
	p.mu.Unlock()
	if conn != nil {
		return conn, true, nil
	}
	conn, err = p.dial(ctx)
	return conn, false, err
}

// put keeps a connection for the next mail, if there is room.
func (p *smtpPool) put(c *smtpConn) {
	c.idleAt = p.now()
	p.mu.Lock()
	keep := !p.closed && len(p.idle) < p.cfg.MaxIdle && c.sends < sendsPerConnection
	if keep {
		p.idle = append(p.idle, c)
	}
	p.mu.Unlock()
	if !keep {
		c.quit()
	}
}

// putBack keeps a connection whose gateway refused something in an orderly way,
// after resetting the transaction; others are ended.
func (p *smtpPool) putBack(c *smtpConn, err error) {
	code := 0
	if step, ok := errors.AsType[*stepError](err); ok {
		code, _ = step.reply()
	}
	if code == 0 || code == closing || c.client.Reset() != nil {
		c.discard()
		return
	}
	p.put(c)
}

func (p *smtpPool) close() error {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil
	}
	p.closed = true
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	close(p.done)
	p.work.Wait()
	for _, c := range idle {
		c.quit()
	}
	return nil
}

// quitTimeout bounds the farewell.
const quitTimeout = time.Second

// quit says farewell and closes.
func (c *smtpConn) quit() {
	_ = c.socket.SetDeadline(time.Now().Add(quitTimeout)) //nolint:forbidigo // deadlines of sockets are real time
	_ = c.client.Quit()
	_ = c.socket.Close()
}

// dial connects, protects the connection as configured and logs in.
func (p *smtpPool) dial(ctx context.Context) (*smtpConn, error) {
	conn := &smtpConn{}
	limit := sendTimeout
	if end, ok := ctx.Deadline(); ok {
		limit = max(min(limit, time.Until(end)), time.Millisecond)
	}
	client, err := p.client(conn, limit)
	if err != nil {
		return nil, fmt.Errorf("prepare connection: %w", err)
	}
	// A cancelled ctx ends the greeting, which knows only deadlines.
	unhook := context.AfterFunc(ctx, conn.interrupt)
	defer unhook()
	conn.client, err = client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		conn.abandon()
		return nil, fmt.Errorf("connect to mail gateway: %w", err)
	}
	return conn, nil
}

// client prepares a mail client whose socket becomes conn's. Each of its steps
// may take until limit from its begin; the end of ctx cuts them all.
func (p *smtpPool) client(conn *smtpConn, limit time.Duration) (*mail.Client, error) {
	cfg := p.cfg
	tlsConfig := &tls.Config{ServerName: cfg.Host, MinVersion: tls.VersionTLS12, RootCAs: cfg.Roots}
	options := []mail.Option{
		mail.WithPort(cfg.Port), mail.WithTimeout(limit), mail.WithTLSConfig(tlsConfig), mail.WithoutSMTPUTF8(),
		mail.WithDialContextFunc(func(ctx context.Context, network, _ string) (net.Conn, error) {
			return conn.open(ctx, network, net.JoinHostPort(cfg.Host, strconv.Itoa(cfg.Port)), cfg.TLS, tlsConfig)
		}),
	}
	switch cfg.TLS {
	case StartTLS:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	case ImplicitTLS:
		options = append(options, mail.WithSSL(), mail.WithTLSPolicy(mail.NoTLS))
	default:
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	}
	if cfg.Helo != "" {
		options = append(options, mail.WithHELO(cfg.Helo))
	}
	if cfg.User != "" {
		options = append(options, mail.WithUsername(cfg.User), mail.WithPassword(cfg.Password.Reveal()),
			mail.WithOpportunisticSMTPAuth(mail.SMTPAuthPlain, mail.SMTPAuthLogin))
	}
	return mail.NewClient(cfg.Host, options...)
}

// open makes the socket, and with implicit TLS the handshake on it.
func (c *smtpConn) open(ctx context.Context, network, address string, mode TLSMode, cfg *tls.Config) (net.Conn, error) {
	var dialer net.Dialer
	socket, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.socket = socket
	c.mu.Unlock()
	if mode != ImplicitTLS {
		return socket, nil
	}
	secure := tls.Client(socket, cfg)
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	return secure, nil
}

// interrupt ends whatever waits on the socket.
func (c *smtpConn) interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.socket != nil {
		_ = c.socket.SetDeadline(longAgo())
	}
}

// abandon closes the socket of a connection that came to nothing.
func (c *smtpConn) abandon() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.socket != nil {
		_ = c.socket.Close()
	}
}

package delivery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

// maxReply bounds how much of a gateway's answer is kept for operators.
const maxReply = 300

// smtpGateway hands mail to an SMTP server over connections that it reuses.
type smtpGateway struct {
	cfg  SMTPConfig
	name string
	now  func() time.Time
	sign signer
	pool *smtpPool
}

func newSMTP(cfg SMTPConfig, name string, now func() time.Time) (*smtpGateway, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	sign, err := newSigner(cfg.DKIM)
	if err != nil {
		return nil, err
	}
	return &smtpGateway{cfg: cfg, name: name, now: now, sign: sign, pool: newSMTPPool(cfg)}, nil
}

func (g *smtpGateway) close() error { return g.pool.close() }

// deliver builds the message and hands it over. A connection from the pool may
// have died meanwhile: then, and only before the gateway has taken anything, a
// new one is tried.
func (g *smtpGateway) deliver(ctx context.Context, m Message, c content) (Receipt, error) {
	raw, messageID, err := g.compose(m, c)
	if err != nil {
		return Receipt{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	for {
		conn, reused, err := g.pool.get(ctx)
		if err != nil {
			return Receipt{}, fmt.Errorf("%w: %w", ErrUnavailable, scrubError(err, m))
		}
		reply, err := conn.hand(ctx, g.cfg.From, m.To, raw)
		if err == nil {
			g.pool.put(conn)
			return Receipt{ProviderID: messageID, Reply: scrub(reply, m)}, nil
		}
		if step, ok := errors.AsType[*stepError](err); ok && reused && step.dead() && ctx.Err() == nil {
			conn.discard()
			continue
		}
		g.pool.putBack(conn, err)
		return Receipt{}, classify(err, m)
	}
}

// The steps of a mail transaction (RFC 5321 section 3.3).
type mailStep string

const (
	stepMail    mailStep = "MAIL FROM"
	stepRcpt    mailStep = "RCPT TO"
	stepData    mailStep = "DATA"
	stepMessage mailStep = "message"
)

// stepError is what went wrong in a mail transaction, and where.
type stepError struct {
	step mailStep
	err  error
}

// Error implements error.
func (e *stepError) Error() string { return string(e.step) + ": " + e.err.Error() }

// Unwrap returns the cause.
func (e *stepError) Unwrap() error { return e.err }

// reply is the code and the text with which the gateway refused; 0 if it did
// not answer.
func (e *stepError) reply() (code int, text string) {
	if reply, ok := errors.AsType[*textproto.Error](e.err); ok {
		return reply.Code, reply.Msg
	}
	return 0, ""
}

// dead says whether the connection had ended before the transaction began: no
// answer, or the farewell of RFC 5321 section 3.8.
func (e *stepError) dead() bool {
	code, _ := e.reply()
	return e.step == stepMail && (code == 0 || code == closing)
}

// closing is the reply of a gateway that ends the connection.
const closing = 421

// classify maps a fault to the three that a caller tells apart. A final 5xx
// answer to the recipient condemns the destination, unless its enhanced code
// (RFC 3463) speaks of policy, security or the system: then it is about us. A
// gateway that falls silent after the end of the message may have it.
func classify(err error, m Message) error {
	kind := ErrUnavailable
	if step, ok := errors.AsType[*stepError](err); ok {
		code, text := step.reply()
		switch {
		case step.step == stepMessage && code == 0:
			kind = ErrUnknown
		case step.step == stepRcpt && code >= 500 && aboutMailbox(code, text),
			step.step == stepMessage && code >= 500 && strings.HasPrefix(text, "5.1."):
			kind = ErrRefused
		}
	}
	return fmt.Errorf("%w: %w", kind, scrubError(err, m))
}

// aboutMailbox says whether a 5xx answer to RCPT condemns the mailbox. Classes
// X.1 and X.2 of the enhanced codes are about addresses and mailboxes; without
// one, 550, 551 and 553 are (RFC 5321 section 4.2.3). X.7 is policy, such as a
// relay that does not know us.
func aboutMailbox(code int, text string) bool {
	if subject, ok := permanentSubject(text); ok {
		return subject == "1" || subject == "2"
	}
	return code == 550 || code == 551 || code == 553
}

// permanentSubject reads the subject of an enhanced code of class 5.
func permanentSubject(text string) (string, bool) {
	word, _, _ := strings.Cut(text, " ")
	parts := strings.Split(word, ".")
	if len(parts) != 3 || parts[0] != "5" {
		return "", false
	}
	for _, p := range parts {
		if p == "" || strings.Trim(p, "0123456789") != "" {
			return "", false
		}
	}
	return parts[1], true
}

// scrub keeps the destination and the code out of what is logged and shown.
func scrub(text string, m Message) string {
	text = strings.ReplaceAll(text, m.To, Mask(m.Channel, m.To))
	if m.Code != "" {
		text = strings.ReplaceAll(text, m.Code.Reveal(), redacted)
	}
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\ufffd' {
			return ' '
		}
		return r
	}, text)
	if len(text) > maxReply {
		text = strings.ToValidUTF8(text[:maxReply], "") + "…"
	}
	return text
}

// scrubbed is an error whose text names neither destination nor code.
type scrubbed struct {
	text string
	err  error
}

// Error implements error.
func (e *scrubbed) Error() string { return e.text }

// Is finds a sentinel without opening the text of the cause to printing.
func (e *scrubbed) Is(target error) bool { return errors.Is(e.err, target) }

func scrubError(err error, m Message) error { return &scrubbed{text: scrub(err.Error(), m), err: err} }

// smtpConn is one connection with its socket, whose deadline bounds each send.
type smtpConn struct {
	client *smtp.Client
	mu     sync.Mutex // guards socket while the connection is made
	socket net.Conn
	idleAt time.Time // when it was put into the pool
	sends  int
}

// hand runs one mail transaction.
func (c *smtpConn) hand(ctx context.Context, from, to string, raw []byte) (string, error) {
	stop := c.bound(ctx)
	defer stop()
	c.sends++
	if err := c.client.Mail("<" + from + ">"); err != nil {
		return "", &stepError{stepMail, err}
	}
	if err := c.client.Rcpt("<" + to + ">"); err != nil {
		return "", &stepError{stepRcpt, err}
	}
	w, err := c.client.Data()
	if err != nil {
		return "", &stepError{stepData, err}
	}
	if _, err := w.Write(raw); err != nil {
		// The final dot was not sent: the gateway must throw away what it has.
		return "", &stepError{stepData, err}
	}
	if err := w.Close(); err != nil {
		return "", &stepError{stepMessage, err}
	}
	if answer, ok := w.(interface{ ServerResponse() string }); ok {
		return answer.ServerResponse(), nil
	}
	return "", nil
}

// bound makes the socket obey ctx: its deadline, and its end.
func (c *smtpConn) bound(ctx context.Context) (stop func()) {
	if end, ok := ctx.Deadline(); ok {
		_ = c.socket.SetDeadline(end)
	}
	unhook := context.AfterFunc(ctx, func() { _ = c.socket.SetDeadline(longAgo()) })
	return func() { unhook() }
}

// longAgo is a deadline that has passed by any clock.
func longAgo() time.Time { return time.Unix(1, 0) }

func (c *smtpConn) discard() { _ = c.socket.Close() }

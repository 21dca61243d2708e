package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
)

// sink is an SMTP server (RFC 5321) that takes every mail and keeps nothing of
// it but the codes that the preparation asks for. It is lean because its time
// comes from the cores that the servers run on.
type sink struct {
	listener net.Listener
	codes    sync.Map // destination to code, both strings
	served   sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]bool
	closed bool
}

// codeSubject begins the subject of mails whose code the sink keeps.
const codeSubject = "Bench "

func newSink(ctx context.Context) (*sink, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	k := &sink{listener: l, conns: map[net.Conn]bool{}}
	k.served.Go(k.accept)
	return k, nil
}

func (k *sink) address() string { return k.listener.Addr().String() }

// take returns the code that was sent to an address and forgets it; "" if
// there was none.
func (k *sink) take(destination string) string {
	v, _ := k.codes.LoadAndDelete(destination)
	code, _ := v.(string)
	return code
}

func (k *sink) accept() {
	for {
		c, err := k.listener.Accept()
		if err != nil {
			return // close has ended it
		}
		if !k.add(c) {
			_ = c.Close()
			return
		}
		k.served.Go(func() {
			k.talk(c)
			k.mu.Lock()
			delete(k.conns, c)
			k.mu.Unlock()
			_ = c.Close()
		})
	}
}

func (k *sink) add(c net.Conn) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.closed {
		k.conns[c] = true
	}
	return !k.closed
}

// close ends the listener and every conversation, and waits for them.
func (k *sink) close() error {
	k.mu.Lock()
	k.closed = true
	for c := range k.conns {
		_ = c.Close()
	}
	k.mu.Unlock()
	err := k.listener.Close()
	k.served.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// talk holds one conversation until the client ends it.
func (k *sink) talk(c net.Conn) {
	r := bufio.NewReaderSize(c, 16<<10)
	to, reply := "", "220 sink ready\r\n"
	for {
		if _, err := io.WriteString(c, reply); err != nil {
			return
		}
		line, err := r.ReadSlice('\n')
		if err != nil {
			return
		}
		switch verb := bytes.ToUpper(line[:min(4, len(line))]); string(verb) {
		case "EHLO":
			reply = "250-sink\r\n250 8BITMIME\r\n"
		case "RCPT":
			to = addressed(line)
			reply = "250 2.1.5 ok\r\n"
		case "DATA":
			if _, err := io.WriteString(c, "354 go on\r\n"); err != nil || k.message(r, to) != nil {
				return
			}
			reply = "250 2.0.0 taken\r\n"
		case "QUIT":
			_, _ = io.WriteString(c, "221 2.0.0 bye\r\n")
			return
		case "HELO", "MAIL", "RSET", "NOOP":
			reply = "250 2.0.0 ok\r\n"
		default:
			reply = "502 5.5.1 not here\r\n"
		}
	}
}

// message reads to the line with a lone dot.
func (k *sink) message(r *bufio.Reader, to string) error {
	for header := true; ; {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 1 && line[0] == '.' {
			return nil
		}
		header = header && len(line) > 0
		if code, ok := bytes.CutPrefix(line, []byte("Subject: "+codeSubject)); header && ok {
			k.codes.Store(to, string(bytes.TrimSpace(code)))
		}
	}
}

// addressed is the address between the angle brackets of RCPT TO.
func addressed(line []byte) string {
	_, after, _ := bytes.Cut(line, []byte{'<'})
	address, _, _ := bytes.Cut(after, []byte{'>'})
	return string(address)
}

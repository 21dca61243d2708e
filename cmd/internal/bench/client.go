package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// dialTimeout bounds the start of a connection, answerTimeout one answer.
const (
	dialTimeout   = 5 * time.Second
	answerTimeout = 60 * time.Second
)

// conn is one keep-alive connection that speaks as much HTTP/1.1 as the
// servers measured here. It is lean because the load generator takes its time
// from the cores that the servers run on.
type conn struct {
	c    net.Conn
	r    *bufio.Reader
	size int // of the body of the last answer
	// keep keeps the header lines of the last answer that browsers act on:
	// Location and Set-Cookie.
	keep bool
	kept []byte
}

func dial(ctx context.Context, address string) (*conn, error) {
	d := net.Dialer{Timeout: dialTimeout}
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return newConn(c), nil
}

func newConn(c net.Conn) *conn { return &conn{c: c, r: bufio.NewReaderSize(c, 32<<10)} }

func (c *conn) close() error { return c.c.Close() }

// do sends a request and reads the answer; the body goes to body unless it is
// nil.
func (c *conn) do(request []byte, body *bytes.Buffer) (status int, err error) {
	if _, err := c.c.Write(request); err != nil {
		return 0, err
	}
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if len(line) < len("HTTP/1.1 200") || !bytes.HasPrefix(line, []byte("HTTP/1.")) {
		return 0, fmt.Errorf("not an HTTP answer: %.40q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, fmt.Errorf("not an HTTP status: %.40q", line)
	}
	c.size, c.kept = 0, c.kept[:0]
	length, err := c.headers()
	if err != nil {
		return 0, err
	}
	switch {
	case status == 204 || status == 304:
		return status, nil
	case length < 0:
		return status, c.chunks(body)
	}
	return status, c.take(length, body)
}

// headers reads to the empty line and returns the length of the body, -1 for
// one in chunks.
func (c *conn) headers() (length int, err error) {
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		if len(line) <= len("\r\n") {
			return length, nil
		}
		switch name, value, _ := bytes.Cut(line, []byte(": ")); {
		case len(name) == len("Content-Length") && bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, fmt.Errorf("content length: %w", err)
			}
		case len(name) == len("Transfer-Encoding") && bytes.EqualFold(name, []byte("Transfer-Encoding")):
			length = -1
		case c.keep && (bytes.EqualFold(name, []byte("Location")) || bytes.EqualFold(name, []byte("Set-Cookie"))):
			c.kept = append(c.kept, line...)
		}
	}
}

// between returns what stands between two texts in the header lines that were
// kept; "" if it is not there.
func (c *conn) between(before, after string) string {
	_, rest, _ := bytes.Cut(c.kept, []byte(before))
	value, _, found := bytes.Cut(rest, []byte(after))
	if !found {
		return ""
	}
	return string(value)
}

func (c *conn) take(n int, body *bytes.Buffer) error {
	c.size += n
	if body != nil {
		_, err := io.CopyN(body, c.r, int64(n))
		return err
	}
	_, err := c.r.Discard(n)
	return err
}

func (c *conn) chunks(body *bytes.Buffer) error {
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return err
		}
		n, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 32)
		if err != nil {
			return fmt.Errorf("chunk length: %w", err)
		}
		if n > 0 {
			err = c.take(int(n), body)
		}
		if err != nil {
			return err
		}
		if _, err := c.r.Discard(len("\r\n")); err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
	}
}

// site is where requests go and as whom.
type site struct{ address, token string }

func (s site) append(b []byte, method, path, body string) []byte {
	b = append(b, method...)
	b = append(b, ' ')
	b = append(b, path...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, s.address...)
	if s.token != "" {
		b = append(b, "\r\nAuthorization: Bearer "...)
		b = append(b, s.token...)
	}
	if body != "" {
		b = append(b, "\r\nContent-Type: application/scim+json\r\nContent-Length: "...)
		b = strconv.AppendInt(b, int64(len(body)), 10)
	}
	b = append(b, "\r\n\r\n"...)
	return append(b, body...)
}

// get sends one GET and returns the body of the answer, which must have the
// status 200.
func (c *conn) get(s site, path string) ([]byte, error) {
	if err := c.c.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return nil, err
	}
	var body bytes.Buffer
	status, err := c.do(s.append(nil, "GET", path, ""), &body)
	if err != nil {
		return nil, fmt.Errorf("GET %s: %w", path, err)
	}
	if status != 200 {
		return nil, fmt.Errorf("GET %s: status %d: %.200s", path, status, body.Bytes())
	}
	return body.Bytes(), nil
}

// fetch is get on a connection of its own.
func (s site) fetch(ctx context.Context, path string) ([]byte, error) {
	c, err := dial(ctx, s.address)
	if err != nil {
		return nil, err
	}
	body, err := c.get(s, path)
	return body, errors.Join(err, c.close())
}

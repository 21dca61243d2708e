package server

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
)

// recheck is how long a look at the certificate files stays good.
const recheck = time.Second

// certificate serves a key pair from files and reads them again when they
// change. A change that cannot be read is logged and the pair in use stays, so
// that a half-finished renewal never stops a server.
type certificate struct {
	certFile, keyFile string
	logger            *slog.Logger
	now               func() time.Time

	mu      sync.Mutex
	pair    *tls.Certificate
	stamp   string // of the files that were last tried
	checked time.Time
}

func newCertificate(certFile, keyFile string, logger *slog.Logger, now func() time.Time) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, logger: logger, now: now}
	stamp, err := c.look()
	if err != nil {
		return nil, err
	}
	if err := c.read(stamp); err != nil {
		return nil, err
	}
	c.checked = now()
	return c, nil
}

// config returns the TLS settings of the listener: TLS 1.2 at least (RFC 7644
// section 7.2).
func (c *certificate) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.Sub(c.checked) >= recheck {
		c.checked = now
		if err := c.refresh(); err != nil {
			c.logger.Error("tls certificate not reloaded", "error", err)
		}
	}
	return c.pair, nil
}

func (c *certificate) refresh() error {
	stamp, err := c.look()
	if err != nil || stamp == c.stamp {
		return err
	}
	if err := c.read(stamp); err != nil {
		return err
	}
	c.logger.Info("tls certificate reloaded", "not_after", c.pair.Leaf.NotAfter)
	return nil
}

// look returns a text that changes when either file does.
func (c *certificate) look() (string, error) {
	var stamp strings.Builder
	for _, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return "", fmt.Errorf("tls: read %s: %w", name, cause(err))
		}
		_, _ = fmt.Fprintf(&stamp, "%d/%d ", info.ModTime().UnixNano(), info.Size())
	}
	return stamp.String(), nil
}

func (c *certificate) read(stamp string) error {
	// Remembered even when the pair does not load: one log line per change.
	c.stamp = stamp
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("load certificate %s with key %s: %w", c.certFile, c.keyFile, err)
	}
	c.pair = &pair
	return nil
}

package delivery

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/emersion/go-msgauth/dkim"
	"github.com/wneessen/go-mail"
)

// DKIMConfig signs mail (RFC 6376) where the gateway does not.
type DKIMConfig struct {
	Domain   string // "example.com": the domain of From, or one above it
	Selector string // names the key: SELECTOR._domainkey.DOMAIN
	KeyFile  string // PEM file of an RSA or Ed25519 private key
	Key      crypto.Signer
}

// signer adds a signature to a message.
type signer func(raw []byte) ([]byte, error)

// newSigner prepares signing; without configuration messages stay as they are.
func newSigner(cfg *DKIMConfig) (signer, error) {
	if cfg == nil {
		return func(raw []byte) ([]byte, error) { return raw, nil }, nil
	}
	if cfg.Domain == "" || cfg.Selector == "" {
		return nil, errors.New("DKIM needs a domain and a selector")
	}
	key := cfg.Key
	if key == nil {
		var err error
		if key, err = readKey(cfg.KeyFile); err != nil {
			return nil, fmt.Errorf("DKIM key: %w", err)
		}
	}
	options := &dkim.SignOptions{
		Domain: cfg.Domain, Selector: cfg.Selector, Signer: key, Hash: crypto.SHA256,
		HeaderCanonicalization: dkim.CanonicalizationRelaxed, BodyCanonicalization: dkim.CanonicalizationRelaxed,
		// The headers that are there; From twice, so that no second one can be
		// slipped in (RFC 6376 section 8.15).
		HeaderKeys: []string{
			"From", "From", "To", "Subject", "Subject", "Date", "Message-ID",
			"Mime-Version", "Content-Type", "Auto-Submitted",
		},
	}
	return func(raw []byte) ([]byte, error) {
		var signed bytes.Buffer
		if err := dkim.Sign(&signed, bytes.NewReader(raw), options); err != nil {
			return nil, fmt.Errorf("sign mail: %w", err)
		}
		return signed.Bytes(), nil
	}, nil
}

func readKey(path string) (crypto.Signer, error) {
	raw, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, fmt.Errorf("%s is no PEM file", path)
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s holds no private key", path)
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%s holds no key that can sign", path)
	}
	return key, nil
}

// compose builds the message. Addresses and subject go through the setters of
// the mail package, which encode them; a line break in one of them is refused
// here besides, so that no header can be added.
func (g *smtpGateway) compose(m Message, c content) (raw []byte, messageID string, err error) {
	if strings.ContainsAny(m.To+c.subject, "\r\n\x00") {
		return nil, "", errors.New("compose mail: line break in a header")
	}
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := msg.FromFormat(g.cfg.FromName, g.cfg.From); err != nil {
		return nil, "", fmt.Errorf("compose mail: sender: %w", err)
	}
	if err := msg.To(m.To); err != nil {
		return nil, "", errors.New("compose mail: recipient: not an address")
	}
	msg.Subject(c.subject)
	msg.SetDateWithValue(g.now())
	_, domain, _ := strings.Cut(g.cfg.From, "@")
	messageID = strings.ToLower(rand.Text()) + "@" + domain
	msg.SetMessageIDWithValue(messageID)
	// RFC 3834 section 5: no vacation message answers this one.
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetGenHeader("X-Auto-Response-Suppress", "All")
	msg.SetGenHeader(mail.HeaderContentLang, c.language)
	msg.SetBodyString(mail.TypeTextPlain, c.text)
	if c.html != "" {
		msg.AddAlternativeString(mail.TypeTextHTML, c.html)
	}
	var b bytes.Buffer
	if _, err := msg.WriteTo(&b); err != nil {
		return nil, "", fmt.Errorf("compose mail: %w", err)
	}
	raw, err = g.sign(b.Bytes())
	return raw, "<" + messageID + ">", err
}

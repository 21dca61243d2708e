package remote

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-id/sallyport/authn"
	"github.com/sallyport-id/sallyport/authn/acr"
	"github.com/sallyport-id/sallyport/schema"
	"github.com/sallyport-id/sallyport/validation"
)

// LeastSecret is how long a shared secret must be, in bytes (RFC 7518 section
// 3.2).
const LeastSecret = 32

// requestLife is how long a request may be taken for.
const requestLife = time.Minute

// mediaType is that of both messages (RFC 7519 section 10.3.1).
const mediaType = "application/jwt"

// Config is one authenticator of others. Every member without a comment is
// required.
type Config struct {
	Factor acr.Factor
	Kind   authn.Kind
	// Label is what its credential is called; "": what pages call the factor.
	Label string
	URL   string
	// Secret signs both messages: LeastSecret bytes or more.
	Secret []byte
	Issuer string // of this server
	// Value returns the value of the attribute that says who has the factor, ""
	// for who has not. nil: every user has it.
	Value func(user schema.Object) string
	// Client must bound time and size of answers.
	Client *http.Client
	// Logger tells operators why an authenticator is not available; nil discards.
	Logger *slog.Logger
	Now    func() time.Time
}

// Authenticator is one authenticator of others.
type Authenticator struct{ cfg Config }

var _ authn.Authenticator = (*Authenticator)(nil)

// New checks the configuration.
func New(cfg Config) (*Authenticator, error) {
	switch {
	case cfg.Factor == "" || cfg.URL == "" || cfg.Issuer == "" || cfg.Client == nil || cfg.Now == nil:
		return nil, errors.New("remote authenticator: Factor, URL, Issuer, Client and Now are required")
	case cfg.Kind.Category == "" || len(cfg.Kind.AMR) == 0:
		return nil, errors.New("remote authenticator: Kind needs Category and AMR")
	case len(cfg.Secret) < LeastSecret:
		return nil, fmt.Errorf("remote authenticator: the secret must have %d bytes or more", LeastSecret)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Authenticator{cfg: cfg}, nil
}

// Factor implements authn.Authenticator.
func (a *Authenticator) Factor() acr.Factor { return a.cfg.Factor }

// Kind implements authn.Authenticator.
func (a *Authenticator) Kind() authn.Kind { return a.cfg.Kind }

// Credentials implements authn.Authenticator: the user has one if the attribute
// has a value, and another one when that changes.
func (a *Authenticator) Credentials(_ context.Context, u authn.User, _ validation.Holdings) ([]authn.Credential, error) {
	value := ""
	if a.cfg.Value != nil {
		if value = a.cfg.Value(u.Object); value == "" {
			return nil, nil
		}
	}
	mac := hmac.New(sha256.New, a.cfg.Secret)
	_, _ = io.WriteString(mac, string(a.cfg.Factor)+"\x00"+u.ID+"\x00"+value)
	name := string(a.cfg.Factor) + ":" + hex.EncodeToString(mac.Sum(nil)[:16])
	return []authn.Credential{{Name: name, Label: a.cfg.Label}}, nil
}

// Start implements authn.Authenticator.
func (a *Authenticator) Start(ctx context.Context, at authn.Attempt) (authn.Started, error) {
	r, err := a.ask(ctx, a.request(Start, at))
	if err != nil {
		return authn.Started{}, err
	}
	out := authn.Started{Data: r.Data, Prompt: r.Prompt}
	if r.ExpiresIn > 0 {
		out.Expires = a.cfg.Now().UTC().Add(time.Duration(min(r.ExpiresIn, int64(authn.TxnAbsolute/time.Second))) * time.Second)
	}
	return out, nil
}

// Check implements authn.Authenticator. The service makes an answer count once.
func (a *Authenticator) Check(ctx context.Context, at authn.Attempt, answer string) (authn.Verdict, error) {
	req := a.request(Check, at)
	req.Answer = answer
	r, err := a.ask(ctx, req)
	if err != nil {
		return authn.Verdict{}, err
	}
	for _, name := range r.AMR {
		if !slices.Contains(a.cfg.Kind.AMR, name) {
			return authn.Verdict{}, a.unavailable(ctx, fmt.Errorf("%w: amr has %q, which the settings do not list", errReply, name))
		}
	}
	switch r.Status {
	case Pending:
		if !a.cfg.Kind.Waits {
			return authn.Verdict{}, a.unavailable(ctx, fmt.Errorf("%w: status is pending, but the settings do not say that it waits", errReply))
		}
		return authn.Verdict{Pending: true}, nil
	case Success:
		// Nobody has nothing to show, whatever the service says.
		return authn.Verdict{Right: at.User.ID != "", AMR: r.AMR}, nil
	default:
		return authn.Verdict{}, nil
	}
}

// Consume implements authn.Authenticator: that an answer counts once is the
// service's to see to, as that of Check has told.
func (*Authenticator) Consume(context.Context, authn.Attempt, authn.Verdict) error { return nil }

func (a *Authenticator) request(op Operation, at authn.Attempt) Request {
	now := a.cfg.Now()
	out := Request{
		Issuer: a.cfg.Issuer, Audience: a.cfg.URL, ID: rand.Text(), IssuedAt: now.Unix(), Expires: now.Add(requestLife).Unix(),
		Operation: op, Authenticator: string(a.cfg.Factor), Transaction: at.Txn, Credential: at.Credential, First: at.First,
		ClientID: at.ClientID, UserAgent: at.UserAgent, Languages: at.Languages, Data: at.Data,
	}
	if at.IP.IsValid() {
		out.IP = at.IP.String()
	}
	if at.User.ID != "" {
		out.User = &Subject{ID: at.User.ID, UserName: at.User.UserName}
		if a.cfg.Value != nil {
			out.User.Value = a.cfg.Value(at.User.Object)
		}
	}
	return out
}

// ask sends a request and returns the reply: authn.ErrUnavailable for all that is
// no acceptable one.
func (a *Authenticator) ask(ctx context.Context, req Request) (Reply, error) {
	text, err := sign(a.cfg.Secret, TypeRequest, req)
	if err != nil {
		return Reply{}, err
	}
	body, err := a.post(ctx, text)
	if err != nil {
		return Reply{}, a.unavailable(ctx, err)
	}
	r, err := openReply(a.cfg.Secret, body, req, a.cfg.Now())
	if err == nil && r.Status == Unavailable {
		err = errors.New("it says that it is not available")
	}
	if err != nil {
		return Reply{}, a.unavailable(ctx, err)
	}
	return r, nil
}

func (a *Authenticator) post(ctx context.Context, text string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.cfg.URL, strings.NewReader(text))
	if err != nil {
		return "", fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Content-Type", mediaType)
	req.Header.Set("Accept", mediaType)
	res, err := a.cfg.Client.Do(req)
	if err != nil {
		return "", fmt.Errorf("ask: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%w: the status is %d", errReply, res.StatusCode)
	}
	if kind, _, err := mime.ParseMediaType(res.Header.Get("Content-Type")); err != nil || kind != mediaType {
		return "", fmt.Errorf("%w: it is not %s", errReply, mediaType)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxReply+1))
	if err != nil {
		return "", fmt.Errorf("read reply: %w", err)
	}
	return string(body), nil
}

// unavailable tells the operator why, and the engine only that.
func (a *Authenticator) unavailable(ctx context.Context, why error) error {
	a.cfg.Logger.WarnContext(ctx, "authenticator is not available", "authenticator", string(a.cfg.Factor), "reason", why.Error())
	return fmt.Errorf("%w: %s: %w", authn.ErrUnavailable, a.cfg.Factor, why)
}

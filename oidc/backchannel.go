package oidc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-id/sallyport/authn/outgoing"
)

// Times of logout notices (OpenID Connect Back-Channel Logout 1.0 section 2.5).
const (
	logoutTokenLife = 2 * time.Minute
	logoutTimeout   = 5 * time.Second // for the whole exchange with a client
	logoutPoll      = 2 * time.Second
	logoutBatch     = 16
	// logoutClaim outlasts a batch, so that no other node takes a notice twice.
	logoutClaim = time.Minute
	logoutReply = 4 << 10 // bytes of an answer that are read
)

// logoutEvent names the event in a logout token (section 2.4).
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// logoutWaits are the times between tries: 5 tries in 15 minutes.
func logoutWaits() []time.Duration {
	return []time.Duration{30 * time.Second, 90 * time.Second, 4 * time.Minute, 9 * time.Minute}
}

// logoutClaims are those of a logout token. There is never a nonce, so that it
// cannot pass as an ID token.
type logoutClaims struct {
	Issuer   string              `json:"iss"`
	Subject  string              `json:"sub,omitempty"`
	Audience string              `json:"aud"`
	IssuedAt int64               `json:"iat"`
	Expires  int64               `json:"exp"`
	ID       string              `json:"jti"`
	SID      string              `json:"sid,omitempty"`
	Events   map[string]struct{} `json:"events"`
}

// RunLogouts tells clients of ended sessions until ctx ends. Any number of
// nodes may run it: each notice is taken by one.
func (p *Provider) RunLogouts(ctx context.Context) {
	ticker := time.NewTicker(logoutPoll)
	defer ticker.Stop()
	for {
		if _, err := p.DeliverLogouts(ctx); err != nil && ctx.Err() == nil {
			p.cfg.Logger.ErrorContext(ctx, "logout notices not delivered", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// DeliverLogouts makes one try for each notice that is due, and returns how
// many clients have taken theirs.
func (p *Provider) DeliverLogouts(ctx context.Context) (int, error) {
	now := p.now()
	notices, err := p.cfg.Logouts.ClaimLogouts(ctx, now, now.Add(logoutClaim), logoutBatch)
	if err != nil {
		return 0, fmt.Errorf("claim logout notices: %w", err)
	}
	if len(notices) == 0 {
		return 0, nil
	}
	client := p.logoutSender()
	defer client.CloseIdleConnections()
	var wait sync.WaitGroup
	taken := make([]bool, len(notices))
	errs := make([]error, len(notices))
	for i, n := range notices {
		wait.Go(func() { taken[i], errs[i] = p.deliverLogout(ctx, client, n) })
	}
	wait.Wait()
	count := 0
	for _, ok := range taken {
		if ok {
			count++
		}
	}
	return count, errors.Join(errs...)
}

// deliverLogout makes one try and says what becomes of the notice.
func (p *Provider) deliverLogout(ctx context.Context, sender *http.Client, n LogoutNotice) (bool, error) {
	c, err := p.cfg.Clients.Client(ctx, n.ClientID)
	if errors.Is(err, ErrNotFound) || err == nil && c.BackchannelLogoutURI == "" {
		return false, p.cfg.Logouts.RemoveLogout(ctx, n.ID)
	}
	if err != nil {
		return false, fmt.Errorf("read client of logout notice: %w", err)
	}
	waits := logoutWaits()
	switch err := p.sendLogout(ctx, sender, c, n); {
	case err == nil:
		return true, p.cfg.Logouts.RemoveLogout(ctx, n.ID)
	case ctx.Err() != nil:
		// The claim runs out, and another try is made.
		return false, ctx.Err()
	case n.Attempts > len(waits):
		p.cfg.Logger.WarnContext(ctx, "client was not told of a logout", "client", c.ID, "error", err)
		return false, p.cfg.Logouts.RemoveLogout(ctx, n.ID)
	}
	return false, p.cfg.Logouts.PostponeLogout(ctx, n.ID, p.now().Add(waits[max(0, n.Attempts-1)]))
}

// sendLogout posts a fresh logout token (section 2.5). Only 200 and 204 count
// (section 2.8 has 200; 204 is what many frameworks answer).
func (p *Provider) sendLogout(ctx context.Context, sender *http.Client, c Client, n LogoutNotice) error {
	now := p.now()
	token, err := p.cfg.Keys.Sign(ctx, idTokenAlg(c), typLogout, logoutClaims{
		Issuer: p.cfg.Issuer, Subject: n.UserID, Audience: c.ID, IssuedAt: now.Unix(),
		Expires: now.Add(logoutTokenLife).Unix(), ID: randomID(), SID: n.SID,
		Events: map[string]struct{}{logoutEvent: {}},
	})
	if err != nil {
		return err
	}
	if u, err := url.Parse(c.BackchannelLogoutURI); err != nil || u.Scheme != "https" && !p.cfg.AllowPrivate {
		return errors.New("the back-channel logout URI is not an https URL")
	}
	body := strings.NewReader(url.Values{"logout_token": {token}}.Encode())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.BackchannelLogoutURI, body)
	if err != nil {
		return fmt.Errorf("make logout request: %w", err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("User-Agent", "Sallyport")
	answer, err := sender.Do(r)
	if err != nil {
		return fmt.Errorf("post logout token: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, logoutReply))
	if answer.StatusCode != http.StatusOK && answer.StatusCode != http.StatusNoContent {
		return fmt.Errorf("the client answered %d to the logout token", answer.StatusCode)
	}
	return nil
}

// logoutSender is a client that follows no redirect and reaches no address
// inside the network.
func (p *Provider) logoutSender() *http.Client {
	return outgoing.Rules{
		AllowPrivate: p.cfg.AllowPrivate, Timeout: logoutTimeout, Headers: logoutReply,
	}.Client()
}

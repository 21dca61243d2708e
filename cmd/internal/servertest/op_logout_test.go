package servertest_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/sallyport-id/sallyport/cmd/internal/servertest"
	"github.com/sallyport-id/sallyport/oidc"
)

const afterLogout = "https://app.example.com/out"

// logout opens the end_session_endpoint with names and values; an empty value
// leaves the name out.
func (m module) logout(pairs ...string) servertest.Page {
	m.Helper()
	q := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return m.b.Open("/oauth/logout?" + q.Encode())
}

// confirmed answers the question whether to log out, where there is one, and
// wants a page that says so.
func (m module) confirmed(p servertest.Page) {
	m.Helper()
	if p.Kind() == servertest.KindLogout {
		p = m.b.Submit(p, "confirm")
	}
	if p.Away != nil || p.Status != http.StatusOK || p.Kind() != servertest.KindOther {
		m.Errorf("sent to %v, status %d, want a farewell:\n%s", p.Away, p.Status, p.Text())
	}
	m.wantNotLoggedIn()
}

// notRedirected wants an error or a question, and the session to live.
func (m module) notRedirected(p servertest.Page) {
	m.Helper()
	if p.Away != nil {
		m.Fatalf("sent to %s, want a page", p.Away)
	}
	if p.Kind() != servertest.KindLogout && p.Status < http.StatusBadRequest {
		m.Errorf("status %d, want an error or a question:\n%s", p.Status, p.Text())
	}
	m.silent()
	if p.Kind() != servertest.KindLogout {
		return
	}
	// Nor does the answer to the question lead there.
	if p = m.b.Submit(p, "confirm"); p.Away != nil {
		m.Errorf("the confirmation leads to %s", p.Away)
	}
	m.wantNotLoggedIn()
}

func logoutPlan(p plan) {
	p.module("oidcc-rp-initiated-logout", func(m module) {
		f := m.flow()
		page := m.logout("id_token_hint", f.tokens.IDToken, "post_logout_redirect_uri", afterLogout, "state", "bye & bye")
		if page.Away == nil || page.Away.String() != afterLogout+"?state=bye+%26+bye" {
			m.Fatalf("sent to %v, want %s with the state alone", page.Away, afterLogout)
		}
		m.wantNotLoggedIn()
		m.oauthError(m.app.TryRefresh(m, f.tokens.RefreshToken), http.StatusBadRequest, "invalid_grant")
		if r := m.app.UserInfo(m, f.tokens.AccessToken); r.Status != http.StatusUnauthorized {
			m.Errorf("the access token gets %d after the logout", r.Status)
		}
	})
	p.module("oidcc-rp-initiated-logout-no-state", func(m module) {
		f := m.flow()
		page := m.logout("id_token_hint", f.tokens.IDToken, "post_logout_redirect_uri", afterLogout)
		if page.Away == nil || page.Away.String() != afterLogout {
			m.Fatalf("sent to %v, want %s", page.Away, afterLogout)
		}
		m.wantNotLoggedIn()
	})
	p.module("oidcc-rp-initiated-logout-bad-post-logout-redirect-uri", func(m module) {
		f := m.flow()
		m.notRedirected(m.logout("id_token_hint", f.tokens.IDToken, "post_logout_redirect_uri", "https://app.example.com/elsewhere", "state", "s"))
	})
	p.module("oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri", func(m module) {
		f := m.flow()
		m.notRedirected(m.logout("id_token_hint", f.tokens.IDToken, "post_logout_redirect_uri", afterLogout+"?foo=bar", "state", "s"))
	})
	p.module("oidcc-rp-initiated-logout-modified-id-token-hint", func(m module) {
		f := m.flow()
		parts := strings.Split(f.tokens.IDToken, ".")
		unsigned := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + "."
		m.notRedirected(m.logout("id_token_hint", unsigned, "post_logout_redirect_uri", afterLogout, "state", "s"))
	})
	p.module("oidcc-rp-initiated-logout-bad-id-token-hint", func(m module) {
		f := m.flow()
		m.notRedirected(m.logout("id_token_hint", m.resigned(f.tokens.IDToken), "post_logout_redirect_uri", afterLogout, "state", "s"))
	})
	p.module("oidcc-rp-initiated-logout-no-id-token-hint", func(m module) {
		m.flow()
		m.notRedirected(m.logout("post_logout_redirect_uri", afterLogout, "state", "s"))
	})
	p.module("oidcc-rp-initiated-logout-no-params", func(m module) {
		m.flow()
		page := m.logout()
		if page.Kind() != servertest.KindLogout {
			m.Errorf("without a hint the user is not asked: %s", page.Text())
		}
		m.confirmed(page)
	})
	p.module("oidcc-rp-initiated-logout-no-post-logout-redirect-uri", func(m module) {
		f := m.flow()
		m.confirmed(m.logout("id_token_hint", f.tokens.IDToken, "state", "s"))
	})
	p.module("oidcc-rp-initiated-logout-only-state", func(m module) {
		m.flow()
		m.confirmed(m.logout("state", "s"))
	})
}

// resigned is the ID token signed by a key of somebody else, under the same kid.
func (m module) resigned(token string) string {
	m.Helper()
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		m.Fatal(err)
	}
	var claims map[string]any
	if err := parsed.UnsafeClaimsWithoutVerification(&claims); err != nil {
		m.Fatal(err)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		m.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: parsed.Headers[0].KeyID}}, nil)
	if err != nil {
		m.Fatal(err)
	}
	out, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		m.Fatal(err)
	}
	return out
}

// notified is an application's address for logout notices.
type notified struct {
	*httptest.Server
	got chan *http.Request // with the form parsed
}

func newNotified(t *testing.T) notified {
	t.Helper()
	n := notified{got: make(chan *http.Request, 4)}
	n.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		n.got <- r
		_, _ = io.WriteString(w, "")
	}))
	t.Cleanup(n.Close)
	return n
}

func backchannelPlan(p plan) {
	notices := newNotified(p.T)
	notify := func(c *oidc.Client) { c.AllowHTTPRedirect, c.BackchannelLogoutURI = true, notices.URL+"/logout" }
	p.module("oidcc-backchannel-rp-initiated-logout", func(m module) {
		f := m.flow()
		page := m.logout("id_token_hint", f.tokens.IDToken, "post_logout_redirect_uri", afterLogout, "state", "s")
		if page.Away == nil || page.Away.String() != afterLogout+"?state=s" {
			m.Fatalf("sent to %v, want %s with the state", page.Away, afterLogout)
		}
		var notice *http.Request
		select {
		case notice = <-notices.got:
		case <-time.After(30 * time.Second):
			m.Fatal("no logout token arrived")
		}
		if len(notice.PostForm) != 1 || len(notice.PostForm["logout_token"]) != 1 || notice.URL.RawQuery != "" || notice.Method != http.MethodPost {
			m.Fatalf("%s %s %v, want logout_token alone", notice.Method, notice.URL, notice.PostForm)
		}
		m.checkLogoutToken(notice.PostForm.Get("logout_token"), f)
		m.wantNotLoggedIn()
	}, notify)
}

// checkLogoutToken checks what OpenID Connect Back-Channel Logout 1.0 section
// 2.6 does.
func (m module) checkLogoutToken(raw string, f flow) {
	m.Helper()
	token, err := jwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		m.Fatalf("logout token: %v", err)
	}
	if got := token.Headers[0].ExtraHeaders[jose.HeaderType]; got != "logout+jwt" {
		m.Errorf("typ %v, want logout+jwt", got)
	}
	keys := m.keys().Key(token.Headers[0].KeyID)
	if len(keys) != 1 {
		m.Fatalf("%d keys are called %q", len(keys), token.Headers[0].KeyID)
	}
	var std jwt.Claims
	var claims map[string]any
	if err := token.Claims(keys[0].Key, &std, &claims); err != nil {
		m.Fatalf("logout token: %v", err)
	}
	now := m.clock.Now()
	events, _ := claims["events"].(map[string]any)
	event, there := events["http://schemas.openid.net/event/backchannel-logout"].(map[string]any)
	if _, nonce := claims["nonce"]; nonce || !there || len(event) != 0 || len(events) != 1 || std.ID == "" {
		m.Errorf("logout token %v, want the event, a jti and no nonce", claims)
	}
	if std.Issuer != opIssuer || !std.Audience.Contains(m.app.ID) || std.Subject != f.tokens.Subject() || claims["sid"] != f.tokens.Claims["sid"] || claims["sid"] == nil {
		m.Errorf("logout token %v, want those of the ID token %v", claims, f.tokens.Claims)
	}
	if iat := std.IssuedAt.Time(); iat.After(now) || now.Sub(iat) > 24*time.Hour || std.Expiry.Time().Sub(iat) > 2*time.Minute || !std.Expiry.Time().After(now) {
		m.Errorf("logout token of %v until %v at %v", iat, std.Expiry.Time(), now)
	}
}
